// Which path is which endpoint, and what a path nobody serves was probably meant to be.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "web/embed/assets.h"

namespace glassbox {

enum class Route { health, metrics, training, models, model, chat, completions, prompt, page };

struct Target {
  std::optional<Route> route;  // nothing: no such path
  std::string path;            // as the site has it: "/v1/chat/completions" for "//chat/completions/"
};

// Clients put a base address and a path together, and people leave off its /v1 or write it twice: a slash too many, a
// /v1 missing or double lead where they are meant to lead. A page that exists goes before an endpoint meant so.
Target target_of(std::string_view method, std::string_view path,
                 const std::function<std::optional<Asset>(std::string_view path)>& find_page);

// Needs no key: tells nothing of anybody.
bool is_open(const Target& target);
// Answered at once, whatever else there is to do.
bool is_quick(const Target& target);
bool takes_post(Route route);

// One of few, for figures.
std::string label_of(const Target& target);

// "POST /openai/v1/chat/completions: no such path; did you mean /v1/chat/completions?", else with what there is.
std::string no_such_path(std::string_view method, std::string_view path);

}  // namespace glassbox
