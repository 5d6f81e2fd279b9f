// A TOML file, read so that nothing in it is overlooked. For recipe.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/fields.h"

namespace glassbox {

// A TOML file as JSON, and on which line each key's value begins ("train.betas").
struct TomlFile {
  std::string source;  // its name in errors
  Json values;
  std::map<std::string, int64_t, std::less<>> lines;
};

// Throws Error(bad_file) naming the line: what is no TOML, and what JSON has no word for (dates, times, inf and nan).
TomlFile parse_toml(std::string_view text, std::string source);

// A table of the file. What is wrong with a key is Error(bad_file) naming file, line and key.
class Section final : public FieldReader<Json> {
 public:
  explicit Section(const TomlFile& file) : Section(file, file.values, "") {}  // the file itself, which outlives this

  // The table of that name; empty if it is missing.
  Section section(std::string_view key);
  // What nobody has read so far; all of it counts as read.
  Json rest();

  // Throws for the first key that nobody read.
  void finish() const;
  [[noreturn]] void refuse(std::string_view key, std::string_view what) const;

 private:
  Section(const TomlFile& file, const Json& table, std::string name)
      : FieldReader(table, std::move(name)), file_(file) {}
  [[noreturn]] void refuse(std::string_view key, const Fault& fault, const Json& got) const override;

  const TomlFile& file_;
};

}  // namespace glassbox
