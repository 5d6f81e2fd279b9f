#include "hub/client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <map>
#include <set>

#include "base/base64.h"
#include "base/error.h"
#include "base/file.h"
#include "hub/git.h"
#include "tests/environment.h"
#include "tests/http_server.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

namespace fs = std::filesystem;
using testing::Asked;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::HttpServer;
using testing::Said;
using testing::TemporaryFolder;

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

template <class Does>
std::string refusal(ErrorKind kind, const Does& does) {
  try {
    does();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("\n")));
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

size_t count(const std::vector<Asked>& asked, const std::string& begin) {
  return static_cast<size_t>(std::ranges::count_if(
      asked, [&](const Asked& one) { return (one.method + " " + one.target).starts_with(begin); }));
}

TEST(Http, TheTokenStaysWithItsOrigin) {
  const HttpServer other([](const Asked&) { return Said{200, "there"}; });
  const HttpServer server([&](const Asked& asked) {
    if (asked.target == "/away") return Said{302, "", {{"Location", other.url() + "/x?y=1"}}};
    if (asked.target == "/near") return Said{307, "", {{"Location", "/here"}}};
    if (asked.target == "/round") return Said{302, "", {{"Location", "/round"}}};
    if (asked.target == "/file") return Said{302, "", {{"Location", "file:///etc/passwd"}}};
    return Said{200, "here"};
  });
  Http http;
  const auto get = [&](const std::string& path) {
    HttpRequest request;
    request.url = server.url() + path;
    request.token = "hf_secret";
    return http.send(request);
  };
  EXPECT_EQ(get("/near").body, "here");
  EXPECT_EQ(server.asked().back().headers.at("authorization"), "Bearer hf_secret");
  EXPECT_EQ(get("/away").body, "there");
  ASSERT_EQ(other.asked().size(), 1u);
  EXPECT_EQ(other.asked()[0].target, "/x?y=1");
  EXPECT_FALSE(other.asked()[0].headers.contains("authorization"));
  EXPECT_THAT(refusal(ErrorKind::bad_file, [&] { get("/round"); }), HasSubstr("302"));
  EXPECT_THAT(refusal(ErrorKind::bad_file, [&] { get("/file"); }), HasSubstr("file:///etc/passwd"));
}

TEST(Http, TriesAgainWhatMayPass) {
  std::atomic<int> times = 0;
  const HttpServer server([&](const Asked& asked) {
    if (asked.target == "/never") return Said{503, R"({"error": "full"})", {{"Retry-After", "0"}}};
    if (asked.target == "/not") return Said{501, "", {{"X-Error-Message", "not here"}}};
    return ++times < 3 ? Said{429, "", {{"Retry-After", "0"}}} : Said{200, asked.body};
  });
  Http http;
  HttpRequest request;
  request.method = "POST";
  request.url = server.url() + "/x";
  request.body = "hello";
  EXPECT_EQ(http.send(request).body, "hello");
  EXPECT_EQ(times, 3);
  request.url = server.url() + "/never";
  request.tries = 2;
  const HttpAnswer never = http.send(request);
  EXPECT_EQ(never.status, 503);
  EXPECT_EQ(never.words(), "full");
  EXPECT_EQ(count(server.asked(), "POST /never"), 2u);
  request.url = server.url() + "/not";
  EXPECT_EQ(http.send(request).words(), "not here");
  EXPECT_EQ(count(server.asked(), "POST /not"), 1u);
  request.url = "http://127.0.0.1:1/";
  request.tries = 1;
  EXPECT_THAT(refusal(ErrorKind::io, [&] { http.send(request); }), HasSubstr("http://127.0.0.1:1"));
  request.url = "ftp://127.0.0.1/";
  refusal(ErrorKind::bad_request, [&] { http.send(request); });
  request.url = server.url();
  request.headers = {{"X", "a\r\nY: b"}};
  refusal(ErrorKind::bad_request, [&] { http.send(request); });
}

