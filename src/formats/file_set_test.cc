#include "formats/file_set.h"

#include <gmock/gmock.h>

#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "formats/generation_config.h"
#include "formats/safetensors.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ErrorKind kind_of(const std::function<void()>& does) {
  try {
    does();
  } catch (const Error& error) { return error.kind(); }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::io;
}

TEST(FileSet, OfAFolder) {
  const testing::TemporaryFolder folder;
  write_file(folder / "config.json", R"({"eos_token_id": 7})");
  write_file(folder / "a.txt", "text");
  std::filesystem::create_directory(folder / "more");
  write_file(folder / "more" / "b.jinja", "");
  const FileSet files = FileSet::open((folder / "").string());
  EXPECT_EQ(files.kind(), FileSet::Kind::folder);
  EXPECT_THAT(files.names(), ElementsAre("a.txt", "config.json"));
  EXPECT_THAT(files.names("more/"), ElementsAre("more/b.jinja"));
  EXPECT_THAT(files.names("none/"), IsEmpty());
  EXPECT_EQ(files.need("a.txt").text(), "text");
  EXPECT_EQ(files.need("more/b.jinja").size(), 0u);
  EXPECT_EQ(files.json("config.json")["eos_token_id"], 7);
  EXPECT_FALSE(files.file("tokenizer.json"));
  EXPECT_TRUE(files.json("tokenizer.json").is_null());
  EXPECT_EQ(files.need("a.txt").source, (folder / "a.txt").string());
  EXPECT_EQ(kind_of([&] { files.need("tokenizer.json").text(); }), ErrorKind::not_found);
  EXPECT_EQ(kind_of([&] { files.need("a.txt").text(3); }), ErrorKind::bad_file);
  EXPECT_THAT(read_generation_config(files).eos, ElementsAre(7));
  EXPECT_THAT(files.paths(), ElementsAre(files.path()));
}

TEST(FileSet, OfWhatIsShipped) {
  for (const std::string_view name : FileSet::shipped()) {
    const FileSet files = FileSet::open(name);
    EXPECT_EQ(files.kind(), FileSet::Kind::shipped);
    EXPECT_EQ(files.name(), name);
    EXPECT_TRUE(files.paths().empty());
    EXPECT_THAT(files.names(), ::testing::Contains("model.safetensors"));
    EXPECT_EQ(files.need("config.json").source, std::string(name) + "/config.json");
    EXPECT_TRUE(files.json("config.json").is_object());
    EXPECT_GT(Checkpoint::open(files).names().size(), 0u);
    EXPECT_TRUE(files.json("loss.json").is_structured());
    EXPECT_EQ(kind_of([&] { files.need("other.json"); }), ErrorKind::not_found);
  }
}

TEST(FileSet, WhatIsNoModelIsNone) {
  const testing::TemporaryFolder folder;
  write_file(folder / "tokenizer.json", "{}");
  write_file(folder / "m.gguf", "GGUF");
  EXPECT_FALSE(FileSet::find((folder / "tokenizer.json").string()));
  EXPECT_FALSE(FileSet::find((folder / "none.gguf").string()));
  EXPECT_FALSE(FileSet::find(""));
  const auto file = FileSet::find((folder / "m.gguf").string());
  ASSERT_TRUE(file);
  EXPECT_EQ(file->kind(), FileSet::Kind::gguf);
  EXPECT_EQ(file->name(), "m");
  EXPECT_FALSE(file->file("config.json"));
  EXPECT_EQ(kind_of([&] { FileSet::open("nobody/nothing"); }), ErrorKind::not_found);
}

}  // namespace
}  // namespace glassbox
