// Requests to a hub and to the storage that it names (RFC 9110), over libcurl.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glassbox::hub {

// A part of a file, sent without being in memory.
struct FileRange {
  std::filesystem::path file;
  uint64_t offset = 0, size = 0;  // bytes
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string token = {};  // goes as "Authorization: Bearer", to the origin of `url` and to no other
  std::string body = {};
  std::optional<FileRange> file = {};  // instead of `body`
  // Hears of bytes of the file that are on their way, from 0 on again where they are sent again.
  std::function<void(uint64_t sent)> sent = {};
  int patience = 30;  // seconds without a byte, after which the other side counts as gone
  int tries = 5;      // in all, pauses of 1, 2, 4, 8 s between them, or as long as the server says; two of a first
                      // connection
};

struct HttpAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // empty where it was streamed
  std::string url;                                           // that answered, behind redirects

  bool ok() const { return status >= 200 && status < 300; }
  std::optional<std::string> header(std::string_view name) const;  // in lower case
  // What the server says of a refusal: X-Error-Message, or "error" of its JSON; "" where it says nothing.
  std::string words() const;
  // One line: who answered what to what.
  std::string refusal() const;
};

// "https://host:port" of an http or https address; nothing for any other text.
std::optional<std::string> origin_of(std::string_view url);
// Percent-encoded as one segment of a path, or with its slashes kept.
std::string url_segment(std::string_view text);
std::string url_path(std::string_view path);

// One connection after another to each host, kept open between requests. For one thread.
class Http {
 public:
  // How the answer streams: `begin` is told of each 2xx answer before its body, whose bytes `take` gets. What either
  // throws ends the request and comes out of send().
  struct Sink {
    std::function<void(const HttpAnswer& head)> begin;
    std::function<void(std::string_view bytes)> take;
  };

  // `reached`: whether the other side has answered before, to another of these.
  explicit Http(bool reached = false);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  // The answer, whatever its status, after redirects. Tried again on broken connections, 408, 429 and 5xx (not 501),
  // though not once bytes were streamed. Throws Error(io) where there is no answer, Error(bad_file) for what is no
  // HTTP, for redirects that lead nowhere and for more than 64 MiB that are not streamed.
  HttpAnswer send(const HttpRequest& request, const Sink* sink = nullptr);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glassbox::hub
