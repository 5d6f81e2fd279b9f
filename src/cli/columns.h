// Text on a terminal: what stands in one place, and how many columns it takes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace glassbox {

// A cluster is what a person takes for one character: a letter with its marks, an emoji made of several. These give
// where the one that begins at `at` (< text.size()) ends, and where the one that ends at `at` (> 0) begins. A broken
// byte is a cluster of its own.
size_t cluster_end(std::string_view text, size_t at);
size_t cluster_begin(std::string_view text, size_t at);

// Columns of one cluster, as terminals that know Unicode show it: 0 for a lone mark, 2 for wide characters and emoji.
int cluster_columns(std::string_view cluster);
// Of a text without line ends.
int columns(std::string_view text);

// A model's text must not move the cursor, set the clipboard or rename the window: controls but line ends and tabs are
// shown as ^X or U+FFFD.
std::string without_controls(std::string_view text);

}  // namespace glassbox
