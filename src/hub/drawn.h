// Secrets: bytes that nobody can guess.
#pragma once

#include <cstddef>
#include <string>

namespace glassbox::hub {

std::string drawn_bytes(size_t count);  // of the system's random numbers

}  // namespace glassbox::hub