TEST(Http, SendsFiles) {
  const HttpServer server([](const Asked& asked) { return Said{200, asked.method + asked.body}; });
  const TemporaryFolder folder;
  write_file(folder / "f", "0123456789");
  Http http;
  HttpRequest request;
  request.method = "PUT";
  request.url = server.url();
  request.file = FileRange{folder / "f", 3, 4};
  uint64_t sent = 0;
  request.sent = [&](uint64_t now) { sent = now; };
  EXPECT_EQ(http.send(request).body, "PUT3456");
  EXPECT_EQ(sent, 4u);
  EXPECT_FALSE(server.asked()[0].headers.contains("expect"));
  request.file = FileRange{folder / "f", 3, 40};
  EXPECT_THAT(refusal(ErrorKind::io, [&] { http.send(request); }), HasSubstr("shorter"));
}

TEST(Client, TheTokenOfALoginIsUsed) {
  const TemporaryFolder home;
  const testing::Environment set{{"HF_HOME", home.path().string()},
                                 {"HF_ENDPOINT", "https://hub.example"},
                                 {"HF_TOKEN", std::nullopt},
                                 {"HF_TOKEN_PATH", std::nullopt},
                                 {"HF_HUB_DISABLE_IMPLICIT_TOKEN", std::nullopt}};
  EXPECT_EQ(ClientOptions::of_environment().token, "");
  write_file(home / "token", "hf_saved\n");
  EXPECT_EQ(ClientOptions::of_environment().token, "hf_saved");
  {
    const testing::Environment more{{"HF_TOKEN", " hf_said "}};
    EXPECT_EQ(ClientOptions::of_environment().token, "hf_said");
  }
  {
    const testing::Environment more{{"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"}};
    EXPECT_EQ(ClientOptions::of_environment().token, "");
  }
  EXPECT_EQ(ClientOptions::of_environment("https://other.example").token, "") << "a login is of one hub";
  {
    const testing::Environment more{{"HF_ENDPOINT", std::nullopt}};
    EXPECT_EQ(ClientOptions::of_environment().token, "");
  }
  write_file(home / "token", "two words");
  EXPECT_THAT(refusal(ErrorKind::bad_request, [] { ClientOptions::of_environment(); }), HasSubstr("token"));
}

TEST(Client, PatternsAreTheShells) {
  EXPECT_TRUE(fits("a/b.json", "*.json"));
  EXPECT_FALSE(fits("a/b.jsonl", "*.json"));
  EXPECT_TRUE(fits("onnx/model.onnx", "onnx/"));
  EXPECT_FALSE(fits("onnx2/model.onnx", "onnx/"));
  EXPECT_TRUE(fits("abc", "a?c"));
  EXPECT_FALSE(fits("ac", "a?c"));
  EXPECT_TRUE(fits("w-3.bin", "w-[0-9].bin"));
  EXPECT_FALSE(fits("w-x.bin", "w-[0-9].bin"));
  EXPECT_TRUE(fits("w-x.bin", "w-[!0-9].bin"));
  EXPECT_TRUE(fits("a]b", "a[]]b"));
  EXPECT_TRUE(fits("a[b", "a[b"));
  EXPECT_TRUE(fits("", "*"));
  EXPECT_FALSE(fits("a", ""));
  EXPECT_FALSE(fits(std::string(3000, 'a'), "*a*a*a*a*a*a*a*b"));  // without trying every way
}

// A hub of one repository, me/m, whose files are these.
struct SmallHub {
  std::map<std::string, std::string> files;
  std::set<std::string> large;
  std::function<std::optional<Said>(const Asked&)> instead = [](const Asked&) { return std::nullopt; };
  HttpServer server{[this](const Asked& asked) { return answer(asked); }};
  TemporaryFolder cache;

  Client client() { return Client({server.url(), "hf_token", cache.path(), false, 1}); }
  PullRequest request() {
    PullRequest request;
    request.repository = "me/m";
    return request;
  }
  CachedRepository cached() { return {cache.path(), RepositoryKind::model, "me/m"}; }

