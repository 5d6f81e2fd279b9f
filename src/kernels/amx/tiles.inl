// The matrix unit's eight tiles: registers of up to 16 rows of 64 bytes. Included inside an anonymous namespace.
//
// The instructions are written out: compilers' own functions for them hide from gcc 12 which memory they read.

struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};

  void set(int tile, int tile_rows, int tile_row_bytes) {
    rows[tile] = static_cast<uint8_t>(tile_rows);
    row_bytes[tile] = static_cast<uint16_t>(tile_row_bytes);
  }
};

// Tiles in use, of these shapes, until it goes. A thread that left them in use would have 8 KiB saved at each switch.
class Tiles {
 public:
  explicit Tiles(const TileShapes& shapes) { asm volatile("ldtilecfg %0" ::"m"(shapes)); }
  ~Tiles() { asm volatile("tilerelease"); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

template <int t>
KERNEL_INLINE void tile_zero() {
  asm volatile("tilezero %%tmm%c0" ::"i"(t));
}
// Rows of tile t lie `stride` bytes apart.
template <int t>
KERNEL_INLINE void tile_load(const void* from, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(t) : "memory");
}
template <int t>
KERNEL_INLINE void tile_store(void* to, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(t) : "memory");
}
// Row i and column j of tile c, which has one number a column: c(i, j) += sum over k of a(i, k) b(k, j), where b has
// four values of k side by side for each column (bytes, summed exactly), or two (bf16: the even ones and the odd ones
// each by fused multiply-adds from zero, both added, then added to c; denormals are zeros).
template <int c, int a, int b>
KERNEL_INLINE void tile_dot_bytes() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
}
template <int c, int a, int b>
KERNEL_INLINE void tile_dot_bf16() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
}

// Sixteen rows of sixteen numbers, as a tile is stored.
struct alignas(64) Square {
  float at[16][16];
};
