// A MODEL that a hub has and this machine has not.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "formats/model_cache.h"

namespace glassbox {

// Where the reference looks like a hub's name and names nothing here nor in the cache: fetches what the model is made
// of, with its progress on a terminal. Any other reference is left to whoever opens it. Throws Error(not_found | io)
// saying what the hub said.
void fetch_model(const std::string& reference);

// The folder of an adapter: the reference itself, or where it looks like a hub's name and is no folder here, the cached
// repository's, fetched where it is missing. Throws as fetch_model().
std::string fetch_adapter(const std::string& reference);

// Which of a repository's files make up the model. Throws Error(not_found) naming the GGUF files that it might be.
std::function<std::vector<std::string>(const std::vector<std::string>& paths)> choice_of(const HubName& model);

}  // namespace glassbox
