#include "hub/xet/xorb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lz4.h>
#include <lz4frame.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "hub/xet/chunker.h"
#include "hub/xet/testing.h"
#include "tests/testing.h"

namespace glassbox::xet {
namespace {

using namespace testing;
using ::testing::HasSubstr;

constexpr size_t kAll = ~size_t{0};

XorbTable read(std::span<const std::byte> bytes, size_t piece = kAll, const std::optional<Hash>& name = {}) {
  XorbReader reader;
  while (!bytes.empty()) {
    const size_t size = std::min(piece, bytes.size());
    reader.add(bytes.first(size));
    bytes = bytes.subspan(size);
  }
  return reader.finish(name);
}

std::string xorb_refusal(std::span<const std::byte> bytes, size_t piece = kAll, const std::optional<Hash>& name = {}) {
  try {
    read(bytes, piece, name);
    return "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_file);
    return error.what();
  }
}

Bytes chunk_of(unsigned scheme, size_t raw, std::span<const std::byte> stored) {
  Bytes bytes;
  append<1>(bytes, 0);
  append<3>(bytes, stored.size());
  append<1>(bytes, scheme);
  append<3>(bytes, raw);
  join(bytes, stored);
  return bytes;
}

Bytes frame_of(std::span<const std::byte> raw, LZ4F_frameInfo_t info = {}) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo = info;
  Bytes frame(LZ4F_compressFrameBound(raw.size(), &preferences));
  frame.resize(LZ4F_compressFrame(frame.data(), frame.size(), raw.data(), raw.size(), &preferences));
  return frame;
}

TEST(XetXorb, ReadsTheSample) {
  const Bytes bytes = sample_xorb();
  ASSERT_EQ(bytes.size(), 93u);
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    const XorbTable table = read(bytes, piece, named(kSampleXorb));
    ASSERT_EQ(table.chunks.size(), 3u);
    const uint32_t raw_ends[] = {5, 261, 298}, stored_ends[] = {13, 47, 93};
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(table.chunks[i].hash.text(), kSampleChunks[i]);
      EXPECT_EQ(table.chunks[i].raw_end, raw_ends[i]);
      EXPECT_EQ(table.chunks[i].stored_end, stored_ends[i]);
    }
    EXPECT_EQ(table.hash.text(), kSampleXorb);
    EXPECT_EQ(table.raw_bytes(), 298u);
    EXPECT_EQ(table.raw_bytes(1, 3), 293u);
    EXPECT_EQ(table.raw_bytes(1, 1), 0u);
    EXPECT_EQ(table.stored_bytes(), 93u);
    EXPECT_EQ(table.stored_start(0), 0u);
    EXPECT_EQ(table.stored_start(2), 47u);
    EXPECT_EQ(verification_hash(table, 0, 3).text(),
              "7277da6348859833743433a9c23ddbc88fa4ff439ca1ff2a1cf067354fc47d22");
    EXPECT_EQ(verification_hash(table, 1, 3).text(),
              "74302e164518dc99834c8bcbe75f8796a9c4122ae1472c548b36df0f6d13e3b4");
  }
}

TEST(XetXorb, WritesTheSamplesChunks) {
  ChunkEncoder encoder;
  Bytes bytes;
  MerkleTree file;
  for (size_t i = 0; i < 3; ++i) {
    encoder.append(sample_chunk(i), static_cast<Scheme>(i), bytes);
    file.add(chunk_hash(sample_chunk(i)), sample_chunk(i).size());
  }
  EXPECT_EQ(bytes, sample_xorb());
  EXPECT_EQ(file.file_id().text(), kSampleFile);
}

TEST(XetXorb, ShowsItsChunks) {
  std::vector<Bytes> seen;
  XorbReader reader([&](const XorbChunk& chunk, std::span<const std::byte> raw) {
    EXPECT_EQ(chunk.hash, chunk_hash(raw));
    seen.emplace_back(raw.begin(), raw.end());
  });
  reader.add(sample_xorb());
  EXPECT_EQ(reader.finish().chunks.size(), 3u);
  EXPECT_EQ(seen, (std::vector<Bytes>{sample_chunk(0), sample_chunk(1), sample_chunk(2)}));
}

