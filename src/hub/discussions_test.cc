// Proposed changes: what merging makes of them, and what is told of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "hub/patch.h"
#include "hub/tree.h"
#include "hub/testing.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Files = std::map<std::string, std::string>;
const std::string kName = "local/model";

struct DiscussionsTest : ::testing::Test {
  DiscussionsTest() { hub.create(owner, kModel, "local", "model", false); }

  // An empty text removes the file.
  ObjectId commit(const Files& files, std::string branch = std::string(kMainBranch)) {
    CommitRequest request{std::move(branch), "files", "", {}, {}};
    for (const auto& [path, text] : files)
      if (text.empty())
        request.changes.emplace_back(RemoveFile{path});
      else
        request.changes.emplace_back(PutFile{path, text});
    return hub.commit(owner, kModel, kName, request);
  }
  Files at(const std::string& revision) {
    return hub.view(owner, [&](View& view) {
      Files files;
      const ObjectId commit = view.resolve(view.repository(kModel, kName), revision);
      for (const Entry& entry : view.list(commit, "", true))
        if (!entry.is_folder() && entry.path != ".gitattributes")
          files[entry.path] = hub.contents().read(entry.sha256, 1000);
      return files;
    });
  }
  // A proposal that changes these files, from where main is now.
  int64_t propose(const Files& files) {
    const int64_t number = hub.discuss(owner, kModel, kName, "A change", "why", true).number;
    commit(files, "refs/pr/" + std::to_string(number));
    hub.set_status(owner, kModel, kName, number, Discussion::Status::open, "");
    return number;
  }
  std::optional<Refused> merge(int64_t number) {
    try {
      hub.merge(owner, kModel, kName, number, "");
    } catch (const Refusal& refusal) { return refusal.refused(); }
    return std::nullopt;
  }

  testing::TemporaryFolder folder;
  Hub hub{folder.path()};
  Caller owner = hub.owner();
};

TEST_F(DiscussionsTest, MainGoesOnToAProposalThatBeginsThere) {
  commit({{"a", "1"}});
  const int64_t number = propose({{"a", "2"}, {"b/c", "3"}});
  EXPECT_EQ(at("main"), (Files{{"a", "1"}}));
  EXPECT_EQ(merge(number), std::nullopt);
  EXPECT_EQ(at("main"), (Files{{"a", "2"}, {"b/c", "3"}}));
  EXPECT_EQ(hub.view(owner, [&](View& view) { return view.resolve(view.repository(kModel, kName), "main"); }),
            hub.view(owner, [&](View& view) { return view.resolve(view.repository(kModel, kName), "refs/pr/1"); }));
  EXPECT_EQ(merge(number), Refused::bad_value);
}

TEST_F(DiscussionsTest, WhatBothChangedElsewhereIsPutTogether) {
  commit({{"a", "1"}, {"b", "1"}, {"d/x", "1"}, {"d/y", "1"}, {"gone", "1"}, {"same", "1"}});
  const int64_t number = propose({{"a", "2"}, {"d/x", "2"}, {"d/new", "2"}, {"same", "both"}});
  commit({{"b", "3"}, {"d/y", "3"}, {"gone", ""}, {"same", "both"}});
  EXPECT_EQ(merge(number), std::nullopt);
  EXPECT_EQ(at("main"), (Files{{"a", "2"}, {"b", "3"}, {"d/x", "2"}, {"d/y", "3"}, {"d/new", "2"}, {"same", "both"}}));
  const auto merged = hub.view(
      owner, [&](View& view) { return view.objects.commit(view.resolve(view.repository(kModel, kName), "main")); });
  EXPECT_EQ(merged.parents.size(), 2u);
  EXPECT_EQ(merged.message, "A change (#1)");
}