  Json item(const std::string& path, const std::string& bytes) const {
    Json item{{"type", "file"}, {"path", path}, {"size", bytes.size()}};
    item["oid"] = object_id(ObjectKind::blob, bytes).hex();
    if (large.contains(path)) item["lfs"] = {{"oid", digest_of<Sha256>(bytes).hex()}, {"size", bytes.size()}};
    return item;
  }
  Said answer(const Asked& asked) {
    if (const auto said = instead(asked)) return *said;
    if (asked.target == "/api/models/me/m/revision/main") return {200, Json{{"sha", kCommit}}.dump()};
    if (asked.target == "/api/models/me/m/tree/" + kCommit + "?recursive=true&expand=false") {
      Json items = Json::array({{{"type", "directory"}, {"path", "sub"}, {"oid", kCommit}, {"size", 0}}});
      for (const auto& [path, bytes] : files) items.push_back(item(path, bytes));
      return {200, items.dump()};
    }
    const std::string resolve = "/me/m/resolve/" + kCommit + "/";
    if (asked.target.starts_with(resolve))
      if (const auto file = files.find(asked.target.substr(resolve.size())); file != files.end()) {
        if (const auto range = asked.headers.find("range"); range != asked.headers.end()) {
          const size_t from = std::stoul(range->second.substr(6));
          return {206,
                  file->second.substr(from),
                  {{"Content-Range", "bytes " + std::to_string(from) + "-" + std::to_string(file->second.size() - 1) +
                                         "/" + std::to_string(file->second.size())}}};
        }
        return {200, file->second};
      }
    return {404, "", {{"X-Error-Code", "RepoNotFound"}, {"X-Error-Message", "nothing here"}}};
  }
};

TEST(Client, PullsWhatIsMissing) {
  SmallHub hub;
  hub.files = {{"config.json", "{}"}, {"w.bin", "weights"}, {"sub/e", ""}};
  hub.large = {"w.bin"};
  PullRequest request = hub.request();
  request.dry_run = true;
  EXPECT_EQ(hub.client().pull(request).fetched.size(), 3u);
  EXPECT_TRUE(fs::is_empty(hub.cache.path())) << "only asked";
  request = hub.request();
  request.include = {"*.json"};
  EXPECT_EQ(hub.client().pull(request).fetched_size, 2u);
  const Pulled pulled = hub.client().pull(hub.request());
  EXPECT_EQ(pulled.commit, kCommit);
  EXPECT_EQ(pulled.snapshot, hub.cached().snapshot(kCommit));
  EXPECT_EQ(pulled.files.size(), 3u);
  EXPECT_EQ(pulled.fetched.size(), 2u);
  EXPECT_EQ(read_file(pulled.snapshot / "w.bin"), "weights");
  EXPECT_EQ(read_file(pulled.snapshot / "sub/e"), "");
  EXPECT_EQ(hub.cached().commit_of("main"), kCommit);
  for (const Asked& asked : hub.server.asked()) EXPECT_EQ(asked.headers.at("authorization"), "Bearer hf_token");
  const size_t before = hub.server.asked().size();
  EXPECT_TRUE(hub.client().pull(hub.request()).fetched.empty());
  EXPECT_EQ(hub.server.asked().size(), before + 1) << "only where the branch is";

  Client offline({hub.server.url(), "", hub.cache.path(), true, 1});
  EXPECT_EQ(offline.pull(hub.request()).snapshot, pulled.snapshot);
  EXPECT_EQ(hub.server.asked().size(), before + 1);
  request = hub.request();
  request.exclude = {"*"};
  refusal(ErrorKind::not_found, [&] { hub.client().pull(request); });
  request = hub.request();
  request.repository = "me/other";
  EXPECT_THAT(refusal(ErrorKind::not_found, [&] { hub.client().pull(request); }),
              HasSubstr("answered 404: nothing here"));
  EXPECT_THAT(refusal(ErrorKind::not_found, [&] { offline.pull(request); }), HasSubstr("HF_HUB_OFFLINE"));
}

