#include "server/guard.h"

#include <gmock/gmock.h>

namespace glassbox {
namespace {

using ::testing::HasSubstr;

http::Request request(std::vector<http::Header> headers, std::string path = "/v1/models", std::string method = "GET") {
  return {std::move(method), std::move(path), "", std::move(headers), "", ""};
}
std::string refused(const Guard& guard, const http::Request& head) {
  auto error = guard.refuse(head);
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
  EXPECT_EQ(refused(guard, request({{"Host", "localhost"}, {"Sec-Fetch-Site", "cross-site"}}, "/")),
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
  auto response = guard.preflight(ask);
  ASSERT_TRUE(response);
  guard.finish(ask, *response);
  EXPECT_EQ(response->status, 204);
  EXPECT_EQ(value_of(*response, "Access-Control-Allow-Origin"), "https://friend.example");
  EXPECT_EQ(value_of(*response, "Access-Control-Allow-Headers"), "authorization,content-type,x-stainless-os");
  EXPECT_FALSE(guard.preflight(request({{"Host", "localhost"}}, "/", "OPTIONS")));
  http::Response plain;
  guard.finish(request({{"Host", "localhost"}}), plain);
  EXPECT_EQ(value_of(plain, "Access-Control-Allow-Origin"), "");
  EXPECT_EQ(value_of(plain, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(value_of(plain, "Cross-Origin-Resource-Policy"), "same-origin");
}

TEST(Guard, Keys) {
  Guard guard({"0.0.0.0", {"first", "second"}, {}});
  auto with = [&](const char* authorization, const char* path = "/v1/models") {
    return refused(guard, request({{"Host", "box.lan:8080"}, {"Authorization", authorization}}, path));
  };
  EXPECT_EQ(with("Bearer first"), "");
  EXPECT_EQ(with("bearer  second"), "");
  for (const char* header : {"Bearer third", "Bearer ", "Bearer", "first", "Basic first", "Bearer firs",
                             "Bearer firstt", "Bearer FIRST", ""})
    EXPECT_EQ(with(header), "401 invalid_api_key") << header;
  for (const char* path : {"/v1/models", "/v1", "/api/training", "/metrics", "/v1/chat/completions"})
    EXPECT_EQ(refused(guard, request({{"Host", "box.lan"}}, path)), "401 invalid_api_key") << path;
  for (const char* path : {"/", "/health", "/assets/a.js", "/v1x"})
    EXPECT_EQ(refused(guard, request({{"Host", "box.lan"}}, path)), "") << path;
}

TEST(Guard, OffLoopbackThereMustBeAKey) {
  EXPECT_THROW(Guard({"0.0.0.0", {}, {}}), Error);
  EXPECT_THROW(Guard({"::", {}, {}}), Error);
  EXPECT_NO_THROW(Guard({"0.0.0.0", {"k"}, {}}));
  EXPECT_THROW(Guard({"127.0.0.1", {""}, {}}), Error);
  EXPECT_THROW(Guard({"127.0.0.1", {"a b"}, {}}), Error);
  EXPECT_THROW(Guard({"127.0.0.1", {}, {"example.org"}}), Error);
}

}  // namespace
}  // namespace glassbox
