#include "hub/contents.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/random.h"
#include "hub/database/schema.h"
#include "hub/refusal.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

std::string random_bytes(size_t count, uint64_t seed) {
  std::string bytes;
  bytes.reserve(count + 16);
  for (uint64_t i = 0; bytes.size() < count; ++i)
    for (const uint32_t word : philox(seed, i)) bytes.append(reinterpret_cast<const char*>(&word), 4);
  bytes.resize(count);
  return bytes;
}

class ContentsTest : public ::testing::Test {
 protected:
  ContentsTest() { prepare_schema(database_); }

  Content add(std::string_view bytes, size_t piece = 100'000) {
    const auto writer = contents_.create();
    for (size_t at = 0; at < bytes.size(); at += piece) writer->append(bytes.substr(at, piece));
    return writer->finish();
  }
  std::string read(const Sha256& sha256, uint64_t from = 0, uint64_t count = ~uint64_t{0}) {
    const auto reader = contents_.open(sha256);
    std::string bytes;
    while (bytes.size() < count) {
      const std::string more = reader->read(from + bytes.size(), std::min<uint64_t>(count - bytes.size(), 1'000'000));
      if (more.empty()) break;
      bytes += more;
    }
    return bytes;
  }
  uint64_t stored_bytes() {
    uint64_t sum = 0;
    for (const std::string& name : blobs_->names()) sum += blobs_->open(name)->size();
    return sum;
  }

  testing::TemporaryFolder folder_;
  Database database_{folder_ / "hub.db"};
  std::unique_ptr<Blobs> blobs_ = folder_blobs(folder_ / "blobs");
  Contents contents_{database_, *blobs_};
};

TEST_F(ContentsTest, WhatIsPutComesBack) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65'535}, Contents::kMostWhole, Contents::kMostWhole + 1,
                            size_t{131'073}, size_t{3'000'001}})
    for (const size_t piece : {size_t{4'097}, size_t{10'000'000}}) {
      const std::string bytes = random_bytes(size, size + piece);
      const Content content = add(bytes, piece);
      EXPECT_EQ(content.size, size);
      EXPECT_EQ(content.sha256, digest_of<Sha256>(bytes));
      EXPECT_EQ(content.file_id.has_value(), size > Contents::kMostWhole);
      EXPECT_EQ(read(content.sha256), bytes) << size;
      EXPECT_EQ(contents_.find(content.sha256)->size, size);
    }
}

TEST_F(ContentsTest, AnyPartComesBack) {
  const std::string bytes = random_bytes(1'500'000, 7);
  const Content content = add(bytes);
  for (uint64_t i = 0; i < 200; ++i) {
    const auto draw = philox(3, i);
    const uint64_t from = draw[0] % bytes.size(), count = draw[1] % 300'000;
    EXPECT_EQ(read(content.sha256, from, count), bytes.substr(from, count)) << from << " " << count;
  }
  EXPECT_EQ(read(content.sha256, bytes.size()), "");
}

// A variant costs what it changed, wherever bytes moved.
TEST_F(ContentsTest, AVariantCostsWhatItChanged) {
  const std::string base = random_bytes(8'000'000, 1);
  add(base);
  const uint64_t before = stored_bytes();
  std::string variant = base;
  variant.insert(1'000'000, "8 bytes.");
  variant.replace(5'000'000, 300'000, random_bytes(300'000, 2));
  const Content content = add(variant);
  EXPECT_LT(stored_bytes() - before, 300'000u + 4 * 131'072u);
  EXPECT_EQ(read(content.sha256), variant);
  const uint64_t with_variant = stored_bytes();
  EXPECT_EQ(add(base).file_id, contents_.find(digest_of<Sha256>(base))->file_id);
  EXPECT_EQ(stored_bytes(), with_variant) << "what is there costs nothing again";
}

TEST_F(ContentsTest, RepetitionCostsOneChunk) {
  const std::string zeros(10'000'000, '\0');
  const Content content = add(zeros);
  EXPECT_LT(stored_bytes(), 10'000u);
  EXPECT_EQ(read(content.sha256), zeros);
}

// More than a xorb holds: the writer's memory does not grow with it.
TEST_F(ContentsTest, ManyXorbsMakeOneFile) {
  const size_t part = 20'000'000;
  const auto writer = contents_.create();
  Hasher<Sha256> hasher;
  for (uint64_t i = 0; i < 7; ++i) {
    const std::string bytes = random_bytes(part, 100 + i);
    writer->append(bytes);
    hasher.append(bytes);
  }
  const Content content = writer->finish(hasher.finish());
  EXPECT_EQ(content.size, 7 * part);
  EXPECT_GE(blobs_->names().size(), 2u);
  EXPECT_EQ(read(content.sha256, 6 * part, part), random_bytes(part, 106));
}

TEST_F(ContentsTest, OtherBytesThanPromisedAreNotKept) {
  const std::string bytes = random_bytes(200'000, 5);
  const auto writer = contents_.create();
  writer->append(bytes);
  try {
    writer->finish(digest_of<Sha256>("something else"));
    ADD_FAILURE();
  } catch (const Refusal& refusal) { EXPECT_EQ(refusal.refused(), Refused::bad_value); }
  EXPECT_FALSE(contents_.find(digest_of<Sha256>(bytes)));
  EXPECT_THROW(contents_.open(digest_of<Sha256>(bytes)), Error);
}

TEST_F(ContentsTest, ADamagedChunkIsNoticed) {
  const Content content = add(random_bytes(500'000, 9));
  const std::string name = blobs_->names().front();
  const std::filesystem::path file = folder_ / "blobs" / name.substr(0, 2) / name;
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(300'000);
  const char byte = static_cast<char>(stream.get() ^ 1);
  stream.seekp(300'000);
  stream.put(byte);
  stream.close();
  EXPECT_THROW(read(content.sha256), Error);
}

TEST_F(ContentsTest, WhatOneTransactionPutsGoesWithIt) {
  struct Stop {};
  const auto put = [&](bool stop) {
    database_.write([&](Connection& connection) {
      Contents::put_whole(connection, "small");
      if (stop) throw Stop();
    });
  };
  EXPECT_THROW(put(true), Stop);
  EXPECT_FALSE(contents_.find(digest_of<Sha256>("small")));
  put(false);
  EXPECT_EQ(read(digest_of<Sha256>("small")), "small");
}

}  // namespace
}  // namespace glassbox::hub
