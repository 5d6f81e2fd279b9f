#include "hub/git.h"

#include <gmock/gmock.h>

#include "base/error.h"

namespace glassbox::hub {
namespace {

// Names that `git hash-object`, `git mktree` and `git commit-tree` (2.39) give.
TEST(Git, NamesAreThoseOfGit) {
  EXPECT_EQ(object_id(ObjectKind::blob, "").hex(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(object_id(ObjectKind::blob, "hello\n").hex(), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(object_id(ObjectKind::tree, "").hex(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
}

// Git sorts a folder "a" behind "a.txt", as if it were "a/".
TEST(Git, ATreeIsInGitsOrderAndComesBack) {
  const ObjectId id = object_id(ObjectKind::blob, "x");
  const std::vector<TreeEntry> entries{{TreeEntry::Mode::folder, "a", id},
                                       {TreeEntry::Mode::file, "a.txt", id},
                                       {TreeEntry::Mode::executable, "a0", id},
                                       {TreeEntry::Mode::symlink, "Z", id}};
  const std::string bytes = encode_tree(entries);
  const std::vector<TreeEntry> back = decode_tree(bytes);
  std::vector<std::string> names;
  for (const TreeEntry& entry : back) names.push_back(entry.name);
  EXPECT_THAT(names, ::testing::ElementsAre("Z", "a.txt", "a", "a0"));
  EXPECT_EQ(encode_tree(back), bytes);
  EXPECT_EQ(bytes.substr(0, 9), std::string("120000 Z\0", 9));
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    const bool whole = cut == 29 || cut == 29 + 33 || cut == 29 + 33 + 28;  // behind an entry
    if (whole)
      EXPECT_NO_THROW(decode_tree(bytes.substr(0, cut))) << cut;
    else
      EXPECT_THROW(decode_tree(bytes.substr(0, cut)), Error) << cut;
  }
  EXPECT_THROW(decode_tree(std::string("160000 sub\0", 11) + std::string(20, 'x')), Error);
}

TEST(Git, ACommitComesBack) {
  const Commit commit{object_id(ObjectKind::tree, ""),
                      {object_id(ObjectKind::blob, "p"), object_id(ObjectKind::blob, "q")},
                      {"Ada Lovelace", "ada@example.org", 1700000000},
                      {"Someone", "", 1700000001},
                      "summary\n\nbody\nof two lines"};
  const std::string bytes = encode_commit(commit);
  EXPECT_EQ(decode_commit(bytes), commit);
  EXPECT_TRUE(bytes.starts_with("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent "));
  EXPECT_THAT(bytes, ::testing::HasSubstr("\nauthor Ada Lovelace <ada@example.org> 1700000000 +0000\n"));
}

// What would break the commit's lines is left out of names.
TEST(Git, ANameCannotForgeALine) {
  Commit commit;
  commit.author = {"x\ncommitter y <z>", "a>\nparent b", 5};
  commit.committer = commit.author;
  const Commit back = decode_commit(encode_commit(commit));
  EXPECT_EQ(back.author.name, "xcommitter y z");
  EXPECT_EQ(back.author.email, "aparent b");
  EXPECT_TRUE(back.parents.empty());
}

TEST(Git, PointersAreReadAndNothingElseIs) {
  const LfsPointer pointer{digest_of<Sha256>("abc"), 3};
  const std::string text = lfs_pointer(pointer);
  EXPECT_EQ(text,
            "version https://git-lfs.github.com/spec/v1\n"
            "oid sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\nsize 3\n");
  const auto back = parse_lfs_pointer(text);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->sha256, pointer.sha256);
  EXPECT_EQ(back->size, 3u);
  EXPECT_FALSE(parse_lfs_pointer("hello"));
  EXPECT_FALSE(parse_lfs_pointer(text.substr(0, text.find("size"))));
  EXPECT_FALSE(parse_lfs_pointer(text + std::string(2000, '\n')));
}

}  // namespace
}  // namespace glassbox::hub
