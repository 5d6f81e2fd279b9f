#include "hub/people.h"

#include <gtest/gtest.h>

#include <set>

#include "hub/testing.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

struct PeopleTest : ::testing::Test {
  testing::TemporaryFolder folder;
  PeopleOfStore store{folder.path()};
  People& people = store.people();
};

TEST_F(PeopleTest, AreToldApartWhateverTheCase) {
  EXPECT_FALSE(people.any());
  EXPECT_EQ(people.add_person("Alice", false).name, "Alice");
  EXPECT_TRUE(people.any());
  EXPECT_EQ(refusal_of([&] { people.add_person("alice", false); }), Refused::exists);
  EXPECT_EQ(refusal_of([&] { people.add_organization("ALICE"); }), Refused::exists);
  EXPECT_EQ(refusal_of([&] { people.add_person("a b", false); }), Refused::bad_name);
  EXPECT_EQ(refusal_of([&] { people.add_person("Local", true); }), Refused::bad_name);
  EXPECT_EQ(people.find("aLICE")->name, "Alice");
  people.remove(AccountKind::person, "alice");
  EXPECT_FALSE(people.any());
  EXPECT_EQ(refusal_of([&] { people.remove(AccountKind::person, "alice"); }), Refused::bad_value);
  EXPECT_EQ(people.add_person("alice", false).name, "alice");
}

TEST_F(PeopleTest, HaveTokensThatClientsTakeAndTheStoreCannotTell) {
  people.add_person("alice", false);
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) {
    const NewToken made = people.add_token("alice", "label", i % 2 == 0, std::nullopt);
    EXPECT_EQ(made.text.size(), 43u);
    EXPECT_TRUE(made.text.starts_with("hf_"));
    EXPECT_EQ(made.text.substr(3).find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
              std::string::npos);
    EXPECT_TRUE(seen.insert(made.text).second);
    EXPECT_EQ(people.caller_with(made.text)->may_write, i % 2 == 0);
    EXPECT_EQ(people.caller_with(made.text)->name, "alice");
  }
  EXPECT_EQ(people.tokens("ALICE").size(), 20u);
  Database database(database_of(folder.path()));
  const auto hashes = database.read([](Connection& connection) {
    return connection.all("SELECT hash FROM token", {}, [](const Row& row) { return row.text(0); });
  });
  ASSERT_EQ(hashes.size(), 20u);
  for (const std::string& hash : hashes) EXPECT_EQ(hash.size(), 32u);
  EXPECT_EQ(refusal_of([&] { people.add_token("bob", "", true, std::nullopt); }), Refused::bad_value);
  EXPECT_EQ(refusal_of([&] { people.add_token("alice", "", true, "alice/none"); }), Refused::no_repository);
  EXPECT_EQ(refusal_of([&] { people.revoke_token(1000); }), Refused::bad_value);
}

TEST_F(PeopleTest, SignInWithPasswords) {
  people.add_person("alice", false);
  people.add_person("bob", false);
  EXPECT_FALSE(people.sign_in("alice", ""));
  people.set_password("alice", "correct horse");
  EXPECT_EQ(people.sign_in("Alice", "correct horse")->name, "alice");
  EXPECT_FALSE(people.sign_in("alice", "correct horse "));
  EXPECT_FALSE(people.sign_in("bob", "correct horse"));
  EXPECT_FALSE(people.sign_in("nobody", "correct horse"));
  EXPECT_EQ(refusal_of([&] { people.set_password("alice", "short"); }), Refused::bad_value);
  EXPECT_TRUE(people.sign_in("alice", "correct horse"));
  people.set_password("alice", std::nullopt);
  EXPECT_FALSE(people.sign_in("alice", "correct horse"));
}

TEST_F(PeopleTest, BelongToOrganizations) {
  people.add_person("alice", false);
  people.add_organization("acme");
  people.set_member("acme", "alice", Role::read);
  people.set_member("ACME", "ALICE", Role::admin);
  ASSERT_EQ(people.members("acme").size(), 1u);
  EXPECT_EQ(people.members("acme").front().role, Role::admin);
  EXPECT_EQ(people.organizations("alice").front().account.name, "acme");
  EXPECT_EQ(refusal_of([&] { people.set_member("alice", "alice", Role::read); }), Refused::bad_value);
  EXPECT_EQ(refusal_of([&] { people.set_member("acme", "acme", Role::read); }), Refused::bad_value);
  people.remove_member("acme", "alice");
  EXPECT_TRUE(people.members("acme").empty());
  EXPECT_EQ(refusal_of([&] { people.remove_member("acme", "alice"); }), Refused::bad_value);
}

TEST(PeopleOfStore, AreTheSameForWhoServesItMeanwhile) {
  testing::TemporaryFolder folder;
  Hub hub(folder.path());
  EXPECT_FALSE(hub.people().any());
  const Caller owner = hub.owner();
  EXPECT_TRUE(hub.people().caller_of(*owner.account)->owns_machine);
  hub.create(owner, RepositoryKind::model, "alice", "early", true);
  PeopleOfStore other(folder.path());
  const NewToken token = [&] {
    other.people().add_person("alice", false);
    return other.people().add_token("alice", "t", true, std::nullopt);
  }();
  EXPECT_TRUE(hub.people().any());
  EXPECT_FALSE(hub.people().caller_of(*owner.account)->owns_machine);
  // What was made under the name before is its holder's.
  const auto alice = hub.people().caller_with(token.text);
  ASSERT_TRUE(alice);
  EXPECT_EQ(hub.view(*alice,
                     [&](View& view) {
                       return view.repositories.right(*alice, view.repository(RepositoryKind::model, "alice/early"));
                     }),
            Right::write);
}

}  // namespace
}  // namespace glassbox::hub
