#include "web/embed/assets.h"

#include <algorithm>
#include <array>
#include <cstddef>

#if GLASSBOX_WEB
extern "C" const char glassbox_assets[];  // every file one after the other: assets.S
#endif

namespace glassbox {
namespace {

#if GLASSBOX_WEB
// A file of glassbox_assets: where its bytes are, and where they are compressed.
struct Entry {
  std::string_view path, content_type, etag;
  std::size_t offset, size, gzip_offset, gzip_size;
  bool immutable;
};
#include "asset_table.inc"  // kEntries, ordered by path; kPages, the first folder of every page's address

constexpr auto kAssets = [] {
  std::array<Asset, kEntries.size()> all;
  std::transform(kEntries.begin(), kEntries.end(), all.begin(), [](const Entry& e) {
    return Asset{e.path,
                 e.content_type,
                 e.etag,
                 {glassbox_assets + e.offset, e.size},
                 {glassbox_assets + e.gzip_offset, e.gzip_size},
                 e.immutable};
  });
  return all;
}();
#else
constexpr std::array<Asset, 0> kAssets{};
constexpr std::array<std::string_view, 0> kPages{};
#endif

std::optional<Asset> file(std::string_view path) {
  auto found = std::lower_bound(kAssets.begin(), kAssets.end(), path,
                                [](const Asset& asset, std::string_view wanted) { return asset.path < wanted; });
  if (found == kAssets.end() || found->path != path) return std::nullopt;
  return *found;
}

// "/chat/a1b2" is the page "chat", and so is "/chat".
bool is_page(std::string_view path) {
  if (path == "/") return true;
  std::string_view first = path.substr(1, path.find('/', 1) - 1);
  return std::find(kPages.begin(), kPages.end(), first) != kPages.end();
}

}  // namespace

std::optional<Asset> find_asset(std::string_view path) {
  if (path.empty() || path[0] != '/') return std::nullopt;
  if (auto asset = file(path)) return asset;
  return is_page(path) ? file("/index.html") : std::nullopt;
}

std::span<const Asset> assets() { return kAssets; }

std::string_view content_security_policy() {
  // Styles may be inline because KaTeX and the plots position what they draw with style attributes.
  return "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: "
         "blob:; "
         "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
         "frame-ancestors 'none'";
}

}  // namespace glassbox
