#include "base/output.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    names.push_back(fs::relative(entry.path(), folder).string());
  std::ranges::sort(names);
  return names;
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) { return error.what(); }
  return "none";
}

bool is_stale(const std::string& name) { return name.ends_with(".safetensors"); }

TEST(FileWriter, TwoOfOneNameNeverMix) {
  TemporaryFolder folder;
  FileWriter a(folder / "f"), b(folder / "f");
  for (int i = 0; i < 3; ++i) {
    a.append(bytes_of("aaa"));
    b.append(bytes_of("b"));
  }
  a.commit();
  EXPECT_EQ(read_file(folder / "f"), "aaaaaaaaa");
  b.commit();
  EXPECT_EQ(read_file(folder / "f"), "bbb");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("f"));
}

TEST(FileWriter, LeavesTheOldFileWhereItFails) {
  TemporaryFolder folder;
  write_file(folder / "f", "old");
  {
    FileWriter out(folder / "f");
    out.append(bytes_of("new"));
  }
  EXPECT_EQ(read_file(folder / "f"), "old");
  {
    FileWriter out(folder / "g", Existing::refused);
    out.append(bytes_of("mine"));
    write_file(folder / "g", "somebody else's");  // came while this was written
    EXPECT_THAT(refusal([&] { out.commit(); }), HasSubstr("g: exists already: --force replaces it"));
  }
  EXPECT_EQ(read_file(folder / "g"), "somebody else's");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("f", "g"));
  FileWriter out(folder / "h", Existing::refused);
  out.append(bytes_of("h"));
  out.commit();
  EXPECT_EQ(read_file(folder / "h"), "h");
  EXPECT_THAT(refusal([&] { FileWriter nowhere(folder / "no/such/f"); }), HasSubstr("cannot create"));
}

TEST(FolderWriter, IsThereWholeOrNot) {
  TemporaryFolder folder;
  for (const char* name : {"new", "empty/", "deep/in/here"}) {
    if (std::string_view(name) == "empty/") fs::create_directory(folder / "empty");
    FolderWriter out(folder / name, Existing::refused);
    write_file(out.file("b"), "b");
    write_file(out.file("more/c"), "c");
    write_file(out.file("config.json"), "{}");
    EXPECT_FALSE(fs::exists(folder / name / "b"));
    out.commit("config.json", is_stale);
    EXPECT_THAT(names_in(folder / name), ElementsAre("b", "config.json", "more", "more/c"));
  }
  {
    FolderWriter out(folder / "never", Existing::refused);
    write_file(out.file("more/c"), "c");
  }
  EXPECT_THAT(names_in(folder.path()),
              ElementsAre("deep", "deep/in", "deep/in/here", "deep/in/here/b", "deep/in/here/config.json",
                          "deep/in/here/more", "deep/in/here/more/c", "empty", "empty/b", "empty/config.json",
                          "empty/more", "empty/more/c", "new", "new/b", "new/config.json", "new/more", "new/more/c"));
}

TEST(FolderWriter, ReplacesFilesOfTheKindAndNoOthers) {
  TemporaryFolder folder;
  const fs::path target = folder / "m";
  fs::create_directories(target / "mine.safetensors");
  for (const char* name : {"config.json", "model-1.safetensors", "notes.txt", "b"}) write_file(target / name, "old");
  {
    FolderWriter refused(target, Existing::refused);
    write_file(refused.file("b"), "new");
    EXPECT_THAT(refusal([&] { refused.commit("config.json", is_stale); }), HasSubstr("m: exists already: --force"));
  }
  EXPECT_EQ(read_file(target / "b"), "old");
  {
    FolderWriter out(target, Existing::replaced);
    for (const char* name : {"b", "config.json", "model.safetensors", "more/c"}) write_file(out.file(name), "new");
    out.commit("config.json", is_stale);
  }
  EXPECT_THAT(names_in(folder.path()), ElementsAre("m", "m/b", "m/config.json", "m/mine.safetensors",
                                                   "m/model.safetensors", "m/more", "m/more/c", "m/notes.txt"));
  for (const char* name : {"b", "config.json", "model.safetensors", "more/c"})
    EXPECT_EQ(read_file(target / name), "new") << name;
  EXPECT_EQ(read_file(target / "notes.txt"), "old");
}

TEST(Output, OfASignalNothingUnfinishedIsLeft) {
  for (const int signal : {SIGINT, SIGTERM}) {
    TemporaryFolder folder;
    write_file(folder / "f", "old");
    const pid_t child = ::fork();
    if (child == 0) {
      remove_unfinished_on_signals();
      FileWriter done(folder / "done");
      done.commit();
      FileWriter file(folder / "f");
      file.append(bytes_of("new"));
      FolderWriter whole(folder / "m", Existing::refused);
      write_file(whole.file("a"), "a");
      write_file(whole.file("more/b"), "b");
      FileWriter within(whole.file("c"));
      ::raise(signal);
      ::_exit(1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
    EXPECT_THAT(names_in(folder.path()), ElementsAre("done", "f"));
    EXPECT_EQ(read_file(folder / "f"), "old");
  }
}

TEST(Output, IsNeverWhatIsRead) {
  TemporaryFolder folder;
  fs::create_directories(folder / "m/sub");
  for (const char* name : {"m/w.safetensors", "g.gguf", "other"}) write_file(folder / name, "x");
  fs::create_symlink(folder / "g.gguf", folder / "link.gguf");
  fs::create_hard_link(folder / "g.gguf", folder / "hard.gguf");
  fs::create_directory_symlink(folder / "m", folder / "linked");
  const std::vector<fs::path> inputs = {folder / "g.gguf", folder / "m"};
  for (const char* output : {"g.gguf", "./g.gguf", "m/../g.gguf", "link.gguf", "hard.gguf", "m", "linked", "m/",
                             "m/w.safetensors", "linked/w.safetensors"})
    for (const bool force : {false, true})
      EXPECT_THAT(refusal([&] { check_output(folder / output, inputs, force); }), HasSubstr("is what is read"))
          << output;
  EXPECT_THAT(refusal([&] { check_output(folder / "other", inputs, false); }),
              HasSubstr("other: exists already: --force replaces it"));
  fs::create_symlink(folder / "nowhere", folder / "dangling");
  EXPECT_THAT(refusal([&] { check_output(folder / "dangling", inputs, false); }), HasSubstr("--force"));
  fs::create_directory(folder / "empty");
  for (const char* output : {"new", "m/new", "empty"})
    EXPECT_EQ(refusal([&] { check_output(folder / output, inputs, false); }), "none");
  EXPECT_EQ(refusal([&] { check_output(folder / "other", inputs, true); }), "none");
  EXPECT_THAT(refusal([&] { check_output("/dev/null", inputs, true); }), HasSubstr("found something else"));
  EXPECT_THAT(refusal([&] { FolderWriter file(folder / "other", Existing::replaced); }),
              HasSubstr("other: expected a folder, found a file"));
}

TEST(FolderLock, IsOnePersonsAtATime) {
  TemporaryFolder folder;
  {
    const FolderLock mine(folder.path());
    EXPECT_THAT(refusal([&] { FolderLock other(folder.path()); }), HasSubstr("another process writes here"));
  }
  const FolderLock again(folder.path());
  write_file(folder / "a.partial-1-2", "x");
  write_file(folder / "a", "x");
  remove_unfinished_in(folder.path());
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

}  // namespace
}  // namespace glassbox
