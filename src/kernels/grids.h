// The grids of GGUF's IQ1, IQ2 and IQ3 blocks: the integers that an index stands for, a byte each, the first lowest.
// They are the format's data, with ggml-common.h (https://github.com/ggml-org/llama.cpp) as their source.
#pragma once

#include <cstddef>
#include <cstdint>

namespace glassbox {

template <class Word, size_t entries>
struct Grid {
  Word at[entries];
};

extern const Grid<uint64_t, 256> kIq2XxsGrid;  // 8, 25, 43
extern const Grid<uint64_t, 512> kIq2XsGrid;
extern const Grid<uint64_t, 1024> kIq2SGrid;
extern const Grid<uint64_t, 2048> kIq1Grid;    // eight times -1, 0, 1, lifted by 8
extern const Grid<uint32_t, 256> kIq3XxsGrid;  // 4, 12, ... 52, 62
extern const Grid<uint32_t, 512> kIq3SGrid;    // 1, 3, ... 15

}  // namespace glassbox
