// Who may ask: the Host a browser thinks it talks to, the Origin of the page that asks, and keys.
//
// A page of any site can make a visitor's browser send requests to this machine. On loopback only names of
// loopback are answered to (else a site could point its own name here and read the answers), and pages of
// other origins are refused unless they are allowed. Off loopback there must be keys.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api_error.h"
#include "server/http/http.h"

namespace glassbox {

struct GuardOptions {
  std::string address = "127.0.0.1";       // that the server listens on
  std::vector<std::string> api_keys;       // any of them; none: everybody may. Visible ASCII
  std::vector<std::string> allow_origins;  // "https://example.org"; "*" is every one
};

bool is_loopback_address(std::string_view address);

// Shorter keys are refused off loopback: sixteen random letters and digits are 95 bits, and a word that someone thought
// of is in a list.
constexpr size_t kShortestKey = 16;

class Guard {
 public:
  // Throws Error(bad_request) off loopback without keys or with a short one, and for an origin or key that can never
  // match.
  explicit Guard(GuardOptions options);

  // What is wrong with a request, seen from its head. `open`: what it asks for needs no key, for it tells nothing.
  // `asks_itself`: it asks for a key of its own (Route::asks_itself).
  std::optional<ApiError> refuse(const http::Request& head, bool open, bool asks_itself = false) const;
  // The answer to a browser's question before it asks (CORS preflight): `methods` ("GET, POST") may be asked with.
  // Nothing if this is none. REQUIRES: refuse() had nothing against it.
  std::optional<http::Response> preflight(const http::Request& head, const std::string& methods) const;
  // Adds the headers every answer has, and those that let an allowed origin read it.
  void finish(const http::Request& head, http::Response& response) const;

 private:
  bool is_own_host(std::string_view host) const;
  bool is_allowed(const http::Request& head, std::string_view origin) const;
  bool has_key(const http::Request& head) const;

  GuardOptions options_;
  bool loopback_;
  std::vector<std::array<unsigned char, 32>> keys_;  // their SHA-256: comparing those tells nothing of lengths
};

}  // namespace glassbox
