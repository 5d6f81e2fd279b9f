#include "convert/model_card.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "formats/yaml.h"

namespace glassbox {
namespace {

constexpr std::string_view kFence = "---";

bool is_fence(std::string_view line) {
  return line.starts_with(kFence) && line.find_first_not_of(" \t\r\n", kFence.size()) == line.npos;
}

// The front matter between its fences, and the text behind it.
struct Card {
  std::vector<std::string_view> front;  // lines
  Yaml yaml;                            // what they say: an object
  std::string_view text;
};

std::optional<Yaml> mapping_in(std::string_view text) {
  try {
    Yaml yaml = parse_yaml(text, "front matter");
    if (yaml.value.is_null()) yaml.value = OrderedJson::object();  // nothing but comments
    if (yaml.value.is_object()) return yaml;
  } catch (const Error&) {}  // a mistake in a note for people stops no conversion
  return std::nullopt;
}

// Without front matter, or with one that is no mapping in YAML, all of it is text.
Card split(std::string_view card) {
  const auto front = front_matter_of(card);
  auto yaml = front ? mapping_in(front->yaml) : std::nullopt;
  if (!yaml) return {{}, {}, card};
  return {lines_of(front->yaml), *std::move(yaml), front->text};
}

std::string text_of(const OrderedJson& scalar) {
  return scalar.is_string() ? scalar.get<std::string>() : dump_ordered_json(scalar);
}

// Front matter without these keys. Its other lines are as they stand; where keys are not on lines of their own, it is
// written anew.
std::string front_without(const Card& card, std::initializer_list<std::string_view> keys) {
  const auto dropped = [&](const std::string& key) { return std::ranges::find(keys, key) != keys.end(); };
  std::string kept;
  bool drop = false;
  auto place = card.yaml.keys.begin();
  for (size_t line = 0; line < card.front.size(); ++line) {
    if (place != card.yaml.keys.end() && place->second == line) drop = dropped((place++)->first);
    if (!drop) kept += card.front[line];
  }
  OrderedJson rest = OrderedJson::object();
  std::string anew;
  for (const auto& [key, value] : card.yaml.value.items()) {
    if (dropped(key)) continue;
    rest[key] = value;
    anew += dump_json(Json(key)) + ": " + dump_ordered_json(value) + "\n";
  }
  const auto got = mapping_in(kept);
  return got && got->value == rest ? kept : anew;
}

bool is_quantized(const Gguf& file) {
  return std::ranges::any_of(file.tensors(), [](const TensorInfo& tensor) { return is_blocks(tensor.dtype); });
}

}  // namespace

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

std::optional<FrontMatter> front_matter_of(std::string_view card) {
  const auto lines = lines_of(card);
  if (lines.empty() || !is_fence(lines[0])) return std::nullopt;
  const auto end = std::find_if(lines.begin() + 1, lines.end(), is_fence);
  if (end == lines.end()) return std::nullopt;
  const size_t begin = lines[0].size(), close = static_cast<size_t>(end->data() - card.data());
  return FrontMatter{card.substr(begin, close - begin), card.substr(close + end->size())};
}

std::vector<std::string> front_matter(std::string_view card, std::string_view key) {
  const Card parts = split(card);
  const auto found = parts.yaml.value.find(key);
  if (found == parts.yaml.value.end()) return {};
  std::vector<std::string> values;
  const auto add = [&](const OrderedJson& value) {
    if (!value.is_null() && !value.is_structured()) values.push_back(text_of(value));
  };
  if (found->is_array())
    std::ranges::for_each(*found, add);
  else
    add(*found);
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
  return fmt::format("---\n{}base_model: {}\nbase_model_relation: quantized\n---\n{}",
                     front_without(parts, {"base_model", "base_model_relation"}), dump_json(Json(base)), parts.text);
}

}  // namespace glassbox
