// Garbage collection: at any time, without harm to whoever reads or uploads.
#pragma once

#include <cstdint>

#include "hub/contents.h"

namespace glassbox::hub {

struct Collected {
  int64_t xorbs = 0, blobs = 0;  // that went: known ones, and files that nothing knew of
};

// Removes what no repository can reach any more and whose lease has ended at `now` (milliseconds since 1970).
Collected collect(Contents& contents, int64_t now);

}  // namespace glassbox::hub
