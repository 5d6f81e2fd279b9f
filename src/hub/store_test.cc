// What a store needs to be trusted: garbage goes, nothing else does, and damage of any kind is found.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "base/random.h"
#include "hub/collect.h"
#include "hub/fsck.h"
#include "hub/studies.h"
#include "hub/testing.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

constexpr int64_t kLater = int64_t{1} << 52;  // when every lease has ended

std::string random_bytes(size_t count, uint64_t seed) {
  std::string bytes;
  for (uint64_t i = 0; bytes.size() < count; ++i)
    for (const uint32_t word : philox(seed, i)) bytes.append(reinterpret_cast<const char*>(&word), 4);
  bytes.resize(count);
  return bytes;
}

class StoreTest : public ::testing::Test {
 protected:
  Sha256 store(std::string_view bytes) {
    const auto writer = hub_->contents().create();
    writer->append(bytes);
    return writer->finish().sha256;
  }
  void make(const std::string& name, const std::string& bytes) {
    hub_->create(me_, kModel, "local", name, false);
    hub_->commit(
        me_, kModel, "local/" + name,
        {std::string(kMainBranch),
         "files",
         "",
         {},
         {PutStored{"model.bin", store(bytes), bytes.size()}, PutFile{"config.json", "{\"of\": \"" + name + "\"}"}}});
  }
  Proof proof() { return check_store(folder_ / "hub"); }
  std::filesystem::path blob(size_t number = 0) {
    const std::string name = hub_->contents().blobs().names().at(number);
    return folder_ / "hub" / "blobs" / name.substr(0, 2) / name;
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<Hub> hub_ = std::make_unique<Hub>(folder_ / "hub");
  Caller me_ = hub_->owner();
};

TEST_F(StoreTest, AStoreInUseIsProved) {
  make("m", random_bytes(900'000, 1));
  const Proof found = proof();
  EXPECT_THAT(found.problems, ::testing::IsEmpty());
  EXPECT_EQ(found.xorbs, 1);
  EXPECT_EQ(found.layouts, 1);
  EXPECT_EQ(found.contents, 3);  // the model, its configuration and the attributes
  EXPECT_EQ(found.files, 3);
  EXPECT_EQ(found.objects, 4);  // two commits with their trees
  EXPECT_EQ(found.leftovers, 0);
}

TEST_F(StoreTest, DamageIsFound) {
  make("m", random_bytes(900'000, 1));
  const std::filesystem::path file = blob();
  std::string bytes = [&] {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  const auto write = [&](const std::string& other) { std::ofstream(file, std::ios::binary) << other; };
  std::string flipped = bytes;
  flipped[500'000] ^= 1;
  write(flipped);
  EXPECT_THAT(proof().problems, ::testing::Not(::testing::IsEmpty())) << "a bit";
  write(bytes.substr(0, bytes.size() - 1));
  EXPECT_THAT(proof().problems, ::testing::Not(::testing::IsEmpty())) << "an end";
  std::filesystem::remove(file);
  EXPECT_THAT(proof().problems, ::testing::Not(::testing::IsEmpty())) << "all of it";
  write(bytes);
  EXPECT_THAT(proof().problems, ::testing::IsEmpty());
}

TEST_F(StoreTest, DamageInTheDatabaseIsFound) {
  make("m", random_bytes(900'000, 1));
  const auto change = [&](const std::string& sql) {
    Database(folder_ / "hub" / "hub.db").write([&](Connection& connection) { connection.script(sql); });
  };
  change("CREATE TABLE was AS SELECT * FROM content; UPDATE content SET bytes = X'00' WHERE file_id IS NULL");
  EXPECT_EQ(proof().problems.size(), 2u) << "two contents are kept whole";
  change("UPDATE content SET bytes = (SELECT bytes FROM was WHERE was.sha256 = content.sha256)");
  EXPECT_THAT(proof().problems, ::testing::IsEmpty());
  change("UPDATE layout SET size = size + 1");
  EXPECT_EQ(proof().problems.size(), 2u) << "the layout, and the content that it is of";
  change("UPDATE layout SET size = size - 1");
  change("CREATE TABLE trees AS SELECT * FROM object WHERE kind = 2; DELETE FROM object WHERE kind = 2");
  EXPECT_EQ(proof().problems.size(), 2u) << "two commits have lost their trees";
  change("INSERT INTO object SELECT * FROM trees; UPDATE file SET size = 1 WHERE pointer");
  EXPECT_EQ(proof().problems.size(), 1u);
}

TEST_F(StoreTest, WhatNobodyNeedsGoesWhenItsLeaseEnds) {
  make("m", random_bytes(900'000, 1));
  make("n", random_bytes(900'000, 2));
  store(random_bytes(900'000, 3));  // uploaded, and never committed
  EXPECT_EQ(hub_->contents().blobs().names().size(), 3u);
  hub_->remove(me_, kModel, "local/m");
  EXPECT_EQ(collect(hub_->contents(), 0).xorbs, 0) << "clients still remember it";
  EXPECT_EQ(hub_->contents().blobs().names().size(), 3u);
  EXPECT_EQ(collect(hub_->contents(), kLater).xorbs, 2);
  EXPECT_EQ(hub_->contents().blobs().names().size(), 1u);
  const Proof left = proof();
  EXPECT_THAT(left.problems, ::testing::IsEmpty());
  EXPECT_EQ(left.objects, 4);
  EXPECT_EQ(hub_->contents().read(digest_of<Sha256>(random_bytes(900'000, 2)), 1 << 20), random_bytes(900'000, 2));
  EXPECT_FALSE(hub_->contents().find(digest_of<Sha256>(random_bytes(900'000, 1))));
}

// What an old commit names is there as long as the repository.
TEST_F(StoreTest, WhatWasPublishedStays) {
  make("m", random_bytes(900'000, 1));
  hub_->commit(me_, kModel, "local/m", {std::string(kMainBranch), "gone", "", {}, {RemoveFile{"model.bin"}}});
  hub_->squash(me_, kModel, "local/m", "main", "one");
  EXPECT_EQ(collect(hub_->contents(), kLater).xorbs, 0);
  EXPECT_THAT(proof().problems, ::testing::IsEmpty());
}

TEST_F(StoreTest, AReaderReadsToTheEndOfWhatGoes) {
  const std::string bytes = random_bytes(900'000, 1);
  make("m", bytes);
  auto reader = hub_->contents().open(digest_of<Sha256>(bytes));
  std::string got = reader->read(0, 1000);
  hub_->remove(me_, kModel, "local/m");
  EXPECT_EQ(collect(hub_->contents(), kLater).xorbs, 0) << "somebody reads it";
  while (got.size() < bytes.size()) got += reader->read(got.size(), 100'000);
  EXPECT_EQ(got, bytes);
  reader.reset();
  EXPECT_EQ(collect(hub_->contents(), kLater).xorbs, 1);
}

// Who uploads again what was there has as long as who uploads it first.
TEST_F(StoreTest, AnUploadThatIsRepeatedHasALeaseOfItsOwn) {
  const std::string large = random_bytes(200'000, 1), small = "small";
  store(large);
  store(small);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const int64_t again = now_in_milliseconds();
  const Sha256 first = store(large), second = store(small);
  collect(hub_->contents(), again + kLease);
  EXPECT_TRUE(hub_->contents().find(first));
  EXPECT_TRUE(hub_->contents().find(second));
  EXPECT_EQ(hub_->contents().read(first, 1 << 20), large);
  collect(hub_->contents(), kLater);
  EXPECT_FALSE(hub_->contents().find(first));
}

// A writer that found its chunks in the store refers to them until it is done.
TEST_F(StoreTest, AWriterKeepsWhatItRefersTo) {
  const std::string bytes = random_bytes(900'000, 1);
  make("m", bytes);
  const auto writer = hub_->contents().create();
  writer->append(bytes);
  hub_->remove(me_, kModel, "local/m");
  collect(hub_->contents(), kLater);
  writer->append("and more");
  const Content content = writer->finish();
  EXPECT_EQ(hub_->contents().read(content.sha256, 1 << 20), bytes + "and more");
  EXPECT_THAT(proof().problems, ::testing::IsEmpty());
}

// A process that died between a xorb's file and its row left a file that nothing knows of.
TEST_F(StoreTest, LeftoversAreTakenAway) {
  make("m", random_bytes(900'000, 1));
  const auto writer = hub_->contents().blobs().create();
  writer->append("left behind");
  writer->commit(std::string(64, 'a'));
  EXPECT_EQ(proof().leftovers, 1);
  EXPECT_THAT(proof().problems, ::testing::IsEmpty());
  EXPECT_EQ(collect(hub_->contents(), 0).blobs, 1);
  EXPECT_EQ(proof().leftovers, 0);
}

// Every write of this process fails behind so many bytes of a file, as on a disk without room.
class WritesFail {
 public:
  explicit WritesFail(rlim_t beyond) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    was_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{beyond, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~WritesFail() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, was_);
  }
  WritesFail(const WritesFail&) = delete;
  WritesFail& operator=(const WritesFail&) = delete;

 private:
  rlimit before_{};
  void (*was_)(int) = nullptr;
};

// Wherever it is that a write fails, all that was acknowledged is there, nothing of what was not, and the next one that
// can be written is.
TEST_F(StoreTest, AFailingWriteLosesNothing) {
  make("m", random_bytes(900'000, 1));
  hub_->studies().wait();
  const std::string bytes = random_bytes(300'000, 2);
  const auto files = [&] {
    return hub_->view(me_, [&](View& view) {
      std::vector<std::string> paths;
      for (const Entry& entry : view.list(view.resolve(view.repository(kModel, "local/m"), "main"), "", true))
        paths.push_back(entry.path);
      return paths;
    });
  };
  const std::vector<std::string> before = files();
  size_t failures = 0;
  for (rlim_t limit = 0;; limit += 20'000) {
    std::optional<ErrorKind> failed;
    {
      const WritesFail beyond(limit);
      try {
        const Sha256 stored = store(bytes);
        hub_->commit(me_, kModel, "local/m",
                     {std::string(kMainBranch),
                      "more",
                      "",
                      {},
                      {PutStored{"more.bin", stored, bytes.size()}, PutFile{"more.txt", "more"}}});
      } catch (const Error& error) { failed = error.kind(); }
    }
    ASSERT_THAT(proof().problems, ::testing::IsEmpty()) << "writes failed beyond byte " << limit;
    if (!failed) break;
    EXPECT_TRUE(failed == ErrorKind::io || failed == ErrorKind::full) << limit;
    EXPECT_EQ(files(), before) << limit;
    if (++failures % 4 == 0) {  // as it is, or by another process
      hub_.reset();
      hub_ = std::make_unique<Hub>(folder_ / "hub");
    }
    ASSERT_LT(limit, 10'000'000u);
  }
  EXPECT_GT(failures, 10u);
  EXPECT_EQ(files().size(), before.size() + 2);
  hub_->view(me_, [&](View& view) {
    const auto entry = view.entry(view.resolve(view.repository(kModel, "local/m"), "main"), "more.bin");
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(hub_->contents().read(entry->sha256, 1 << 20), bytes);
  });
}

// As a server does by itself, again and again.
TEST_F(StoreTest, ACollectorCollectsUntilItEnds) {
  const auto leave_behind = [&](char letter) {
    const auto writer = hub_->contents().blobs().create();
    writer->append("left behind");
    writer->commit(std::string(64, letter));
  };
  const auto nothing_is_left = [&] {
    for (int tries = 0; tries < 10'000 && !hub_->contents().blobs().names().empty(); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return hub_->contents().blobs().names().empty();
  };
  leave_behind('a');
  {
    const Collector later(hub_->contents());  // not within the first hour
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_FALSE(hub_->contents().blobs().names().empty());
  const Collector collector(hub_->contents(), std::chrono::milliseconds(0), std::chrono::milliseconds(1));
  EXPECT_TRUE(nothing_is_left());
  leave_behind('b');
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(StoreTest, OneProcessOwnsAStore) {
  EXPECT_THROW(Hub(folder_ / "hub"), Error);
  hub_.reset();
  EXPECT_NO_THROW(Hub(folder_ / "hub"));
}

}  // namespace
}  // namespace glassbox::hub
