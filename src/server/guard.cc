#include "server/guard.h"

#include <arpa/inet.h>
#include <fmt/ranges.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

#include "hub/names.h"

namespace glassbox {
namespace {

std::array<unsigned char, 32> digest(std::string_view text) {
  std::array<unsigned char, 32> out;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
  return out;
}

// "localhost" of "localhost:8080"; "[::1]" of "[::1]:8080".
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

}  // namespace

bool is_loopback_address(std::string_view address) {
  std::string text(address);
  if (text == "localhost") return true;
  in_addr v4;
  in6_addr v6;
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return ::inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

Guard::Guard(GuardOptions options) : options_(std::move(options)), loopback_(is_loopback_address(options_.address)) {
  if (!loopback_ && options_.api_keys.empty())
    fail(ErrorKind::bad_request,
         "listening on {}, which others can reach, needs a key: give --api-key-file, or set GLASSBOX_API_KEY",
         options_.address);
  for (const std::string& key : options_.api_keys) {
    // Other characters do not arrive in a header as they were sent. The key itself is not for logs.
    if (key.empty() || !std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7F; }))
      fail(ErrorKind::bad_request, "an API key: expected visible ASCII without spaces, got {}",
           key.empty() ? "nothing" : "other characters");
    if (!loopback_ && key.size() < kShortestKey)
      fail(ErrorKind::bad_request,
           "an API key: expected at least {} characters where others can reach the server ({}), got {}: `openssl rand "
           "-hex 16` makes one",
           kShortestKey, options_.address, key.size());
    keys_.push_back(digest(key));
  }
  for (std::string& origin : options_.allow_origins) {
    origin = hub::folded(origin);
    while (origin.ends_with('/')) origin.pop_back();
    if (origin != "*" && origin.find("://") == std::string::npos)
      fail(ErrorKind::bad_request, "an allowed origin: expected one like https://example.org, or *, got {}", origin);
  }
}

bool Guard::is_own_host(std::string_view host) const {
  std::string name = hub::folded(without_port(host));
  return name == "localhost" || name == "[::1]" || is_loopback_address(name);
}

bool Guard::is_allowed(const http::Request& head, std::string_view origin) const {
  std::string from = hub::folded(origin);
  auto host = head.header("Host");
  // The scheme is the browser's: a proxy in front may speak TLS.
  if (host && (from == "http://" + hub::folded(*host) || from == "https://" + hub::folded(*host))) return true;
  return std::any_of(options_.allow_origins.begin(), options_.allow_origins.end(),
                     [&](const std::string& allowed) { return allowed == "*" || allowed == from; });
}

bool Guard::has_key(const http::Request& head) const {
  auto header = head.header("Authorization");
  if (!header || header->size() < 7 || hub::folded(header->substr(0, 7)) != "bearer ") return false;
  std::string_view key = header->substr(7);
  key.remove_prefix(std::min(key.find_first_not_of(' '), key.size()));
  auto given = digest(key);
  int same = 0;
  for (const auto& known : keys_) same |= CRYPTO_memcmp(given.data(), known.data(), given.size()) == 0;
  return same != 0;
}

std::optional<ApiError> Guard::refuse(const http::Request& head, bool open, bool asks_itself) const {
  auto host = head.header("Host");
  if (loopback_ && host && !is_own_host(*host))
    return ApiError(
        403, fmt::format("the Host header: expected localhost, 127.0.0.1 or [::1], got {}", host->substr(0, 100)),
        "host_not_allowed");
  auto origin = head.header("Origin");
  if (origin && !is_allowed(head, *origin))
    return ApiError(
        403, fmt::format("pages of {} may not ask this server (--allow-origin lets them)", origin->substr(0, 100)),
        "origin_not_allowed");
  // Without an Origin: images, scripts and the like, which a page of another site has no business asking an
  // API for.
  if (!origin && !open && head.header("Sec-Fetch-Site") == "cross-site")
    return ApiError(403, "pages of other sites may not ask this server", "origin_not_allowed");
  bool asks_first = head.method == "OPTIONS" && origin && head.header("Access-Control-Request-Method");
  if (!keys_.empty() && !open && !asks_itself && !asks_first && !has_key(head)) {
    bool given = head.header("Authorization").has_value();
    return ApiError(401,
                    given ? "the API key is not one of this server's"
                          : "an API key is needed: send it as \"Authorization: Bearer KEY\"",
                    "invalid_api_key");
  }
  return std::nullopt;
}

std::optional<http::Response> Guard::preflight(const http::Request& head, const std::string& methods) const {
  if (head.method != "OPTIONS" || !head.header("Origin") || !head.header("Access-Control-Request-Method"))
    return std::nullopt;
  http::Response response{204, {}, ""};
  response.with("Access-Control-Allow-Methods", methods);
  if (auto headers = head.header("Access-Control-Request-Headers"))
    response.with("Access-Control-Allow-Headers", std::string(*headers));
  response.with("Access-Control-Max-Age", "600");
  return response;
}

void Guard::finish(const http::Request& head, http::Response& response) const {
  response.with("X-Content-Type-Options", "nosniff").with("Referrer-Policy", "no-referrer");
  auto origin = head.header("Origin");
  if (origin && is_allowed(head, *origin)) {
    response.with("Access-Control-Allow-Origin", std::string(*origin)).with("Vary", "Origin");
    response.with("Cross-Origin-Resource-Policy", "cross-origin");
  } else {
    response.with("Cross-Origin-Resource-Policy", "same-origin");
  }
}

}  // namespace glassbox
