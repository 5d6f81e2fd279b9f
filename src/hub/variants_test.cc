// Who is made of whom: the tree of a model, what of it whom is told, and whose models people build upon.
#include "hub/variants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "hub/descent.h"
#include "hub/people.h"
#include "hub/studies.h"
#include "hub/testing.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// "b[c,d(circle)]" for a model with what is next to it.
std::string drawn(const std::vector<Variant>& variants) {
  std::string text;
  for (const Variant& one : variants) {
    text += (text.empty() ? "" : ",") + one.name.substr(one.name.find('/') + 1);
    if (!one.model) text += "(not here)";
    if (one.told == Variant::Told::circle) text += "(circle)";
    if (one.told == Variant::Told::elsewhere) text += "(elsewhere)";
    if (one.left_out > 0) text += "+" + std::to_string(one.left_out);
    if (!one.next.empty()) text += "[" + drawn(one.next) + "]";
  }
  return text;
}

class VariantsTest : public ::testing::Test {
 protected:
  VariantsTest() {
    for (const char* name : {"alice", "bob"}) hub->people().add_person(name, false);
  }
  Caller who(const std::string& name) { return *hub->people().caller_of(hub->people().find(name)->id); }

  // A model of this owner's that says to be made of these.
  void publish(const std::string& owner, const std::string& name, const std::vector<std::string>& bases,
               const std::string& relation = "", bool is_private = false) {
    hub->create(who(owner), kModel, owner, name, is_private);
    claim(owner, name, bases, relation);
  }
  void claim(const std::string& owner, const std::string& name, const std::vector<std::string>& bases,
             const std::string& relation = "") {
    std::string card = "---\nlicense: mit\n";
    if (!bases.empty()) card += "base_model:\n";
    for (const std::string& base : bases) card += "- " + base + "\n";
    if (!relation.empty()) card += "base_model_relation: " + relation + "\n";
    hub->commit(who(owner), kModel, owner + "/" + name,
                {std::string(kMainBranch), "card", "", {}, {PutFile{"README.md", card + "---\n# " + name + "\n"}}});
    hub->studies().wait();
  }
  // As if the weights had been compared.
  void judge(const std::string& child, const std::string& base, Verdict verdict) {
    hub->studies().wait();
    const Repository of = repository(base);
    const std::string sha = hub->view(hub->owner(), [&](View& view) { return view.resolve(of, "main").hex(); });
    Repository made = repository(child);
    Json facts = made.facts;
    facts["lineage"][base] = {{"verdict", name_of(verdict)}, {"why", "as a test has it"}, {"sha", sha}};
    hub->set_facts(made, facts, {});
  }
  Repository repository(const std::string& name) {
    return hub->view(hub->owner(), [&](View& view) { return view.repository(kModel, name); });
  }
  VariantTree tree(const Caller& caller, const std::string& name, const TreeBounds& bounds = {}) {
    return hub->view(caller, [&](View& view) { return variants_of(view, view.repository(kModel, name), bounds); });
  }
  std::string up(const std::string& name) { return drawn(tree({}, name).bases); }
  std::string down(const std::string& name) { return drawn(tree({}, name).children); }
  int64_t descendants(const Caller& caller, const std::string& name) {
    return hub->view(caller,
                     [&](View& view) { return Descent(view.claims.graph(caller)).descendants(repository(name).id); });
  }

  testing::TemporaryFolder folder;
  std::unique_ptr<Hub> hub = std::make_unique<Hub>(folder / "hub");
};

