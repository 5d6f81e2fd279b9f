// Who may do what: a table, and each right where it is asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "hub/cas.h"
#include "hub/testing.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

CommitRequest one_file(const std::string& path, const std::string& bytes) {
  return {std::string(kMainBranch), "files", "", {}, {PutFile{path, bytes}}};
}

// alice has open/closed/gated repositories, acme a private one; carol reads what is acme's, dave writes it, erin was
// let into the gated one, and boss administers the hub.
class Rights : public ::testing::Test {
 protected:
  Rights() {
    for (const char* name : {"alice", "bob", "carol", "dave", "erin"}) hub.people().add_person(name, false);
    hub.people().add_person("boss", true);
    hub.people().add_organization("acme");
    hub.people().set_member("acme", "carol", Role::read);
    hub.people().set_member("acme", "dave", Role::write);
    const Caller alice = who("alice"), dave = who("dave");
    hub.create(alice, kModel, "alice", "open", false);
    hub.create(alice, kModel, "alice", "closed", true);
    hub.create(alice, kModel, "alice", "gated", false);
    hub.set_access(alice, kModel, "alice/gated", {}, Gate::manual);
    hub.grant_access(alice, kModel, "alice/gated", "erin");
    hub.create(dave, kModel, "acme", "shared", true);
  }

  Caller who(const std::string& name) {
    if (name == "stranger") return {};
    if (name == "local") return hub.owner();
    if (name == "alice, to read") return with_token("alice", false, std::nullopt);
    if (name == "alice, for alice/closed") return with_token("alice", true, "alice/closed");
    if (name == "boss, for alice/closed") return with_token("boss", true, "alice/closed");
    return *hub.people().caller_of(hub.people().find(name)->id);
  }
  Caller with_token(const std::string& name, bool writes, const std::optional<std::string>& only) {
    return *hub.people().caller_with(hub.people().add_token(name, "test", writes, only).text);
  }
  Right right(const Caller& caller, const std::string& full_name) {
    const auto repository = hub.view(hub.owner(), [&](View& view) { return view.repository(kModel, full_name); });
    return hub.view(caller, [&](View& view) { return view.repositories.right(caller, repository); });
  }
  std::vector<std::string> listed(const Caller& caller) {
    return hub.view(caller, [&](View& view) {
      RepositoryQuery query;
      query.order = RepositoryQuery::Order::created;
      std::vector<std::string> names;
      for (const Listed& one : view.repositories.list(caller, query)) names.push_back(one.repository.full_name());
      return names;
    });
  }

  testing::TemporaryFolder folder;
  Hub hub{folder.path()};
};

TEST_F(Rights, AreAsTheTableSays) {
  constexpr auto kNothing = Right::nothing, kKnow = Right::know, kRead = Right::read, kWrite = Right::write;
  const std::vector<std::string> names{"alice/open", "alice/closed", "alice/gated", "acme/shared"};
  const std::vector<std::pair<std::string, std::vector<Right>>> table{
      {"stranger", {kRead, kNothing, kKnow, kNothing}},
      {"alice", {kWrite, kWrite, kWrite, kNothing}},
      {"bob", {kRead, kNothing, kKnow, kNothing}},
      {"carol", {kRead, kNothing, kKnow, kRead}},
      {"dave", {kRead, kNothing, kKnow, kWrite}},
      {"erin", {kRead, kNothing, kRead, kNothing}},
      {"boss", {kWrite, kWrite, kWrite, kWrite}},
      {"local", {kWrite, kWrite, kWrite, kWrite}},
      {"alice, to read", {kRead, kRead, kRead, kNothing}},
      {"alice, for alice/closed", {kRead, kWrite, kKnow, kNothing}},
      {"boss, for alice/closed", {kRead, kWrite, kKnow, kNothing}},
  };
  for (const auto& [name, rights] : table) {
    const Caller caller = who(name);
    const std::vector<std::string> all = listed(caller);
    for (size_t i = 0; i < names.size(); ++i) {
      SCOPED_TRACE(name + ", " + names[i]);
      EXPECT_EQ(right(caller, names[i]), rights[i]);
      // A repository is listed, counted and found exactly where it may be known.
      const bool known = rights[i] != kNothing;
      EXPECT_EQ(std::ranges::count(all, names[i]), known ? 1 : 0);
      EXPECT_EQ(refusal_of([&] { hub.view(caller, [&](View& view) { view.repository(kModel, names[i]); }); }),
                known ? std::nullopt : std::optional(Refused::no_repository));
      // Who may write may commit; others learn no more than they know.
      const auto expected = rights[i] == kWrite ? std::nullopt
                            : known             ? std::optional(Refused::forbidden)
                                                : std::optional(Refused::no_repository);
      EXPECT_EQ(refusal_of([&] { hub.commit(caller, kModel, names[i], one_file(name + ".txt", name)); }), expected);
      const std::string branch = "of-" + std::to_string(i);
      EXPECT_EQ(refusal_of([&] { hub.create_branch(caller, kModel, names[i], branch, "main"); }), expected);
      EXPECT_EQ(refusal_of([&] { hub.remove_branch(caller, kModel, names[i], branch); }), expected);
    }
  }
}

