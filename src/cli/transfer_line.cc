#include "cli/transfer_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <utility>

#include "cli/figures.h"
#include "cli/terminal.h"

namespace glassbox {

TransferLine::TransferLine()
    : terminal_(is_smart_terminal(STDERR_FILENO)),
      styles_(shows_styles(STDERR_FILENO)),
      since_(std::chrono::steady_clock::now()) {}

TransferLine::~TransferLine() { clear(); }

std::string transfer_text(const hub::Transfer& transfer, double seconds) {
  std::string text = fmt::format("{}  {} of {}", transfer.doing, human_bytes(static_cast<double>(transfer.done)),
                                 human_bytes(static_cast<double>(transfer.total)));
  const double rate = seconds > 0.5 ? static_cast<double>(transfer.moved) / seconds : 0;  // bytes a second
  if (rate < 1) return text;
  text += fmt::format("  {}/s", human_bytes(rate));
  const double left = std::ceil(static_cast<double>(transfer.total - std::min(transfer.total, transfer.done)) / rate);
  constexpr double kDay = 24 * 60 * 60;
  if (left >= kDay) return text;
  const auto whole = static_cast<int>(left);
  return text + (whole >= 3600 ? fmt::format("  {}:{:02}:{:02} left", whole / 3600, whole / 60 % 60, whole % 60)
                               : fmt::format("  {}:{:02} left", whole / 60, whole % 60));
}

void TransferLine::show(const hub::Transfer& transfer) {
  if (!terminal_ || transfer.total == 0) return;
  const auto now = std::chrono::steady_clock::now();
  if (transfer.doing != doing_) {
    doing_ = transfer.doing;
    since_ = now;
  }
  fmt::print(stderr, "\r{}{}{}\033[K", styles_ ? "\033[2m" : "",
             transfer_text(transfer, std::chrono::duration<double>(now - since_).count()), styles_ ? "\033[0m" : "");
  shown_ = true;
}

void TransferLine::clear() {
  if (std::exchange(shown_, false)) fmt::print(stderr, "\r\033[K");
}

}  // namespace glassbox
