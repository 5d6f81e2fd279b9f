#include "web/embed/assets.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <zlib.h>

#include <algorithm>
#include <string>

namespace glassbox {
namespace {

#if GLASSBOX_WEB

std::string gunzip(std::string_view compressed) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string out;
  char part[1 << 14];
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(part);
    stream.avail_out = sizeof part;
    status = inflate(&stream, Z_NO_FLUSH);
    out.append(part, sizeof part - stream.avail_out);
  }
  EXPECT_EQ(status, Z_STREAM_END);
  inflateEnd(&stream);
  return out;
}

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  std::string hex;
  for (unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

TEST(Assets, EveryFileIsWholeAndFoundByItsPath) {
  ASSERT_GE(assets().size(), 3u);  // a page, a script and a style at least
  for (const Asset& asset : assets()) {
    auto found = find_asset(asset.path);
    ASSERT_TRUE(found) << asset.path;
    EXPECT_EQ(found->bytes.data(), asset.bytes.data());
    EXPECT_EQ(asset.etag, fmt::format("\"{}\"", sha256_hex(asset.bytes).substr(0, 32))) << asset.path;
    if (!asset.gzip.empty()) {
      EXPECT_EQ(gunzip(asset.gzip), asset.bytes) << asset.path;
      EXPECT_LT(asset.gzip.size(), asset.bytes.size()) << asset.path;
    }
    EXPECT_FALSE(asset.content_type.empty()) << asset.path;
  }
  EXPECT_TRUE(
      std::is_sorted(assets().begin(), assets().end(), [](const Asset& a, const Asset& b) { return a.path < b.path; }));
}

TEST(Assets, AddressesOfViewsAreThePage) {
  auto page = find_asset("/index.html");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->content_type, "text/html; charset=utf-8");
  EXPECT_FALSE(page->immutable);
  EXPECT_NE(page->bytes.find("<title>Glassbox"), std::string_view::npos);
  for (const char* view : {"/", "/chat", "/chat/", "/chat/a1b2", "/training", "/training/prism"}) {
    auto found = find_asset(view);
    ASSERT_TRUE(found) << view;
    EXPECT_EQ(found->etag, page->etag) << view;
  }
}

TEST(Assets, AnythingElseIsNothing) {
  for (const char* path : {"", "chat", "/chats", "/v1/models", "/assets", "/assets/", "/assets/none.js", "/index.htm",
                           "/../index.html", "//", "/chat%2f", "/INDEX.HTML"}) {
    EXPECT_FALSE(find_asset(path)) << path;
  }
}

TEST(Assets, ThePageHasNoInlineScriptAndNamesNoOtherHost) {
  auto page = find_asset("/")->bytes;
  for (std::size_t at = page.find("<script"); at != std::string_view::npos; at = page.find("<script", at + 1)) {
    EXPECT_NE(page.substr(at, page.find('>', at) - at).find("src=\"/"), std::string_view::npos);
  }
  EXPECT_EQ(page.find("https://"), std::string_view::npos);
}

TEST(Assets, TheFirstViewIsSmall) {
  auto page = find_asset("/")->bytes;
  std::size_t total = 0;
  for (const Asset& asset : assets()) {
    bool named = page.find(asset.path) != std::string_view::npos;
    if (named && (asset.path.ends_with(".js") || asset.path.ends_with(".css"))) total += asset.gzip.size();
  }
  EXPECT_GT(total, 5'000u);
  EXPECT_LT(total, 150'000u);
}

#else

TEST(Assets, ABuildWithoutPagesHasNone) {
  EXPECT_TRUE(assets().empty());
  EXPECT_FALSE(find_asset("/"));
  EXPECT_FALSE(find_asset("/index.html"));
}

#endif

}  // namespace
}  // namespace glassbox
