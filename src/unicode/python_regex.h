// Regular expressions of Python's `re` (3.11 and later), as configurations of Python programs hold them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace glassbox {

// Immutable once made; any number of threads may match at once.
class PythonRegex {
 public:
  // Throws Error(bad_file) for an expression that Python refuses, and Error(unsupported) naming what is meant otherwise
  // by PCRE2, which runs it: \N{...}, flags L and a, letters beyond ASCII where case is ignored, repeated
  // look-arounds, bounds above 65535.
  static PythonRegex compile(std::string_view expression, std::string_view source);

  // Whether re.match() finds it: at the beginning of `text`, which must be ASCII. Throws Error(unsupported) where it
  // takes more steps than a name is worth.
  bool match(std::string_view text) const;

 private:
  PythonRegex() = default;
  std::shared_ptr<void> code_;
  std::string expression_;
};

}  // namespace glassbox
