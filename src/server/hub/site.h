// The hub on the wire, as huggingface_hub, the JavaScript client, transformers, datasets, git-lfs and curl speak to it
// (docs/hub.md). A translator: what it means is src/hub.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "hub/hub.h"
#include "server/routes.h"

namespace glassbox {

// Adds the headers that every answer of this server has.
using FinishAnswer = std::function<void(const http::Request& head, http::Response& answer)>;

// Everything of it that is served. The hub outlives the routes.
std::vector<Route> hub_routes(hub::Hub& hub, FinishAnswer finish);

}  // namespace glassbox
