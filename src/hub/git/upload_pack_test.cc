#include "hub/git/upload_pack.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <functional>
#include <random>

#include "hub/git/history.h"
#include "hub/git/testing.h"
#include "hub/refusal.h"
#include "tests/testing.h"

namespace glassbox::hub::git {
namespace {

using testing::all_of;
using testing::BranchedStore;
using ::testing::ElementsAre;
using testing::fetch_command;
using testing::Files;
using ::testing::HasSubstr;
using testing::hear;
using testing::Heard;
using ::testing::IsEmpty;
using testing::MadeUpStore;
using testing::said;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;
using testing::unpacked;

struct Branched : ::testing::Test {
  Heard fetch(const std::vector<std::string>& lines) {
    return hear(all_of(answer_v2(store, fetch_command(lines)), store));
  }
  std::set<ObjectId> sent(const std::vector<std::string>& lines) {
    std::set<ObjectId> ids;
    for (const auto& [kind, content] : unpacked(fetch(lines).pack))
      EXPECT_TRUE(ids.insert(object_id(kind, content)).second) << "twice in a pack";
    return ids;
  }
  std::string refusal_of(const std::vector<std::string>& lines) {
    try {
      fetch(lines);
    } catch (const Refusal& refusal) { return refusal.what(); }
    return "";
  }
  static std::string want(const ObjectId& id) { return "want " + id.hex(); }
  static std::string have(const ObjectId& id) { return "have " + id.hex(); }
  static ObjectId blob(const std::string& content) { return object_id(ObjectKind::blob, content); }

