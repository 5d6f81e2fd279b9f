#include "train/section.h"

#include <toml++/toml.h>

#include <cmath>

#include "base/error.h"
#include "base/quote.h"

namespace glassbox {
namespace {

// `path`: of the key whose value this is, or is a part of.
Json to_json(const toml::node& node, const std::string& path, TomlFile& file) {
  const auto refused = [&](std::string_view what) {
    fail(ErrorKind::bad_file, "{}:{}: {}: {}", file.source, node.source().begin.line, path, what);
  };
  switch (node.type()) {
    case toml::node_type::table: {
      Json object = Json::object();
      for (const auto& [key, value] : *node.as_table()) {
        const std::string name(key.str());
        const std::string inner = path.empty() ? name : path + "." + name;
        file.lines.emplace(inner, value.source().begin.line);
        object[name] = to_json(value, inner, file);
      }
      return object;
    }
    case toml::node_type::array: {
      Json list = Json::array();
      for (const toml::node& value : *node.as_array()) list.push_back(to_json(value, path, file));
      return list;
    }
    case toml::node_type::string:
      return node.as_string()->get();
    case toml::node_type::integer:
      return node.as_integer()->get();
    case toml::node_type::floating_point:
      if (!std::isfinite(node.as_floating_point()->get())) refused("expected a finite number");
      return node.as_floating_point()->get();
    case toml::node_type::boolean:
      return node.as_boolean()->get();
    default:
      refused("dates and times have no meaning here");
      return nullptr;
  }
}

}  // namespace

TomlFile parse_toml(std::string_view text, std::string source) {
  TomlFile file{std::move(source), {}, {}};
  try {
    const toml::table table = toml::parse(text, file.source);
    file.values = to_json(table, "", file);
  } catch (const toml::parse_error& error) {
    fail(ErrorKind::bad_file, "{}:{}: {}", file.source, error.source().begin.line, error.description());
  }
  return file;
}

Section Section::section(std::string_view key) {
  static const Json kNothing = Json::object();
  const Json* table = find(key);
  if (table && !table->is_object()) refuse(key, fmt::format("expected a table, got {}", brief(*table)));
  return {file_, table ? *table : kNothing, path(key)};
}

Json Section::rest() {
  Json rest = Json::object();
  for (const auto& [key, value] : object_.items()) {
    if (is_read(key)) continue;
    rest[key] = value;
    tick(key);
  }
  return rest;
}

void Section::finish() const {
  if (const auto key = first_unread())
    refuse(*key, fmt::format("not a key of {}", path_.empty() ? std::string("a recipe") : "[" + path_ + "]"));
}

void Section::refuse(std::string_view key, std::string_view what) const {
  const auto line = file_.lines.find(path(key));
  const std::string place = line == file_.lines.end() ? file_.source : fmt::format("{}:{}", file_.source, line->second);
  fail(ErrorKind::bad_file, "{}: {}: {}", place, path(key), what);
}

void Section::refuse(std::string_view key, const Fault& fault, const Json& got) const {
  refuse(key, fmt::format("expected {}, got {}", fault.expected(), brief(got)));
}

}  // namespace glassbox
