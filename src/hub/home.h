// Where this program keeps what is its own.
#pragma once

#include <filesystem>

namespace glassbox::hub {

// GLASSBOX_HOME, or "$XDG_DATA_HOME/glassbox", or "~/.local/share/glassbox". Throws Error(io) where none of them is
// known.
std::filesystem::path home();

}  // namespace glassbox::hub
