#include "hub/tree.h"

#include <gmock/gmock.h>

#include "hub/database/schema.h"
#include "hub/refusal.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

using ::testing::ElementsAre;

class Trees : public ::testing::Test {
 protected:
  Trees() { prepare_schema(database_); }

  // Runs over a transaction that is undone.
  template <class Work>
  void with_objects(const Work& work) {
    database_.write([&](Connection& connection) {
      connection.run("PRAGMA defer_foreign_keys = ON");
      Objects objects(connection);
      work(objects);
    });
  }
  static ObjectId blob(const std::string& bytes) { return object_id(ObjectKind::blob, bytes); }
  static std::vector<std::string> paths(Objects& objects, const ObjectId& root, bool recursive = true) {
    std::vector<std::string> all;
    walk_tree(objects, root, "", recursive, [&](const std::string& path, const TreeEntry& entry) {
      all.push_back(entry.is_folder() ? path + "/" : path);
    });
    return all;
  }
  static std::optional<Refused> refused(const std::function<void()>& work) {
    try {
      work();
      return std::nullopt;
    } catch (const Refusal& refusal) { return refusal.refused(); }
  }

  testing::TemporaryFolder folder_;
  Database database_{folder_ / "hub.db"};
};

TEST_F(Trees, FilesAreFoundWhereTheyWerePut) {
  with_objects([&](Objects& objects) {
    TreeEdit edit(objects, std::nullopt);
    edit.put("b/c/d.txt", TreeEntry::Mode::file, blob("1"));
    edit.put("a.txt", TreeEntry::Mode::file, blob("2"));
    edit.put("b/e", TreeEntry::Mode::executable, blob("3"));
    const ObjectId root = edit.write();
    EXPECT_THAT(paths(objects, root), ElementsAre("a.txt", "b/", "b/c/", "b/c/d.txt", "b/e"));
    EXPECT_THAT(paths(objects, root, false), ElementsAre("a.txt", "b/"));
    EXPECT_EQ(find_entry(objects, root, "b/c/d.txt")->id, blob("1"));
    EXPECT_TRUE(find_entry(objects, root, "b")->is_folder());
    EXPECT_TRUE(find_entry(objects, root, "")->is_folder());
    for (const char* path : {"x", "b/x", "a.txt/x", "b/c/d.txt/x", "B"})
      EXPECT_FALSE(find_entry(objects, root, path)) << path;
  });
}

// The tree does not depend on the way that led to it.
TEST_F(Trees, TheSameFilesAreTheSameTree) {
  with_objects([&](Objects& objects) {
    TreeEdit one(objects, std::nullopt);
    one.put("x/y", TreeEntry::Mode::file, blob("1"));
    one.put("z", TreeEntry::Mode::file, blob("2"));
    const ObjectId root = one.write();
    TreeEdit other(objects, root);
    other.put("x/more/deep", TreeEntry::Mode::file, blob("3"));
    other.put("x/y", TreeEntry::Mode::file, blob("4"));
    const ObjectId changed = other.write();
    EXPECT_NE(changed, root);
    TreeEdit back(objects, changed);
    back.remove("x/more/deep");  // and with it the folder that it was alone in
    back.put("x/y", TreeEntry::Mode::file, blob("1"));
    EXPECT_EQ(back.write(), root);
    TreeEdit none(objects, root);
    none.remove("x");
    none.remove("z");
    EXPECT_EQ(none.write().hex(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
  });
}

TEST_F(Trees, WhatCannotBeIsRefused) {
  with_objects([&](Objects& objects) {
    TreeEdit edit(objects, std::nullopt);
    edit.put("a", TreeEntry::Mode::file, blob("1"));
    edit.put("b/c", TreeEntry::Mode::file, blob("2"));
    EXPECT_EQ(refused([&] { edit.put("a/x", TreeEntry::Mode::file, blob("3")); }), Refused::bad_path);
    EXPECT_EQ(refused([&] { edit.put("b", TreeEntry::Mode::file, blob("3")); }), Refused::bad_path);
    for (const char* path : {"x", "b/x", "a/x", "b/c/x"})
      EXPECT_EQ(refused([&] { edit.remove(path); }), Refused::no_entry) << path;
    edit.remove("a");
    edit.put("a/x", TreeEntry::Mode::file, blob("3"));  // now it can be a folder
    EXPECT_THAT(paths(objects, edit.write()), ElementsAre("a/", "a/x", "b/", "b/c"));
  });
}

}  // namespace
}  // namespace glassbox::hub
