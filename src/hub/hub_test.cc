#include "hub/hub.h"

#include <gmock/gmock.h>

#include <thread>

#include "hub/testing.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class HubTest : public ::testing::Test {
 protected:
  std::optional<Refused> refused(const std::function<void()>& work) {
    try {
      work();
      return std::nullopt;
    } catch (const Refusal& refusal) { return refusal.refused(); }
  }
  ObjectId commit(const std::vector<Change>& changes, const std::string& summary = "a change",
                  std::optional<std::string> parent = {}, const std::string& branch = std::string(kMainBranch)) {
    return hub_->commit(me_, kModel, "local/m", {branch, summary, "", parent, changes});
  }
  std::vector<std::string> paths(const std::string& revision = "main") {
    return hub_->view(me_, [&](View& view) {
      std::vector<std::string> all;
      for (const Entry& entry : view.list(view.resolve(view.repository(kModel, "local/m"), revision), "", true))
        all.push_back(entry.is_folder() ? entry.path + "/" : entry.path);
      return all;
    });
  }
  std::string text(const std::string& path, const std::string& revision = "main") {
    const auto entry = hub_->view(
        me_, [&](View& view) { return view.entry(view.resolve(view.repository(kModel, "local/m"), revision), path); });
    return entry ? hub_->contents().read(entry->sha256, 1 << 20) : "(nothing)";
  }
  void reopen() {
    hub_.reset();
    hub_ = std::make_unique<Hub>(folder_ / "hub");
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<Hub> hub_ = std::make_unique<Hub>(folder_ / "hub");
  Caller me_ = hub_->owner();
};

TEST_F(HubTest, ARepositoryBeginsWithItsAttributes) {
  const Repository made = hub_->create(me_, kModel, "local", "m", false);
  EXPECT_EQ(made.full_name(), "local/m");
  EXPECT_THAT(paths(), ElementsAre(".gitattributes"));
  EXPECT_EQ(refused([&] { hub_->create(me_, kModel, "Local", "M", false); }), Refused::exists);
  EXPECT_EQ(refused([&] { hub_->create(me_, kModel, "local", "a/b", false); }), Refused::bad_name);
  hub_->create(me_, RepositoryKind::dataset, "local", "m", false);  // a name of another kind is another's
  EXPECT_EQ(hub_->view(me_, [](View& view) { return view.repository(kModel, "LOCAL/M").full_name(); }), "local/m");
}

