#include "server/routes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"

namespace glassbox {
namespace {

bool is_below(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

// One slash where there are several, none at the end.
std::string tidied(std::string_view path) {
  std::string out;
  for (char c : path)
    if (c != '/' || out.empty() || out.back() != '/') out += c;
  if (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

// Takes the first part off a path: "v1" off "/v1/models", which leaves "/models".
std::string_view take_part(std::string_view& path) {
  path.remove_prefix(1);
  const std::string_view part = path.substr(0, path.find('/'));
  path.remove_prefix(part.size());
  return part;
}

bool is_parameter(std::string_view part) { return part.starts_with('{'); }

// Nothing if the pattern does not fit the path.
std::optional<Route::Parts> fit(std::string_view pattern, std::string_view path) {
  Route::Parts parts;
  while (!pattern.empty() && !path.empty()) {
    std::string_view part = take_part(pattern);
    if (!is_parameter(part)) {
      if (part != take_part(path)) return std::nullopt;
      continue;
    }
    const std::string_view name = part.substr(1, part.size() - 2);
    if (name.ends_with("...")) {
      parts.emplace(name.substr(0, name.size() - 3), path.substr(1));
      return parts;
    }
    const std::string_view value = take_part(path);
    if (value.empty()) return std::nullopt;
    parts.emplace(name, value);
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return parts;
}

bool answers(const Route& route, std::string_view method) {
  return route.method == method || (route.method == "GET" && method == "HEAD");
}

void add_methods(const Route& route, std::vector<std::string>& methods) {
  for (const std::string& method : {route.method, std::string(route.method == "GET" ? "HEAD" : "")})
    if (!method.empty() && !std::ranges::count(methods, method)) methods.push_back(method);
}

}  // namespace

Routes::Routes(std::vector<Route> table) : table_(std::move(table)) {
  for (size_t i = 0; i < table_.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      check(table_[i].method != table_[k].method || table_[i].pattern != table_[k].pattern, "a route is there twice");
}

// A path that no page can have: what is missing there is an API's.
bool Routes::is_of_an_api(std::string_view path) const {
  return std::ranges::any_of(table_, [&](const Route& route) {
    std::string_view rest = route.pattern;
    const std::string first = "/" + std::string(take_part(rest));
    return !rest.empty() && !is_parameter(std::string_view(first).substr(1)) && is_below(path, first);
  });
}

Target Routes::find(std::string_view method, std::string_view path) const {
  std::string tidy = tidied(path);
  while (is_below(tidy, "/v1/v1")) tidy.erase(0, 3);
  std::vector<std::string> meant{tidy};
  const bool of_an_api = is_of_an_api(tidy);
  if (!of_an_api) meant.push_back("/v1" + tidy);

  const auto is_there = [](const Route& route, const std::string& at) { return !route.has || route.has(at); };
  const auto target = [](const Route& route, const std::string& at, Route::Parts parts) {
    return Target{&route, at, std::move(parts), {}, route.access, route.label};
  };
  for (const std::string& at : meant)
    for (const Route& route : table_)
      if (answers(route, method) && is_there(route, at))
        if (auto parts = fit(route.pattern, at)) return target(route, at, *std::move(parts));
  // With another method?
  for (const std::string& at : meant) {
    Target other{nullptr, at, {}, {}, Access::everyone, {}};
    for (const Route& route : table_) {
      if (!fit(route.pattern, at) || !is_there(route, at)) continue;
      add_methods(route, other.methods);
      if (route.access == Access::key) other.access = Access::key;
      if (other.label.empty()) other.label = route.label;
    }
    if (!other.methods.empty()) return other;
  }
  if (!of_an_api)
    for (const Route& route : table_)
      if (answers(route, method))
        if (auto parts = fit(route.pattern, tidy)) return target(route, tidy, *std::move(parts));
  return {nullptr, std::move(tidy), {}, {}, Access::key, "other"};
}

std::string Routes::no_such_path(std::string_view method, std::string_view path) const {
  const std::string tidy = tidied(path);
  std::string asked = fmt::format("{} {}", method.substr(0, 20), path.substr(0, 200));
  std::vector<std::string_view> all;
  for (const Route& route : table_) {
    const std::string_view name = route.pattern;
    if (name.find('{') != std::string_view::npos) continue;
    if (std::string_view(tidy).ends_with(name) || (tidy.size() > 4 && name.ends_with(tidy.substr(tidy.rfind('/')))))
      return fmt::format("{}: no such path; did you mean {}?", asked, name);
    all.push_back(name);
  }
  return fmt::format("{}: no such path; there are {}", asked, fmt::join(all, ", "));
}

std::vector<std::string> Routes::methods() const {
  std::vector<std::string> methods;
  for (const Route& route : table_) add_methods(route, methods);
  return methods;
}

}  // namespace glassbox