TEST_F(VariantsTest, AModelStandsBetweenItsBasesAndItsChildren) {
  publish("alice", "root", {"elsewhere/first"});
  publish("alice", "middle", {"ALICE/root"});
  publish("bob", "tuned", {"alice/middle"});
  publish("bob", "small", {"alice/middle"}, "quantized");
  publish("bob", "lora", {"bob/tuned"}, "adapter");
  hub->like(who("alice"), kModel, "bob/small", true);
  const VariantTree of = tree({}, "alice/middle");
  EXPECT_EQ(drawn(of.bases), "root[first(not here)]") << "names are looked up without regard to case";
  EXPECT_EQ(drawn(of.children), "small,tuned[lora]") << "the liked one first";
  EXPECT_EQ(of.bases[0].next[0].name, "elsewhere/first");
  EXPECT_EQ(of.bases[0].next[0].why, "the base is not on this hub");
  EXPECT_THAT(of.root.children, ElementsAre(Pair("finetune", 1), Pair("quantized", 1)));
  EXPECT_THAT(of.children[1].children, ElementsAre(Pair("adapter", 1)));
  EXPECT_EQ(of.children[0].relation, "quantized");
  EXPECT_EQ(of.children[0].model->likes, 1);
  EXPECT_THAT(of.bases[0].children, ElementsAre(Pair("finetune", 1)));
  // A card says otherwise now.
  claim("bob", "small", {});
  EXPECT_EQ(down("alice/middle"), "tuned[lora]");
}

TEST_F(VariantsTest, RelationsAreOnesThatThereAre) {
  publish("alice", "base", {});
  publish("bob", "odd", {"alice/base"}, "=cmd()");
  publish("bob", "merged", {"alice/base", "alice/Base", "other/x"});
  const VariantTree of = tree({}, "alice/base");
  EXPECT_THAT(of.root.children, ElementsAre(Pair("finetune", 1), Pair("merge", 1)));
  EXPECT_EQ(tree({}, "bob/merged").bases.size(), 2u) << "a base named twice is one";
}

TEST_F(VariantsTest, WhoClaimsToBeMadeOfItsOwnDescendantEndsNoWalk) {
  publish("alice", "a", {"alice/c"});
  publish("alice", "b", {"alice/a"});
  publish("alice", "c", {"alice/b"});
  EXPECT_EQ(down("alice/a"), "b[c[a(circle)]]");
  EXPECT_EQ(up("alice/a"), "c[b[a(circle)]]");
  EXPECT_EQ(descendants({}, "alice/a"), 2) << "never itself";
  publish("alice", "self", {"alice/self"});
  EXPECT_EQ(up("alice/self"), "self(circle)");
  EXPECT_EQ(down("alice/self"), "");
  EXPECT_THAT(tree({}, "alice/self").root.children, IsEmpty());
  EXPECT_EQ(descendants({}, "alice/self"), 0);
}

TEST_F(VariantsTest, WhatIsMadeOfSeveralIsFollowedOnce) {
  publish("alice", "top", {});
  publish("alice", "left", {"alice/top"});
  publish("alice", "right", {"alice/top"});
  publish("bob", "merged", {"alice/left", "alice/right"});
  publish("bob", "below", {"bob/merged"});
  EXPECT_EQ(down("alice/top"), "left[merged[below]],right[merged(elsewhere)]");
  EXPECT_EQ(up("bob/below"), "merged[left[top],right[top(elsewhere)]]");
  EXPECT_EQ(descendants({}, "alice/top"), 4);
}

TEST_F(VariantsTest, BoundsLeaveOutAndSayHowMuch) {
  publish("alice", "top", {});
  for (const char* name : {"a", "b", "c", "d"}) publish("alice", name, {"alice/top"});
  for (const char* name : {"e", "f"}) publish("bob", name, {"alice/a"});
  publish("bob", "g", {"bob/e"});
  const auto bounded = [&](size_t depth, size_t width, size_t most) {
    const VariantTree of = tree({}, "alice/top", {depth, width, most});
    return drawn(of.children) + " +" + std::to_string(of.children_left_out);
  };
  EXPECT_EQ(bounded(4, 50, 300), "a[e[g],f],b,c,d +0");
  EXPECT_EQ(bounded(1, 50, 300), "a+2,b,c,d +0");
  EXPECT_EQ(bounded(2, 50, 300), "a[e+1,f],b,c,d +0");
  EXPECT_EQ(bounded(4, 1, 300), "a+1[e[g]] +3");
  EXPECT_EQ(bounded(4, 50, 5), "a+1[e+1],b,c,d +0") << "those near by before those below";
  EXPECT_EQ(tree({}, "alice/top", {1, 1, 1}).root.children["finetune"], 4) << "counts are of all";
  const VariantTree of = tree({}, "bob/g", {1, 50, 300});
  EXPECT_EQ(drawn(of.bases), "e+1");
}

