#include "server/routes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <utility>

namespace glassbox {
namespace {

constexpr std::string_view kModel = "/v1/models/";

constexpr std::array<std::pair<std::string_view, Route>, 7> kEndpoints = {{{"/health", Route::health},
                                                                           {"/metrics", Route::metrics},
                                                                           {"/api/training", Route::training},
                                                                           {"/v1/models", Route::models},
                                                                           {"/v1/chat/completions", Route::chat},
                                                                           {"/v1/completions", Route::completions},
                                                                           {"/api/prompt", Route::prompt}}};

std::optional<Route> endpoint(std::string_view path) {
  for (const auto& [name, route] : kEndpoints)
    if (path == name) return route;
  if (path.starts_with(kModel)) return Route::model;
  return std::nullopt;
}

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

}  // namespace

Target target_of(std::string_view method, std::string_view path,
                 const std::function<std::optional<Asset>(std::string_view path)>& find_page) {
  std::string tidy = tidied(path);
  while (is_below(tidy, "/v1/v1")) tidy.erase(0, 3);
  if (auto route = endpoint(tidy)) return {route, std::move(tidy)};
  if (is_below(tidy, "/v1") || is_below(tidy, "/api")) return {std::nullopt, std::move(tidy)};
  if ((method == "GET" || method == "HEAD") && find_page(tidy)) return {Route::page, std::move(tidy)};
  std::string whole = "/v1" + tidy;
  if (auto route = endpoint(whole)) return {route, std::move(whole)};
  // What is asked with GET and is not there may be a page that was renamed; nothing is ever sent to a page.
  const bool page = method == "GET" || method == "HEAD" || find_page(tidy);
  return {page ? std::optional(Route::page) : std::nullopt, std::move(tidy)};
}

bool is_open(const Target& target) { return target.route == Route::page || target.route == Route::health; }

bool is_quick(const Target& target) {
  // The runs to show are read from their files, which takes what it takes.
  return target.route && !takes_post(*target.route) && target.route != Route::training;
}

bool takes_post(Route route) { return route == Route::chat || route == Route::completions || route == Route::prompt; }

std::string label_of(const Target& target) {
  if (!target.route) return "other";
  if (*target.route == Route::page) return "page";
  return *target.route == Route::model ? "/v1/models/{model}" : target.path;
}

std::string no_such_path(std::string_view method, std::string_view path) {
  const std::string tidy = tidied(path);
  std::string asked = fmt::format("{} {}", method.substr(0, 20), path.substr(0, 200));
  std::vector<std::string_view> all;
  for (const auto& [name, route] : kEndpoints) {
    if (std::string_view(tidy).ends_with(name) || (tidy.size() > 4 && name.ends_with(tidy.substr(tidy.rfind('/')))))
      return fmt::format("{}: no such path; did you mean {}?", asked, name);
    all.push_back(name);
  }
  return fmt::format("{}: no such path; there are {}", asked, fmt::join(all, ", "));
}

}  // namespace glassbox
