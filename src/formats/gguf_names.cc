#include "formats/gguf_names.h"

#include <algorithm>
#include <charconv>

namespace glassbox {
namespace {

// Reads the digits at the front of `text`, which must be how the number is written.
std::optional<int64_t> take_number(std::string_view& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const auto digits = static_cast<size_t>(end - text.data());
  if (error != std::errc() || value < 0 || (text[0] == '0' && digits > 1)) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

struct Numbers {
  int64_t layer = -1, expert = -1;
};

std::optional<Numbers> match(std::string_view pattern, std::string_view text) {
  Numbers found;
  while (!pattern.empty()) {
    if (pattern[0] == '{' || pattern[0] == '#') {
      const auto number = take_number(text);
      if (!number) return std::nullopt;
      (pattern[0] == '#' ? found.expert : found.layer) = *number;
      pattern.remove_prefix(pattern[0] == '#' ? 1 : 2);
    } else {
      if (text.empty() || text[0] != pattern[0]) return std::nullopt;
      pattern.remove_prefix(1);
      text.remove_prefix(1);
    }
  }
  return text.empty() ? std::optional(found) : std::nullopt;
}

std::string filled(std::string_view pattern, const Numbers& numbers) {
  std::string text;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '#') {
      text += std::to_string(numbers.expert);
    } else if (pattern[i] == '{') {
      text += std::to_string(numbers.layer);
      ++i;
    } else {
      text += pattern[i];
    }
  }
  return text;
}

// Names that both sides spell whole need no suffix taken off.
bool is_whole(const GgufNameRule& rule) { return rule.gguf.ends_with(".weight") || rule.gguf.ends_with(".bias"); }

std::optional<GgufPlace> place(const GgufNameRule& rule, std::string_view name, std::string_view GgufNameRule::* from,
                               std::string_view GgufNameRule::* to, int64_t expert) {
  std::string_view stem = name, suffix;
  if (!is_whole(rule)) {
    stem = name.substr(0, std::min(name.rfind('.'), name.size()));
    suffix = name.substr(stem.size());
    if (suffix != ".weight" && suffix != ".bias") return std::nullopt;
  }
  auto numbers = match(rule.*from, stem);
  if (!numbers) return std::nullopt;
  if (numbers->expert < 0) numbers->expert = expert;
  return GgufPlace{filled(rule.*to, *numbers) + std::string(suffix), &rule, numbers->layer, numbers->expert};
}

}  // namespace

std::vector<GgufPlace> gguf_places(const FamilyFormat& family, std::string_view checkpoint_name) {
  std::vector<GgufPlace> places;
  if (!checkpoint_name.starts_with(family.prefix)) return places;
  checkpoint_name.remove_prefix(family.prefix.size());
  for (const auto rules : family.gguf.names)
    for (const GgufNameRule& rule : rules)
      if (rule.change != GgufChange::former)
        if (auto found = place(rule, checkpoint_name, &GgufNameRule::checkpoint, &GgufNameRule::gguf, -1))
          places.push_back(*std::move(found));
  return places;
}

std::optional<GgufPlace> checkpoint_place(const FamilyFormat& family, std::string_view gguf_name, int64_t expert) {
  for (const auto rules : family.gguf.names)
    for (const GgufNameRule& rule : rules)
      if (auto found = place(rule, gguf_name, &GgufNameRule::gguf, &GgufNameRule::checkpoint, expert)) {
        found->name.insert(0, family.prefix);
        return found;
      }
  return std::nullopt;
}

}  // namespace glassbox