TEST_F(VariantsTest, WhatIsPrivateIsInNoTreeAndNoCount) {
  publish("alice", "open", {});
  publish("alice", "hidden", {"alice/open"}, "", true);
  publish("bob", "tuned", {"alice/hidden"});
  publish("bob", "secret", {"alice/open"}, "adapter", true);
  judge("bob/tuned", "alice/hidden", Verdict::verified);
  const Caller alice = who("alice"), bob = who("bob");
  EXPECT_EQ(drawn(tree({}, "alice/open").children), "");
  EXPECT_EQ(drawn(tree(alice, "alice/open").children), "hidden[tuned]");
  EXPECT_EQ(drawn(tree(bob, "alice/open").children), "secret");
  EXPECT_THAT(tree({}, "alice/open").root.children, IsEmpty());
  EXPECT_THAT(tree(bob, "alice/open").root.children, ElementsAre(Pair("adapter", 1)));
  // Who may not know the base sees the name that the card says, and nothing of what was found about it.
  for (const Caller& other : {Caller{}, bob}) {
    const VariantTree of = tree(other, "bob/tuned");
    EXPECT_EQ(drawn(of.bases), "hidden(not here)");
    EXPECT_EQ(of.bases[0].name, "alice/hidden");
    EXPECT_EQ(of.bases[0].verdict, Verdict::unknown);
    EXPECT_EQ(of.bases[0].why, "the base is not on this hub");
  }
  EXPECT_EQ(tree(alice, "bob/tuned").bases[0].verdict, Verdict::verified);
  // Nor does it count through what it may not know.
  EXPECT_EQ(descendants({}, "alice/open"), 0);
  EXPECT_EQ(descendants(bob, "alice/open"), 1);
  EXPECT_EQ(descendants(alice, "alice/open"), 2);
  const auto told = hub->view(Caller{}, [](View& view) { return view.popularity.models({}, 0, 100, 0); });
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[1].model.full_name(), "bob/tuned");
  const ClaimGraph graph = hub->view(Caller{}, [](View& view) { return view.claims.graph({}); });
  EXPECT_EQ(graph.models.size(), 2u);
  EXPECT_EQ(
      hub->view(Caller{},
                [&](View& view) {
                  return view.claims.models({}, {repository("alice/hidden").id, repository("alice/open").id}).size();
                }),
      1u);
}

TEST_F(VariantsTest, ARenamedBaseIsFoundByTheNameThatCardsSay) {
  publish("alice", "old", {});
  publish("bob", "tuned", {"alice/old"});
  judge("bob/tuned", "alice/old", Verdict::verified);
  hub->rename(who("alice"), kModel, "alice/old", "alice/new");
  hub->studies().wait();
  judge("bob/tuned", "alice/old", Verdict::verified);
  publish("bob", "later", {"alice/new"});
  publish("bob", "both", {"alice/old", "alice/new"});
  EXPECT_EQ(down("alice/new"), "tuned,later,both");
  EXPECT_THAT(tree({}, "alice/new").root.children, ElementsAre(Pair("finetune", 2), Pair("merge", 1)));
  const VariantTree of = tree({}, "bob/tuned");
  EXPECT_EQ(of.bases[0].name, "alice/new");
  EXPECT_EQ(of.bases[0].verdict, Verdict::verified);
  EXPECT_EQ(descendants({}, "alice/new"), 3);
  // Once another has the old name it is that one's.
  publish("alice", "old", {});
  EXPECT_EQ(down("alice/new"), "later,both");
  EXPECT_EQ(down("alice/old"), "tuned,both");
}

