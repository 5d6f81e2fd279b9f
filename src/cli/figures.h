// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace glassbox {

std::string with_commas(int64_t count);  // "1,235,814"
std::string human_bytes(double bytes);   // "2.5 GB"

}  // namespace glassbox
