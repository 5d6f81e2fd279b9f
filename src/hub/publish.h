// The models that this program ships, as repositories of their own.
#pragma once

#include "hub/hub.h"

namespace glassbox::hub {

// Each is a repository with its weights, its log and how it was made; one that is there already has a new commit only
// where this program ships other files.
void publish_shipped(Hub& hub);

}  // namespace glassbox::hub