TEST_F(VariantsTest, ARemovedBaseIsANameAndAnotherOfItsNameIsAnother) {
  publish("alice", "base", {});
  publish("bob", "tuned", {"alice/base"});
  judge("bob/tuned", "alice/base", Verdict::verified);
  EXPECT_EQ(tree({}, "bob/tuned").bases[0].verdict, Verdict::verified);
  EXPECT_EQ(tree({}, "alice/base").children[0].why, "as a test has it");
  hub->remove(who("alice"), kModel, "alice/base");
  EXPECT_EQ(up("bob/tuned"), "base(not here)");
  EXPECT_EQ(tree({}, "bob/tuned").bases[0].verdict, Verdict::unknown);
  // It has another history: what was found is not of it.
  hub->create(who("alice"), kModel, "alice", "base", false);
  const VariantTree of = tree({}, "bob/tuned");
  EXPECT_EQ(drawn(of.bases), "base");
  EXPECT_EQ(of.bases[0].verdict, Verdict::unknown);
  EXPECT_EQ(of.bases[0].why, "the two were not compared");
  EXPECT_EQ(tree({}, "alice/base").children[0].verdict, Verdict::unknown);
  // A child that is removed is gone from everywhere.
  hub->remove(who("bob"), kModel, "bob/tuned");
  EXPECT_EQ(down("alice/base"), "");
  EXPECT_EQ(descendants({}, "alice/base"), 0);
}

TEST_F(VariantsTest, WhatTheWeightsContradictIsToldAndDoesNotCount) {
  publish("alice", "base", {});
  publish("bob", "true", {"alice/base"});
  publish("bob", "false", {"alice/base"});
  judge("bob/true", "alice/base", Verdict::plausible);
  judge("bob/false", "alice/base", Verdict::contradicted);
  EXPECT_EQ(down("alice/base"), "true,false");
  EXPECT_EQ(tree({}, "alice/base").children[1].verdict, Verdict::contradicted);
  EXPECT_EQ(descendants({}, "alice/base"), 1);
}

TEST_F(VariantsTest, AnOlderDatabaseLearnsWhatItsCardsSay) {
  publish("alice", "old", {});
  publish("bob", "tuned", {"alice/old", "elsewhere/X"}, "merge");
  hub->rename(who("alice"), kModel, "alice/old", "alice/new");
  hub->studies().wait();
  judge("bob/tuned", "alice/old", Verdict::plausible);
  hub.reset();
  Database(database_of(folder / "hub")).write([](Connection& connection) {
    connection.script("DROP TABLE base; DROP INDEX former_name_repository; PRAGMA user_version = 1");
  });
  hub = std::make_unique<Hub>(folder / "hub");
  const VariantTree of = tree({}, "bob/tuned");
  EXPECT_EQ(drawn(of.bases), "new,X(not here)");
  EXPECT_EQ(of.bases[0].relation, "merge");
  EXPECT_EQ(of.bases[0].verdict, Verdict::plausible);
  EXPECT_EQ(of.bases[0].why, "as a test has it");
  EXPECT_EQ(down("alice/new"), "tuned");
}

TEST_F(VariantsTest, ABaseThatBecomesPublicIsLookedAtAgain) {
  const std::string header = R"({"w":{"dtype":"F32","shape":[1024],"data_offsets":[0,4096]}})";
  std::string weights(8, '\0');
  weights[0] = static_cast<char>(header.size());
  weights += header;
  for (int i = 0; i < 4096; ++i) weights += static_cast<char>(i % 61);
  const auto put = [&](const std::string& owner, const std::string& name) {
    hub->commit(who(owner), kModel, owner + "/" + name,
                {std::string(kMainBranch), "weights", "", {}, {PutFile{"model.safetensors", weights}}});
  };
  publish("alice", "base", {}, "", true);
  put("alice", "base");
  publish("bob", "tuned", {"alice/base"});
  put("bob", "tuned");
  hub->studies().wait();
  EXPECT_EQ(tree(who("alice"), "bob/tuned").bases[0].verdict, Verdict::unknown);
  hub->set_access(who("alice"), kModel, "alice/base", false, {});
  hub->studies().wait();
  EXPECT_EQ(tree({}, "bob/tuned").bases[0].verdict, Verdict::verified);
  hub->rename(who("alice"), kModel, "alice/base", "alice/claimed");
  publish("bob", "later", {"alice/renamed"});
  put("bob", "later");
  hub->rename(who("alice"), kModel, "alice/claimed", "alice/renamed");
  hub->studies().wait();
  EXPECT_EQ(tree({}, "bob/later").bases[0].verdict, Verdict::verified);
}

