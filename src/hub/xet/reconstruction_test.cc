#include "hub/xet/reconstruction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "base/error.h"
#include "hub/xet/chunker.h"
#include "hub/xet/testing.h"

namespace glassbox::xet {
namespace {

using namespace testing;

// Xorbs that are stored, and a file of parts of them.
struct Stored {
  std::map<Hash, XorbTable> xorbs;
  std::vector<Term> terms;

  const XorbTable& table(const Hash& hash) const { return xorbs.at(hash); }
  uint64_t size() const {
    uint64_t size = 0;
    for (const Term& term : terms) size += term.raw_bytes;
    return size;
  }
  std::optional<Reconstruction> ask(std::optional<ByteRange> range) const {
    return reconstruct(terms, range, [this](const Hash& hash) -> const XorbTable& { return table(hash); });
  }
};

Stored random_file(std::mt19937& random, uint32_t largest_chunk) {
  const auto below = [&](uint32_t end) { return static_cast<uint32_t>(random() % end); };
  Stored stored;
  std::vector<Hash> names;
  for (uint32_t i = 0; i < 1 + below(3); ++i) {
    XorbTable xorb;
    xorb.hash.bytes[i] = std::byte{1};
    uint32_t raw = 0, at = 0;
    for (uint32_t chunk = 0; chunk < 1 + below(9); ++chunk) {
      raw += 1 + below(largest_chunk);
      at += 9 + below(largest_chunk);
      xorb.chunks.push_back({{}, raw, at});
    }
    names.push_back(xorb.hash);
    stored.xorbs.emplace(xorb.hash, std::move(xorb));
  }
  for (uint32_t i = 0; i < 1 + below(6); ++i) {
    const XorbTable& xorb = stored.table(names[below(static_cast<uint32_t>(names.size()))]);
    const uint32_t chunks = static_cast<uint32_t>(xorb.chunks.size());
    const uint32_t first = below(chunks), end = first + 1 + below(chunks - first);
    stored.terms.push_back({xorb.hash, xorb.raw_bytes(first, end), first, end});
  }
  return stored;
}

// The answer by looking at every chunk.
std::optional<Reconstruction> by_force(const Stored& stored, uint64_t first, uint64_t last) {
  Reconstruction answer;
  std::vector<Hash> order;
  std::map<Hash, std::vector<bool>> wanted;
  uint64_t at = 0;
  for (const Term& term : stored.terms) {
    bool open = false;
    for (uint32_t chunk = term.first; chunk < term.end; ++chunk) {
      const XorbTable& xorb = stored.table(term.xorb);
      const uint32_t size = xorb.chunks[chunk].raw_end - (chunk > 0 ? xorb.chunks[chunk - 1].raw_end : 0);
      if (at + size > first && at <= last) {
        if (answer.terms.empty()) answer.offset_into_first_range = first - at;
        if (!open) answer.terms.push_back({term.xorb, 0, chunk, chunk});
        open = true;
        answer.terms.back().raw_bytes += size;
        answer.terms.back().end = chunk + 1;
        if (wanted.emplace(term.xorb, std::vector<bool>(xorb.chunks.size() + 1)).second) order.push_back(term.xorb);
        wanted[term.xorb][chunk] = true;
      }
      at += size;
    }
  }
  if (first >= at) return std::nullopt;
  for (const Hash& hash : order) {
    const XorbTable& xorb = stored.table(hash);
    answer.xorbs.push_back({hash, {}});
    const std::vector<bool>& chunks = wanted[hash];
    for (uint32_t chunk = 0; chunk < xorb.chunks.size(); ++chunk) {
      if (!chunks[chunk]) continue;
      if (chunk == 0 || !chunks[chunk - 1])
        answer.xorbs.back().fetches.push_back({chunk, 0, chunk > 0 ? xorb.chunks[chunk - 1].stored_end : 0, 0});
      answer.xorbs.back().fetches.back().end_chunk = chunk + 1;
      answer.xorbs.back().fetches.back().last_byte = xorb.chunks[chunk].stored_end - 1;
    }
  }
  return answer;
}

// What clients do not forgive.
void expect_kept(const Reconstruction& answer, uint64_t bytes) {
  ASSERT_FALSE(answer.terms.empty());
  EXPECT_LT(answer.offset_into_first_range, answer.terms.front().raw_bytes);
  uint64_t total = 0;
  for (const Term& term : answer.terms) {
    EXPECT_LT(term.first, term.end);
    total += term.raw_bytes;
    const auto xorb = std::ranges::find(answer.xorbs, term.xorb, &XorbFetches::xorb);
    ASSERT_NE(xorb, answer.xorbs.end());
    EXPECT_EQ(std::ranges::count_if(xorb->fetches,
                                    [&](auto& f) { return f.first_chunk <= term.first && term.end <= f.end_chunk; }),
              1);
  }
  EXPECT_GE(total - answer.offset_into_first_range, bytes);
  EXPECT_LT(total - answer.terms.back().raw_bytes, answer.offset_into_first_range + bytes);  // only the last goes on
  for (const XorbFetches& xorb : answer.xorbs)
    for (size_t i = 0; i < xorb.fetches.size(); ++i) {
      EXPECT_LE(xorb.fetches[i].first_byte, xorb.fetches[i].last_byte);
      if (i == 0) continue;
      EXPECT_LT(xorb.fetches[i - 1].end_chunk, xorb.fetches[i].first_chunk);
      EXPECT_LT(xorb.fetches[i - 1].last_byte + 1, xorb.fetches[i].first_byte);
    }
}

TEST(XetReconstruction, IsWhatLookingAtEveryChunkFinds) {
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    const Stored stored = random_file(random, 4);
    const uint64_t size = stored.size();
    for (uint64_t first = 0; first < size + 3; ++first)
      for (uint64_t last = first; last < size + 3; ++last) {
        const auto answer = stored.ask(ByteRange{first, last});
        ASSERT_EQ(answer, by_force(stored, first, last)) << round << ' ' << first << ' ' << last;
        ASSERT_EQ(answer.has_value(), first < size);
        if (answer) expect_kept(*answer, std::min(last, size - 1) - first + 1);
      }
    EXPECT_EQ(stored.ask({}), by_force(stored, 0, size - 1));
  }
}

TEST(XetReconstruction, IsTheSameForLargeChunks) {
  std::mt19937 random(2);
  for (int round = 0; round < 3000; ++round) {
    const Stored stored = random_file(random, 131072);
    const uint64_t size = stored.size();
    const uint64_t first = random() % (size + size / 8 + 1), last = first + random() % size;
    EXPECT_EQ(stored.ask(ByteRange{first, last}), by_force(stored, first, last));
  }
}

TEST(XetReconstruction, GoesOnBehindTheEndAsFarAsItLikes) {
  std::mt19937 random(3);
  const Stored stored = random_file(random, 131072);
  const uint64_t size = stored.size();
  const auto whole = stored.ask({});
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->terms, stored.terms);
  EXPECT_EQ(whole->offset_into_first_range, 0u);
  for (const uint64_t last : {size - 1, size, size + 1, uint64_t{255'999'999}, ~uint64_t{0} - 1, ~uint64_t{0}})
    EXPECT_EQ(stored.ask(ByteRange{0, last}), whole) << last;
  for (const uint64_t first : {size, size + 1, uint64_t{1} << 32, ~uint64_t{0}})
    EXPECT_FALSE(stored.ask(ByteRange{first, ~uint64_t{0}})) << first;
  EXPECT_TRUE(stored.ask(ByteRange{size - 1, ~uint64_t{0}}));
  EXPECT_THROW(stored.ask(ByteRange{2, 1}), Error);
}

