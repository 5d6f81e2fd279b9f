// A table of a TOML file, read so that nothing in it is overlooked. For recipe.cc.
#pragma once

#include <toml++/toml.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace glassbox {

class Section {
 public:
  // `name` is empty for the file itself.
  Section(const toml::table& table, std::string source, std::string name)
      : table_(table), source_(std::move(source)), name_(std::move(name)) {}

  bool has(std::string_view key) const { return table_.contains(key); }
  // The table of that name; empty if it is missing.
  Section section(std::string_view key);

  std::string text(std::string_view key, std::string fallback = "");
  bool flag(std::string_view key, bool fallback);
  int64_t integer(std::string_view key, int64_t fallback, int64_t lowest, int64_t highest);
  double number(std::string_view key, double fallback, double lowest, double highest);
  std::vector<std::string> texts(std::string_view key);
  std::vector<double> numbers(std::string_view key, size_t count, std::vector<double> fallback, double lowest,
                              double highest);
  // This table as JSON, without the keys already read; all count as read.
  Json rest();

  // Throws Error(bad_file) naming the first key that nobody read.
  void finish() const;
  [[noreturn]] void refuse(std::string_view key, const std::string& what) const;

 private:
  const toml::node* take(std::string_view key);
  const toml::table& table_;
  std::string source_, name_;
  std::set<std::string, std::less<>> read_;
};

}  // namespace glassbox
