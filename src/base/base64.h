// Base64 (RFC 4648, section 4), as tiktoken's ranks and SentencePiece's tables are written.
#pragma once

#include <string>
#include <string_view>

namespace glassbox {

// False for anything but whole groups of four characters of the alphabet, the last one padded.
bool from_base64(std::string_view text, std::string& out);
std::string to_base64(std::string_view bytes);

}  // namespace glassbox
