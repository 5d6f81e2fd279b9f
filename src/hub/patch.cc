#include "hub/patch.h"

#include <fmt/format.h>

#include <iterator>

#include "convert/model_card.h"
#include "hub/tree.h"
#include "unicode/utf8.h"

namespace glassbox::hub {
namespace {

constexpr size_t kMostFile = size_t{256} << 10, kMostPatch = size_t{1} << 20, kContext = 3;

using Side = std::optional<TreeEntry>;

void append_line(std::string& out, char sign, std::string_view line) {
  out += sign;
  out += line;
  if (!line.ends_with('\n')) out += "\n\\ No newline at end of file\n";
}

// "12" lines from the first: git counts from one, and from nothing where there are none.
std::string range(size_t first, size_t count) { return fmt::format("{},{}", count == 0 ? first : first + 1, count); }

void append_hunk(std::string& out, std::string_view before, std::string_view after) {
  const auto old = lines_of(before), now = lines_of(after);
  size_t head = 0, tail = 0;
  const size_t shorter = std::min(old.size(), now.size());
  while (head < shorter && old[head] == now[head]) ++head;
  while (tail < shorter - head && old[old.size() - 1 - tail] == now[now.size() - 1 - tail]) ++tail;
  const size_t begin = head - std::min(head, kContext), end = tail - std::min(tail, kContext);
  fmt::format_to(std::back_inserter(out), "@@ -{} +{} @@\n", range(begin, old.size() - end - begin),
                 range(begin, now.size() - end - begin));
  for (size_t i = begin; i < head; ++i) append_line(out, ' ', old[i]);
  for (size_t i = head; i < old.size() - tail; ++i) append_line(out, '-', old[i]);
  for (size_t i = head; i < now.size() - tail; ++i) append_line(out, '+', now[i]);
  for (size_t i = old.size() - tail; i < old.size() - end; ++i) append_line(out, ' ', old[i]);
}

// What git has at an entry; nothing for what is no text or too long.
std::optional<std::string> text_of(View& view, const Contents& contents, const Side& side) {
  if (!side) return "";
  const FileRecord file = view.objects.file(side->id);
  if (file.pointer) return lfs_pointer({file.sha256, file.size});
  if (file.size > kMostFile) return std::nullopt;
  std::string text = contents.read(file.sha256, kMostFile);
  if (text.find('\0') != std::string::npos || unicode::valid_prefix(text) != text.size()) return std::nullopt;
  return text;
}

int mode(const Side& side) { return static_cast<int>(side->mode); }
std::string short_name(const Side& side) { return side ? side->id.hex().substr(0, 10) : std::string(10, '0'); }

}  // namespace

std::string patch_text(View& view, const Contents& contents, const ObjectId& before, const ObjectId& after) {
  std::string out;
  compare_trees(view.objects, view.objects.commit(before).tree, view.objects.commit(after).tree,
                [&](const std::string& path, const Side& old, const Side& now) {
                  const auto add = [&]<class... Args>(fmt::format_string<Args...> format, Args&&... args) {
                    fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
                  };
                  add("diff --git a/{0} b/{0}\n", path);
                  if (!old) add("new file mode {:o}\n", mode(now));
                  if (!now) add("deleted file mode {:o}\n", mode(old));
                  if (old && now && mode(old) != mode(now)) add("old mode {:o}\nnew mode {:o}\n", mode(old), mode(now));
                  if (old && now && old->id == now->id) return;
                  add("index {}..{}\n", short_name(old), short_name(now));
                  const std::string from = old ? "a/" + path : "/dev/null", to = now ? "b/" + path : "/dev/null";
                  const bool fits = out.size() < kMostPatch;
                  const auto left = fits ? text_of(view, contents, old) : std::nullopt,
                             right = fits ? text_of(view, contents, now) : std::nullopt;
                  if (!left || !right) return add("Files {} and {} differ\n", from, to);
                  if (left->empty() && right->empty()) return;
                  add("--- {}\n+++ {}\n", from, to);
                  append_hunk(out, *left, *right);
                });
  return out;
}

}  // namespace glassbox::hub
