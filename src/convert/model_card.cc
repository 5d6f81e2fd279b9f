#include "convert/model_card.h"

#include <algorithm>

#include "base/json.h"

namespace glassbox {
namespace {

constexpr std::string_view kFence = "---";

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The lines between the fences, and where the text goes on after them. None: no front matter.
struct Card {
  std::vector<std::string_view> front;
  std::string_view text;
};
Card split(std::string_view card) {
  const auto lines = lines_of(card);
  if (lines.empty() || trimmed(lines[0]) != kFence) return {{}, card};
  for (size_t i = 1; i < lines.size(); ++i)
    if (trimmed(lines[i]) == kFence) {
      const size_t after = static_cast<size_t>(lines[i].data() + lines[i].size() - card.data());
      return {{lines.begin() + 1, lines.begin() + static_cast<std::ptrdiff_t>(i)},
              card.substr(std::min(after + 1, card.size()))};
    }
  return {{}, card};
}

bool begins(std::string_view line, std::string_view key) {
  return line.starts_with(key) && line.substr(key.size()).starts_with(':');
}
// A line that belongs to the key above it.
bool goes_on(std::string_view line) { return line.empty() || line[0] == ' ' || line[0] == '\t' || line[0] == '-'; }

std::string unquoted(std::string_view text) {
  text = trimmed(text);
  if (text.size() > 1 && (text[0] == '"' || text[0] == '\'') && text.back() == text[0])
    text = text.substr(1, text.size() - 2);
  return std::string(text);
}

bool is_quantized(const Gguf& file) {
  return std::ranges::any_of(file.tensors(), [](const TensorInfo& tensor) { return is_blocks(tensor.dtype); });
}

}  // namespace

std::vector<std::string> front_matter(std::string_view card, std::string_view key) {
  std::vector<std::string> values;
  const auto front = split(card).front;
  const auto found = std::ranges::find_if(front, [&](std::string_view line) { return begins(line, key); });
  if (found == front.end()) return values;
  std::string_view inlined = trimmed(found->substr(key.size() + 1));
  if (inlined.starts_with('[') && inlined.ends_with(']')) {
    inlined = inlined.substr(1, inlined.size() - 2);
    while (!inlined.empty()) {
      const size_t end = std::min(inlined.find(','), inlined.size());
      values.push_back(unquoted(inlined.substr(0, end)));
      inlined.remove_prefix(std::min(end + 1, inlined.size()));
    }
  } else if (!inlined.empty()) {
    values.push_back(unquoted(inlined));
  } else {
    for (auto line = found + 1; line != front.end() && goes_on(*line); ++line)
      if (const auto item = trimmed(*line); item.starts_with("- ")) values.push_back(unquoted(item.substr(2)));
  }
  std::erase(values, "");
  return values;
}

std::vector<GgufEntry> card_metadata(std::string_view card) {
  std::vector<GgufEntry> entries;
  const auto one = [&](std::string_view key, std::string_view gguf) {
    if (const auto values = front_matter(card, key); values.size() == 1)
      entries.push_back({std::string(gguf), GgufValue::of(values[0])});
  };
  const auto list = [&](std::string_view key, std::string_view gguf) {
    if (const auto values = front_matter(card, key); !values.empty())
      entries.push_back({std::string(gguf), GgufValue::array(values)});
  };
  one("license", "general.license");
  one("license_name", "general.license.name");
  one("license_link", "general.license.link");
  list("language", "general.languages");
  list("tags", "general.tags");
  const auto bases = front_matter(card, "base_model");
  if (!bases.empty()) {
    entries.push_back({"general.base_model.count", GgufValue::of(static_cast<uint32_t>(bases.size()))});
    for (size_t i = 0; i < bases.size(); ++i) {
      const size_t slash = bases[i].find('/');
      const std::string prefix = fmt::format("general.base_model.{}.", i);
      entries.push_back({prefix + "name", GgufValue::of(bases[i].substr(slash == std::string::npos ? 0 : slash + 1))});
      if (slash != std::string::npos)
        entries.push_back({prefix + "organization", GgufValue::of(bases[i].substr(0, slash))});
    }
  }
  entries.push_back({std::string(kOwnCard), GgufValue::of(card)});
  return entries;
}

std::string card_of(const Gguf& file, std::string_view present) {
  const std::string name = file.string("general.name").value_or("A model");
  std::string card = file.string(kOwnCard).value_or(std::string(present));
  if (card.empty()) {
    card = "---\n";
    if (const auto license = file.string("general.license")) card += "license: " + dump_json(Json(*license)) + "\n";
    if (const auto languages = file.strings("general.languages")) {
      card += "language:\n";
      for (const std::string_view language : *languages) card += "- " + dump_json(Json(language)) + "\n";
    }
    card += fmt::format("---\n# {}\n\nWritten by `glassbox convert` from a GGUF file.\n", name);
  }
  if (!is_quantized(file)) return card;

  std::string base = file.string("general.base_model.0.name").value_or(name);
  if (const auto organization = file.string("general.base_model.0.organization")) base = *organization + "/" + base;
  const Card parts = split(card);
  std::string result = "---\n";
  bool dropped = false;
  for (const std::string_view line : parts.front) {
    if (!goes_on(line)) dropped = begins(line, "base_model") || begins(line, "base_model_relation");
    if (!dropped) result += std::string(line) + "\n";
  }
  result += fmt::format("base_model: {}\nbase_model_relation: quantized\n---\n", dump_json(Json(base)));
  return result + std::string(parts.text);
}

}  // namespace glassbox
