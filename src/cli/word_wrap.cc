#include "cli/word_wrap.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cli/columns.h"

namespace glassbox {
namespace {

constexpr std::string_view kFence = "```";
constexpr int kTab = 8;

// Closing marks of wide scripts do not begin a line.
bool hangs(std::string_view cluster) {
  constexpr std::array<std::string_view, 18> kHanging = {"。", "、", "，", "．", "！", "？", "：", "；", "）",
                                                         "」", "』", "】", "》", "〉", "〕", "］", "｝", "ー"};
  return std::ranges::find(kHanging, cluster) != kHanging.end();
}

}  // namespace

std::string WordWrap::push(std::string_view piece) {
  std::string out;
  for (size_t at = 0; at < piece.size();) {
    const size_t end = cluster_end(piece, at);
    const std::string_view cluster = piece.substr(at, end - at);
    at = end;
    if (cluster.find('\n') != std::string_view::npos) {  // "\r\n" is one cluster
      end_line(out);
      continue;
    }
    if (head_.size() < kFence.size() && !(head_.empty() && cluster == " ")) head_ += cluster;
    if (columns_ == 0 || code_ || head_ == kFence) {
      out += std::exchange(gap_, "");
      out += cluster;
      column_ += cluster_columns(cluster);
    } else if (cluster == " " || cluster == "\t") {
      gap_ += cluster;
      word_.clear();
      word_columns_ = 0;
    } else {
      put(cluster, out);
    }
  }
  return out;
}

void WordWrap::put(std::string_view cluster, std::string& out) {
  const int width = cluster_columns(cluster), limit = columns_ - 1;  // in the last column cursors behave differently
  if (width == 2 && !hangs(cluster)) {                               // wide scripts break anywhere
    word_.clear();
    word_columns_ = space_columns_ = 0;
  }
  if (!gap_.empty()) {
    int after = column_;
    for (const char c : gap_) after += c == '\t' ? kTab - after % kTab : 1;
    if (column_ == 0 || after + width <= limit) {
      out += gap_;
      space_columns_ = after - column_;
      column_ = after;
    } else {
      out += '\n';
      space_columns_ = column_ = 0;
    }
    gap_.clear();
  }
  if (column_ + width > limit && column_ > word_columns_) {  // the word began after something else: it moves
    if (const int back = word_columns_ + space_columns_; back > 0) out += fmt::format("\033[{}D\033[K", back);
    out += '\n';
    out += word_;
    column_ = word_columns_;
    space_columns_ = 0;
  }
  out += cluster;
  word_ += cluster;
  word_columns_ += width;
  column_ += width;
}

void WordWrap::end_line(std::string& out) {
  out += '\n';
  if (head_ == kFence) code_ = !code_;
  head_.clear();
  gap_.clear();
  word_.clear();
  column_ = word_columns_ = space_columns_ = 0;
}

}  // namespace glassbox
