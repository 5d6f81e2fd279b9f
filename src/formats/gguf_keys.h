// The metadata of one architecture in a GGUF file ("ARCHITECTURE.*"), read so that nothing in it is overlooked.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "formats/family_format.h"

namespace glassbox {

// Keys are named without "ARCHITECTURE." and ticked off as they are read. All errors are Error(bad_file | unsupported)
// naming the file and the key. For one thread; refers to the file.
class GgufKeys {
 public:
  GgufKeys(const Gguf& file, std::string_view architecture);

  // A value for each layer that is the same for all stands for one; families whose layers differ are refused by name.
  std::optional<int64_t> integer(std::string_view key);  // 0 to 2^40
  std::optional<double> real(std::string_view key);      // the decimal a person would have written: 1e-05
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::string> string(std::string_view key);
  int64_t needed(std::string_view key);

  // A number that other keys or the tensors already say: it may be missing, and must not differ.
  void same(std::string_view key, int64_t expected);

  // layer_types of so many layers: as a list says, or a period, or the family.
  Json layer_types(int64_t layers, GgufWindows windows);

  // Refuses what nobody read, unless it says nothing: 0, false or "".
  void finish() const;

  const Gguf& file() const { return file_; }
  std::string where(std::string_view key) const;  // "FILE: ARCHITECTURE.key", for errors of one's own

 private:
  const std::string& named(std::string_view key);
  template <class T>
  std::optional<T> same_in_every_layer(std::string_view key, std::optional<T> (Gguf::*one)(std::string_view) const,
                                       std::optional<std::vector<T>> (Gguf::*all)(std::string_view) const);

  const Gguf& file_;
  std::string prefix_;
  std::set<std::string> used_;
};

// The decimal a person would have written for a float32: 1e-05, not 9.999999747378752e-06.
double shortest(double value);

}  // namespace glassbox
