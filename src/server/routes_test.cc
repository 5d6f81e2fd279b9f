#include "server/routes.h"

#include <gtest/gtest.h>

namespace glassbox {
namespace {

std::optional<Asset> pages(std::string_view path) {
  if (path == "/" || path == "/chat" || path.starts_with("/chat/") || path == "/training" || path == "/a.js")
    return Asset{};
  return std::nullopt;
}

std::string of(std::string_view method, std::string_view path) {
  const Target target = target_of(method, path, pages);
  return label_of(target) + " " + target.path;
}

TEST(Routes, AsTheyAreWritten) {
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

TEST(Routes, SlashesTooManyAndBasesWithoutVersion) {
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
TEST(Routes, KeysCannotBeWalkedAround) {
  for (const char* path : {"/v1/models", "//v1/models", "/models", "/v1/v1/models/", "/metrics", "//metrics/",
                           "/api/training", "//api//training", "/v1/nothing", "//v1", "/models/x", "/v1/models/x"})
    EXPECT_FALSE(is_open(target_of("GET", path, pages))) << path;
  for (const char* path : {"/chat/completions", "//chat/completions/", "/completions"})
    EXPECT_FALSE(is_open(target_of("POST", path, pages))) << path;
  for (const char* path : {"/", "/health", "//health", "/chat/7", "/no/such/page"})
    EXPECT_TRUE(is_open(target_of("GET", path, pages))) << path;
}

TEST(Routes, WhatIsQuick) {
  for (const char* path : {"/health", "/metrics", "/v1/models", "/v1/models/x", "/", "/chat"})
    EXPECT_TRUE(is_quick(target_of("GET", path, pages))) << path;
  EXPECT_FALSE(is_quick(target_of("GET", "/api/training", pages)));
  EXPECT_FALSE(is_quick(target_of("POST", "/v1/chat/completions", pages)));
  EXPECT_FALSE(is_quick(target_of("POST", "/v1/nothing", pages)));
}

TEST(Routes, UnknownPathsNameWhatIsMeant) {
  EXPECT_EQ(no_such_path("POST", "/openai/v1/chat/completions"),
            "POST /openai/v1/chat/completions: no such path; did you mean /v1/chat/completions?");
  EXPECT_EQ(no_such_path("GET", "/api/v1/models/"), "GET /api/v1/models/: no such path; did you mean /v1/models?");
  EXPECT_EQ(no_such_path("POST", "/v1/engines/x/completions"),
            "POST /v1/engines/x/completions: no such path; did you mean /v1/chat/completions?");
  EXPECT_EQ(no_such_path("POST", "/v1/embeddings"),
            "POST /v1/embeddings: no such path; there are /health, /metrics, /api/training, /v1/models, "
            "/v1/chat/completions, /v1/completions, /api/prompt");
}

}  // namespace
}  // namespace glassbox
