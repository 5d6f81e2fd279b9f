#include "base/mapped_file.h"

#include <gmock/gmock.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/output.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using testing::TemporaryFolder;

const auto kPage = static_cast<size_t>(::sysconf(_SC_PAGESIZE));

std::string thrown(const auto& what) {
  try {
    what();
  } catch (const Error& error) { return error.what(); }
  return "nothing";
}

void put_in_place(const std::filesystem::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::in | std::ios::out | std::ios::binary) << bytes;
}

TEST(MappedFile, ACutFileReadsAsZerosAndIsNamed) {
  const TemporaryFolder folder;
  const auto cut = folder / "cut", whole = folder / "whole";
  for (const auto& file : {cut, whole}) write_file(file, std::string(5 * kPage + 100, 'x'));
  const auto mapped = MappedFile::open(cut), other = MappedFile::open(whole);
  EXPECT_EQ(thrown([&] { mapped->check_whole(); }), "nothing");
  std::filesystem::resize_file(cut, kPage);
  EXPECT_EQ(mapped->bytes()[kPage - 1], std::byte{'x'});
  EXPECT_EQ(mapped->bytes()[2 * kPage], std::byte{0});
  EXPECT_EQ(mapped->bytes()[5 * kPage + 99], std::byte{0});
  EXPECT_EQ(mapped->bytes()[kPage], std::byte{0});
  EXPECT_EQ(thrown([&] { mapped->check_whole(); }), cut.string() + ": became shorter while it was used");
  EXPECT_EQ(thrown([&] { MappedFile::check_all(); }), cut.string() + ": became shorter while it was used");
  EXPECT_EQ(other->damage(), "");
  // Grown again, it is not what it was.
  std::filesystem::resize_file(cut, 5 * kPage + 100);
  EXPECT_EQ(mapped->damage(), "became shorter while it was used");
}

TEST(MappedFile, WhatIsCutWithoutASignalIsNoticed) {
  const TemporaryFolder folder;
  write_file(folder / "a", std::string(2 * kPage, 'x'));
  const auto mapped = MappedFile::open(folder / "a");
  std::filesystem::resize_file(folder / "a", 2 * kPage - 1);
  EXPECT_EQ(mapped->bytes()[2 * kPage - 1], std::byte{0});
  EXPECT_EQ(mapped->damage(), "became shorter while it was used");
}

TEST(MappedFile, ManyThreadsMeetTheCutAtOnce) {
  const TemporaryFolder folder;
  const size_t size = 512 * kPage;
  write_file(folder / "a", std::string(size, 'x'));
  const auto mapped = MappedFile::open(folder / "a");
  std::filesystem::resize_file(folder / "a", 3 * kPage);
  std::atomic<size_t> left = 0;
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        size_t mine = 0;
        for (size_t i = t; i < size; i += 97) mine += mapped->bytes()[i] != std::byte{0};
        for (int i = 0; i < 50; ++i) MappedFile::open(folder / "a");  // places are taken and given up meanwhile
        left += mine;
      });
  }
  size_t expected = 0;
  for (size_t t = 0; t < 4; ++t)
    for (size_t i = t; i < 3 * kPage; i += 97) ++expected;
  EXPECT_EQ(left, expected);
  EXPECT_EQ(mapped->damage(), "became shorter while it was used");
}

TEST(MappedFile, ChangesOnDiskAreTold) {
  const TemporaryFolder folder;
  const auto file = folder / "a";
  write_file(file, std::string(kPage, 'x'));
  const auto first = MappedFile::open(file);
  EXPECT_EQ(first->change(), "");
  put_in_place(file, "y");
  EXPECT_EQ(first->change(), "was written to");
  const auto second = MappedFile::open(file);
  write_file(file, "short");  // beside it, then renamed over it
  EXPECT_EQ(second->change(), "was replaced");
  EXPECT_EQ(second->damage(), "");
  EXPECT_EQ(second->bytes()[1], std::byte{'x'});
  std::filesystem::remove(file);
  EXPECT_EQ(second->change(), "is gone");
  EXPECT_EQ(second->damage(), "");
}

TEST(MappedFile, NothingIsMadeOfACutFile) {
  const TemporaryFolder folder;
  write_file(folder / "from", std::string(3 * kPage, 'x'));
  write_file(folder / "to", "old");
  const auto mapped = MappedFile::open(folder / "from");
  std::filesystem::resize_file(folder / "from", kPage);
  {
    FileWriter out(folder / "to");
    out.append(mapped->bytes());  // read by the kernel, which raises no signal
    EXPECT_EQ(thrown([&] { out.commit(); }), (folder / "from").string() + ": became shorter while it was used");
  }
  EXPECT_EQ(read_file(folder / "to"), "old");
}

TEST(MappedFile, OtherBusErrorsEndTheProgram) {
  const TemporaryFolder folder;
  write_file(folder / "a", "x");
  const auto ours = MappedFile::open(folder / "a");
  EXPECT_DEATH(
      {
        const int fd = ::open((folder / "a").c_str(), O_RDONLY);
        auto* bytes = static_cast<const volatile char*>(::mmap(nullptr, 4 * kPage, PROT_READ, MAP_SHARED, fd, 0));
        static_cast<void>(bytes[2 * kPage]);
      },
      "");
  EXPECT_DEATH(::raise(SIGBUS), "");
}

TEST(MappedFile, WhoOpensAModelLearnsItsFiles) {
  const TemporaryFolder folder;
  for (const char* name : {"a", "b", "c"}) write_file(folder / name, std::string(2 * kPage, 'x'));
  const FilesBeingMapped all;
  const auto a = MappedFile::open(folder / "a");
  {
    const FilesBeingMapped inner;
    MappedFile::open(folder / "c");
  }
  const auto b = MappedFile::open(folder / "b");
  std::filesystem::resize_file(folder / "c", 1);
  EXPECT_EQ(all.files().change(), "");
  EXPECT_EQ(thrown([&] { all.files().check_whole("model"); }), "nothing");
  std::filesystem::resize_file(folder / "b", 1);
  EXPECT_EQ(thrown([&] { all.files().check_whole("model"); }), "model: b became shorter while it was used");
  EXPECT_EQ(all.files().change(), (folder / "b").string() + " was written to");
}

TEST(MappedFile, AnEmptyFileAndAPipe) {
  const TemporaryFolder folder;
  write_file(folder / "empty", "");
  const auto empty = MappedFile::open(folder / "empty");
  EXPECT_EQ(empty->bytes().size(), 0u);
  EXPECT_EQ(empty->damage(), "");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(thrown([&] { MappedFile::open(folder / "pipe"); }),
            (folder / "pipe").string() + ": expected a regular file, got a pipe");
  EXPECT_EQ(thrown([&] { read_file(folder / "pipe"); }),
            (folder / "pipe").string() + ": expected a regular file, got a pipe");
  EXPECT_EQ(thrown([&] { read_file(folder.path()); }),
            folder.path().string() + ": expected a regular file, got a folder");
}

}  // namespace
}  // namespace glassbox
