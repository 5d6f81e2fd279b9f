// How much each input of a matrix matters to its quantization: files that say so, read and written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/output.h"

namespace glassbox {

// How much the error of each input of a matrix matters: the mean square of what goes in, by the GGUF name of the
// matrix; for stacked experts one after another.
struct Importance {
  struct Inputs {
    std::vector<float> mean_square;
    int64_t experts = 1;
  };
  std::map<std::string, Inputs> of;
  std::string source;  // the file

  // llama.cpp's files: GGUF ("general.type" = "imatrix") or the older binary format. Throws Error(bad_file).
  static Importance open(const std::filesystem::path& file);
};

// As llama.cpp's GGUF files of importance: sums of squares and counts. Throws Error(io), and Error(bad_request) for a
// file that is there and not to be replaced.
struct ImportanceSums {
  std::vector<float> squares;  // of each input; of stacked experts one after another
  std::vector<int64_t> rows;   // of each expert, or one
};
void write_importance(const std::filesystem::path& file, const std::map<std::string, ImportanceSums>& sums,
                      const std::string& dataset, int64_t windows, int64_t context,
                      Existing existing = Existing::replaced);

}  // namespace glassbox
