#include "server/guard.h"

#include <gmock/gmock.h>

#include "server/wrong_keys.h"

namespace glassbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

http::Request request(std::vector<http::Header> headers, std::string path = "/v1/models", std::string method = "GET") {
  return {std::move(method), std::move(path), "", std::move(headers), "", ""};
}
std::string refused(const Guard& guard, const http::Request& head, bool open = false) {
  auto error = guard.refuse(head, open);
  return error ? fmt::format("{} {}", error->status, error->code) : "";
}
std::string value_of(const http::Response& response, std::string_view name) {
  for (const auto& header : response.headers)
    if (header.name == name) return header.value;
  return "";
}

TEST(Guard, LoopbackAddresses) {
  for (const char* address : {"127.0.0.1", "127.1.2.3", "::1", "localhost"})
    EXPECT_TRUE(is_loopback_address(address)) << address;
  for (const char* address : {"0.0.0.0", "::", "10.0.0.1", "192.168.1.5", "example.org", "", "127.0.0.1.example.org"})
    EXPECT_FALSE(is_loopback_address(address)) << address;
}

TEST(Guard, OnLoopbackOnlyItsOwnNamesAreAnsweredTo) {
  Guard guard({});
  for (const char* host :
       {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8080"})
    EXPECT_EQ(refused(guard, request({{"Host", host}})), "") << host;
  for (const char* host : {"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "",
                           "[::2]:1", "0.0.0.0:80", "localhost@evil.example"})
    EXPECT_EQ(refused(guard, request({{"Host", host}})), "403 host_not_allowed") << host;
}

TEST(Guard, PagesOfOtherOriginsAreRefused) {
  Guard guard({"127.0.0.1", {}, {"https://Friend.example/"}});
  auto from = [&](const char* origin) {
    return refused(guard, request({{"Host", "localhost:8080"}, {"Origin", origin}}));
  };
  EXPECT_EQ(from("http://localhost:8080"), "");
  EXPECT_EQ(from("https://localhost:8080"), "");
  EXPECT_EQ(from("https://friend.example"), "");
  for (const char* origin : {"http://localhost:3000", "http://127.0.0.1:8080", "https://evil.example", "null",
                             "http://localhost", "", "https://friend.example.org"})
    EXPECT_EQ(from(origin), "403 origin_not_allowed") << origin;
  Guard open({"127.0.0.1", {}, {"*"}});
  EXPECT_EQ(refused(open, request({{"Host", "localhost"}, {"Origin", "https://any.example"}})), "");
  EXPECT_EQ(refused(guard, request({{"Host", "localhost"}, {"Sec-Fetch-Site", "cross-site"}})),
            "403 origin_not_allowed");
  EXPECT_EQ(refused(guard, request({{"Host", "localhost"}, {"Sec-Fetch-Site", "cross-site"}}), true),
            "");  // a link to the page
  EXPECT_EQ(refused(guard, request({{"Host", "localhost"}, {"Sec-Fetch-Site", "same-origin"}})), "");
}

TEST(Guard, AllowedOriginsMayReadAnswers) {
  Guard guard({"127.0.0.1", {"key"}, {"https://friend.example"}});
  http::Request ask = request({{"Host", "localhost"},
                               {"Origin", "https://friend.example"},
                               {"Access-Control-Request-Method", "POST"},
                               {"Access-Control-Request-Headers", "authorization,content-type,x-stainless-os"}},
                              "/v1/chat/completions", "OPTIONS");
  EXPECT_EQ(refused(guard, ask), "");  // a browser asks without the key
  auto response = guard.preflight(ask, "GET, HEAD, POST");
  ASSERT_TRUE(response);
  guard.finish(ask, *response);
  EXPECT_EQ(response->status, 204);
  EXPECT_EQ(value_of(*response, "Access-Control-Allow-Origin"), "https://friend.example");
  EXPECT_EQ(value_of(*response, "Access-Control-Allow-Methods"), "GET, HEAD, POST");
  EXPECT_EQ(value_of(*response, "Access-Control-Allow-Headers"), "authorization,content-type,x-stainless-os");
  EXPECT_FALSE(guard.preflight(request({{"Host", "localhost"}}, "/", "OPTIONS"), "GET"));
  http::Response plain;
  guard.finish(request({{"Host", "localhost"}}), plain);
  EXPECT_EQ(value_of(plain, "Access-Control-Allow-Origin"), "");
  EXPECT_EQ(value_of(plain, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(value_of(plain, "Cross-Origin-Resource-Policy"), "same-origin");
}

TEST(Guard, Keys) {
  const std::string first = "the-first-of-the-keys", second = "the-second-of-the-keys";
  Guard guard({"0.0.0.0", {first, second}, {}});
  auto with = [&](const std::string& authorization) {
    return refused(guard, request({{"Host", "box.lan:8080"}, {"Authorization", authorization}}));
  };
  EXPECT_EQ(with("Bearer " + first), "");
  EXPECT_EQ(with("bearer  " + second), "");
  for (const std::string header :
       {"Bearer third", "Bearer ", "Bearer", "", "the-first-of-the-keys", "Basic the-first-of-the-keys",
        "Bearer the-first-of-the-key", "Bearer the-first-of-the-keysx", "Bearer THE-FIRST-OF-THE-KEYS"})
    EXPECT_EQ(with(header), "401 invalid_api_key") << header;
  EXPECT_EQ(refused(guard, request({{"Host", "box.lan"}})), "401 invalid_api_key");
  EXPECT_EQ(refused(guard, request({{"Host", "box.lan"}}), true), "");  // what is open
}

std::string thrown(GuardOptions options) {
  try {
    Guard{std::move(options)};
  } catch (const Error& error) { return error.what(); }
  return "";
}

TEST(Guard, WhatAsksForKeysOfItsOwnIsAskedForNoneOfTheServers) {
  Guard guard({"0.0.0.0", {"a-key-of-sixteen-letters"}, {}});
  const auto asked = [&](std::vector<http::Header> headers) {
    const auto error = guard.refuse(request(std::move(headers)), false, true);
    return error ? fmt::format("{} {}", error->status, error->code) : "";
  };
  EXPECT_EQ(asked({}), "");
  EXPECT_EQ(asked({{"Authorization", "Bearer hf_another"}}), "");
  // Pages of others are still none of its callers.
  EXPECT_EQ(asked({{"Host", "hub.example"}, {"Origin", "https://other.example"}}), "403 origin_not_allowed");
  EXPECT_EQ(asked({{"Sec-Fetch-Site", "cross-site"}}), "403 origin_not_allowed");
  EXPECT_EQ(refused(guard, request({})), "401 invalid_api_key");
}

TEST(Guard, OffLoopbackThereMustBeALongKey) {
  for (const char* address : {"0.0.0.0", "::", "192.168.1.5"}) {
    EXPECT_THAT(thrown({address, {}, {}}), HasSubstr("needs a key: give --api-key-file, or set GLASSBOX_API_KEY"));
    EXPECT_THAT(thrown({address, {"fifteen-letters"}, {}}), HasSubstr("at least 16 characters"));
    EXPECT_THAT(thrown({address, {"fifteen-letters"}, {}}), Not(HasSubstr("fifteen-letters")));
    EXPECT_EQ(thrown({address, {"sixteen-letters!"}, {}}), "");
    EXPECT_THAT(thrown({address, {"sixteen-letters!", "short"}, {}}), HasSubstr("got 5"));  // each of them
  }
  EXPECT_EQ(thrown({"127.0.0.1", {"k"}, {}}), "");
  EXPECT_NE(thrown({"127.0.0.1", {""}, {}}), "");
  EXPECT_NE(thrown({"127.0.0.1", {"a b"}, {}}), "");
  EXPECT_NE(thrown({"127.0.0.1", {"gr\xC3\xBC\xC3\x9F dich"}, {}}), "");
  EXPECT_NE(thrown({"127.0.0.1", {}, {"example.org"}}), "");
}

TEST(WrongKeys, RefusalsSlowDownForEachPeerAlone) {
  using std::chrono::milliseconds;
  WrongKeys wrong;
  const auto start = WrongKeys::Clock::now();
  std::vector<int64_t> waits;
  for (int i = 0; i < 11; ++i) waits.push_back(wrong.note(fmt::format("192.0.2.7:{}", 5000 + i), start).count());
  EXPECT_THAT(waits, ElementsAre(0, 0, 0, 100, 200, 400, 800, 1600, 2000, 2000, 2000));
  EXPECT_EQ(wrong.note("192.0.2.8:5000", start), milliseconds(0));
  EXPECT_EQ(wrong.note("192.0.2.7:1", start + std::chrono::minutes(4)), milliseconds(2000));
  EXPECT_EQ(wrong.note("192.0.2.7:1", start + std::chrono::minutes(10)), milliseconds(0));
  // A machine has a network of IPv6 to itself.
  for (int i = 0; i < 3; ++i) wrong.note(fmt::format("[2001:db8:1:2::{}]:99", i + 1), start);
  EXPECT_EQ(wrong.note("[2001:db8:1:2:ffff::9]:1", start), milliseconds(100));
  EXPECT_EQ(wrong.note("[2001:db8:1:3::1]:1", start), milliseconds(0));
}

TEST(WrongKeys, TheTableIsBounded) {
  WrongKeys wrong(100);
  const auto start = WrongKeys::Clock::now();
  for (int i = 0; i < 5000; ++i)
    wrong.note(fmt::format("10.0.{}.{}:1", i / 250, i % 250), start + std::chrono::milliseconds(i));
  EXPECT_EQ(wrong.size(), 100u);
  for (int i = 0; i < 3; ++i) wrong.note("10.0.19.249:1", start + std::chrono::seconds(6));
  EXPECT_EQ(wrong.note("10.0.19.249:1", start + std::chrono::seconds(6)).count(), 200);  // the last is remembered
}

}  // namespace
}  // namespace glassbox