TEST_F(Rights, RepositoriesAreMadeUnderOnesOwnNameAndThatOfOnesOrganizations) {
  const auto made = [&](const char* name, const char* owner) {
    return refusal_of([&] { hub.create(who(name), kModel, owner, "new", false); });
  };
  EXPECT_EQ(made("stranger", "alice"), Refused::forbidden);
  EXPECT_EQ(made("bob", "alice"), Refused::forbidden);
  EXPECT_EQ(made("bob", "acme"), Refused::forbidden);
  EXPECT_EQ(made("bob", "nobody"), Refused::forbidden);
  EXPECT_EQ(made("carol", "acme"), Refused::forbidden);
  EXPECT_EQ(made("alice, to read", "alice"), Refused::forbidden);
  EXPECT_EQ(made("alice, for alice/closed", "alice"), Refused::forbidden);
  EXPECT_EQ(made("dave", "acme"), std::nullopt);
  EXPECT_EQ(made("alice", "ALICE"), std::nullopt);
  EXPECT_EQ(made("boss", "anybody"), std::nullopt);
  // A name that is taken out of sight is told from no other.
  EXPECT_EQ(refusal_of([&] { hub.create(who("bob"), kModel, "alice", "closed", false); }), Refused::forbidden);
  EXPECT_EQ(refusal_of([&] { hub.rename(who("alice"), kModel, "alice/open", "acme/open"); }), Refused::forbidden);
  EXPECT_EQ(refusal_of([&] { hub.duplicate(who("bob"), kModel, "alice/gated", "bob", "copy", false); }),
            Refused::gated);
  EXPECT_EQ(refusal_of([&] { hub.duplicate(who("bob"), kModel, "alice/closed", "bob", "copy", false); }),
            Refused::no_repository);
  EXPECT_EQ(refusal_of([&] { hub.duplicate(who("bob"), kModel, "alice/open", "bob", "copy", false); }), std::nullopt);
}

TEST_F(Rights, FormerNamesOfWhatIsPrivateLeadNowhere) {
  hub.rename(who("alice"), kModel, "alice/closed", "alice/renamed");
  EXPECT_EQ(refusal_of([&] { hub.view(who("bob"), [&](View& view) { view.repository(kModel, "alice/closed"); }); }),
            Refused::no_repository);
  EXPECT_EQ(hub.view(who("alice"), [&](View& view) { return view.repository(kModel, "alice/closed").full_name(); }),
            "alice/renamed");
}

