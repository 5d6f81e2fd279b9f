#include "train/section.h"

#include <sstream>

namespace glassbox {
namespace {

const toml::table kNothing;

Json to_json(const toml::node& node, const Section& section, std::string_view key) {
  switch (node.type()) {
    case toml::node_type::table: {
      Json object = Json::object();
      for (const auto& [name, value] : *node.as_table()) object[std::string(name.str())] = to_json(value, section, key);
      return object;
    }
    case toml::node_type::array: {
      Json list = Json::array();
      for (const toml::node& value : *node.as_array()) list.push_back(to_json(value, section, key));
      return list;
    }
    case toml::node_type::string:
      return node.as_string()->get();
    case toml::node_type::integer:
      return node.as_integer()->get();
    case toml::node_type::floating_point:
      return node.as_floating_point()->get();
    case toml::node_type::boolean:
      return node.as_boolean()->get();
    default:
      section.refuse(key, "dates and times have no meaning here");
  }
}

std::string shown(const toml::node& node) {
  std::ostringstream text;
  node.visit([&](const auto& value) { text << value; });
  std::string line = text.str();
  if (line.size() > 60) line = line.substr(0, 57) + "...";
  return line;
}

}  // namespace

const toml::node* Section::take(std::string_view key) {
  read_.emplace(key);
  return table_.get(key);
}

void Section::refuse(std::string_view key, const std::string& what) const {
  const toml::node* node = table_.get(key);
  const std::string path = name_.empty() ? std::string(key) : name_ + "." + std::string(key);
  if (node && node->source().begin.line > 0)
    fail(ErrorKind::bad_file, "{}:{}: {}: {}", source_, node->source().begin.line, path, what);
  fail(ErrorKind::bad_file, "{}: {}: {}", source_, path, what);
}

Section Section::section(std::string_view key) {
  const toml::node* node = take(key);
  if (node && !node->is_table()) refuse(key, fmt::format("expected a table, got {}", shown(*node)));
  return {node ? *node->as_table() : kNothing, source_,
          name_.empty() ? std::string(key) : name_ + "." + std::string(key)};
}

std::string Section::text(std::string_view key, std::string fallback) {
  const toml::node* node = take(key);
  if (!node) return fallback;
  if (!node->is_string()) refuse(key, fmt::format("expected a string, got {}", shown(*node)));
  return node->as_string()->get();
}

bool Section::flag(std::string_view key, bool fallback) {
  const toml::node* node = take(key);
  if (!node) return fallback;
  if (!node->is_boolean()) refuse(key, fmt::format("expected true or false, got {}", shown(*node)));
  return node->as_boolean()->get();
}

int64_t Section::integer(std::string_view key, int64_t fallback, int64_t lowest, int64_t highest) {
  const toml::node* node = take(key);
  if (!node) return fallback;
  if (!node->is_integer()) refuse(key, fmt::format("expected an integer, got {}", shown(*node)));
  const int64_t value = node->as_integer()->get();
  if (value < lowest || value > highest) refuse(key, fmt::format("expected {} to {}, got {}", lowest, highest, value));
  return value;
}

double Section::number(std::string_view key, double fallback, double lowest, double highest) {
  const toml::node* node = take(key);
  if (!node) return fallback;
  if (!node->is_number()) refuse(key, fmt::format("expected a number, got {}", shown(*node)));
  const double value = *node->value<double>();
  if (!(value >= lowest && value <= highest))
    refuse(key, fmt::format("expected {} to {}, got {}", lowest, highest, value));
  return value;
}

std::vector<std::string> Section::texts(std::string_view key) {
  const toml::node* node = take(key);
  std::vector<std::string> list;
  if (!node) return list;
  if (!node->is_array()) refuse(key, fmt::format("expected a list of strings, got {}", shown(*node)));
  for (const toml::node& value : *node->as_array()) {
    if (!value.is_string()) refuse(key, fmt::format("expected a list of strings, got {} in it", shown(value)));
    list.push_back(value.as_string()->get());
  }
  return list;
}

std::vector<double> Section::numbers(std::string_view key, size_t count, std::vector<double> fallback, double lowest,
                                     double highest) {
  const toml::node* node = take(key);
  if (!node) return fallback;
  if (!node->is_array() || node->as_array()->size() != count)
    refuse(key, fmt::format("expected a list of {} numbers, got {}", count, shown(*node)));
  std::vector<double> list;
  for (const toml::node& value : *node->as_array()) {
    if (!value.is_number())
      refuse(key, fmt::format("expected a list of {} numbers, got {} in it", count, shown(value)));
    list.push_back(*value.value<double>());
    if (!(list.back() >= lowest && list.back() <= highest))
      refuse(key, fmt::format("expected {} to {}, got {}", lowest, highest, list.back()));
  }
  return list;
}

Json Section::rest() {
  Json object = Json::object();
  for (const auto& [name, value] : table_) {
    const std::string key(name.str());
    if (read_.contains(key)) continue;
    object[key] = to_json(value, *this, key);
    read_.insert(key);
  }
  return object;
}

void Section::finish() const {
  for (const auto& [name, value] : table_)
    if (!read_.contains(name.str()))
      refuse(name.str(), fmt::format("not a key of {}", name_.empty() ? std::string("a recipe") : "[" + name_ + "]"));
}

}  // namespace glassbox
