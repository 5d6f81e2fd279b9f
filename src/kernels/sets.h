// The parts of each kernel set, which fill in their share of a table. A set's parts run only where the machine can run
// the set: even filling a table may use its instructions.
#pragma once

#include "kernels/kernels.h"

namespace glassbox {

// Any machine: the oracle of the other sets.
void plain_values(Kernels& k);
void plain_matmul_f32(Kernels& k);
void plain_matmul_bf16(Kernels& k);
void plain_matmul_blocks(Kernels& k);
void plain_matmul_e4m3(Kernels& k);
void plain_gemm(Kernels& k);
void plain_attend(Kernels& k);

#if defined(__x86_64__)
// AVX2, FMA and F16C: x86-64-v3.
void avx2_values(Kernels& k);
void avx2_matmul_f32(Kernels& k);
void avx2_matmul_bf16(Kernels& k);
void avx2_matmul_blocks(Kernels& k);
void avx2_matmul_e4m3(Kernels& k);
void avx2_gemm(Kernels& k);
void avx2_attend(Kernels& k);

// AVX-512 F, BW, DQ and VL: x86-64-v4.
void avx512_values(Kernels& k);
void avx512_matmul_f32(Kernels& k);
void avx512_matmul_bf16(Kernels& k);
void avx512_matmul_blocks(Kernels& k);  // VNNI too
void avx512_matmul_e4m3(Kernels& k);
void avx512_gemm(Kernels& k);
void avx512_attend(Kernels& k);

// AMX's tiles for bf16 and int8, over the parts of avx512 (VNNI too), which serve where tokens are few.
void amx_matmul_bf16(Kernels& k);
void amx_matmul_blocks(Kernels& k);
void amx_ceilings(Kernels& k);
#endif

}  // namespace glassbox