TEST_F(Rights, GatedFilesAreForWhomTheOwnerLetsIn) {
  const auto files = [&](const char* name) {
    return refusal_of([&] {
      hub.view(who(name), [&](View& view) { view.need(view.repository(kModel, "alice/gated"), Right::read); });
    });
  };
  EXPECT_EQ(files("bob"), Refused::gated);
  EXPECT_EQ(hub.ask_access(who("bob"), kModel, "alice/gated").status, AccessRequest::Status::pending);
  EXPECT_EQ(files("bob"), Refused::gated);
  EXPECT_EQ(
      refusal_of([&] { hub.answer_access(who("bob"), kModel, "alice/gated", "bob", AccessRequest::Status::accepted); }),
      Refused::forbidden);
  hub.answer_access(who("alice"), kModel, "alice/gated", "bob", AccessRequest::Status::accepted);
  EXPECT_EQ(files("bob"), std::nullopt);
  hub.answer_access(who("alice"), kModel, "alice/gated", "bob", AccessRequest::Status::rejected);
  EXPECT_EQ(files("bob"), Refused::gated);
  // Who was rejected does not get in by asking again; others do, where nobody looks.
  hub.set_access(who("alice"), kModel, "alice/gated", {}, Gate::automatic);
  EXPECT_EQ(hub.ask_access(who("bob"), kModel, "alice/gated").status, AccessRequest::Status::rejected);
  EXPECT_EQ(hub.ask_access(who("carol"), kModel, "alice/gated").status, AccessRequest::Status::accepted);
  EXPECT_EQ(refusal_of([&] { hub.ask_access({}, kModel, "alice/gated"); }), Refused::forbidden);
  // What is private is for nobody who was let in.
  hub.set_access(who("alice"), kModel, "alice/gated", true, {});
  EXPECT_EQ(files("erin"), Refused::no_repository);
}

