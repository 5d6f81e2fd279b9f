// The tree of variants, the race and the export, as they are answered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "hub/people.h"
#include "hub/refusal.h"
#include "hub/studies.h"
#include "server/hub/handlers.h"
#include "server/hub/site.h"
#include "tests/testing.h"

namespace glassbox::hubapi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr auto kModel = hub::RepositoryKind::model;

class HubVariants : public ::testing::Test {
 protected:
  HubVariants() {
    for (const char* name : {"alice", "bob"}) hub.people().add_person(name, false);
    publish("alice", "base", "");
    publish("bob", "tuned", "base_model: alice/base\n");
    publish("bob", "secret", "base_model: alice/base\nbase_model_relation: adapter\n", true);
    publish("bob", "below", "base_model: bob/tuned\nlibrary_name: '=1+1'\n");
    hub.studies().wait();
  }
  hub::Caller who(const std::string& name) { return *hub.people().caller_of(hub.people().find(name)->id); }
  void publish(const std::string& owner, const std::string& name, const std::string& card, bool is_private = false) {
    hub.create(who(owner), kModel, owner, name, is_private);
    hub.commit(who(owner), kModel, owner + "/" + name,
               {std::string(hub::kMainBranch), "card", "", {}, {hub::PutFile{"README.md", "---\n" + card + "---\n"}}});
  }
  http::Response ask(http::Response (*handler)(const Call&), const hub::Caller& caller, const std::string& model = "",
                     const std::string& query = "") {
    http::Request request;
    request.method = "GET";
    request.query = query;
    Route::Parts parts;
    if (!model.empty()) {
      parts["owner"] = model.substr(0, model.find('/'));
      parts["name"] = model.substr(model.find('/') + 1);
    }
    return handler(Call{hub, request, parts, caller, kModel, {}});
  }
  Json json(const http::Response& response) { return Json::parse(response.body); }
  std::string all_of(http::Response response, size_t piece = 7) {
    std::string text;
    for (std::string more; !(more = response.source(piece)).empty();) text += more;
    return text;
  }

  testing::TemporaryFolder folder;
  hub::Hub hub{folder / "hub"};
};

TEST_F(HubVariants, TheTreeIsTold) {
  const Json of = json(ask(variants, {}, "alice/base"));
  EXPECT_EQ(of["id"], "alice/base");
  EXPECT_EQ(of["childrenModelCount"], (Json{{"finetune", 1}, {"adapter", 0}, {"merge", 0}, {"quantized", 0}}));
  EXPECT_EQ(of["bases"], Json::array());
  ASSERT_EQ(of["children"].size(), 1u);
  const Json& tuned = of["children"][0];
  EXPECT_EQ(tuned["id"], "bob/tuned");
  EXPECT_EQ(tuned["relation"], "finetune");
  EXPECT_EQ(tuned["verdict"], "unknown");
  EXPECT_EQ(tuned["why"], "it has no weights in safetensors");
  EXPECT_EQ(tuned["children"][0]["id"], "bob/below");
  EXPECT_EQ(tuned["leftOut"], 0);
  EXPECT_EQ(of["leftOut"], (Json{{"bases", 0}, {"children", 0}}));
  const Json up = json(ask(variants, {}, "bob/below", "depth=1"));
  EXPECT_EQ(up["bases"][0]["id"], "bob/tuned");
  EXPECT_EQ(up["bases"][0]["leftOut"], 1);
  EXPECT_EQ(json(ask(variants, who("bob"), "alice/base"))["children"].size(), 2u);
}

TEST_F(HubVariants, WhoMayNotKnowAModelHasNoTreeOfIt) {
  EXPECT_THROW(ask(variants, who("alice"), "bob/secret"), hub::Refusal);
  EXPECT_EQ(json(ask(variants, who("bob"), "bob/secret"))["bases"][0]["id"], "alice/base");
}

