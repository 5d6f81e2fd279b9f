#include "server/routes.h"

#include <gmock/gmock.h>

#include "server/fake_generator.h"
#include "server/service.h"

namespace glassbox {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::optional<Asset> pages(std::string_view path) {
  if (path == "/" || path == "/chat" || path.starts_with("/chat/") || path == "/training" || path == "/a.js")
    return Asset{};
  return std::nullopt;
}

// As a server has them.
class RoutesTest : public ::testing::Test {
 protected:
  RoutesTest() : service_(options()) {}

  const Routes& routes() const { return service_.routes(); }
  Target find(std::string_view method, std::string_view path) const { return routes().find(method, path); }
  std::string of(std::string_view method, std::string_view path) const {
    const Target target = find(method, path);
    return target.label + " " + target.path;
  }
  bool is_open(std::string_view method, std::string_view path) const {
    return find(method, path).access == Access::everyone;
  }

 private:
  static ServiceOptions options() {
    ServiceOptions options;
    options.models = {std::make_shared<testing::FakeGenerator>()};
    options.find_page = pages;
    return options;
  }

  Service service_;
};

// A route that needs no key is a decision: it stands here, too.
TEST_F(RoutesTest, AllThereAreAndWhoMayAsk) {
  std::vector<std::string> all;
  for (const Route& route : routes().table())
    all.push_back(route.method + " " + route.pattern + (route.access == Access::everyone ? ": everyone" : ""));
  EXPECT_THAT(all, ElementsAre("GET /health: everyone", "GET /metrics", "GET /api/training", "GET /v1/models",
                               "GET /v1/models/{model...}", "POST /v1/chat/completions", "POST /v1/completions",
                               "POST /api/prompt", "GET /{page...}: everyone"));
  EXPECT_THAT(routes().methods(), ElementsAre("GET", "HEAD", "POST"));
}

TEST_F(RoutesTest, AsTheyAreWritten) {
  for (const std::string path : {"/health", "/metrics", "/api/training", "/v1/models"})
    EXPECT_EQ(of("GET", path), path + " " + path);
  for (const std::string path : {"/v1/chat/completions", "/v1/completions", "/api/prompt"})
    EXPECT_EQ(of("POST", path), path + " " + path);
  EXPECT_EQ(of("GET", "/v1/models/glassbox/prism"), "/v1/models/{model} /v1/models/glassbox/prism");
  EXPECT_EQ(of("GET", "/v1/models/a%2Fb"), "/v1/models/{model} /v1/models/a%2Fb");
  for (const char* path : {"/", "/chat", "/chat/7", "/training", "/a.js"})
    EXPECT_EQ(of("GET", path), std::string("page ") + path);
  EXPECT_EQ(of("GET", "/v1/nothing"), "other /v1/nothing");
  EXPECT_EQ(of("GET", "/v1"), "other /v1");
  EXPECT_EQ(of("GET", "/v1x"), "page /v1x");
}

TEST_F(RoutesTest, SlashesTooManyAndBasesWithoutVersion) {
  for (const char* path :
       {"//v1/chat/completions", "/v1//chat/completions", "/v1/chat/completions/", "//v1//chat///completions//",
        "/chat/completions", "/chat/completions/", "//chat/completions", "/v1/v1/chat/completions",
        "/v1/v1/v1/chat/completions", "/v1//v1/chat/completions"})
    EXPECT_EQ(of("POST", path), "/v1/chat/completions /v1/chat/completions") << path;
  EXPECT_EQ(of("POST", "/completions"), "/v1/completions /v1/completions");
  for (const char* path : {"/models", "//models/", "/v1/models/", "/v1//models"})
    EXPECT_EQ(of("GET", path), "/v1/models /v1/models") << path;
  EXPECT_EQ(of("GET", "/models/glassbox/prism/"), "/v1/models/{model} /v1/models/glassbox/prism");
  EXPECT_EQ(of("GET", "//health/"), "/health /health");
  EXPECT_EQ(of("GET", "//a.js"), "page /a.js");
  EXPECT_EQ(of("GET", "/chat/completions"), "page /chat/completions");  // an address of the page, which comes first
  EXPECT_EQ(of("POST", "/chat"), "page /chat");                         // 405
  EXPECT_EQ(of("POST", "/nothing"), "other /nothing");
}

// What needs a key does so however its path is written.
TEST_F(RoutesTest, KeysCannotBeWalkedAround) {
  for (const char* path : {"/v1/models", "//v1/models", "/models", "/v1/v1/models/", "/metrics", "//metrics/",
                           "/api/training", "//api//training", "/v1/nothing", "//v1", "/models/x", "/v1/models/x"})
    EXPECT_FALSE(is_open("GET", path)) << path;
  for (const char* path : {"/chat/completions", "//chat/completions/", "/completions"})
    EXPECT_FALSE(is_open("POST", path)) << path;
  for (const char* path : {"/", "/health", "//health", "/chat/7", "/no/such/page"})
    EXPECT_TRUE(is_open("GET", path)) << path;
}

TEST_F(RoutesTest, WhatIsQuick) {
  for (const char* path : {"/health", "/metrics", "/v1/models", "/v1/models/x", "/", "/chat"})
    EXPECT_TRUE(find("GET", path).route->quick) << path;
  EXPECT_FALSE(find("GET", "/api/training").route->quick);
  EXPECT_FALSE(find("POST", "/v1/chat/completions").route->quick);
}

TEST_F(RoutesTest, UnknownPathsNameWhatIsMeant) {
  EXPECT_EQ(routes().no_such_path("POST", "/openai/v1/chat/completions"),
            "POST /openai/v1/chat/completions: no such path; did you mean /v1/chat/completions?");
  EXPECT_EQ(routes().no_such_path("GET", "/api/v1/models/"),
            "GET /api/v1/models/: no such path; did you mean /v1/models?");
  EXPECT_EQ(routes().no_such_path("POST", "/v1/engines/x/completions"),
            "POST /v1/engines/x/completions: no such path; did you mean /v1/chat/completions?");
  EXPECT_EQ(routes().no_such_path("POST", "/v1/embeddings"),
            "POST /v1/embeddings: no such path; there are /health, /metrics, /api/training, /v1/models, "
            "/v1/chat/completions, /v1/completions, /api/prompt");
}

Route made_up(std::string method, std::string pattern, Access access = Access::key) {
  return {.method = std::move(method), .pattern = std::move(pattern), .handle = nullptr, .access = access};
}

TEST(Routes, PatternsTakeThePartsOfAPath) {
  const Routes routes({made_up("GET", "/files/{owner}/{name}/raw/{path...}"), made_up("GET", "/files/{owner}"),
                       made_up("PUT", "/files/{owner}", Access::everyone), made_up("GET", "/files/{rest...}")});
  const Target file = routes.find("HEAD", "/files/a%2Fb/c/raw/d//e%20f/g");
  ASSERT_TRUE(file.route);
  EXPECT_EQ(file.route->pattern, "/files/{owner}/{name}/raw/{path...}");
  EXPECT_THAT(file.parts, ElementsAre(Pair("name", "c"), Pair("owner", "a%2Fb"), Pair("path", "d/e%20f/g")));
  EXPECT_EQ(file.label, "/files/{owner}/{name}/raw/{path...}");
  EXPECT_EQ(routes.find("GET", "/files/a").route->pattern, "/files/{owner}");  // the first that fits
  EXPECT_EQ(routes.find("GET", "/files/a/b/raw").route->pattern, "/files/{rest...}");
  EXPECT_FALSE(routes.find("GET", "/files").route);
  EXPECT_TRUE(routes.find("GET", "/files").methods.empty());

  const Target other = routes.find("DELETE", "/files/a");
  EXPECT_FALSE(other.route);
  EXPECT_THAT(other.methods, ElementsAre("GET", "HEAD", "PUT"));
  EXPECT_EQ(other.access, Access::key);  // where one of them needs it
  EXPECT_THROW(Routes({made_up("GET", "/a"), made_up("GET", "/a")}), std::logic_error);
}

}  // namespace
}  // namespace glassbox
