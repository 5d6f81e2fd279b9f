#include "cli/reading_progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "cli/figures.h"
#include "cli/terminal.h"

namespace glassbox {

ReadingProgress::ReadingProgress()
    : terminal_(is_smart_terminal(STDERR_FILENO)),
      styles_(shows_styles(STDERR_FILENO)),
      since_(std::chrono::steady_clock::now()) {}

void ReadingProgress::show(int64_t read, int64_t tokens) {
  constexpr auto kMoment = std::chrono::milliseconds(700);
  if (!terminal_ || std::chrono::steady_clock::now() - since_ < kMoment) return;
  fmt::print(stderr, "\r{}reading: {} of {} tokens{}\033[K", styles_ ? "\033[2m" : "",
             with_commas(std::min(read, tokens)), with_commas(tokens), styles_ ? "\033[0m" : "");
  shown_ = true;
}

void ReadingProgress::clear() {
  if (std::exchange(shown_, false)) fmt::print(stderr, "\r\033[K");
}

}  // namespace glassbox