// The names that official clients ask by.
TEST_F(HubVariants, TheOfficialFieldsSayTheSame) {
  const std::string expand = "expand=baseModels&expand=childrenModelCount&expand=trendingScore";
  const Json base = json(ask(repository_info, {}, "alice/base", expand));
  EXPECT_EQ(base["childrenModelCount"]["finetune"], 1);
  EXPECT_EQ(base["childrenModelCount"]["adapter"], 0) << "a private one";
  EXPECT_EQ(base["trendingScore"], 0.0);
  EXPECT_FALSE(base.contains("baseModels"));
  EXPECT_EQ(json(ask(repository_info, who("bob"), "alice/base", expand))["childrenModelCount"]["adapter"], 1);
  hub.like(who("bob"), kModel, "alice/base", true);
  hub.rename(who("alice"), kModel, "alice/base", "alice/renamed");
  const Json list = json(ask(list_repositories, {}, "", expand + "&sort=createdAt"));
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[1]["baseModels"]["relation"], "finetune");
  EXPECT_EQ(list[1]["baseModels"]["models"][0]["id"], "alice/renamed");
  EXPECT_EQ(list[2]["childrenModelCount"]["finetune"], 1);
  EXPECT_NEAR(list[2]["trendingScore"].get<double>(), 0.3536, 1e-3);
  EXPECT_NEAR(json(ask(list_repositories, {}, "", "search=renamed"))[0]["trendingScore"].get<double>(), 0.3536, 1e-3);
}

// What holding the weights against a private base showed is not for others, however they ask.
TEST_F(HubVariants, AVerdictOnAPrivateBaseIsTheOwners) {
  hub.set_access(who("alice"), kModel, "alice/base", true, {});
  const auto of = hub.view(hub.owner(), [&](hub::View& view) { return view.repository(kModel, "bob/tuned"); });
  const std::string sha = hub.view(
      hub.owner(), [&](hub::View& view) { return view.resolve(view.repository(kModel, "alice/base"), "main").hex(); });
  Json facts = of.facts;
  facts["lineage"]["alice/base"] = {{"verdict", "verified"}, {"why", "for alice"}, {"sha", sha}, {"identical", 7}};
  hub.set_facts(of, facts, {});
  const auto told = [&](const hub::Caller& caller) {
    return json(ask(repository_info, caller, "bob/tuned", "expand=baseModels"))["baseModels"]["models"][0];
  };
  EXPECT_EQ(told(who("alice"))["lineage"]["identical"], 7);
  EXPECT_EQ(told(who("bob")), (Json{{"_id", ""},
                                    {"id", "alice/base"},
                                    {"lineage", {{"verdict", "unknown"}, {"why", "the base is not on this hub"}}}}));
}

TEST_F(HubVariants, TheRaceHasAPointForEachWeek) {
  const Json race_of = json(ask(race, {}, "", "weeks=3"));
  ASSERT_EQ(race_of["weeks"].size(), 3u);
  EXPECT_EQ(race_of["total"], 3);
  ASSERT_EQ(race_of["models"].size(), 2u);
  EXPECT_EQ(race_of["models"][0]["id"], "alice/base");
  EXPECT_EQ(race_of["models"][0]["counts"], (Json{0, 0, 2}));
  EXPECT_EQ(race_of["models"][1]["id"], "bob/tuned");
  EXPECT_EQ(race_of["models"][1]["counts"], (Json{0, 0, 1}));
  // Weeks are seven days apart and begin on Mondays, 1970-01-05 was one.
  const std::string last = race_of["weeks"][2];
  std::tm day{};
  ASSERT_NE(strptime(last.c_str(), "%Y-%m-%d", &day), nullptr);
  const int64_t seconds = timegm(&day), now = hub::now_in_milliseconds() / 1000;
  EXPECT_EQ((seconds / 86400 - 4) % 7, 0);
  EXPECT_TRUE(seconds <= now && now < seconds + 7 * 86400);
  EXPECT_EQ(json(ask(race, who("bob"), "", "limit=1"))["models"][0]["counts"].back(), 3) << "in numbers, too";
  EXPECT_EQ(json(ask(race, {}, "", "limit=1"))["models"].size(), 1u);
}