TEST_F(VariantsTest, PopularityTellsWhatIsCounted) {
  publish("alice", "base", {});
  publish("bob", "tuned", {"alice/base", "x/y"});
  for (const char* name : {"alice", "bob"}) hub->like(who(name), kModel, "alice/base", true);
  for (const char* from : {"1.2.3.4", "1.2.3.4", "1.2.3.5"}) hub->count_download(repository("alice/base"), from);
  const auto page =
      hub->view(Caller{}, [](View& view) { return view.popularity.models({}, 0, 1, now_in_milliseconds()); });
  ASSERT_EQ(page.size(), 1u);
  EXPECT_EQ(page[0].model.likes, 2);
  EXPECT_EQ(page[0].model.downloads, 2);
  EXPECT_NEAR(page[0].trending, 2 / std::pow(2.0, 1.5) + 0.2, 1e-3);
  const int64_t first = page[0].model.id;
  const auto next =
      hub->view(Caller{}, [&](View& view) { return view.popularity.models({}, first, 10, now_in_milliseconds()); });
  ASSERT_EQ(next.size(), 1u);
  EXPECT_THAT(next[0].bases, ElementsAre("alice/base", "x/y"));
  EXPECT_EQ(next[0].trending, 0);
  // A week and a day later the downloads are over, and the likes weigh less.
  constexpr int64_t kDay = 86'400'000;
  const auto later = hub->view(
      Caller{}, [&](View& view) { return view.popularity.trending({first}, now_in_milliseconds() + 8 * kDay); });
  EXPECT_NEAR(later.at(first), 2 / std::pow(10.0, 1.5), 1e-3);
}

TEST(Descent, CountsEachOnceHoweverItIsReached) {
  // 2 and 3 of 1, 4 of both, 5 of 4; 6 alone; 9 is not there.
  Descent descent({{{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}}, {{2, 1}, {3, 1}, {4, 2}, {4, 3}, {5, 4}, {9, 1}}});
  EXPECT_EQ(descent.descendants(1), 4);
  EXPECT_EQ(descent.descendants(2), 2);
  EXPECT_EQ(descent.descendants(4), 1);
  EXPECT_EQ(descent.descendants(6), 0);
  EXPECT_EQ(descent.descendants(9), 0);
}

TEST(Descent, ACircleCountsNobodyTwice) {
  Descent descent({{{1, 0}, {2, 0}, {3, 0}}, {{1, 3}, {2, 1}, {3, 2}}});
  for (const int64_t model : {1, 2, 3}) EXPECT_EQ(descent.descendants(model), 2);
}

TEST(Descent, RacesOverTime) {
  Descent descent({{{1, 10}, {2, 20}, {3, 30}, {4, 5}, {5, 31}}, {{2, 1}, {3, 2}, {4, 1}, {5, 3}}});
  const std::vector<int64_t> moments{9, 10, 20, 30};
  const auto runners = descent.race(moments, 2);
  ASSERT_EQ(runners.size(), 2u);
  EXPECT_EQ(runners[0].model, 1);
  EXPECT_THAT(runners[0].counts, ElementsAre(0, 1, 2, 3)) << "4 is older than its base, and 5 is yet to come";
  EXPECT_EQ(runners[1].model, 2);
  EXPECT_THAT(runners[1].counts, ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(descent.race({}, 2), IsEmpty());
}

TEST(Descent, ALongChainCostsNoMoreThanItsNearestAncestors) {
  ClaimGraph graph;
  const auto length = static_cast<int64_t>(Descent::kMostAncestors) * 3;
  for (int64_t i = 1; i <= length; ++i) {
    graph.models.push_back({i, 0});
    if (i > 1) graph.edges.emplace_back(i, i - 1);
  }
  Descent descent(std::move(graph));
  EXPECT_EQ(descent.descendants(length - 1), 1);
  EXPECT_EQ(descent.descendants(1), static_cast<int64_t>(Descent::kMostAncestors));
}

}  // namespace
}  // namespace glassbox::hub