TEST_F(Rights, BytesAreForWhoReadsThemSomewhereOrHadThemInHand) {
  const std::string bytes(200'000, 'x');
  const auto store = [&](const std::string& some) {
    const auto writer = hub.contents().create();
    writer->append(some);
    return writer->finish();
  };
  const Content content = store(bytes);
  const auto commit = [&](const char* name, const char* into) {
    CommitRequest request{std::string(kMainBranch), "by hash", "", {}, {PutStored{"f.bin", content.sha256, {}}}};
    return refusal_of([&] { hub.commit(who(name), kModel, into, request); });
  };
  const auto may_have = [&](const Caller& caller) {
    return hub.view(caller, [&](View& view) {
      return std::tuple(view.may_have(content.sha256), view.holdings.may_have_file(caller, *content.file_id));
    });
  };
  const std::tuple none(false, false), all(true, true);
  hub.create(who("bob"), kModel, "bob", "own", false);
  // Nobody had it in hand.
  EXPECT_EQ(commit("alice", "alice/closed"), Refused::not_stored);
  hub.note_content(who("alice"), content.sha256);
  EXPECT_EQ(commit("alice", "alice/closed"), std::nullopt);
  EXPECT_EQ(may_have(who("alice")), all);
  EXPECT_EQ(may_have(who("bob")), none);
  EXPECT_EQ(may_have({}), none);
  EXPECT_EQ(commit("bob", "bob/own"), Refused::not_stored);
  EXPECT_EQ(may_have(who("alice, to read")), all);

  // What is gated is as private, though its hash is told.
  EXPECT_EQ(commit("alice", "alice/gated"), std::nullopt);
  EXPECT_EQ(commit("bob", "bob/own"), Refused::not_stored);
  EXPECT_EQ(may_have(who("erin")), all);

  hub.note_file(who("bob"), *content.file_id);
  EXPECT_EQ(may_have(who("bob")), std::tuple(false, true));
  hub.note_content(who("bob"), content.sha256);
  EXPECT_EQ(commit("bob", "bob/own"), std::nullopt);
  EXPECT_EQ(may_have({}), all);  // bob publishes it
  hub.remove(who("bob"), kModel, "bob/own");
  EXPECT_EQ(may_have({}), none);
}

TEST_F(Rights, ChunksAreToldOnlyOfWhatMayBeReadWhole) {
  std::string bytes;
  for (uint32_t i = 0, x = 1; i < 300'000; ++i) bytes += static_cast<char>((x = x * 1664525 + 1013904223) >> 24);
  const auto writer = hub.contents().create();
  writer->append(bytes);
  const Content content = writer->finish();
  hub.note_content(who("alice"), content.sha256);
  hub.commit(who("alice"), kModel, "alice/closed",
             {std::string(kMainBranch), "w", "", {}, {PutStored{"w.bin", content.sha256, {}}}});
  const auto [chunk, xorb] = hub.contents().database().read([&](Connection& connection) {
    Layouts layouts(connection);
    const Layout layout = *layouts.find(*content.file_id);
    const StoredXorb stored = layouts.xorb(layout.terms.front().xorb);
    return std::pair(stored.table.chunks.front().hash, stored.table.hash);
  });
  const Cas cas(hub.contents(), hub.secret());
  const auto told = [&](const Caller& caller) { return cas.dedup_answer(caller, chunk).has_value(); };
  EXPECT_TRUE(told(who("alice")));
  EXPECT_FALSE(told(who("bob")));
  EXPECT_FALSE(told({}));
  hub.note_xorb(who("bob"), xorb);
  EXPECT_TRUE(told(who("bob")));
  hub.set_access(who("alice"), kModel, "alice/closed", false, {});
  EXPECT_TRUE(told({}));
}

TEST_F(Rights, LikesAndCountsAreOfWhatMayBeKnown) {
  hub.like(who("alice"), kModel, "alice/closed", true);
  hub.like(who("alice"), kModel, "alice/open", true);
  EXPECT_EQ(refusal_of([&] { hub.like({}, kModel, "alice/open", true); }), Refused::forbidden);
  EXPECT_EQ(refusal_of([&] { hub.like(who("bob"), kModel, "alice/closed", true); }), Refused::no_repository);
  const int64_t alice = hub.people().find("alice")->id;
  const auto seen = [&](const Caller& caller) {
    return hub.view(caller, [&](View& view) {
      return std::tuple(view.repositories.count(caller, alice, kModel), view.repositories.count_likes(caller, alice),
                        view.repositories.liked(caller, alice, 0, 10).size());
    });
  };
  EXPECT_EQ(seen(who("alice")), std::tuple(3, 2, 2u));
  EXPECT_EQ(seen(who("bob")), std::tuple(2, 1, 1u));
  EXPECT_EQ(seen({}), std::tuple(2, 1, 1u));
}

TEST_F(Rights, ProposalsAreForWhoReadsAndMergingForWhoWrites) {
  const auto propose = [&](const char* name, const char* to) {
    return refusal_of([&] { hub.propose(who(name), kModel, to, one_file("a.txt", name)); });
  };
  EXPECT_EQ(propose("bob", "alice/open"), std::nullopt);
  EXPECT_EQ(propose("stranger", "alice/open"), Refused::forbidden);
  EXPECT_EQ(propose("alice, to read", "alice/open"), Refused::forbidden);
  EXPECT_EQ(propose("alice, for alice/closed", "alice/open"), Refused::forbidden);
  EXPECT_EQ(propose("bob", "alice/closed"), Refused::no_repository);
  EXPECT_EQ(propose("carol", "acme/shared"), std::nullopt);
  const auto add = [&](const char* name) {
    CommitRequest more = one_file("b.txt", name);
    more.branch = "refs/pr/1";
    return refusal_of([&] { hub.commit(who(name), kModel, "alice/open", more); });
  };
  EXPECT_EQ(add("bob"), std::nullopt);
  EXPECT_EQ(add("carol"), Refused::forbidden);
  EXPECT_EQ(add("alice"), std::nullopt);
  const auto merge = [&](const char* name) {
    return refusal_of([&] { hub.merge(who(name), kModel, "alice/open", 1, ""); });
  };
  EXPECT_EQ(merge("bob"), Refused::forbidden);
  EXPECT_EQ(merge("stranger"), Refused::forbidden);
  EXPECT_EQ(merge("alice"), std::nullopt);
  EXPECT_EQ(add("bob"), Refused::forbidden);  // it is over
}

TEST_F(Rights, NobodyIsLeftIn) {
  const NewToken token = hub.people().add_token("bob", "t", true, std::nullopt);
  ASSERT_TRUE(hub.people().caller_with(token.text));
  EXPECT_FALSE(hub.people().caller_with(token.text + "x"));
  EXPECT_FALSE(hub.people().caller_with(""));
  hub.people().revoke_token(token.record.id);
  EXPECT_FALSE(hub.people().caller_with(token.text));
  const NewToken other = hub.people().add_token("dave", "t", true, std::nullopt);
  const int64_t dave = hub.people().find("dave")->id;
  hub.people().remove(AccountKind::person, "dave");
  EXPECT_FALSE(hub.people().caller_with(other.text));
  EXPECT_FALSE(hub.people().caller_of(dave));
  // A token for a repository goes with it.
  const NewToken narrow = hub.people().add_token("alice", "t", true, "alice/closed");
  hub.remove(who("alice"), kModel, "alice/closed");
  EXPECT_FALSE(hub.people().caller_with(narrow.text));
}

}  // namespace
}  // namespace glassbox::hub
