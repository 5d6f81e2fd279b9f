// What a repository is, read in the files at its head: never trusting them, never running anything.
#pragma once

#include "hub/hub.h"

namespace glassbox::hub {

// Reads and keeps the facts of a repository: "sha" (the commit they are of), "card", "pipeline_tag", "library_name",
// "config" (model_type, architectures), "safetensors" ({"parameters": {dtype: count}, "total"}), "base_models",
// "relation", "may_run_code" (files that would, were they loaded as others load them), "openness" (openness.h). Throws
// nothing for what files say.
void update_facts(Hub& hub, const Repository& repository);

}  // namespace glassbox::hub
