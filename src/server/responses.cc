#include "server/responses.h"

#include "base/json.h"

namespace glassbox {

http::Response json_response(int status, std::string body) {
  return {status, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}}, std::move(body)};
}

http::Response error_response(const api::Dialect& dialect, const ApiError& error) {
  http::Response response = json_response(error.status, dialect.error(error));
  if (error.status == 401) response.with("WWW-Authenticate", "Bearer");
  if (error.status == 429 || error.status == 503) response.with("Retry-After", "1");
  return response;
}

std::string notes_header(const std::vector<std::string>& notes) {
  constexpr size_t kLongest = 1000;
  std::string header;
  for (size_t i = 0; i < notes.size(); ++i) {
    // What is not ASCII, escaped.
    std::string note = OrderedJson(notes[i]).dump(-1, ' ', true, OrderedJson::error_handler_t::replace);
    note = note.substr(1, note.size() - 2);
    for (size_t at = 0; (at = note.find("\\\"", at)) != std::string::npos; ++at) note.erase(at, 1);
    if (header.size() + note.size() > kLongest) return header + fmt::format("; and {} more", notes.size() - i);
    header += (header.empty() ? "" : "; ") + note;
  }
  return header;
}

}  // namespace glassbox
