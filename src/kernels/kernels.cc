#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <array>
#include <atomic>
#include <cstdlib>
#include <initializer_list>
#include <string>

#include "base/error.h"
#include "kernels/sets.h"

namespace glassbox {
namespace {

using Part = void(Kernels&);

#if defined(__x86_64__)
// Whether the machine has AMX for bf16 and int8, and the system lets this process keep eight tiles for each thread:
// Linux wants to be asked, and refuses where a virtual machine or an alternate stack for signals has no room for them.
bool may_use_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25, kAll = kBf16 | kTile | kInt8;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & kAll) != kAll) return false;
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

struct Available {
  std::array<Kernels, 4> tables{};
  std::array<const Kernels*, 4> sets{};
  size_t count = 0;

  void offer(std::string_view name, std::initializer_list<Part*> parts) {
    Kernels& table = tables[count];
    table.name = name;
    for (Part* part : parts) part(table);
    sets[count++] = &table;
  }

  Available() {
    offer("plain", {plain_values, plain_matmul_f32, plain_matmul_bf16, plain_matmul_blocks, plain_matmul_e4m3,
                    plain_gemm, plain_attend});
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    if (avx2)
      offer("avx2", {avx2_values, avx2_matmul_f32, avx2_matmul_bf16, avx2_matmul_blocks, avx2_matmul_e4m3, avx2_gemm,
                     avx2_attend});
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    const bool vnni = __builtin_cpu_supports("avx512vnni");
    if (avx512)
      // Skylake has no VNNI: there the blocks of AVX2 serve, with the same bits.
      offer("avx512",
            {avx512_values, avx512_matmul_f32, avx512_matmul_bf16, vnni ? avx512_matmul_blocks : avx2_matmul_blocks,
             avx512_matmul_e4m3, avx512_gemm, avx512_attend});
    if (avx512 && vnni && may_use_tiles())
      offer("amx", {avx512_values, avx512_matmul_f32, avx512_matmul_bf16, amx_matmul_bf16, avx512_matmul_blocks,
                    amx_matmul_blocks, avx512_matmul_e4m3, avx512_gemm, avx512_attend, amx_ceilings});
#endif
  }
  Available(const Available&) = delete;
  Available& operator=(const Available&) = delete;
};

const Available& available() {
  static const Available sets;
  return sets;
}

const Kernels* chosen() {
  const char* name = std::getenv("GLASSBOX_KERNELS");
  if (!name || !*name) return available_kernels().back();
  std::string names;
  for (const Kernels* set : available_kernels()) {
    if (set->name == name) return set;
    names += (names.empty() ? "" : ", ") + std::string(set->name);
  }
  fail(ErrorKind::unsupported, "GLASSBOX_KERNELS: expected one of {} (what this machine runs), got \"{}\"", names,
       name);
}

std::atomic<const Kernels*> in_use{nullptr};

}  // namespace

const Kernels& kernels() {
  const Kernels* set = in_use.load(std::memory_order_acquire);
  if (!set) in_use.store(set = chosen(), std::memory_order_release);
  return *set;
}

std::span<const Kernels* const> available_kernels() { return {available().sets.data(), available().count}; }

void use_kernels(const Kernels& set) { in_use.store(&set, std::memory_order_release); }

}  // namespace glassbox
