#include "hub/card.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "convert/model_card.h"
#include "formats/yaml.h"
#include "hub/names.h"

namespace glassbox::hub {
namespace {

bool is_text_or_list_of_texts(const Json& value) {
  return value.is_string() ||
         (value.is_array() && std::ranges::all_of(value, [](const Json& one) { return one.is_string(); }));
}

// The texts of a key: one, or those of a list.
std::vector<std::string> texts(const Json& card, const char* key) {
  std::vector<std::string> all;
  const auto found = card.find(key);
  if (found == card.end()) return all;
  if (found->is_string()) all.push_back(*found);
  if (found->is_array())
    for (const Json& one : *found)
      if (one.is_string()) all.push_back(one);
  return all;
}

}  // namespace

Card read_card(std::string_view readme, RepositoryKind kind) {
  Card card;
  const auto front = front_matter_of(readme);
  if (!front) {
    card.warnings.push_back("empty or missing yaml metadata in repo card");
    return card;
  }
  Json data;
  try {
    data = parse_json(dump_ordered_json(parse_yaml(front->yaml, "README.md").value), "README.md");
  } catch (const Error& error) {
    card.errors.push_back(error.what());
    return card;
  }
  if (data.is_null()) data = Json::object();
  if (!data.is_object()) {
    card.errors.push_back("README.md: expected the front matter to be a mapping");
    return card;
  }
  const auto expect = [&](const char* key, bool right, const char* what) {
    if (!right) card.errors.push_back(fmt::format("\"{}\": expected {}", key, what));
  };
  for (const char* key : {"tags", "datasets", "metrics"})
    if (const auto found = data.find(key); found != data.end() && !found->is_null())
      expect(key, found->is_array() && is_text_or_list_of_texts(*found), "a list of strings");
  for (const char* key : {"language", "base_model", "license"})
    if (const auto found = data.find(key); found != data.end() && !found->is_null())
      expect(key, is_text_or_list_of_texts(*found), "a string or a list of strings");
  for (const char* key : {"pipeline_tag", "library_name", "base_model_relation"})
    if (const auto found = data.find(key); found != data.end() && !found->is_null())
      expect(key, found->is_string(), "a string");
  if (kind == RepositoryKind::model && !data.contains("license"))
    card.warnings.push_back("no \"license\" in the metadata: nobody knows what the model may be used for");
  if (card.errors.empty()) card.data = std::move(data);
  return card;
}

Lineage lineage_of(const Json& card, bool has_adapter, bool is_quantized) {
  Lineage lineage;
  std::set<std::string> seen;
  for (std::string& base : texts(card, "base_model"))
    if (!base.empty() && base.size() <= Lineage::kLongestName && lineage.bases.size() < Lineage::kMostBases &&
        seen.insert(folded(base)).second)
      lineage.bases.push_back(std::move(base));
  if (lineage.bases.empty()) return lineage;
  constexpr std::array kRelations{"finetune", "adapter", "merge", "quantized"};
  const auto said = texts(card, "base_model_relation");
  lineage.relation = !said.empty() && std::ranges::count(kRelations, said.front()) > 0 ? said.front()
                     : lineage.bases.size() > 1                                        ? "merge"
                     : has_adapter                                                     ? "adapter"
                     : is_quantized                                                    ? "quantized"
                                                                                       : "finetune";
  return lineage;
}

std::vector<std::string> tags_of(const Json& card, const Lineage& lineage, RepositoryKind kind) {
  std::vector<std::string> tags;
  std::set<std::string> seen;
  const auto add = [&](std::string tag) {
    if (!tag.empty() && tag.size() <= 256 && seen.insert(tag).second) tags.push_back(std::move(tag));
  };
  const auto add_all = [&](const char* key, const std::string& prefix) {
    for (const std::string& text : texts(card, key)) add(prefix + text);
  };
  const bool is_model = kind == RepositoryKind::model;
  if (is_model) {
    add_all("library_name", "");
    add_all("pipeline_tag", "");
  }
  add_all("tags", "");
  add_all("language", is_model ? "" : "language:");
  add_all("license", "license:");
  add_all("datasets", "dataset:");
  for (const char* key : {"task_categories", "task_ids", "size_categories", "multilinguality", "language_creators"})
    if (!is_model) add_all(key, std::string(key) + ":");
  for (const std::string& base : lineage.bases) {
    add("base_model:" + base);
    add(fmt::format("base_model:{}:{}", lineage.relation, base));
  }
  return tags;
}

}  // namespace glassbox::hub
