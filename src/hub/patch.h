// What changed between two commits, as text (git-diff(1), "unified" format).
#pragma once

#include <string>

#include "hub/hub.h"

namespace glassbox::hub {

// Of each file the lines between the first and the last that differ, with three around them. Of a large file (LFS) its
// pointer; of what is no text, or too long, only that it differs; after a mebibyte of it, the names alone.
std::string patch_text(View& view, const Contents& contents, const ObjectId& before, const ObjectId& after);

}  // namespace glassbox::hub
