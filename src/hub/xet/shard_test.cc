#include "hub/xet/shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "hub/xet/testing.h"

namespace glassbox::xet {
namespace {

using namespace testing;
using ::testing::HasSubstr;

// Where the sample's records begin.
enum : size_t { kHeader, kFile = 48, kTerm = 96, kVerification = 144, kSha = 192, kFilesEnd = 240 };
enum : size_t { kXorb = 288, kChunk = 336, kXorbsEnd = 480, kEnd = 528 };

XorbTable sample_table() {
  XorbReader reader;
  reader.add(sample_xorb());
  return reader.finish();
}

void check_sample(const Shard& shard, uint64_t most_chunks = kMostShardChunks) {
  const XorbTable table = sample_table();
  check_shard(shard, [&](const Hash& hash) { return hash == table.hash ? &table : nullptr; }, most_chunks);
}

std::string shard_refusal(std::span<const std::byte> bytes) {
  try {
    check_sample(parse_shard(bytes));
    return "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_file);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
}

Bytes with(size_t at, uint64_t value, size_t width = 4) {
  Bytes bytes = sample_shard();
  for (size_t i = 0; i < width; ++i) bytes[at + i] = static_cast<std::byte>(value >> (8 * i));
  return bytes;
}

TEST(XetShard, ReadsTheSample) {
  const Bytes bytes = sample_shard();
  ASSERT_EQ(bytes.size(), kEnd);
  const Shard shard = parse_shard(bytes);
  ASSERT_EQ(shard.files.size(), 1u);
  const ShardFile& file = shard.files[0];
  EXPECT_EQ(file.id.text(), kSampleFile);
  EXPECT_EQ(file.bytes(), 298u);
  EXPECT_EQ(file.terms, (std::vector<Term>{{named(kSampleXorb), 298, 0, 3}}));
  ASSERT_EQ(file.verifications.size(), 1u);
  EXPECT_EQ(file.verifications[0].text(), "7277da6348859833743433a9c23ddbc88fa4ff439ca1ff2a1cf067354fc47d22");
  ASSERT_TRUE(file.sha256);
  EXPECT_EQ(Bytes(file.sha256->begin(), file.sha256->end()),
            hex("36a4b99a39d7e2a4ef736f8946bc4689ac5f9d39b66d5418c28f99d247322e71"));
  ASSERT_EQ(shard.xorbs.size(), 1u);
  const ShardXorb& xorb = shard.xorbs[0];
  EXPECT_EQ(xorb.hash.text(), kSampleXorb);
  EXPECT_EQ(xorb.raw_bytes, 298u);
  EXPECT_EQ(xorb.stored_bytes, 0u);
  EXPECT_EQ(xorb.chunks, (std::vector<ShardChunk>{{named(kSampleChunks[0]), 0, 5},
                                                  {named(kSampleChunks[1]), 5, 256},
                                                  {named(kSampleChunks[2]), 261, 37}}));
  check_sample(shard);
  EXPECT_EQ(write_shard(shard), bytes);
}

TEST(XetShard, RefusesTheSampleCutAnywhere) {
  const Bytes bytes = sample_shard();
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THAT(shard_refusal(std::span(bytes).first(size)), HasSubstr("shard: byte")) << size;
  EXPECT_EQ(shard_refusal(std::span(bytes).first(500)),
            "shard: byte 480: expected a xorb, or the end of xorbs of 48 bytes, got 20");
}

// Every bit counts but those that nobody reads.
TEST(XetShard, RefusesTheSampleSpoiledAnywhere) {
  const Bytes bytes = sample_shard();
  const auto unread = [](size_t at) {
    return (at >= 40 && at < kFile) ||                                                 // the footer's size
           (at >= kFile + 40 && at < kTerm) ||                                         // zeros
           (at >= kVerification + 32 && at < kFilesEnd) ||                             // zeros; SHA-256, zeros
           (at >= kXorb + 32 && at < kXorb + 36) || (at >= kXorb + 44 && at < kChunk)  // flags; stored bytes
           || (at >= kChunk && at < kXorbsEnd && at % 48 >= 40);                       // flags, zeros
  };
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    Bytes other = bytes;
    other[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    EXPECT_EQ(shard_refusal(other) == "taken", unread(bit / 8)) << bit / 8 << ' ' << shard_refusal(other);
  }
}

TEST(XetShard, PassesOverWhatFollows) {
  const Shard shard = parse_shard(sample_shard());
  Bytes bytes = with(40, 200, 8);  // a footer that is not there
  EXPECT_EQ(parse_shard(bytes), shard);
  join(bytes, Bytes(200));  // or holds nothing
  EXPECT_EQ(parse_shard(bytes), shard);
  join(bytes, random_bytes(1001, 1));
  EXPECT_EQ(parse_shard(bytes), shard);
}

TEST(XetShard, SaysWhatIsWrong) {
  EXPECT_EQ(shard_refusal(sample_shard()), "taken");
  EXPECT_THAT(shard_refusal(with(5, 'x', 1)), HasSubstr("byte 0: expected a shard's tag"));
  EXPECT_THAT(shard_refusal(with(32, 1, 8)), HasSubstr("byte 0: expected version 2, got 1"));
  EXPECT_THAT(shard_refusal(with(kFile + 32, 0xC0000001)), HasSubstr("byte 48: file with flags c0000001"));
  EXPECT_THAT(shard_refusal(with(kFile + 32, 0x40000000)), HasSubstr("byte 48: expected a file with verification"));
  EXPECT_THAT(shard_refusal(with(kFile + 36, 0)), HasSubstr("of 0 terms"));
  EXPECT_THAT(shard_refusal(with(kFile + 36, 5)), HasSubstr("byte 96: expected 11 records of a file, got room for 9"));
  for (const uint64_t many : {0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    EXPECT_THAT(shard_refusal(with(kFile + 36, many)), HasSubstr("records of a file, got room for 9"));
    EXPECT_THAT(shard_refusal(with(kXorb + 36, many)), HasSubstr("expected a xorb of 1 to 8192 chunks"));
  }
  EXPECT_THAT(shard_refusal(with(kXorb + 36, 0)), HasSubstr("byte 288: expected a xorb of 1 to 8192 chunks, got 0"));
  EXPECT_THAT(shard_refusal(with(kXorb + 36, 5)), HasSubstr("expected 5 records of a xorb, got room for 4"));
  EXPECT_THAT(shard_refusal(with(kXorb + 36, 8192)), HasSubstr("got room for 4"));
  EXPECT_THAT(shard_refusal(with(kXorb + 36, 8193)), HasSubstr("1 to 8192 chunks, got 8193"));
  EXPECT_THAT(shard_refusal(with(kXorb + 40, 299)), HasSubstr("expected a xorb of 299 bytes, got chunks of 298"));
  EXPECT_THAT(shard_refusal(with(kTerm + 32, 1)), HasSubstr("byte 96: expected a term with flags 0, got 00000001"));
  EXPECT_THAT(shard_refusal(with(kTerm + 36, 2)), HasSubstr("expected the bytes of 3 chunks, got 2"));
  EXPECT_THAT(shard_refusal(with(kTerm + 36, 3 * 131072 + 1)), HasSubstr("expected the bytes of 3 chunks, got 393217"));
  EXPECT_THAT(shard_refusal(with(kTerm + 40, 3)), HasSubstr("got [3, 3)"));
  EXPECT_THAT(shard_refusal(with(kTerm + 40, 4)), HasSubstr("got [4, 3)"));
  EXPECT_THAT(shard_refusal(with(kTerm + 44, 8193)), HasSubstr("at most 8192, got [0, 8193)"));
  EXPECT_THAT(shard_refusal(with(kFilesEnd + 32, 1)), HasSubstr("byte 240: expected zeros behind a section's end"));
  EXPECT_THAT(shard_refusal(with(kXorbsEnd + 47, 1, 1)), HasSubstr("byte 480: expected zeros behind a section's end"));
  EXPECT_THAT(shard_refusal(with(kChunk + 32, 1)), HasSubstr("byte 336: expected chunk 0 at 0, got 1"));
  EXPECT_THAT(shard_refusal(with(kChunk + 48 + 32, 4)), HasSubstr("byte 384: expected chunk 1 at 5, got 4"));
  EXPECT_THAT(shard_refusal(with(kChunk + 36, 0)), HasSubstr("expected a chunk of 1 to 131072 bytes, got 0"));
  EXPECT_THAT(shard_refusal(with(kChunk + 36, 131073)), HasSubstr("1 to 131072 bytes, got 131073"));
  EXPECT_THAT(shard_refusal(Bytes((64 << 20) + 1)), HasSubstr("expected at most 67108864 bytes, got 67108865"));
}

TEST(XetShard, HoldsItAgainstWhatIsStored) {
  const Shard shard = parse_shard(sample_shard());
  const auto refused = [](const Shard& shard) -> std::string {
    try {
      check_sample(shard);
      return "taken";
    } catch (const Error& error) { return error.what(); }
  };
  Shard other = shard;
  other.xorbs[0].hash = {};
  EXPECT_THAT(refused(other), HasSubstr("expected one that is stored"));
  other = shard;
  other.xorbs[0].chunks.pop_back();
  EXPECT_THAT(refused(other), HasSubstr("expected 3 chunks, got 2"));
  other = shard;
  std::swap(other.xorbs[0].chunks[0].hash, other.xorbs[0].chunks[1].hash);
  EXPECT_THAT(refused(other), HasSubstr("chunk 0: expected 9076ba12"));
  other = shard;
  other.files[0].terms[0].xorb = {};
  EXPECT_THAT(refused(other), HasSubstr("term 0: expected a xorb that is stored, got 0000"));
  other = shard;
  other.files[0].terms[0].end = 4;
  EXPECT_THAT(refused(other), HasSubstr("expected chunks of a xorb of 3, got [0, 4)"));
  other = shard;
  other.files[0].terms[0].raw_bytes = 297;
  EXPECT_THAT(refused(other), HasSubstr("expected 298 bytes, got 297"));
  other = shard;
  other.files[0].verifications[0] = {};
  EXPECT_THAT(refused(other), HasSubstr("expected the verification of its chunks"));
  other = shard;
  other.files[0].id = named(kSampleXorb);
  EXPECT_THAT(refused(other), HasSubstr("expected the name of its chunks, a632b039"));

  // The same file in two terms, no xorb, no SHA-256.
  const XorbTable table = sample_table();
  other = shard;
  other.xorbs.clear();
  other.files[0].sha256.reset();
  other.files[0].terms = {{table.hash, 5, 0, 1}, {table.hash, 293, 1, 3}};
  other.files[0].verifications = {verification_hash(table, 0, 1), verification_hash(table, 1, 3)};
  EXPECT_EQ(refused(other), "taken");
  EXPECT_EQ(parse_shard(write_shard(other)), other);
  std::swap(other.files[0].terms[0], other.files[0].terms[1]);
  std::swap(other.files[0].verifications[0], other.files[0].verifications[1]);
  EXPECT_THAT(refused(other), HasSubstr("expected the name of its chunks"));
}

TEST(XetShard, HashesNoMoreThanItIsLet) {
  Shard shard = parse_shard(sample_shard());
  shard.files.push_back(shard.files[0]);
  check_sample(shard, 6);
  try {
    check_sample(shard, 5);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::full);
    EXPECT_THAT(error.what(), HasSubstr("term 0: expected fewer chunks"));
  }
}

TEST(XetShard, HasFilesWithoutBytes) {
  Shard shard;
  EXPECT_EQ(write_shard(shard).size(), 3 * 48u);
  EXPECT_EQ(parse_shard(write_shard(shard)), shard);
  shard.files.push_back({.id = {}, .terms = {}, .verifications = {}, .sha256 = Sha256{std::byte{0xe3}}});
  EXPECT_EQ(parse_shard(write_shard(shard)), shard);
  check_sample(shard);
  shard.files[0].id = named(kSampleFile);
  EXPECT_THROW(parse_shard(write_shard(shard)), Error);
}

TEST(XetShard, MarksChunksThatClientsAskFor) {
  Shard shard = parse_shard(sample_shard());
  shard.xorbs[0].chunks[1].hash.bytes[24] = {};
  shard.xorbs[0].chunks[1].hash.bytes[25] = {};
  const Bytes bytes = write_shard(shard);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(load<4>(bytes, kChunk + 48 * i + 40), i == 1 ? 0x80000000u : 0u);
}

TEST(XetShard, WritesNoneThatIsTooLarge) {
  const Shard sample = parse_shard(sample_shard());
  Shard shard;
  shard.files.push_back({.id = named(kSampleFile), .terms = {}, .verifications = {}, .sha256 = {}});
  const size_t terms = ((64 << 20) / 48 - 4) / 2;
  shard.files[0].terms.resize(terms, sample.files[0].terms[0]);
  shard.files[0].verifications.resize(terms);
  EXPECT_EQ(parse_shard(write_shard(shard)), shard);
  shard.files[0].terms.push_back(sample.files[0].terms[0]);
  shard.files[0].verifications.emplace_back();
  EXPECT_THROW(write_shard(shard), Error);
}

TEST(XetShard, AnswersForDedup) {
  const XorbTable table = sample_table();
  XorbTable second = table;
  second.hash = named(kSampleFile);
  second.chunks.pop_back();
  Key key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(i);
  const Bytes bytes = write_dedup_answer({{&table, &second}, key, 1754059905, 1754664705});
  const size_t end = 48 * (1 + 1 + 4 + 3 + 1);
  ASSERT_EQ(bytes.size(), end + 200);
  EXPECT_EQ(load<8>(bytes, 32), 2u);
  EXPECT_EQ(load<8>(bytes, 40), 200u);

  const auto footer = std::span(bytes).last(200);
  const std::vector<uint64_t> numbers = {1, 48, 96, end, 0, end, 0, end, 0};
  for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(load<8>(footer, 8 * i), numbers[i]) << i;
  EXPECT_TRUE(std::ranges::equal(footer.subspan(72, 32), key));
  EXPECT_EQ(load<8>(footer, 104), 1754059905u);
  EXPECT_EQ(load<8>(footer, 112), 1754664705u);
  EXPECT_TRUE(std::ranges::all_of(footer.subspan(120, 64), [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_EQ(load<8>(footer, 184), 298u + 261);
  EXPECT_EQ(load<8>(footer, 192), end);

  const Shard shard = parse_shard(bytes);
  EXPECT_TRUE(shard.files.empty());
  ASSERT_EQ(shard.xorbs.size(), 2u);
  EXPECT_EQ(shard.xorbs[0].hash, table.hash);
  EXPECT_EQ(shard.xorbs[1].hash, second.hash);
  EXPECT_EQ(shard.xorbs[0].raw_bytes, 298u);
  EXPECT_EQ(shard.xorbs[0].stored_bytes, 0u);
  ASSERT_EQ(shard.xorbs[0].chunks.size(), 3u);
  EXPECT_EQ(shard.xorbs[1].chunks.size(), 2u);
  EXPECT_EQ(shard.xorbs[0].chunks[0].hash.text(), "807c4f424c506281c5cdd47e7e4514ec7c886dfe8e775a817cf04ef58418fa3b");
  EXPECT_EQ(shard.xorbs[0].chunks[2].hash, protected_hash(key, table.chunks[2].hash));
  EXPECT_EQ(shard.xorbs[0].chunks[2].raw_start, 261u);

  const Shard plain = parse_shard(write_dedup_answer({{&table}, Key{}, 1, 2}));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(plain.xorbs[0].chunks[i].hash.text(), kSampleChunks[i]);
}

}  // namespace
}  // namespace glassbox::xet
