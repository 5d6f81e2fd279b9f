#include "hub/names.h"

#include <algorithm>

#include "base/quote.h"
#include "hub/refusal.h"
#include "unicode/utf8.h"

namespace glassbox::hub {
namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// What addresses begin with that are no owner's, today or as the clients and people know them from other hubs.
constexpr std::string_view kReserved[] = {
    "api",    "assets",   "chat",   "collections", "datasets", "docs",          "health", "join", "lfs",      "login",
    "logout", "metrics",  "models", "new",         "oauth",    "organizations", "papers", "race", "settings", "spaces",
    "static", "training", "users",  "v1",          "xet"};

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

std::string folded(std::string_view name) {
  std::string lower(name);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return lower;
}

void check_name(std::string_view what, std::string_view name) {
  const auto wrong = [&](const char* why) { refuse(Refused::bad_name, "{} {}: {}", what, quote(name), why); };
  if (name.empty() || name.size() > 96) wrong("expected 1 to 96 characters");
  if (!std::ranges::all_of(name, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.'; }))
    wrong("expected letters, digits, '-', '_' and '.'");
  if (name.front() == '-' || name.front() == '.' || name.back() == '-' || name.back() == '.')
    wrong("may not begin or end with '-' or '.'");
  if (name.find("--") != std::string_view::npos || name.find("..") != std::string_view::npos)
    wrong("may not contain \"--\" or \"..\"");
  if (folded(name).ends_with(".git")) wrong("may not end in \".git\"");
}

void check_owner_name(std::string_view what, std::string_view name) {
  check_name(what, name);
  if (std::ranges::find(kReserved, folded(name)) != std::end(kReserved))
    refuse(Refused::bad_name, "{} {}: is reserved for pages of this site", what, quote(name));
}

void check_reference_name(std::string_view what, std::string_view name) {
  const auto wrong = [&](const char* why) { refuse(Refused::bad_name, "{} {}: {}", what, quote(name), why); };
  if (name.empty() || name.size() > 244) wrong("expected 1 to 244 characters");
  if (unicode::valid_prefix(name) != name.size()) wrong("expected UTF-8");
  for (const char c : name)
    if (is_control(c) || std::string_view(" ~^:?*[\\").find(c) != std::string_view::npos)
      wrong("may not contain spaces, control characters or any of ~^:?*[\\");
  if (name.front() == '/' || name.back() == '/' || name.find("//") != std::string_view::npos)
    wrong("may not begin or end with a slash, or have two in a row");
  if (name.find("..") != std::string_view::npos || name.find("@{") != std::string_view::npos || name == "@")
    wrong("may not contain \"..\" or \"@{\"");
  if (name.front() == '-' || name.back() == '.') wrong("may not begin with '-' or end with '.'");
  for (size_t at = 0; at <= name.size();) {
    const std::string_view part = name.substr(at, name.find('/', at) - at);
    if (part.starts_with('.') || part.ends_with(".lock")) wrong("no part may begin with '.' or end in \".lock\"");
    at += part.size() + 1;
  }
  if (name == "HEAD" || name.starts_with("refs/")) wrong("is reserved");
  if (name.size() == 40 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos)
    wrong("looks like a commit");
}

void check_path(std::string_view path) {
  const auto wrong = [&](const char* why) { refuse(Refused::bad_path, "path {}: {}", quote(path), why); };
  if (path.empty() || path.size() > 4000) wrong("expected 1 to 4000 bytes");
  if (unicode::valid_prefix(path) != path.size()) wrong("expected UTF-8");
  if (std::ranges::any_of(path, is_control)) wrong("may not contain control characters");
  if (path.find('\\') != std::string_view::npos) wrong("may not contain backslashes");
  for (size_t at = 0; at <= path.size();) {
    const std::string_view part = path.substr(at, path.find('/', at) - at);
    if (part.empty()) wrong("may not begin or end with a slash, or have two in a row");
    if (part.size() > 255) wrong("no part may be longer than 255 bytes");
    if (part == "." || part == ".." || folded(part) == ".git") wrong("no part may be \".\", \"..\" or \".git\"");
    at += part.size() + 1;
  }
}

}  // namespace glassbox::hub