TEST(XetXorb, RefusesTheSampleCutAnywhere) {
  const Bytes bytes = sample_xorb();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = std::span(bytes).first(size);
    const bool whole_chunks = size == 13 || size == 47;
    for (const size_t piece : {size_t{1}, size_t{10}, kAll}) {
      EXPECT_THAT(xorb_refusal(cut, piece, named(kSampleXorb)), HasSubstr(size == 0      ? "expected chunks, got none"
                                                                          : whole_chunks ? "expected what is named"
                                                                                         : "expected all of it"))
          << size;
      EXPECT_EQ(xorb_refusal(cut, piece) == "taken", whole_chunks) << size;
    }
  }
  EXPECT_EQ(xorb_refusal(std::span(bytes).first(50), 7), "xorb: chunk 2, at byte 47: expected all of it, got 3 bytes");
}

// A frame has more than one spelling; whatever is taken is the same chunk.
TEST(XetXorb, TakesNoOtherChunkForTheSamples) {
  const Bytes bytes = sample_xorb();
  size_t taken = 0;
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    Bytes other = bytes;
    other[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    const std::string what = xorb_refusal(other, kAll, named(kSampleXorb));
    taken += what == "taken";
    EXPECT_EQ(what.find('\n'), what.npos);
  }
  EXPECT_LT(taken, 20u);
}

TEST(XetXorb, RefusesWhatNoChunkCanBe) {
  const Bytes raw = random_bytes(1000, 1);
  const Bytes frame = frame_of(raw);
  ASSERT_EQ(xorb_refusal(chunk_of(0, 1000, raw)), "taken");
  ASSERT_EQ(xorb_refusal(chunk_of(1, 1000, frame)), "taken");

  Bytes version = chunk_of(0, 1000, raw);
  version[0] = std::byte{1};
  EXPECT_EQ(xorb_refusal(version), "xorb: chunk 0, at byte 0: expected a chunk of version 0, got 1");
  Bytes second = chunk_of(0, 1000, raw);
  join(second, version);
  EXPECT_EQ(xorb_refusal(second, 33), "xorb: chunk 1, at byte 1008: expected a chunk of version 0, got 1");
  EXPECT_THAT(xorb_refusal(chunk_of(3, 1000, raw)), HasSubstr("scheme 0, 1 or 2, got 3"));
  EXPECT_THAT(xorb_refusal(chunk_of(255, 1000, raw)), HasSubstr("scheme 0, 1 or 2, got 255"));

  for (const unsigned scheme : {0, 1, 2}) {
    EXPECT_THAT(xorb_refusal(chunk_of(scheme, 0, Bytes{})), HasSubstr("expected a chunk of 1 to 131072 bytes, got 0"));
    EXPECT_THAT(xorb_refusal(chunk_of(scheme, 131073, Bytes(131073))), HasSubstr("1 to 131072 bytes, got 131073"));
    EXPECT_THAT(xorb_refusal(chunk_of(scheme, 0xffffff, Bytes{})), HasSubstr("1 to 131072 bytes, got 16777215"));
    // Said by the header alone, before the bytes come.
    Bytes head = chunk_of(scheme, 1000, Bytes(262145));
    head.resize(8);
    EXPECT_THAT(xorb_refusal(head), HasSubstr("expected at most 262144 stored bytes, got 262145"));
  }
  EXPECT_THAT(xorb_refusal(chunk_of(0, 999, raw)), HasSubstr("expected 999 bytes stored as they are, got 1000"));
  EXPECT_THAT(xorb_refusal(chunk_of(0, 1001, raw)), HasSubstr("expected 1001 bytes stored as they are, got 1000"));
}