TEST(XetReconstruction, OfAnEmptyFileIsEmptyOrNothing) {
  const Stored stored;
  EXPECT_EQ(stored.ask({}), Reconstruction{});
  EXPECT_FALSE(stored.ask(ByteRange{0, 0}));
  EXPECT_FALSE(stored.ask(ByteRange{0, 255'999'999}));
}

TEST(XetReconstruction, FetchesPartsThatTouchTogether) {
  Stored stored;
  XorbTable xorb;
  for (uint32_t chunk = 0; chunk < 10; ++chunk) xorb.chunks.push_back({{}, 10 * (chunk + 1), 7 * (chunk + 1)});
  stored.terms = {{{}, 20, 6, 8}, {{}, 30, 0, 3}, {{}, 20, 3, 5}, {{}, 10, 1, 2}, {{}, 20, 6, 8}};
  stored.xorbs.emplace(xorb.hash, xorb);
  const auto answer = stored.ask({});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->terms, stored.terms);
  EXPECT_EQ(answer->xorbs, (std::vector<XorbFetches>{{{}, {{0, 5, 0, 34}, {6, 8, 42, 55}}}}));
  EXPECT_EQ(stored.ask(ByteRange{25, 44}), (Reconstruction{5, {{{}, 30, 0, 3}}, {{{}, {{0, 3, 0, 20}}}}}));
  EXPECT_EQ(stored.ask(ByteRange{39, 39}), (Reconstruction{9, {{{}, 10, 1, 2}}, {{{}, {{1, 2, 7, 13}}}}}));
}