  BranchedStore store;
  const ObjectId &first = store.first, &second = store.second, &third = store.third, &side = store.side,
                 &merge = store.merge;
};

TEST_F(Branched, ACloneHasEveryObjectOnce) {
  const auto ids = sent({want(merge), want(side), want(merge), "done"});
  EXPECT_EQ(ids.size(), store.objects.size());
  const Heard heard = fetch({want(merge), "done"});
  EXPECT_THAT(heard.lines, ElementsAre("packfile", "<flush>"));
  EXPECT_EQ(heard.progress, fmt::format("Counting objects: {}, done.\n", store.objects.size()));
  EXPECT_EQ(fetch({want(merge), "no-progress", "done"}).progress, "");
  // No haves, no negotiation.
  EXPECT_EQ(unpacked(fetch({want(merge)}).pack).size(), store.objects.size());
}

TEST_F(Branched, AFetchHasWhatIsNew) {
  const Files& of_third{{"a", "1"}, {"in/b", "3"}, {"in/deep/c", "1"}};
  const ObjectId root = MadeUpStore().tree(of_third);
  EXPECT_THAT(sent({want(third), have(second), "done"}),
              UnorderedElementsAre(third, root, MadeUpStore().tree({{"b", "3"}, {"deep/c", "1"}}), blob("3")));
  // Of a merge, what either side has not.
  EXPECT_THAT(sent({want(merge), have(third), have(side), "done"}),
              UnorderedElementsAre(merge, decode_commit(store.bytes(ObjectKind::commit, merge)).tree));
  EXPECT_THAT(sent({want(merge), have(merge), "done"}), IsEmpty());
  EXPECT_THAT(sent({want(second), have(merge), "done"}), IsEmpty());
}

TEST_F(Branched, WhatIsHadIsAcknowledged) {
  const std::string stranger = "have " + std::string(40, '5');
  EXPECT_THAT(fetch({want(merge), stranger}).lines, ElementsAre("acknowledgments", "NAK", "<flush>"));
  // What the merge has of the side is not known yet: enough is known all the same, as in git.
  EXPECT_THAT(fetch({want(merge), have(third), stranger, have(third)}).lines,
              ElementsAre("acknowledgments", "ACK " + third.hex(), "ready", "<delimiter>", "packfile", "<flush>"));
  // What is wanted does not come from the third.
  EXPECT_THAT(fetch({want(side), have(third)}).lines, ElementsAre("acknowledgments", "ACK " + third.hex(), "<flush>"));
  EXPECT_THAT(fetch({want(side), want(third), have(third)}).lines,
              ElementsAre("acknowledgments", "ACK " + third.hex(), "<flush>"));
  EXPECT_THAT(fetch({want(side), want(third), have(third), "done"}).lines, ElementsAre("packfile", "<flush>"));
}

// Objects are shared between repositories: one that lies in the store is not for whoever knows its name.
TEST_F(Branched, WhatNoReferenceLeadsToIsRefused) {
  const ObjectId elsewhere = store.commit({{"secret", "s"}}, {first}, 500);
  store.made.erase(elsewhere);
  const ObjectId dropped = store.commit({{"dropped", "d"}}, {first}, 600);
  const ObjectId unknown = object_id(ObjectKind::blob, "never seen");
  for (const ObjectId& id : {elsewhere, dropped, unknown, blob("s"), blob("d"), MadeUpStore().tree({{"secret", "s"}})})
    for (const auto& lines :
         {std::vector{want(id), std::string("done")}, {want(merge), want(id)}, {want(blob("1")), want(id)}})
      EXPECT_EQ(refusal_of(lines), "upload-pack: not our ref " + id.hex());
  // Nor does it help to say that one has it.
  EXPECT_THAT(fetch({want(merge), have(elsewhere)}).lines, ElementsAre("acknowledgments", "NAK", "<flush>"));
  EXPECT_THAT(fetch({want(first), "shallow " + elsewhere.hex(), "deepen 5", "done"}).lines,
              ElementsAre("shallow-info", "<delimiter>", "packfile", "<flush>"));
  // What one does lead to may be wanted by its name, whatever it is.
  EXPECT_THAT(sent({want(second), have(first), "done"}).count(second), 1);
  EXPECT_THAT(sent({want(blob("2")), "done"}), UnorderedElementsAre(blob("2")));
  const ObjectId folder = MadeUpStore().tree({{"b", "2"}, {"deep/c", "1"}});
  EXPECT_THAT(sent({want(folder), "done"}),
              UnorderedElementsAre(folder, MadeUpStore().tree({{"c", "1"}}), blob("2"), blob("1")));
}

TEST_F(Branched, AHistoryMayEndEarly) {
  const auto shallow = [&](std::vector<std::string> lines) {
    lines.insert(lines.begin(), want(merge));
    lines.emplace_back("done");
    return fetch(lines);
  };
  const auto commits = [&](const Heard& heard) {
    std::set<ObjectId> ids;
    for (const auto& [kind, content] : unpacked(heard.pack))
      if (kind == ObjectKind::commit) ids.insert(object_id(kind, content));
    return ids;
  };
  const Heard one = shallow({"deepen 1"});
  EXPECT_THAT(one.lines, ElementsAre("shallow-info", "shallow " + merge.hex(), "<delimiter>", "packfile", "<flush>"));
  EXPECT_THAT(commits(one), UnorderedElementsAre(merge));
  EXPECT_EQ(unpacked(one.pack).size(), 7u);  // with three trees and three files
  const Heard two = shallow({"deepen 2"});
  EXPECT_THAT(std::vector(two.lines.begin() + 1, two.lines.begin() + 3),
              UnorderedElementsAre("shallow " + third.hex(), "shallow " + side.hex()));
  EXPECT_THAT(commits(two), UnorderedElementsAre(merge, third, side));
  // Deeper: the old ends are opened, and what lies behind them comes.
  const Heard deeper = shallow({"deepen 3", "shallow " + merge.hex(), have(merge)});
  EXPECT_THAT(deeper.lines, ElementsAre("shallow-info", "shallow " + second.hex(), "unshallow " + merge.hex(),
                                        "<delimiter>", "packfile", "<flush>"));
  EXPECT_THAT(commits(deeper), UnorderedElementsAre(third, side, second));
  const Heard more = shallow({"deepen 1", "deepen-relative", "shallow " + merge.hex(), have(merge)});
  EXPECT_THAT(commits(more), UnorderedElementsAre(third, side));
  const Heard all = shallow({"deepen 2147483647", "shallow " + second.hex(), have(merge)});
  EXPECT_THAT(all.lines,
              ElementsAre("shallow-info", "unshallow " + second.hex(), "<delimiter>", "packfile", "<flush>"));
  EXPECT_THAT(commits(all), UnorderedElementsAre(first));
  // A shallow client that wants no more history gets what is new and nothing of the old.
  EXPECT_THAT(commits(shallow({"shallow " + third.hex(), "shallow " + side.hex(), have(third), have(side)})),
              UnorderedElementsAre(merge));
  // The first one has nothing behind it.
  EXPECT_THAT(fetch({want(first), "deepen 1", "done"}).lines,
              ElementsAre("shallow-info", "<delimiter>", "packfile", "<flush>"));
  const Heard since = shallow({"deepen-since 300"});
  EXPECT_THAT(commits(since), UnorderedElementsAre(merge, third, side));
  EXPECT_THAT(std::vector(since.lines.begin() + 1, since.lines.begin() + 3),
              UnorderedElementsAre("shallow " + third.hex(), "shallow " + side.hex()));
  EXPECT_THAT(commits(shallow({"deepen-not v1"})), UnorderedElementsAre(merge, third, side, second));
  const Heard beside = shallow({"deepen-not refs/heads/side"});  // one parent is out, so that both are
  EXPECT_THAT(beside.lines,
              ElementsAre("shallow-info", "shallow " + merge.hex(), "<delimiter>", "packfile", "<flush>"));
  EXPECT_THAT(commits(beside), UnorderedElementsAre(merge));
  EXPECT_THAT(refusal_of({want(merge), "deepen-not nowhere", "done"}), HasSubstr("no reference \"nowhere\""));
  EXPECT_THAT(refusal_of({want(merge), "deepen-since 500", "done"}), HasSubstr("none is new enough"));
}

TEST_F(Branched, AFilterLeavesOut) {
  const auto kinds = [&](const std::string& filter, const ObjectId& wanted) {
    std::map<ObjectKind, int> count;
    for (const auto& [kind, content] : unpacked(fetch({want(wanted), "filter " + filter, "done"}).pack)) ++count[kind];
    return count;
  };
  using Count = std::map<ObjectKind, int>;
  store.refs["refs/heads/long"] = store.commit({{"short", "123"}, {"long", "12345"}}, {}, 1);
  const ObjectId tip = store.refs["refs/heads/long"];
  EXPECT_EQ(kinds("blob:none", tip), (Count{{ObjectKind::commit, 1}, {ObjectKind::tree, 1}}));
  EXPECT_EQ(kinds("blob:limit=0", tip), kinds("blob:none", tip));
  EXPECT_EQ(kinds("blob:limit=5", tip), (Count{{ObjectKind::commit, 1}, {ObjectKind::tree, 1}, {ObjectKind::blob, 1}}));
  EXPECT_EQ(kinds("blob:limit=6", tip), (Count{{ObjectKind::commit, 1}, {ObjectKind::tree, 1}, {ObjectKind::blob, 2}}));
  EXPECT_EQ(kinds("tree:0", tip), (Count{{ObjectKind::commit, 1}}));
  // What is asked for by its name comes all the same.
  EXPECT_EQ(kinds("blob:none", blob("12345")), (Count{{ObjectKind::blob, 1}}));
  EXPECT_EQ(kinds("tree:0", decode_commit(store.bytes(ObjectKind::commit, tip)).tree), (Count{{ObjectKind::tree, 1}}));
}

TEST_F(Branched, ReferencesAreListed) {
  const auto list = [&](std::vector<std::string> lines) {
    lines.insert(lines.begin(), {"command=ls-refs", "<delimiter>"});
    lines.emplace_back("<flush>");
    return hear(answer_v2(store, said(lines)).text, false).lines;
  };
  const std::string main = merge.hex() + " refs/heads/main", tag = first.hex() + " refs/tags/v1";
  EXPECT_THAT(list({}), ElementsAre(merge.hex() + " HEAD", main, side.hex() + " refs/heads/side", tag, "<flush>"));
  EXPECT_THAT(list({"symrefs", "peel", "ref-prefix HEAD", "ref-prefix refs/tags/"}),
              ElementsAre(merge.hex() + " HEAD symref-target:refs/heads/main", tag, "<flush>"));
  EXPECT_THAT(list({"ref-prefix refs/heads/m"}), ElementsAre(main, "<flush>"));
  EXPECT_THAT(list({"ref-prefix nothing"}), ElementsAre("<flush>"));
  EXPECT_EQ(list(std::vector<std::string>(2000, "ref-prefix nothing")).size(), 5u);  // too many to look at
  EXPECT_THAT(hear(offer_v2("test/1"), false).lines,
              ElementsAre("version 2", "agent=test/1", "ls-refs=unborn", "fetch=shallow filter", "object-format=sha1",
                          "<flush>"));
  const auto offered = hear(offer(store, "test/1"), false).lines;
  ASSERT_EQ(offered.size(), 7u);
  EXPECT_EQ(offered[0] + offered[1], "# service=git-upload-pack<flush>");
  EXPECT_THAT(offered[2], StartsWith(merge.hex() + " HEAD" + '\0'));
  EXPECT_THAT(offered[2], HasSubstr(" symref=HEAD:refs/heads/main agent=test/1"));
  EXPECT_EQ(offered[3], main);
  store.refs.clear();
  EXPECT_THAT(list({}), ElementsAre("<flush>"));
  EXPECT_THAT(list({"unborn", "symrefs"}), ElementsAre("unborn HEAD symref-target:refs/heads/main", "<flush>"));
  EXPECT_THAT(hear(offer(store, "test/1"), false).lines[2],
              StartsWith(std::string(40, '0') + " capabilities^{}" + '\0'));
}

TEST_F(Branched, OlderClientsAreAnsweredInTheirWay) {
  const auto ask = [&](const std::string& offers, std::vector<std::string> lines, const ObjectId& wanted) {
    lines.insert(lines.begin(), want(wanted) + " " + offers);
    return all_of(answer(store, said(lines)), store);
  };
  const std::string stranger = "have " + std::string(40, '5'), detailed = "multi_ack_detailed side-band-64k";
  const auto acks = [&](const std::string& offers, const std::vector<std::string>& lines, const ObjectId& wanted) {
    return hear(ask(offers, lines, wanted)).lines;
  };
  const std::string ack = "ACK " + third.hex();
  EXPECT_THAT(acks(detailed, {"<flush>", stranger, "<flush>"}, merge), ElementsAre("NAK"));
  EXPECT_THAT(acks(detailed, {"<flush>", stranger, "done"}, merge), ElementsAre("NAK", "<flush>"));
  EXPECT_THAT(acks(detailed, {"<flush>", have(third), "<flush>"}, merge),
              ElementsAre(ack + " common", ack + " ready", "NAK"));
  EXPECT_THAT(acks(detailed, {"<flush>", have(third), "<flush>"}, side), ElementsAre(ack + " common", "NAK"));
  EXPECT_THAT(acks(detailed, {"<flush>", have(third), "done"}, side), ElementsAre(ack + " common", ack, "<flush>"));
  EXPECT_THAT(acks(detailed + " no-done", {"<flush>", have(third), "<flush>"}, merge),
              ElementsAre(ack + " common", ack + " ready", "NAK", ack, "<flush>"));
  EXPECT_THAT(acks("multi_ack side-band-64k", {"<flush>", have(third), "<flush>"}, merge),
              ElementsAre(ack + " continue", "NAK"));
  EXPECT_THAT(acks("side-band-64k", {"<flush>", have(third), "<flush>"}, merge), ElementsAre(ack));
  EXPECT_THAT(acks("side-band-64k", {"<flush>", have(third), "done"}, merge), ElementsAre(ack, "<flush>"));
  EXPECT_THAT(acks(detailed, {"deepen 1", "<flush>"}, merge), ElementsAre("shallow " + merge.hex(), "<flush>"));
  EXPECT_THAT(acks(detailed, {"deepen 1", "<flush>", "done"}, merge),
              ElementsAre("shallow " + merge.hex(), "<flush>", "NAK", "<flush>"));
  EXPECT_EQ(answer(store, "0000").text, "");
  // The pack as it is, and in small packets.
  const std::string bare = ask("", {"<flush>", "done"}, merge);
  ASSERT_THAT(bare, StartsWith("0008NAK\nPACK"));
  EXPECT_EQ(unpacked(std::string_view(bare).substr(8)).size(), store.objects.size());
  store.refs["refs/heads/big"] = store.commit({{"big", std::string(100, 'x') + bare + bare}}, {}, 1);
  const Heard small = hear(ask("side-band", {"<flush>", "done"}, store.refs["refs/heads/big"]));
  EXPECT_EQ(small.largest_packet, 1000u);
  EXPECT_EQ(unpacked(small.pack).size(), 3u);
}

// Clients other than git take these lines in git's own form alone.
TEST_F(Branched, ShallowLinesHaveNoNewline) {
  const std::string line = "0034shallow " + merge.hex();
  EXPECT_THAT(answer_v2(store, fetch_command({want(merge), "deepen 1", "done"})).text, HasSubstr(line + "0001"));
  EXPECT_EQ(answer(store, said({want(merge), "deepen 1", "<flush>"})).text, line + "0000");
}

// A client names thousands of commits: of those not here nothing is said, and beyond some number none is looked up.
TEST_F(Branched, ManyHavesAreBounded) {
  std::vector<std::string> lines{want(merge)};
  struct Counting : MadeUpStore {
    bool has_commit(const ObjectId& id) override {
      ++lookups;
      return MadeUpStore::has_commit(id);
    }
    size_t lookups = 0;
  } counting;
  static_cast<MadeUpStore&>(counting) = store;
  for (int i = 0; i < 70'000; ++i) lines.push_back("have " + object_id(ObjectKind::blob, std::to_string(i)).hex());
  lines.push_back(have(third));
  EXPECT_THAT(hear(all_of(answer_v2(counting, fetch_command(lines)), counting)).lines,
              ElementsAre("acknowledgments", "NAK", "<flush>"));
  EXPECT_EQ(counting.lookups, 65'536u);
  for (std::string& line : lines) line = line.starts_with("have") ? "shallow" + line.substr(4) : line;
  EXPECT_THAT(refusal_of(lines), HasSubstr("70001 shallow commits, expected at most 65536"));
}

// A repository is counted in steps, between which the client hears that somebody is there; a pack comes in pieces.
TEST(GitUploadPack, TakesStepsAndHoldsLittle) {
  MadeUpStore store;
  std::mt19937 draw(3);
  std::string noise;
  while (noise.size() < 3'000'000) noise += static_cast<char>(draw());
  Files files{{"noise", noise}, {"zeros", std::string(30'000'000, '\0')}};
  for (int folder = 0; folder < 30; ++folder)
    for (int i = 0; i < 3000; ++i) files[fmt::format("{}/{}", folder, i)] = std::to_string(folder);
  store.refs["refs/heads/main"] = store.commit(files, {}, 1);
  const std::string want = "want " + store.refs["refs/heads/main"].hex();
  for (const bool progress : {true, false}) {
    Answer answer = answer_v2(store, fetch_command({want, progress ? "done" : "no-progress", "done"}));
    ASSERT_TRUE(answer.pack);
    std::string bytes;
    size_t signs = 0, pieces = 0;
    for (std::string piece; !(piece = answer.pack->next(store, 10'000)).empty(); ++pieces) {
      EXPECT_LT(piece.size(), 200'000u);
      const Heard heard = hear(piece);
      signs += heard.pack.empty() && piece != kFlush;
      bytes += piece;
    }
    EXPECT_GE(signs, 4u);
    EXPECT_GE(pieces, 40u);
    EXPECT_EQ(unpacked(hear(bytes).pack).size(), 1u + 31 + 30 + 2);
    if (progress)
      EXPECT_THAT(hear(bytes).progress, HasSubstr("\rCounting objects: 64, done.\n"));
    else
      EXPECT_EQ(hear(bytes).progress, "");
  }
}

// Random histories with wrong clocks, and clients that have some of them: with what is sent a client has all that its
// references lead to, to the last file, whatever it had; and where clocks are right no commit comes twice.
TEST(GitUploadPack, WhateverAClientHadItIsCompleteThen) {
  std::mt19937 draw(11);
  const auto below = [&](size_t most) { return static_cast<size_t>(draw() % most); };
  for (int round = 0; round < (testing::kSanitized ? 60 : 400); ++round) {
    MadeUpStore store;
    std::vector<ObjectId> commits;
    std::vector<Files> states;
    const bool right_clocks = round % 2 == 0;
    for (size_t i = 0; i < 12; ++i) {
      std::vector<ObjectId> parents;
      Files files;
      if (i > 0) {
        const size_t parent = i - 1 - below(std::min<size_t>(i, 3));
        parents.push_back(commits[parent]);
        files = states[parent];
        if (const size_t other = below(i); below(3) == 0 && other != parent) parents.push_back(commits[other]);
      }
      for (size_t k = 1 + below(3); k > 0; --k) {
        const std::string path = fmt::format("{}/{}", below(2), below(2)) + (below(2) ? "/x" : "x");
        if (below(5) == 0)
          files.erase(path);
        else
          files[path] = std::to_string(below(6));  // what was there comes back
      }
      if (files.empty()) files["x"] = "x";
      commits.push_back(store.commit(files, parents, static_cast<int64_t>(right_clocks ? i : below(12))));
      states.push_back(files);
    }
    // The client fetched one commit earlier, perhaps not all of its history; it wants others, perhaps not all of
    // theirs.
    const auto parents_of = [&](const ObjectId& id) {
      return decode_commit(store.bytes(ObjectKind::commit, id)).parents;
    };
    std::set<ObjectId> had, had_commits, ends;
    const std::function<void(const ObjectId&)> take_tree = [&](const ObjectId& id) {
      had.insert(id);
      for (const TreeEntry& entry : decode_tree(store.bytes(ObjectKind::tree, id)))
        entry.is_folder() ? take_tree(entry.id) : void(had.insert(entry.id));
    };
    const auto receive = [&](const std::vector<std::string>& asked) {
      const Heard heard = hear(all_of(answer_v2(store, fetch_command(asked)), store));
      for (const std::string& line : heard.lines) {
        if (line.starts_with("shallow ")) ends.insert(*ObjectId::parse(line.substr(8)));
        const bool opens = line.starts_with("unshallow ");
        EXPECT_TRUE(!opens || ends.erase(*ObjectId::parse(line.substr(10))) == 1);
      }
      for (const auto& [kind, content] : unpacked(heard.pack)) {
        const ObjectId id = object_id(kind, content);
        EXPECT_FALSE(right_clocks && had_commits.contains(id)) << "sent again";
        if (kind == ObjectKind::commit) had_commits.insert(id);
        had.insert(id);
      }
    };
    const auto check_complete = [&](const ObjectId& tip) {
      std::vector<ObjectId> open{tip};
      std::set<ObjectId> seen;
      const std::function<void(const ObjectId&)> check_tree = [&](const ObjectId& id) {
        EXPECT_TRUE(had.contains(id)) << "round " << round << ": a tree";
        for (const TreeEntry& entry : decode_tree(store.bytes(ObjectKind::tree, id))) {
          EXPECT_TRUE(had.contains(entry.id)) << "round " << round << ": " << entry.name;
          if (entry.is_folder()) check_tree(entry.id);
        }
      };
      while (!open.empty()) {
        const ObjectId id = open.back();
        open.pop_back();
        if (!seen.insert(id).second) continue;
        EXPECT_TRUE(had_commits.contains(id)) << "round " << round << ": a commit";
        check_tree(decode_commit(store.bytes(ObjectKind::commit, id)).tree);
        if (!ends.contains(id))
          for (const ObjectId& parent : parents_of(id)) open.push_back(parent);
      }
    };
    std::set<ObjectId> tips;
    for (int fetches = 0; fetches < 4; ++fetches) {
      std::vector<std::string> asked;
      for (size_t k = 1 + below(2); k > 0; --k) {
        const ObjectId tip = commits[below(commits.size())];
        store.refs[fmt::format("refs/heads/{}", store.refs.size())] = tip;
        tips.insert(tip);
        asked.push_back("want " + tip.hex());
      }
      for (const ObjectId& id : had_commits)
        if (below(4) != 0) asked.push_back("have " + id.hex());
      for (const ObjectId& id : ends) asked.push_back("shallow " + id.hex());
      if (below(3) == 0) asked.push_back(fmt::format("deepen {}", 1 + below(5)));
      asked.emplace_back("done");
      const bool names_all = std::ranges::count_if(asked, [](const std::string& line) {
                               return line.starts_with("have");
                             }) == static_cast<std::ptrdiff_t>(had_commits.size());
      // Who does not name all of what is there may hear of it again.
      if (!names_all) {
        const std::set<ObjectId> before = std::exchange(had_commits, {});
        receive(asked);
        had_commits.insert(before.begin(), before.end());
      } else {
        receive(asked);
      }
      for (const ObjectId& tip : tips) check_complete(tip);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace glassbox::hub::git
