// The pages, as built from web/ into this binary: index.html, scripts, styles, fonts.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace glassbox {

// One file of the pages. All views are into read-only memory of the binary and live as long as it does.
struct Asset {
  std::string_view path;          // "/assets/index-B3f.js", "/index.html"
  std::string_view content_type;  // "text/javascript; charset=utf-8"
  std::string_view etag;          // quoted, as the header wants it: "\"5f2a...\"" (SHA-256 of bytes)
  std::string_view bytes;
  std::string_view gzip;  // the same, gzip-compressed; empty where that saves nothing (fonts, pictures)
  bool immutable;         // its name holds its hash: it may be cached for a year; otherwise "no-cache" and the ETag
};

// The file a browser means by the path of a request (no query, not percent-decoded): a file's own path, or
// index.html for "/" and for every path of a page ("/chat", "/chat/a1b2", "/training"): those are the address
// of a view, which script reads. Nothing if there is none, and always nothing in a build with
// GLASSBOX_WEB=OFF. Any thread.
std::optional<Asset> find_asset(std::string_view path);

// Every file, ordered by path.
std::span<const Asset> assets();

// What to send as Content-Security-Policy with every asset: only this host's scripts, none inline; no other
// host at all.
std::string_view content_security_policy();

}  // namespace glassbox
