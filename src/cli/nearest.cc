#include "cli/nearest.h"

#include <algorithm>

namespace glassbox {

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string_view>& names) {
  // A beginning counts as near; else few letters may be wrong, missing, too many or swapped with their neighbour.
  size_t best = std::max<size_t>(1, word.size() / 3) + 1;
  std::optional<std::string> found;
  for (const std::string_view name : names) {
    if (word.size() >= 2 && name.starts_with(word)) return std::string(name);
    std::vector<std::vector<size_t>> d(word.size() + 1, std::vector<size_t>(name.size() + 1));
    for (size_t i = 0; i <= word.size(); ++i) {
      for (size_t j = 0; j <= name.size(); ++j) {
        if (i == 0 || j == 0) {
          d[i][j] = i + j;
          continue;
        }
        d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (word[i - 1] != name[j - 1])});
        if (i > 1 && j > 1 && word[i - 1] == name[j - 2] && word[i - 2] == name[j - 1])
          d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
    if (d[word.size()][name.size()] < best) best = d[word.size()][name.size()], found = std::string(name);
  }
  return found;
}

}  // namespace glassbox