TEST(Client, GoesOnWhereTheConnectionBroke) {
  SmallHub hub;
  std::string bytes;
  for (int i = 0; i < 300'000; ++i) bytes += std::to_string(i);
  hub.files = {{"w", bytes}};
  hub.large = {"w"};
  std::atomic<int> cuts = 0;
  hub.instead = [&](const Asked& asked) -> std::optional<Said> {
    if (asked.target.ends_with("/w") && ++cuts == 1) return Said{200, bytes, {}, 700'000};
    return std::nullopt;
  };
  const Pulled pulled = hub.client().pull(hub.request());
  EXPECT_EQ(read_file(pulled.snapshot / "w"), bytes);
  const Asked again = hub.server.asked().back();
  ASSERT_TRUE(again.headers.contains("range"));
  EXPECT_EQ(again.headers.at("range"), "bytes=700000-");

  // A server that knows no ranges sends all of it once more.
  remove_from_cache(hub.cached());
  cuts = 0;
  hub.instead = [&](const Asked& asked) -> std::optional<Said> {
    if (!asked.target.ends_with("/w")) return std::nullopt;
    return Said{200, bytes, {}, ++cuts == 1 ? 700'000 : std::string::npos};
  };
  EXPECT_EQ(read_file(hub.client().pull(hub.request()).snapshot / "w"), bytes);

  // One that begins elsewhere than it was asked to is not believed.
  remove_from_cache(hub.cached());
  cuts = 0;
  hub.instead = [&](const Asked& asked) -> std::optional<Said> {
    if (!asked.target.ends_with("/w")) return std::nullopt;
    if (++cuts == 1) return Said{200, bytes, {}, 700'000};
    return Said{206, bytes.substr(5), {{"Content-Range", "bytes 5-9/10"}}};
  };
  EXPECT_THAT(refusal(ErrorKind::bad_file, [&] { hub.client().pull(hub.request()); }), HasSubstr("700000"));
}

TEST(Client, WhatIsLeftBrokenBeginsAnew) {
  SmallHub hub;
  hub.files = {{"w", "weights and more"}};
  hub.large = {"w"};
  const fs::path unfinished = hub.cached().blob(digest_of<Sha256>(hub.files["w"]).hex() + ".incomplete");
  fs::create_directories(unfinished.parent_path());
  write_file(unfinished, "WEIGHTS");
  EXPECT_EQ(read_file(hub.client().pull(hub.request()).snapshot / "w"), "weights and more");
  EXPECT_EQ(count(hub.server.asked(), "GET /me/m/resolve"), 2u);
}

TEST(Client, WrongBytesAreRefused) {
  for (const char* name : {"c", "w"}) {
    SmallHub hub;
    hub.files = {{"c", "small"}, {"w", "weights"}};
    hub.large = {"w"};
    hub.instead = [&](const Asked& asked) -> std::optional<Said> {
      if (asked.target.ends_with(std::string("/") + name)) return Said{200, hub.files[name].substr(1) + "!"};
      return std::nullopt;
    };
    EXPECT_THAT(refusal(ErrorKind::bad_file, [&] { hub.client().pull(hub.request()); }),
                HasSubstr("not the bytes that the hub lists"));
    EXPECT_FALSE(hub.cached().has_file(kCommit, name));
    EXPECT_EQ(hub.cached().commit_of("main"), std::nullopt);
    hub.instead = [&](const Asked& asked) -> std::optional<Said> {
      if (asked.target.ends_with(std::string("/") + name)) return Said{200, hub.files[name] + "more"};
      return std::nullopt;
    };
    EXPECT_THAT(refusal(ErrorKind::bad_file, [&] { hub.client().pull(hub.request()); }), HasSubstr("got more"));
  }
}

TEST(Client, AHubIsNotTrusted) {
  SmallHub hub;
  const std::string tree = "/api/models/me/m/tree/" + kCommit;
  const auto pulls = [&](const Json& items, std::vector<std::pair<std::string, std::string>> headers = {}) {
    hub.instead = [&, headers](const Asked& asked) -> std::optional<Said> {
      if (asked.target.starts_with(tree)) return Said{200, items.dump(), headers};
      return std::nullopt;
    };
    try {
      hub.client().pull(hub.request());
    } catch (const Error& error) { return std::string(error.what()); }
    return std::string("pulled");
  };
  for (const char* path : {"../../../../evil", "/evil", "a/../../evil", "a//b", ".git/config", "a\\b", "a\nb", ""})
    EXPECT_THAT(pulls(Json::array({hub.item(path, "x")})), HasSubstr("path")) << path;
  Json item = hub.item("a", "x");
  item["oid"] = "../../../evil";
  EXPECT_THAT(pulls(Json::array({item})), HasSubstr("expected a hash of 40"));
  item = hub.item("a", "x");
  item["lfs"] = {{"oid", "../evil"}, {"size", 1}};
  EXPECT_THAT(pulls(Json::array({item})), HasSubstr("expected a hash of 64"));
  item = hub.item("a", "x");
  item["size"] = "1";
  EXPECT_THAT(pulls(Json::array({item})), HasSubstr("size: expected bytes"));
  item["size"] = -1;
  EXPECT_THAT(pulls(Json::array({item})), HasSubstr("size: expected bytes, got -1"));
  item["size"] = std::numeric_limits<uint64_t>::max();
  EXPECT_THAT(pulls(Json::array({item, item})), HasSubstr("more bytes than there are numbers"));
  item.erase("size");
  EXPECT_THAT(pulls(Json::array({item})), HasSubstr("not as the protocol has it"));
  EXPECT_NE(pulls(Json{{"a", 1}}), "pulled");
  EXPECT_THAT(pulls(Json::array({hub.item("a", "x")}), {{"Link", "<http://127.0.0.1:1/next>; rel=\"next\""}}),
              HasSubstr("next page"));
  EXPECT_TRUE(fs::is_empty(hub.cache.path()));
  hub.instead = [&](const Asked& asked) -> std::optional<Said> {
    if (asked.target.ends_with("/revision/main")) return Said{200, R"({"sha": "../../x"})"};
    return std::nullopt;
  };
  EXPECT_THAT(refusal(ErrorKind::bad_file, [&] { hub.client().pull(hub.request()); }), HasSubstr("sha"));
}

TEST(Client, ListsOfSeveralPages) {
  SmallHub hub;
  hub.files = {{"a", "x"}, {"b", "y"}};
  hub.instead = [&](const Asked& asked) -> std::optional<Said> {
    if (asked.target.starts_with("/api/models/me/m/tree/") && asked.target.find("cursor=1") == std::string::npos)
      return Said{200,
                  Json::array({hub.item("a", "x")}).dump(),
                  {{"Link", "<" + hub.server.url() + "/api/models/me/m/tree/x?cursor=1>; rel=\"next\""}}};
    if (asked.target.ends_with("cursor=1")) return Said{200, Json::array({hub.item("b", "y")}).dump()};
    return std::nullopt;
  };
  EXPECT_EQ(hub.client().pull(hub.request()).files.size(), 2u);
}

TEST(Client, PushesWhatChanged) {
  SmallHub hub;
  std::string put, batch, commit;
  hub.instead = [&](const Asked& asked) -> std::optional<Said> {
    if (asked.target == "/api/repos/create") return Said{409, R"({"error": "exists", "url": "x"})"};
    if (asked.target == "/api/validate-yaml")
      return Said{200, R"({"errors": [], "warnings": [{"message": "no licence"}]})"};
    if (asked.target == "/api/models/me/m/preupload/main") {
      Json files = Json::array();
      const Json question = Json::parse(asked.body);
      for (const Json& file : question["files"]) {
        const std::string path = file["path"];
        Json told{
            {"path", path}, {"uploadMode", path.ends_with(".bin") ? "lfs" : "regular"}, {"shouldIgnore", path == "no"}};
        if (path == "same.txt") told["oid"] = object_id(ObjectKind::blob, "same").hex();
        if (path == "same.bin") told["oid"] = digest_of<Sha256>("same").hex();
        if (path == "other.txt") told["oid"] = object_id(ObjectKind::blob, "before").hex();
        files.push_back(told);
      }
      return Said{200, Json{{"files", files}}.dump()};
    }
    if (asked.target == "/me/m.git/info/lfs/objects/batch") {
      batch = asked.body;
      Json objects = Json::array();
      const Json question = Json::parse(asked.body);
      for (const Json& object : question["objects"]) {
        Json told = object;
        if (object["oid"] == digest_of<Sha256>("new weights").hex())
          told["actions"] = {{"upload", {{"href", hub.server.url() + "/lfs/abc"}}}};
        objects.push_back(told);
      }
      return Said{200, Json{{"objects", objects}}.dump()};
    }
    if (asked.method == "PUT" && asked.target == "/lfs/abc") {
      EXPECT_FALSE(asked.headers.contains("authorization"));
      put = asked.body;
      return Said{200, "{}"};
    }
    if (asked.target == "/api/models/me/m/commit/main") {
      EXPECT_EQ(asked.headers.at("content-type"), "application/x-ndjson");
      commit = asked.body;
      return Said{200, Json{{"commitOid", kCommit}}.dump()};
    }
    return std::nullopt;
  };
  const TemporaryFolder folder;
  for (const auto& [name, bytes] : std::map<std::string, std::string>{{"same.txt", "same"},
                                                                      {"same.bin", "same"},
                                                                      {"other.txt", "after"},
                                                                      {"README.md", "# hi"},
                                                                      {"sub/new.bin", "new weights"},
                                                                      {"sub/stored.bin", "stored"},
                                                                      {"no", "x"},
                                                                      {".git/config", "x"},
                                                                      {".cache/huggingface/x", "x"}}) {
    fs::create_directories((folder / name).parent_path());
    write_file(folder / name, bytes);
  }
  PushRequest push;
  push.folder = folder.path();
  push.repository = "me/m";
  push.message = "More";
  const Pushed pushed = hub.client().push(push);
  EXPECT_EQ(pushed.commit, kCommit);
  EXPECT_EQ(pushed.files, 6u);
  EXPECT_EQ(pushed.changed, 4u);
  EXPECT_EQ(pushed.sent, 11u);
  EXPECT_THAT(pushed.warnings, ElementsAre("no licence"));
  EXPECT_EQ(put, "new weights");
  EXPECT_EQ(Json::parse(batch)["objects"].size(), 2u);
  std::vector<std::string> lines;
  for (size_t at = 0, end; (end = commit.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(commit.substr(at, end - at));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(Json::parse(lines[0])["value"]["summary"], "More");
  EXPECT_EQ(Json::parse(lines[1])["value"]["path"], "README.md");
  EXPECT_EQ(Json::parse(lines[2])["value"],
            (Json{{"path", "other.txt"}, {"content", to_base64("after")}, {"encoding", "base64"}}));
  EXPECT_EQ(Json::parse(lines[3]), (Json{{"key", "lfsFile"},
                                         {"value",
                                          {{"path", "sub/new.bin"},
                                           {"algo", "sha256"},
                                           {"oid", digest_of<Sha256>("new weights").hex()},
                                           {"size", 11}}}}));
}

TEST(Client, PushesInParts) {
  SmallHub hub;
  std::map<std::string, std::string> parts;
  Json end;
  hub.instead = [&](const Asked& asked) -> std::optional<Said> {
    if (asked.target == "/api/repos/create") return Said{200, "{}"};
    if (asked.target.find("/preupload/") != std::string::npos)
      return Said{200, R"({"files": [{"path": "w", "uploadMode": "lfs", "shouldIgnore": false}]})"};
    if (asked.target.ends_with("/batch")) {
      Json object = Json::parse(asked.body)["objects"][0];
      object["actions"] = {{"upload",
                            {{"href", hub.server.url() + "/end"},
                             {"header",
                              {{"chunk_size", "4"},
                               {"00001", hub.server.url() + "/part/1"},
                               {"00002", hub.server.url() + "/part/2"},
                               {"00003", hub.server.url() + "/part/3"}}}}}};
      return Said{200, Json{{"objects", {object}}}.dump()};
    }
    if (asked.target.starts_with("/part/")) {
      parts[asked.target] = asked.body;
      return Said{200, "", {{"ETag", "tag" + asked.target.substr(6)}}};
    }
    if (asked.target == "/end") {
      end = Json::parse(asked.body);
      return Said{200, "{}"};
    }
    if (asked.target.find("/commit/") != std::string::npos) return Said{200, Json{{"commitOid", kCommit}}.dump()};
    return std::nullopt;
  };
  const TemporaryFolder folder;
  write_file(folder / "w", "0123456789");
  PushRequest push;
  push.folder = folder.path();
  push.repository = "me/m";
  hub.client().push(push);
  EXPECT_EQ(parts, (std::map<std::string, std::string>{{"/part/1", "0123"}, {"/part/2", "4567"}, {"/part/3", "89"}}));
  EXPECT_EQ(end["parts"], (Json{{{"partNumber", 1}, {"etag", "tag1"}},
                                {{"partNumber", 2}, {"etag", "tag2"}},
                                {{"partNumber", 3}, {"etag", "tag3"}}}));
}

}  // namespace
}  // namespace glassbox::hub
