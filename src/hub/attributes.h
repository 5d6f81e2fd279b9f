// Which files git keeps as pointers, by .gitattributes (gitattributes(5), as far as "filter=lfs" goes).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace glassbox::hub {

class Attributes {
 public:
  explicit Attributes(std::string_view text);
  // What the last line says whose pattern fits the path.
  bool is_large(std::string_view path) const;

 private:
  struct Line {
    std::string pattern;
    bool large;
  };
  std::vector<Line> lines_;
};

}  // namespace glassbox::hub