TEST_F(HubVariants, TheExportIsEveryModelThatTheCallerMayKnow) {
  hub.like(who("bob"), kModel, "alice/base", true);
  const http::Response lines = ask(popularity, {});
  EXPECT_EQ(lines.status, 200);
  std::vector<Json> models;
  std::istringstream text(all_of(lines));
  for (std::string line; std::getline(text, line);) models.push_back(Json::parse(line));
  ASSERT_EQ(models.size(), 3u);
  EXPECT_EQ(models[0]["id"], "alice/base");
  EXPECT_EQ(models[0]["descendants"], 2);
  EXPECT_EQ(models[0]["likes"], 1);
  EXPECT_EQ(models[0]["childrenModelCount"]["finetune"], 1);
  EXPECT_NEAR(models[0]["trendingScore"].get<double>(), 0.3536, 1e-3);
  EXPECT_EQ(models[1]["baseModels"], Json{"alice/base"});
  EXPECT_THAT(all_of(ask(popularity, who("bob"))), HasSubstr("bob/secret"));
  EXPECT_THAT(all_of(ask(popularity, who("alice"))), Not(HasSubstr("bob/secret")));
  EXPECT_THROW(ask(popularity, {}, "", "format=xml"), hub::Refusal);
}

TEST_F(HubVariants, TheExportAsCsvHasNoFormulas) {
  const http::Response response = ask(popularity, {}, "", "format=csv");
  const std::string csv = all_of(response, 1000);
  EXPECT_THAT(csv, StartsWith("id,created_at,"));
  EXPECT_EQ(std::ranges::count(csv, '\n'), 4);
  EXPECT_THAT(csv, HasSubstr(R"(,"'=1+1","bob/tuned",0,0,0.000000,0,0)"));
  EXPECT_THAT(csv, HasSubstr("\"alice/base\",20"));
  EXPECT_THAT(csv, Not(HasSubstr("secret")));
}

// Of many models, in pages that nobody sees.
TEST_F(HubVariants, TheExportHasEachOnce) {
  constexpr int kMany = 1203;
  hub::Database(hub::database_of(folder / "hub")).write([](hub::Connection& connection) {
    for (int i = 0; i < kMany; ++i) {
      const std::string name = "m" + std::to_string(i);
      connection.run(
          "INSERT INTO repository (kind, owner, name, folded, visibility, created, modified) SELECT 0, id, ?, 'bob/' "
          "|| "
          "?, 0, 0, 0 FROM account WHERE folded = 'bob'",
          {name, name});
    }
  });
  const std::string text = all_of(ask(popularity, {}), 100'000);
  EXPECT_EQ(std::ranges::count(text, '\n'), kMany + 3);
  std::set<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) names.insert(Json::parse(line)["id"]);
  EXPECT_EQ(names.size(), static_cast<size_t>(kMany) + 3);
}

TEST_F(HubVariants, WhetherTheCallerLikesIt) {
  const auto told = [&](const hub::Caller& caller) { return json(ask(liking, caller, "alice/base")); };
  EXPECT_EQ(told(who("bob")), (Json{{"liked", false}, {"likes", 0}, {"mayLike", true}}));
  ask(like, who("bob"), "alice/base");
  EXPECT_EQ(told(who("bob")), (Json{{"liked", true}, {"likes", 1}, {"mayLike", true}}));
  EXPECT_EQ(told(who("alice")), (Json{{"liked", false}, {"likes", 1}, {"mayLike", true}}));
  EXPECT_EQ(told({}), (Json{{"liked", false}, {"likes", 1}, {"mayLike", false}}));
  const hub::Caller reader =
      *hub.people().caller_with(hub.people().add_token("bob", "to read", false, std::nullopt).text);
  EXPECT_EQ(told(reader), (Json{{"liked", true}, {"likes", 1}, {"mayLike", false}}));
  ask(unlike, who("bob"), "alice/base");
  EXPECT_EQ(told(who("bob"))["liked"], false);
  EXPECT_THROW(ask(liking, who("alice"), "bob/secret"), hub::Refusal);
}

TEST_F(HubVariants, HaveAddresses) {
  const Routes routes(hub_routes(hub, [](const http::Request&, http::Response&) {}));
  for (const auto& [path, pattern] :
       std::map<std::string, std::string>{{"/api/models/alice/base/variants", "/api/models/{owner}/{name}/variants"},
                                          {"/api/race", "/api/race"},
                                          {"/api/popularity", "/api/popularity"},
                                          {"/api/datasets/alice/base/like", "/api/datasets/{owner}/{name}/like"}}) {
    const Target to = routes.find("GET", path);
    ASSERT_TRUE(to.route) << path;
    EXPECT_EQ(to.route->pattern, pattern);
  }
}

}  // namespace
}  // namespace glassbox::hubapi
