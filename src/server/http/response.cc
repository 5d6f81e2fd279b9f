#include "server/http/response.h"

#include <ctime>

namespace glassbox::http {
namespace {

std::string date_now() {
  std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[64];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return text;
}

}  // namespace

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

std::string head_text(const Response& response, Framing framing, bool keep_alive) {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
  for (const Header& header : response.headers) text += fmt::format("{}: {}\r\n", header.name, header.value);
  bool bodiless = response.status == 204 || response.status == 304;
  if (framing == Framing::counted && !bodiless)
    text += fmt::format("Content-Length: {}\r\n", response.size.value_or(response.body.size()));
  if (framing == Framing::chunked) text += "Transfer-Encoding: chunked\r\n";
  text += fmt::format("Connection: {}\r\nDate: {}\r\nServer: glassbox\r\n\r\n", keep_alive ? "keep-alive" : "close",
                      date_now());
  return text;
}

// A line break in a value would let whoever chose the value write headers of their own.
void check_headers(const Response& response) {
  for (const Header& header : response.headers)
    check(header.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
          "a header's value holds a line break");
}

}  // namespace glassbox::http
