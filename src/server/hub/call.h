// One request to the hub: who asks, for which repository, and with what in its query and body.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "hub/hub.h"
#include "server/http/http.h"
#include "server/hub/site.h"
#include "server/routes.h"

namespace glassbox::hubapi {

// What a path names behind a repository: "main/a/b.txt", "refs%2Fpr%2F1/a", "refs/pr/1/a". Decoded.
struct RevisionPath {
  std::string revision, path;
};
RevisionPath split_revision(std::string_view rest);

struct Call {
  hub::Hub& hub;
  const http::Request& request;
  const Route::Parts& parts;
  hub::Caller caller;
  hub::RepositoryKind kind = hub::RepositoryKind::model;
  FinishAnswer finish;  // for who answers by a stream

  // "owner/name" of the path, without a ".git" behind it.
  std::string repository() const;
  RevisionPath rest() const;                      // of the pattern's {rest...}
  std::string part(std::string_view name) const;  // of the path, decoded

  // "http://127.0.0.1:8080", as the client calls this server: URLs in answers begin so, or clients refuse them.
  std::string base() const;
  // As whom a download counts: a user at an address.
  std::string downloader() const;
  // The URL of what belongs to a repository: "http://.../datasets/owner/name".
  std::string url_of(const hub::Repository& repository) const;
  std::string api_url_of(const hub::Repository& repository) const;

  // All values of a key of the query, decoded. `key` and `key[]` are the same.
  std::vector<std::string> query(std::string_view key) const;
  std::optional<std::string> query_one(std::string_view key) const;
  bool query_flag(std::string_view key) const;  // "true", "True" or "1"
  // A whole number of the query, within these bounds.
  size_t query_number(std::string_view key, size_t otherwise, size_t most) const;

  // The body as a JSON object; one that is empty is an empty object. Throws Error(bad_request).
  Json json() const;
};

// Keys and values of a query or a form ("a=1&b=x%20y"), decoded ('+' is a space), in their order.
std::vector<std::pair<std::string, std::string>> form_values(std::string_view text);

// "models", "datasets" or "spaces": in the API's paths.
std::string_view plural_of(hub::RepositoryKind kind);

// The answer to anything that was thrown: a status, a JSON body with "error", and the headers by which clients tell
// what it was (X-Error-Code, X-Error-Message).
http::Response error_answer(std::exception_ptr thrown, const Call* call);

// A field of a body; `otherwise` where it is missing or null. Refuses (bad_value) what is no text.
std::string text_in(const Json& body, const char* key, const std::string& otherwise = "");

// "2026-11-30T12:00:00.000Z".
std::string date(int64_t milliseconds);

http::Response json_answer(const Json& json, int status = 200);

// The answer with a Link to the next page: the request's own query with `cursor` in it.
http::Response page_answer(const Call& call, const Json& items, const std::optional<std::string>& cursor);

}  // namespace glassbox::hubapi