TEST_F(HubTest, ACommitIsThereAfterAStart) {
  hub_->create(me_, kModel, "local", "m", false);
  const std::string large(300'000, 'x');
  const Content stored = [&] {
    const auto writer = hub_->contents().create();
    writer->append(large);
    return writer->finish();
  }();
  const ObjectId made = commit({PutFile{"config.json", "{}"}, PutFile{"big.txt", std::string(100'000, 'y')},
                                PutStored{"w/model.bin", stored.sha256, large.size()}});
  reopen();
  EXPECT_THAT(paths(), UnorderedElementsAre(".gitattributes", "config.json", "big.txt", "w/", "w/model.bin"));
  EXPECT_EQ(text("config.json"), "{}");
  EXPECT_EQ(text("big.txt"), std::string(100'000, 'y'));
  EXPECT_EQ(text("w/model.bin", made.hex()), large);
  const auto entry = hub_->view(me_, [&](View& view) { return view.entry(made, "w/model.bin"); });
  EXPECT_TRUE(entry->is_large);
  EXPECT_EQ(entry->id, object_id(ObjectKind::blob, lfs_pointer({stored.sha256, large.size()})));
  EXPECT_EQ(entry->file_id, stored.file_id->text());
}

TEST_F(HubTest, ACommitIsAllOrNothing) {
  hub_->create(me_, kModel, "local", "m", false);
  const ObjectId before = commit({PutFile{"a", "1"}, PutFile{"f/b", "2"}});
  const Sha256 unknown = digest_of<Sha256>("never uploaded");
  EXPECT_EQ(refused([&] { commit({PutFile{"c", "3"}, PutStored{"d", unknown, {}}}); }), Refused::not_stored);
  EXPECT_EQ(refused([&] { commit({PutFile{"c", "3"}, RemoveFile{"nothing"}}); }), Refused::no_entry);
  EXPECT_EQ(refused([&] { commit({PutFile{"c", "3"}, PutFile{"../d", "4"}}); }), Refused::bad_path);
  EXPECT_EQ(refused([&] { commit({PutFile{"c", "3"}, PutFile{"a/d", "4"}}); }), Refused::bad_path);
  EXPECT_THAT(paths(), UnorderedElementsAre(".gitattributes", "a", "f/", "f/b"));
  EXPECT_EQ(hub_->view(me_, [](View& view) { return view.resolve(view.repository(kModel, "local/m"), "main"); }),
            before);
  commit({RemoveFolder{"f/"}, RemoveFile{"a"}, PutFile{"a/d", "4"}});  // in their order
  EXPECT_THAT(paths(), UnorderedElementsAre(".gitattributes", "a/", "a/d"));
}

TEST_F(HubTest, ABranchThatMovedIsNotWrittenOver) {
  hub_->create(me_, kModel, "local", "m", false);
  const ObjectId first = commit({PutFile{"a", "1"}});
  const ObjectId second = commit({PutFile{"a", "2"}}, "two", first.hex());
  EXPECT_EQ(refused([&] { commit({PutFile{"a", "3"}}, "three", first.hex()); }), Refused::moved_on);
  commit({PutFile{"a", "3"}}, "three", second.hex().substr(0, 7));
  EXPECT_EQ(text("a"), "3");
  EXPECT_EQ(text("a", first.hex()), "1");
  EXPECT_EQ(refused([&] { commit({PutFile{"a", "4"}}, "four", {}, "refs/heads/none"); }), Refused::no_revision);
}

// Clients that heard no answer send the same again.
TEST_F(HubTest, TheSameCommitAgainChangesNothing) {
  hub_->create(me_, kModel, "local", "m", false);
  const ObjectId first = commit({PutFile{"a", "1"}});
  EXPECT_EQ(commit({PutFile{"a", "1"}}), first);
}

TEST_F(HubTest, CommitsOfManyThreadsMakeOneLine) {
  hub_->create(me_, kModel, "local", "m", false);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) commit({PutFile{std::to_string(t) + "/" + std::to_string(i), "x"}});
    });
  for (std::thread& thread : threads) thread.join();
  const auto history = hub_->view(
      me_, [](View& view) { return view.history(view.resolve(view.repository(kModel, "local/m"), "main")); });
  EXPECT_EQ(history.size(), 21u);
  EXPECT_EQ(paths().size(), 1u + 4u + 20u);
}

TEST_F(HubTest, RevisionsAreFoundByEachOfTheirNames) {
  hub_->create(me_, kModel, "local", "m", false);
  const ObjectId first = commit({PutFile{"a", "1"}}), second = commit({PutFile{"a", "2"}});
  hub_->create_branch(me_, kModel, "local/m", "feat/x", first.hex());
  hub_->create_tag(me_, kModel, "local/m", "v1", "feat/x");
  const auto resolve = [&](const std::string& revision) {
    return hub_->view(me_, [&](View& view) { return view.resolve(view.repository(kModel, "local/m"), revision); });
  };
  for (const std::string& revision : {std::string("feat/x"), std::string("refs/heads/feat/x"), std::string("v1"),
                                      first.hex(), first.hex().substr(0, 7)})
    EXPECT_EQ(resolve(revision), first) << revision;
  for (const char* revision : {"main", "HEAD", "refs/heads/main"}) EXPECT_EQ(resolve(revision), second) << revision;
  for (const std::string& revision : {std::string("none"), first.hex().substr(0, 3), std::string(40, '0')})
    EXPECT_EQ(refused([&] { resolve(revision); }), Refused::no_revision) << revision;
  EXPECT_EQ(refused([&] { hub_->create_branch(me_, kModel, "local/m", "feat/x", "main"); }), Refused::exists);
  EXPECT_EQ(refused([&] { hub_->remove_branch(me_, kModel, "local/m", "main"); }), Refused::forbidden);
  hub_->remove_tag(me_, kModel, "local/m", "v1");
  EXPECT_EQ(refused([&] { hub_->remove_tag(me_, kModel, "local/m", "v1"); }), Refused::no_revision);
}

// A commit of one repository is not to be had through another, which someone else may read.
TEST_F(HubTest, CommitsBelongToTheirRepository) {
  hub_->create(me_, kModel, "local", "m", true);
  hub_->create(me_, kModel, "local", "other", false);
  const ObjectId secret = commit({PutFile{"a", "1"}});
  EXPECT_EQ(refused([&] {
              hub_->view(
                  me_, [&](View& view) { return view.resolve(view.repository(kModel, "local/other"), secret.hex()); });
            }),
            Refused::no_revision);
}

TEST_F(HubTest, WhoChangedWhatLast) {
  hub_->create(me_, kModel, "local", "m", false);
  const ObjectId one = commit({PutFile{"a", "1"}, PutFile{"f/b", "1"}}), two = commit({PutFile{"f/b", "2"}}),
                 three = commit({PutFile{"c", "3"}});
  const auto changes = hub_->view(me_, [&](View& view) { return view.last_changes(three, {"a", "f/b", "f", "c"}); });
  EXPECT_EQ(changes[0].id, one);
  EXPECT_EQ(changes[1].id, two);
  EXPECT_EQ(changes[2].id, two);
  EXPECT_EQ(changes[3].id, three);
}

TEST_F(HubTest, ASquashKeepsWhatIsThere) {
  hub_->create(me_, kModel, "local", "m", false);
  const ObjectId before = commit({PutFile{"a", "1"}});
  const ObjectId after = hub_->squash(me_, kModel, "local/m", "main", "all in one");
  const auto history = hub_->view(me_, [&](View& view) { return view.history(after); });
  ASSERT_EQ(history.size(), 1u);
  EXPECT_EQ(history[0].commit.message, "all in one");
  EXPECT_EQ(text("a"), "1");
  EXPECT_EQ(text("a", before.hex()), "1") << "what was published can still be asked for";
}

TEST_F(HubTest, AnOldNameLeadsToTheNewOne) {
  hub_->create(me_, kModel, "local", "m", false);
  commit({PutFile{"a", "1"}});
  EXPECT_EQ(hub_->rename(me_, kModel, "local/m", "acme/n").full_name(), "acme/n");
  EXPECT_EQ(hub_->view(me_, [](View& view) { return view.repository(kModel, "local/m").full_name(); }), "acme/n");
  hub_->create(me_, kModel, "local", "m", false);  // the name is free again, and then its own
  EXPECT_EQ(hub_->view(me_, [](View& view) { return view.repository(kModel, "local/m").full_name(); }), "local/m");
  EXPECT_EQ(refused([&] { hub_->rename(me_, kModel, "local/m", "acme/n"); }), Refused::exists);
}

TEST_F(HubTest, ACopyHasTheFilesAndTheirHistory) {
  hub_->create(me_, kModel, "local", "m", false);
  const ObjectId made = commit({PutFile{"a", "1"}});
  hub_->duplicate(me_, kModel, "local/m", "local", "copy", false);
  hub_->remove(me_, kModel, "local/m");
  EXPECT_EQ(hub_->view(me_, [](View& view) { return view.resolve(view.repository(kModel, "local/copy"), "main"); }),
            made);
  EXPECT_EQ(refused([&] { paths(); }), Refused::no_repository);
}

TEST_F(HubTest, FactsAreReadInTheFiles) {
  hub_->create(me_, kModel, "local", "m", false);
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}})";
  std::string weights(8, '\0');
  weights[0] = static_cast<char>(header.size());
  weights += header + std::string(32, '\0');
  commit({PutFile{"README.md",
                  "---\nlicense: mit\ntags: [t1]\nbase_model: acme/base\npipeline_tag: text-generation\n---\n"},
          PutFile{"config.json", R"({"model_type": "llama"})"}, PutFile{"model.safetensors", weights},
          PutFile{"code.py", ""}});
  const Json facts = hub_->view(me_, [](View& view) { return view.repository(kModel, "local/m").facts; });
  EXPECT_EQ(facts["safetensors"]["total"], 10);
  EXPECT_EQ(facts["safetensors"]["parameters"]["F32"], 6);
  EXPECT_EQ(facts["config"]["model_type"], "llama");
  EXPECT_EQ(facts["may_run_code"], Json::array({"code.py"}));
  EXPECT_THAT(facts["tags"].get<std::vector<std::string>>(),
              UnorderedElementsAre("text-generation", "t1", "license:mit", "base_model:acme/base",
                                   "base_model:finetune:acme/base", "safetensors"));
  const auto listed = [&](std::vector<std::string> tags, std::vector<std::string> search = {}) {
    RepositoryQuery query;
    query.tags = std::move(tags);
    query.search = std::move(search);
    return hub_->view(me_, [&](View& view) { return view.repositories.list(me_, query).size(); });
  };
  EXPECT_EQ(listed({"t1", "license:mit"}), 1u);
  EXPECT_EQ(listed({"t1", "license:other"}), 0u);
  EXPECT_EQ(listed({}, {"LOCAL", "m"}), 1u);
  EXPECT_EQ(listed({}, {"nothing"}), 0u);
}

TEST_F(HubTest, ListsGoOnWhereTheyEnded) {
  for (int i = 0; i < 7; ++i) hub_->create(me_, kModel, "local", "m" + std::to_string(i), false);
  hub_->like(me_, kModel, "local/m3", true);
  hub_->like(me_, kModel, "local/m3", true);
  std::vector<std::string> names;
  RepositoryQuery query;
  query.most = 3;
  query.order = RepositoryQuery::Order::likes;
  while (true) {
    const auto page = hub_->view(me_, [&](View& view) { return view.repositories.list(me_, query); });
    for (const Listed& one : page) names.push_back(one.repository.name);
    if (page.size() < 3) break;
    query.after = page.back().position;
  }
  EXPECT_THAT(names, ElementsAre("m3", "m6", "m5", "m4", "m2", "m1", "m0"));
  query.after = "nonsense";
  EXPECT_EQ(refused([&] { hub_->view(me_, [&](View& view) { return view.repositories.list(me_, query); }); }),
            Refused::bad_value);
}

}  // namespace
}  // namespace glassbox::hub