TEST(XetXorb, RefusesFramesThatAreNotTheChunk) {
  const Bytes raw = random_bytes(1000, 1);
  const Bytes frame = frame_of(raw);
  for (const unsigned scheme : {1, 2}) {
    const auto with = [&](size_t size, const Bytes& stored) { return xorb_refusal(chunk_of(scheme, size, stored)); };
    ASSERT_EQ(with(1000, frame), "taken");
    EXPECT_THAT(with(999, frame), HasSubstr("expected an LZ4 frame"));
    EXPECT_THAT(with(1001, frame), HasSubstr("expected an LZ4 frame of"));
    EXPECT_THAT(with(1000, {}), HasSubstr("expected an LZ4 frame"));
    for (size_t size = 0; size < frame.size(); size += size < 20 ? 1 : 97)
      EXPECT_THAT(with(1000, Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size))),
                  HasSubstr("expected an LZ4 frame"))
          << size;
    EXPECT_THAT(with(1000, Bytes(frame.begin(), frame.end() - 4)), HasSubstr("expected an LZ4 frame that ends"));

    Bytes longer = frame;
    longer.push_back(std::byte{0});
    EXPECT_THAT(with(1000, longer), HasSubstr("expected an LZ4 frame of"));
    Bytes twice = frame;
    join(twice, frame);
    EXPECT_THAT(with(1000, twice), HasSubstr("expected an LZ4 frame of"));
    EXPECT_THAT(with(2000, twice), HasSubstr("expected an LZ4 frame of"));
    Bytes skipped = hex("502a4d18 02000000 0000");
    EXPECT_THAT(with(1000, skipped), HasSubstr("expected an LZ4 frame of"));
    join(skipped, frame);
    EXPECT_THAT(with(1000, skipped), HasSubstr("expected an LZ4 frame of"));

    Bytes block(LZ4_compressBound(1000));
    block.resize(static_cast<size_t>(LZ4_compress_default(reinterpret_cast<const char*>(raw.data()),
                                                          reinterpret_cast<char*>(block.data()), 1000,
                                                          static_cast<int>(block.size()))));
    EXPECT_THAT(with(1000, block), HasSubstr("expected an LZ4 frame"));

    LZ4F_frameInfo_t checked{};
    checked.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    Bytes spoiled = frame_of(raw, checked);
    ASSERT_EQ(with(1000, spoiled), "taken");
    spoiled.back() ^= std::byte{1};
    EXPECT_THAT(with(1000, spoiled), HasSubstr("contentChecksum"));
    LZ4F_frameInfo_t dictionary{};
    dictionary.dictID = 7;
    EXPECT_THAT(with(1000, frame_of(raw, dictionary)), HasSubstr("without a dictionary"));
  }
  // Some megabytes in few bytes: no more is written than the chunk may have.
  EXPECT_THAT(xorb_refusal(chunk_of(1, 131072, frame_of(Bytes(4 << 20)))), HasSubstr("expected an LZ4 frame"));
}