TEST(XetReconstruction, IsOurOwnFaultForTermsThatAreNotStored) {
  Stored stored;
  stored.xorbs.emplace(Hash{}, XorbTable{{}, {{{}, 10, 7}}});
  stored.terms = {{{}, 20, 0, 2}};
  EXPECT_THROW(stored.ask({}), std::logic_error);
  EXPECT_THROW(stored.ask(ByteRange{1, 2}), std::logic_error);
  stored.terms = {{{}, 11, 0, 1}};
  EXPECT_THROW(stored.ask(ByteRange{1, 2}), std::logic_error);
}

// As a client does it: fetch, decompress, put the terms together, cut.
TEST(XetReconstruction, GivesTheFilesBytes) {
  Bytes file = random_floats(700'000, 1);
  join(file, random_bytes(300'000, 2));
  join(file, Bytes(300'000));
  std::vector<XorbWriter::Xorb> xorbs;
  std::vector<Term> terms;
  XorbWriter writer;
  const auto finish = [&] {
    if (writer.empty()) return;
    xorbs.push_back(writer.finish());
    const XorbTable& table = xorbs.back().table;
    terms.push_back({table.hash, table.raw_bytes(), 0, static_cast<uint32_t>(table.chunks.size())});
  };
  Chunker chunker;
  for (std::span<const std::byte> rest = file; !rest.empty();) {
    const size_t end = chunker.next(rest).value_or(rest.size());
    writer.add(rest.first(end), chunk_hash(rest.first(end)));
    rest = rest.subspan(end);
    if (writer.chunks() == 5) finish();
  }
  finish();
  ASSERT_GT(terms.size(), 3u);
  // And some of it once more, from the middle of what is stored.
  const XorbTable& first = xorbs.front().table;
  terms.push_back({first.hash, first.raw_bytes(1, 3), 1, 3});
  const Bytes part(file.begin() + first.raw_start(1), file.begin() + first.raw_start(3));
  join(file, part);

  const auto stored = [&](const Hash& hash) -> const XorbWriter::Xorb& {
    return *std::ranges::find(xorbs, hash, [](const auto& xorb) { return xorb.table.hash; });
  };
  std::mt19937_64 random(4);
  for (int round = 0; round < 100; ++round) {
    const uint64_t begin = round == 0 ? 0 : random() % file.size();
    const uint64_t last = round == 0 ? file.size() - 1 : std::min(begin + random() % 400'000, file.size() - 1);
    const auto answer = reconstruct(terms, ByteRange{begin, last},
                                    [&](const Hash& hash) -> const XorbTable& { return stored(hash).table; });
    ASSERT_TRUE(answer);
    expect_kept(*answer, last - begin + 1);
    std::map<std::pair<Hash, uint32_t>, Bytes> chunks;
    for (const XorbFetches& xorb : answer->xorbs)
      for (const Fetch& fetch : xorb.fetches) {
        uint32_t chunk = fetch.first_chunk;
        XorbReader reader([&](const XorbChunk&, std::span<const std::byte> raw) {
          chunks[{xorb.xorb, chunk++}] = Bytes(raw.begin(), raw.end());
        });
        reader.add(
            std::span(stored(xorb.xorb).bytes).subspan(fetch.first_byte, fetch.last_byte - fetch.first_byte + 1));
        reader.finish();
        ASSERT_EQ(chunk, fetch.end_chunk);
      }
    Bytes bytes;
    for (const Term& term : answer->terms)
      for (uint32_t chunk = term.first; chunk < term.end; ++chunk) join(bytes, chunks.at({term.xorb, chunk}));
    const auto got = std::span(bytes).subspan(answer->offset_into_first_range).first(last - begin + 1);
    EXPECT_TRUE(std::ranges::equal(got, std::span(file).subspan(begin, last - begin + 1))) << begin << ' ' << last;
  }
}

}  // namespace
}  // namespace glassbox::xet
