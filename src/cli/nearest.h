// What somebody may have meant.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

// The name that is most like `word`, if any is much like it: for "did you mean".
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string_view>& names);

}  // namespace glassbox
