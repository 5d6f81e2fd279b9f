// Any bytes as a shard: an Error of one line, or a shard that reads the same once written. Where its own xorbs bear its
// files out, every range of them can be found.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "fuzz/require.h"
#include "hub/xet/reconstruction.h"
#include "hub/xet/shard.h"

namespace {

using namespace glassbox;
using namespace glassbox::xet;

using Tables = std::map<Hash, XorbTable>;

Tables tables_of(const Shard& shard) {
  Tables tables;
  for (const ShardXorb& xorb : shard.xorbs) {
    XorbTable table{xorb.hash, {}};
    for (const ShardChunk& chunk : xorb.chunks)
      table.chunks.push_back(
          {chunk.hash, chunk.raw_start + chunk.raw_bytes, static_cast<uint32_t>(10 * (table.chunks.size() + 1))});
    require(table.raw_bytes() == xorb.raw_bytes);
    tables.emplace(xorb.hash, std::move(table));
  }
  return tables;
}

void ask(const ShardFile& file, const Tables& tables, const ByteRange& range) {
  const auto answer =
      reconstruct(file.terms, range, [&](const Hash& hash) -> const XorbTable& { return tables.at(hash); });
  require(answer.has_value() == (range.first < file.bytes()));
  if (!answer) return;
  require(answer->offset_into_first_range < answer->terms.front().raw_bytes);
  for (const Term& term : answer->terms) {
    const auto xorb = std::ranges::find(answer->xorbs, term.xorb, &XorbFetches::xorb);
    require(xorb != answer->xorbs.end());
    require(std::ranges::any_of(xorb->fetches, [&](const Fetch& fetch) {
      return fetch.first_chunk <= term.first && term.end <= fetch.end_chunk;
    }));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(data),
                                     reinterpret_cast<const std::byte*>(data) + size);
  try {
    const Shard shard = parse_shard(bytes);
    require(parse_shard(write_shard(shard)) == shard);
    const Tables tables = tables_of(shard);
    std::vector<const XorbTable*> listed;
    for (const auto& [hash, table] : tables) listed.push_back(&table);
    require(parse_shard(write_dedup_answer({listed, Key{}, 0, 1})).xorbs.size() == tables.size());

    check_shard(
        shard,
        [&](const Hash& hash) {
          const auto found = tables.find(hash);
          return found == tables.end() ? nullptr : &found->second;
        },
        10'000);
    for (const ShardFile& file : shard.files)
      for (const uint64_t first : {uint64_t{0}, file.bytes() / 3, file.bytes()})
        for (const uint64_t more : {uint64_t{0}, file.bytes() / 2}) ask(file, tables, {first, first + more});
  } catch (const Error& error) { require_one_line(error.what()); }
  return 0;
}
