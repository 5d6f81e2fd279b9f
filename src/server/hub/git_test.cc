// Git over HTTP, as far as it is HTTP: tests/clients/hub_git_test.py has the real git.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

#include <thread>

#include "base/base64.h"
#include "hub/git/testing.h"
#include "hub/hub.h"
#include "server/fake_generator.h"
#include "server/http/test_client.h"
#include "server/service.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using testing::fetch_command;
using testing::gzipped;
using ::testing::HasSubstr;
using testing::hear;
using ::testing::StartsWith;
using testing::TestClient;
using testing::unpacked;

constexpr auto kModel = hub::RepositoryKind::model;

// A server with a public, a private and a gated repository of alice's; bob is nobody special.
class GitOverHttp : public ::testing::Test {
 protected:
  GitOverHttp() {
    spdlog::set_level(spdlog::level::off);
    for (const char* name : {"alice", "bob"}) {
      hub.people().add_person(name, false);
      tokens[name] = hub.people().add_token(name, "test", true, {}).text;
    }
    const hub::Caller alice = *hub.people().caller_with(tokens["alice"]);
    for (const char* name : {"open", "closed", "gated"})
      hub.create(alice, kModel, "alice", name, std::string(name) == "closed");
    hub.set_access(alice, kModel, "alice/gated", {}, hub::Gate::manual);
    head = hub.commit(
        alice, kModel, "alice/open",
        {std::string(hub::kMainBranch), "files", "", {}, {hub::PutFile{"a/b.txt", std::string(100'000, 'b')}}});
    ServiceOptions options;
    options.models = {std::make_shared<testing::FakeGenerator>()};
    options.hub = &hub;
    service = std::make_unique<Service>(std::move(options));
    http::Options transport;
    transport.port = 0;
    server = std::make_unique<http::Server>(transport);
    thread = std::jthread([this] { server->run(*service); });
  }
  ~GitOverHttp() override {
    server->stop();
    thread.join();
    spdlog::set_level(spdlog::level::info);
  }

  static std::string basic(const std::string& token) {
    return "Authorization: Basic " + to_base64("anybody:" + token) + "\r\n";
  }
  TestClient::Answer get(const std::string& target, const std::string& headers = "") {
    return TestClient(server->port()).get(target, headers);
  }
  TestClient::Answer post(const std::string& target, const std::string& body,
                          const std::string& headers = "Git-Protocol: version=2\r\n",
                          const std::string& type = "application/x-git-upload-pack-request") {
    TestClient client(server->port());
    client.send(fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\n{}Content-Length: {}\r\n\r\n",
                            target, type, headers, body.size()) +
                body);
    return client.receive();
  }
  int64_t downloads() {
    return hub.view(hub.owner(), [](hub::View& view) { return view.repository(kModel, "alice/open").downloads; });
  }

  const testing::TemporaryFolder folder;
  hub::Hub hub{folder.path()};
  std::map<std::string, std::string> tokens;
  hub::ObjectId head;
  std::unique_ptr<Service> service;
  std::unique_ptr<http::Server> server;
  std::jthread thread;
};

const std::string kOffer = "/info/refs?service=git-upload-pack",
                  kGzip = "Git-Protocol: version=2\r\nContent-Encoding: gzip\r\n";

TEST_F(GitOverHttp, OffersWhatTheClientCanRead) {
  for (const char* name : {"/alice/open", "/alice/open.git", "/ALICE/Open"}) {
    auto offer = get(name + kOffer, "Git-Protocol: version=2\r\n");
    EXPECT_EQ(offer.status, 200);
    EXPECT_EQ(offer.headers["content-type"], "application/x-git-upload-pack-advertisement");
    EXPECT_EQ(offer.headers["cache-control"], "no-cache");
    EXPECT_THAT(offer.body, StartsWith("000eversion 2\n"));
  }
  EXPECT_THAT(get("/alice/open" + kOffer, "Git-Protocol: key=1:version=2:more\r\n").body,
              StartsWith("000eversion 2\n"));
  for (const char* older : {"", "Git-Protocol: version=1\r\n", "Git-Protocol: version=20\r\n"})
    EXPECT_THAT(get("/alice/open" + kOffer, older).body, StartsWith("001e# service=git-upload-pack\n0000")) << older;
  EXPECT_THAT(get("/alice/open" + kOffer).body, HasSubstr(head.hex() + " HEAD"));
  // What asks for files one by one.
  const auto dumb = get("/alice/open/info/refs");
  EXPECT_EQ(dumb.status, 400);
  EXPECT_THAT(dumb.body, HasSubstr("expected git-upload-pack"));
  EXPECT_EQ(get("/alice/open/info/refs?service=git-x").status, 400);
}

TEST_F(GitOverHttp, SendsAPackAndCountsADownload) {
  const std::string wanted = fetch_command({"want " + head.hex(), "done"});
  EXPECT_EQ(downloads(), 0);
  for (const auto& answer :
       {post("/alice/open/git-upload-pack", wanted), post("/alice/open.git/git-upload-pack", gzipped(wanted), kGzip)}) {
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.complete);
    EXPECT_EQ(answer.headers.at("content-type"), "application/x-git-upload-pack-result");
    const auto objects = unpacked(hear(answer.body).pack);
    EXPECT_EQ(objects.size(), 2u + 3 + 2);  // of commits, trees and files
    EXPECT_TRUE(
        std::ranges::any_of(objects, [](const auto& object) { return object.second == std::string(100'000, 'b'); }));
  }
  EXPECT_EQ(downloads(), 1);
  EXPECT_THAT(post("/alice/open/git-upload-pack", testing::said({"command=ls-refs", "<flush>"})).body,
              HasSubstr("refs/heads/main"));
}

TEST_F(GitOverHttp, RefusesInWordsThatGitPrints) {
  const auto told = [&](const std::string& body, const std::string& headers = "Git-Protocol: version=2\r\n") {
    const auto answer = post("/alice/open/git-upload-pack", body, headers);
    return fmt::format("{} {}", answer.status, answer.body.substr(0, 200));
  };
  const std::string unknown(40, '7');
  EXPECT_EQ(told(fetch_command({"want " + unknown, "done"})), "200 0049ERR upload-pack: not our ref " + unknown);
  EXPECT_EQ(told(testing::said({"want " + unknown, "<flush>", "done"}), ""),
            "200 0049ERR upload-pack: not our ref " + unknown);
  EXPECT_THAT(told("zzzz"), HasSubstr("ERR git packet: expected a length"));
  EXPECT_THAT(told("ffff"), HasSubstr("ERR git packet: a length of 65535"));
  EXPECT_THAT(told(""), HasSubstr("ERR git request: expected the command"));
  EXPECT_THAT(told(fetch_command({"want " + head.hex(), "filter sparse:oid=x"})), HasSubstr("ERR filter"));
  // What never was git's.
  const std::string whole = gzipped(fetch_command({"want " + head.hex(), "done"}));
  EXPECT_THAT(told(whole.substr(0, whole.size() - 9), kGzip), StartsWith("400 gzip: cut off"));
  EXPECT_THAT(told("no gzip", kGzip), StartsWith("400 gzip: "));
  EXPECT_THAT(told(gzipped(std::string(size_t{64} << 20, '0')), kGzip),
              StartsWith("400 gzip: more than 16777216 bytes"));
  EXPECT_THAT(told(whole, "Content-Encoding: br\r\n"), StartsWith("400 Content-Encoding: expected gzip"));
  EXPECT_EQ(post("/alice/open/git-upload-pack", "0000", "", "text/plain").status, 400);
  TestClient client(server->port());
  client.send("POST /alice/open/git-upload-pack HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n");
  EXPECT_EQ(client.receive().status, 413);
}

// Who may not know of a repository learns nothing, not even by what is wrong with the request.
TEST_F(GitOverHttp, AsksWhoIsThere) {
  const auto told = [&](const std::string& name, const std::string& headers) {
    const std::string fetch = fetch_command({"want " + head.hex(), "done"});
    std::set<std::string> all;
    for (auto answer : {get("/alice/" + name + kOffer, headers),
                        get("/alice/" + name + "/info/refs?service=git-receive-pack", headers),
                        post("/alice/" + name + "/git-upload-pack", fetch, headers),
                        post("/alice/" + name + "/git-receive-pack", "0000", headers)}) {
      EXPECT_TRUE(answer.status == 200 || answer.headers["content-type"] == "text/plain; charset=utf-8");
      std::string text = answer.body.substr(0, answer.status == 200 ? 4 : std::string::npos);
      if (const size_t at = text.find(name); at != std::string::npos) text.replace(at, name.size(), "NAME");
      all.insert(fmt::format("{} {}", answer.status, text));
    }
    return all;
  };
  using All = std::set<std::string>;
  const All closed = told("closed", "");
  EXPECT_EQ(closed, told("absent", ""));
  EXPECT_EQ(closed, (All{"401 model \"alice/NAME\": not found\n"}));
  EXPECT_EQ(told("closed", basic(tokens["bob"])), (All{"404 model \"alice/NAME\": not found\n"}));
  EXPECT_EQ(told("absent", basic(tokens["bob"])), (All{"404 model \"alice/NAME\": not found\n"}));
  EXPECT_EQ(told("closed", basic("hf_wrong")), (All{"401 Invalid credentials in Authorization header\n"}));
  for (const auto& [name, headers] :
       {std::pair{"open", std::string()}, {"closed", basic(tokens["alice"])}, {"gated", basic(tokens["alice"])}}) {
    const All all = told(name, headers);
    EXPECT_EQ(all.size(), 3u);
    EXPECT_THAT(*all.rbegin(), StartsWith("403 alice/NAME: git push is not served here yet"));
  }
  const All stranger = told("gated", ""), bob = told("gated", basic(tokens["bob"]));
  EXPECT_EQ(stranger.size(), 1u);
  EXPECT_THAT(*stranger.begin(), StartsWith("401 Access to model alice/NAME is restricted"));
  EXPECT_EQ(bob.size(), 1u);
  EXPECT_THAT(*bob.begin(), StartsWith("403 Access to model alice/NAME is restricted"));
  EXPECT_EQ(told("open", "Authorization: Bearer " + tokens["bob"] + "\r\n").size(), 3u);
  // Git asks for a password where Basic is offered; the test's client keeps the last header of a name.
  EXPECT_EQ(get("/alice/closed" + kOffer).headers["www-authenticate"], "Basic realm=\"hub\"");
}

}  // namespace
}  // namespace glassbox
