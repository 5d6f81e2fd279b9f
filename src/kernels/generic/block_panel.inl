// Rows of weights in blocks on their way into a panel, for every format: sixteen outputs are the lanes.

constexpr int64_t kBlockAhead = 576;  // bytes of a row

// Scales that lie apart, a byte a block.
inline V scales_apart(const BlockMatrix& w, int64_t row, int64_t rows, int64_t block) {
  int32_t e[16];
  for (int64_t i = 0; i < 16; ++i) e[i] = w.scales[(row + (i < rows ? i : rows - 1)) * w.scales_row + block];
  return e8m0_half_of(bits(load(reinterpret_cast<const float*>(e))));
}

// Sixteen rows of w from output `first` on; where fewer are left, the last again for lanes whose results nobody stores.
struct Lanes {
  Rows rows;
  int64_t first, count;
};
inline Lanes lanes_of(const BlockMatrix& w, int64_t output, int64_t n) {
  Lanes l;
  l.first = output < n ? output : n - 1;
  l.count = n - l.first < 16 ? n - l.first : 16;
  l.rows = rows_of(static_cast<const uint8_t*>(w.blocks) + l.first * w.row_bytes, w.row_bytes, l.count);
  return l;
}

// Block `block` of each row (of 32 or 256 inputs: longer ones count as several) as an entry. Rows are read in turns of
// `together`.
template <class F, class Entry>
KERNEL_INLINE void unpack_block(const BlockMatrix& w, const Lanes& lanes, int64_t block, int64_t together,
                                Entry& entry) {
  const int64_t at = [&] {
    if constexpr (F::kInputs == 32) return block / F::kSpans * F::kBytes;
    return block * F::kBytes;
  }();
  // Sixteen streams are more than the hardware follows: ask for each row's lines ahead, at its end for those of the row
  // that takes its place.
  if (F::kInputs == 256 || block % 2 == 0) {
    const int64_t ahead =
        at + kBlockAhead < w.row_bytes ? at + kBlockAhead : at + kBlockAhead + (together - 1) * w.row_bytes;
    UNROLL
    for (int i = 0; i < 16; ++i) {
      prefetch(lanes.rows.at[i] + ahead);
      if constexpr (F::kBytes > 64) prefetch(lanes.rows.at[i] + ahead + 64);
      if constexpr (F::kBytes > 128) prefetch(lanes.rows.at[i] + ahead + 128);
      if constexpr (F::kBytes > 192) prefetch(lanes.rows.at[i] + ahead + 192);
    }
  }
  if constexpr (F::kInputs == 256) {
    F::unpack(lanes.rows, at, entry);
  } else {
    if constexpr (F::kSpans == 1) F::unpack(lanes.rows, at, entry);
    if constexpr (F::kSpans > 1) F::unpack(lanes.rows, at, block % F::kSpans, entry);
    if constexpr (F::kScalesApart) entry.scale = scales_apart(w, lanes.first, lanes.count, block);
  }
}

// run(format) for the format of a type.
template <class Run>
inline void with_format(DType type, const Run& run) {
  switch (type) {
    case DType::q4_0:
      return run(Q4_0{});
    case DType::q4_1:
      return run(Q4_1{});
    case DType::q5_0:
      return run(Q5_0{});
    case DType::q5_1:
      return run(Q5_1{});
    case DType::q8_0:
      return run(Q8_0{});
    case DType::q2_k:
      return run(Q2_K{});
    case DType::q3_k:
      return run(Q3_K{});
    case DType::q4_k:
      return run(Q4_K{});
    case DType::q5_k:
      return run(Q5_K{});
    case DType::q6_k:
      return run(Q6_K{});
    case DType::q8_k:
      return run(Q8_K{});
    case DType::iq4_nl:
      return run(Iq4Nl{});
    case DType::iq4_xs:
      return run(Iq4Xs{});
    case DType::mxfp4:
      return run(Mxfp4{});
    case DType::iq1_s:
      return run(Iq1S{});
    case DType::iq1_m:
      return run(Iq1M{});
    case DType::iq2_xxs:
      return run(Iq2Xxs{});
    case DType::iq2_xs:
      return run(Iq2Xs{});
    case DType::iq2_s:
      return run(Iq2S{});
    case DType::iq3_xxs:
      return run(Iq3Xxs{});
    case DType::iq3_s:
      return run(Iq3S{});
    case DType::tq1_0:
      return run(Tq1_0{});
    case DType::tq2_0:
      return run(Tq2_0{});
    case DType::nvfp4:
      return run(Nvfp4{});
    case DType::q1_0:
      return run(Q1_0{});
    case DType::q2_0:
      return run(Q2_0{});
    case DType::i4:
      return run(I4{});
    case DType::f4_e2m1:
      return run(PairedMxfp4{});
    default:
      __builtin_trap();
  }
}