TEST(XetXorb, ReadsFramesOfAllKinds) {
  Bytes raw = random_bytes(60'000, 3);
  join(raw, raw);  // which only who sees the block before can find
  raw.resize(131'072);
  for (const auto size : {LZ4F_max64KB, LZ4F_max256KB, LZ4F_max1MB, LZ4F_max4MB})
    for (const auto mode : {LZ4F_blockLinked, LZ4F_blockIndependent})
      for (const bool checks : {false, true}) {
        LZ4F_frameInfo_t info{};
        info.blockSizeID = size;
        info.blockMode = mode;
        if (checks) {
          info.contentChecksumFlag = LZ4F_contentChecksumEnabled;
          info.blockChecksumFlag = LZ4F_blockChecksumEnabled;
          info.contentSize = raw.size();
        }
        const Bytes frame = frame_of(raw, info);
        Bytes out(raw.size());
        decode_chunk(chunk_of(1, raw.size(), frame), out);
        EXPECT_EQ(out, raw);
        EXPECT_EQ(read(chunk_of(1, raw.size(), frame)).chunks.at(0).hash, chunk_hash(raw));
      }
  // Its header names blocks of 4 MiB that see one another, as some clients' do though they write one small block.
  Bytes linked = hex("04224d18 4070df");
  const Bytes block = frame_of(Bytes(1000));
  linked.insert(linked.end(), block.begin() + 7, block.end());
  EXPECT_EQ(xorb_refusal(chunk_of(1, 1000, linked)), "taken");
}

TEST(XetXorb, DecodesOneChunkExactly) {
  const Bytes bytes = sample_xorb();
  const auto second = std::span(bytes).subspan(13, 34);
  Bytes out(256, std::byte{1});
  decode_chunk(second, out);
  EXPECT_EQ(out, sample_chunk(1));
  Bytes wrong(255);
  EXPECT_THROW(decode_chunk(second, wrong), Error);
  wrong.resize(257);
  EXPECT_THROW(decode_chunk(second, wrong), Error);
  for (size_t size = 0; size < second.size(); ++size) EXPECT_THROW(decode_chunk(second.first(size), out), Error);
  EXPECT_THROW(decode_chunk(std::span(bytes).subspan(13), out), Error);
  Bytes hello(5);
  decode_chunk(std::span(bytes).first(13), hello);
  EXPECT_EQ(hello, sample_chunk(0));
  EXPECT_THROW(decode_chunk(std::span(bytes).first(14), hello), Error);
  EXPECT_THROW(decode_chunk(std::span(bytes).first(12), hello), Error);
  hello.resize(6);
  EXPECT_THROW(decode_chunk(std::span(bytes).first(13), hello), Error);
  hello.resize(4);
  EXPECT_THROW(decode_chunk(std::span(bytes).first(13), hello), Error);
}

Bytes with_footer(bool newer) {
  Bytes bytes = sample_xorb();
  join(bytes, bytes_of("XETBLOB"));
  append<1>(bytes, newer ? 1 : 0);
  join(bytes, named(kSampleXorb).bytes);
  const uint32_t stored_ends[] = {13, 47, 93}, raw_ends[] = {5, 261, 298};
  const auto hashes = [&] {
    for (const char* hash : kSampleChunks) join(bytes, named(hash).bytes);
  };
  const auto ends = [&](const auto& values) {
    for (const uint32_t end : values) append<4>(bytes, end);
  };
  if (newer) {
    join(bytes, bytes_of("XBLBHSH"));
    append<1>(bytes, 0);
    append<4>(bytes, 3);
    hashes();
    join(bytes, bytes_of("XBLBBND"));
    append<1>(bytes, 1);
    append<4>(bytes, 3);
    ends(stored_ends);
    ends(raw_ends);
    append<4>(bytes, 3);
    append<4>(bytes, 176);
    append<4>(bytes, 64);
  } else {
    append<4>(bytes, 3);
    ends(stored_ends);
    hashes();
  }
  bytes.resize(bytes.size() + 16);
  append<4>(bytes, bytes.size() - 93);
  return bytes;
}

TEST(XetXorb, PassesOverFooters) {
  for (const bool newer : {false, true}) {
    const Bytes bytes = with_footer(newer);
    for (size_t piece = 1; piece <= bytes.size(); ++piece) {
      const XorbTable table = read(bytes, piece, named(kSampleXorb));
      EXPECT_EQ(table.stored_bytes(), 93u);
      EXPECT_EQ(table.chunks.size(), 3u);
    }
  }
}

TEST(XetXorb, RefusesFootersThatAreNone) {
  Bytes bytes = with_footer(true);
  bytes.resize(93 + 40 * 3 + 128);
  EXPECT_EQ(xorb_refusal(bytes), "taken");
  EXPECT_EQ(xorb_refusal(bytes, 5), "taken");
  bytes.push_back(std::byte{0});
  for (const size_t piece : {size_t{1}, size_t{5}, size_t{100}, kAll})
    EXPECT_EQ(xorb_refusal(bytes, piece), "xorb: footer at byte 93: expected at most 248 bytes behind 3 chunks");
  EXPECT_EQ(xorb_refusal(std::span(bytes).subspan(93)),
            "xorb: footer at byte 0: expected at most 128 bytes behind 0 chunks");
  EXPECT_EQ(xorb_refusal(std::span(bytes).subspan(93, 100)), "xorb: expected chunks, got none");
  for (size_t size = 93 + 1; size < 93 + 8; ++size)
    EXPECT_THAT(xorb_refusal(std::span(bytes).first(size)), HasSubstr("expected all of it"));
}

TEST(XetXorb, HoldsNoMoreThanXorbsMay) {
  const Bytes tiny = chunk_of(0, 1, hex("07"));
  XorbReader many;
  for (size_t i = 0; i < 8192; ++i) many.add(tiny);
  try {
    many.add(tiny);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "xorb: chunk 8192, at byte 73728: expected at most 8192 chunks");
  }

  // 64 MiB, and 8 bytes for each of 8192 chunks.
  const Bytes random = random_bytes(131'072, 5);
  const Bytes large = chunk_of(0, random.size(), random);
  XorbReader full;
  for (size_t i = 0; i < 512; ++i) full.add(large);
  const size_t left = 67'174'400 - 512 * large.size();
  Bytes last = chunk_of(0, left - 8, Bytes(left - 8));
  Bytes over = chunk_of(0, left - 7, Bytes(left - 7));
  try {
    full.add(over);
    ADD_FAILURE();
  } catch (const Error& error) { EXPECT_THAT(error.what(), HasSubstr("expected at most 67174400 bytes in all")); }
  XorbReader just;
  for (size_t i = 0; i < 512; ++i) just.add(large);
  just.add(last);
  EXPECT_EQ(just.finish().stored_bytes(), 67'174'400u);
}

TEST(XetXorb, WriterSaysWhenItIsFull) {
  XorbWriter tiny;
  const Bytes one = hex("07");
  for (size_t i = 0; i < 8192; ++i) {
    ASSERT_TRUE(tiny.fits(1));
    tiny.add(one, chunk_hash(one));
  }
  EXPECT_FALSE(tiny.fits(1));
  EXPECT_EQ(read(tiny.finish().bytes).chunks.size(), 8192u);
  EXPECT_TRUE(tiny.empty());
  EXPECT_TRUE(tiny.fits(kLargestChunk));
  EXPECT_FALSE(tiny.fits(kLargestChunk + 1));

  XorbWriter large;
  const Bytes random = random_bytes(131'072, 5);
  const Hash hash = chunk_hash(random);
  while (large.fits(random.size())) large.add(random, hash);
  EXPECT_EQ(large.chunks(), 511u);
  const size_t left = (size_t{64} << 20) - 511 * (random.size() + 8) - 8;
  EXPECT_TRUE(large.fits(left));
  EXPECT_FALSE(large.fits(left + 1));
  const Bytes last = random_bytes(left, 6);
  large.add(last, chunk_hash(last));
  EXPECT_FALSE(large.fits(1));
  const auto xorb = large.finish();
  EXPECT_EQ(xorb.bytes.size(), size_t{64} << 20);
  EXPECT_EQ(read(xorb.bytes, 1 << 20, xorb.table.hash).chunks.size(), 512u);
}

TEST(XetXorb, WriterTakesTheSmallestScheme) {
  const auto scheme_of = [](const Bytes& raw) {
    XorbWriter writer;
    writer.add(raw, chunk_hash(raw));
    const auto xorb = writer.finish();
    const ChunkHeader header = ChunkHeader::read(xorb.bytes);
    ChunkEncoder encoder;
    for (const Scheme scheme : {Scheme::stored, Scheme::lz4, Scheme::grouped}) {
      Bytes other;
      encoder.append(raw, scheme, other);
      EXPECT_LE(xorb.bytes.size(), other.size());
    }
    return header.scheme;
  };
  EXPECT_EQ(scheme_of(random_bytes(50'000, 1)), Scheme::stored);
  EXPECT_EQ(scheme_of(Bytes(50'000)), Scheme::lz4);
  EXPECT_EQ(scheme_of(random_floats(50'000, 1)), Scheme::grouped);
  EXPECT_EQ(scheme_of(Bytes(1)), Scheme::stored);
}

TEST(XetXorb, WriterBeginsTheNext) {
  XorbWriter writer;
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < 3; ++i) writer.add(sample_chunk(i), chunk_hash(sample_chunk(i)));
    const auto xorb = writer.finish();
    EXPECT_EQ(xorb.table.hash.text(), kSampleXorb);
    EXPECT_EQ(xorb.table.raw_bytes(), 298u);
    EXPECT_EQ(xorb.table.stored_bytes(), xorb.bytes.size());
    EXPECT_EQ(read(xorb.bytes, kAll, named(kSampleXorb)).chunks.size(), 3u);
  }
  EXPECT_THROW(writer.finish(), std::logic_error);
}

TEST(XetXorb, RoundTripsFiles) {
  const int large = glassbox::testing::kSanitized ? 2'000'000 : 20'000'000;
  for (const size_t size : {0, 1, 2, 3, 4, 5, 8191, 8192, 8193, 65536, 65483, 65671, 131071, 131072, 131073, large})
    for (const bool floats : {false, true}) {
      const Bytes file = floats ? random_floats(size, size) : random_bytes(size, size);
      MerkleTree tree;
      XorbWriter writer;
      Chunker chunker;
      std::span<const std::byte> rest = file;
      const auto take = [&](size_t end) {
        const Hash hash = chunk_hash(rest.first(end));
        writer.add(rest.first(end), hash);
        tree.add(hash, end);
        rest = rest.subspan(end);
      };
      while (const auto end = chunker.next(rest)) take(*end);
      if (chunker.open() > 0) take(chunker.open());
      ASSERT_TRUE(rest.empty());
      ASSERT_EQ(writer.empty(), size == 0);
      ASSERT_EQ(tree.length(), size);
      if (size == 0) continue;

      const auto xorb = writer.finish();
      EXPECT_EQ(xorb.table.hash, tree.root());
      if (floats && size > 100'000) { EXPECT_LT(xorb.bytes.size(), size); }
      for (const size_t piece : {size_t{1}, size_t{4096}, size_t{1'000'000}, kAll}) {
        if (piece == 1 && size > 1'000'000) continue;
        const XorbTable table = read(xorb.bytes, piece, xorb.table.hash);
        ASSERT_EQ(table.chunks.size(), xorb.table.chunks.size());
        EXPECT_EQ(table.raw_bytes(), size);
        EXPECT_EQ(table.stored_bytes(), xorb.bytes.size());
        for (size_t i = 0; i < table.chunks.size(); ++i) {
          EXPECT_EQ(table.chunks[i].hash, xorb.table.chunks[i].hash);
          EXPECT_EQ(table.chunks[i].raw_end, xorb.table.chunks[i].raw_end);
          EXPECT_EQ(table.chunks[i].stored_end, xorb.table.chunks[i].stored_end);
        }
      }
      Bytes again(size);
      for (size_t i = 0; i < xorb.table.chunks.size(); ++i)
        decode_chunk(
            std::span(xorb.bytes)
                .subspan(xorb.table.stored_start(i), xorb.table.stored_start(i + 1) - xorb.table.stored_start(i)),
            std::span(again).subspan(xorb.table.raw_start(i), xorb.table.raw_bytes(i, i + 1)));
      EXPECT_EQ(again, file);
    }
}

}  // namespace
}  // namespace glassbox::xet