TEST_F(DiscussionsTest, WhatBothChangedOtherwiseIsAConflictAndChangesNothing) {
  const Files base{{"a", "1"}, {"d/x", "1"}, {"e", "1"}};
  struct Case {
    Files ours, theirs;
    std::vector<std::string> conflicts;
  };
  const std::vector<Case> cases{
      {{{"a", "2"}}, {{"a", "3"}}, {"a"}},
      {{{"a", ""}}, {{"a", "3"}}, {"a"}},
      {{{"d/x", ""}}, {{"d/x", "3"}, {"d/z", "3"}}, {"d/x"}},
      {{{"new", "2"}}, {{"new", "3"}}, {"new"}},
      {{{"new", "2"}}, {{"new/x", "3"}}, {"new"}},
      {{{"a", "2"}, {"e", "2"}}, {{"a", "3"}, {"e", "3"}}, {"a", "e"}},
      {{{"d/x", ""}}, {{"d/x", ""}, {"d/z", "3"}}, {}},
      {{{"a", ""}, {"a2", "1"}}, {{"e", "3"}}, {}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    hub.remove(owner, kModel, kName);
    hub.create(owner, kModel, "local", "model", false);
    commit(base);
    const int64_t number = propose(cases[i].theirs);
    commit(cases[i].ours);
    const Files before = at("main");
    const auto conflicts = hub.view(owner, [&](View& view) {
      const Repository repository = view.repository(kModel, kName);
      const ObjectId ours = view.resolve(repository, "main"), theirs = view.resolve(repository, "refs/pr/1");
      const auto tree = [&](const ObjectId& commit) { return view.objects.commit(commit).tree; };
      return merge_conflicts(view.objects, tree(*view.common_ancestor(ours, theirs)), tree(ours), tree(theirs));
    });
    EXPECT_EQ(conflicts, cases[i].conflicts);
    EXPECT_EQ(merge(number), conflicts.empty() ? std::nullopt : std::optional(Refused::conflict));
    if (!conflicts.empty()) {
      EXPECT_EQ(at("main"), before);
      const auto still = hub.view(
          owner, [&](View& view) { return view.discussions.find(view.repository(kModel, kName), number)->status; });
      EXPECT_EQ(still, Discussion::Status::open);
    }
  }
}

TEST_F(DiscussionsTest, ChangesAreToldAsAPatch) {
  const ObjectId before =
      commit({{"a", "1\n2\n3\n4\n5\n6\n7\n8\n9\n"}, {"gone", "x"}, {"zero", std::string("\0\1", 2)}});
  const ObjectId after =
      commit({{"a", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"}, {"gone", ""}, {"new", "y\n"}, {"zero", std::string("\0\2", 2)}});
  const std::string text = hub.view(owner, [&](View& view) { return patch_text(view, hub.contents(), before, after); });
  EXPECT_THAT(text, HasSubstr("--- a/a\n+++ b/a\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"));
  EXPECT_THAT(text, HasSubstr("deleted file mode 100644\n"));
  EXPECT_THAT(text, HasSubstr("--- a/gone\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-x\n\\ No newline at end of file\n"));
  EXPECT_THAT(text, HasSubstr("new file mode 100644\n"));
  EXPECT_THAT(text, HasSubstr("--- /dev/null\n+++ b/new\n@@ -0,0 +1,1 @@\n+y\n"));
  EXPECT_THAT(text, HasSubstr("Files a/zero and b/zero differ\n"));
}

TEST_F(DiscussionsTest, AreCountedAndFoundByWhatTheyAre) {
  propose({{"a", "1"}});
  hub.discuss(owner, kModel, kName, "Talk", "", false);
  hub.discuss(owner, kModel, kName, "More talk", "", false);
  hub.set_status(owner, kModel, kName, 2, Discussion::Status::closed, "enough");
  const auto numbers = [&](const DiscussionQuery& query) {
    return hub.view(owner, [&](View& view) {
      std::vector<int64_t> found;
      const Repository repository = view.repository(kModel, kName);
      for (const Discussion& one : view.discussions.list(repository, query)) found.push_back(one.number);
      if (query.from == 0) { EXPECT_EQ(view.discussions.count(repository, query), std::ssize(found)); }
      return found;
    });
  };
  EXPECT_THAT(numbers({}), ElementsAre(3, 2, 1));
  EXPECT_THAT(numbers({true, {}, {}, 0, 50}), ElementsAre(1));
  EXPECT_THAT(numbers({false, {}, {}, 0, 50}), ElementsAre(3, 2));
  EXPECT_THAT(numbers({{}, true, {}, 0, 50}), ElementsAre(3, 1));
  EXPECT_THAT(numbers({{}, false, {}, 0, 50}), ElementsAre(2));
  EXPECT_THAT(numbers({{}, {}, "LOCAL", 0, 50}), ElementsAre(3, 2, 1));
  EXPECT_THAT(numbers({{}, {}, "nobody", 0, 50}), ElementsAre());
  EXPECT_THAT(numbers({{}, {}, {}, 1, 1}), ElementsAre(2));
}

}  // namespace
}  // namespace glassbox::hub
