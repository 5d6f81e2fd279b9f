// From a Response to bytes. Private to the transport.
#pragma once

#include <string>

#include "server/http/http.h"

namespace glassbox::http {

// How the client learns where an answer's body ends: by its length, by its chunks, or by the end of the connection.
enum class Framing { counted, chunked, until_close };

// Everything before the body.
std::string head_text(const Response& response, Framing framing, bool keep_alive);

// A failed check() where a header's value would write headers of its own.
void check_headers(const Response& response);

}  // namespace glassbox::http
