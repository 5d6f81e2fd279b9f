// Responses of JSON, as every dialect has them.
#pragma once

#include <string>
#include <vector>

#include "server/dialect.h"
#include "server/http/http.h"

namespace glassbox {

http::Response json_response(int status, std::string body);
http::Response error_response(const api::Dialect& dialect, const ApiError& error);

// A response's header with its request's notes, and its value: ASCII, of bounded length.
inline constexpr const char* kNotesHeader = "x-glassbox-note";
std::string notes_header(const std::vector<std::string>& notes);

}  // namespace glassbox
