// Shards: what a client says about files and xorbs, and what a server answers who asks for a chunk. Records of 48
// bytes, little-endian (public Xet specification 1.1.0, "MDB Shard File Format").
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "hub/xet/hash.h"
#include "hub/xet/xorb.h"

namespace glassbox::xet {

constexpr size_t kMostShardBytes = size_t{64} << 20;

struct ShardFile {
  Hash id;                          // zero of an empty file, which has no terms
  std::vector<Term> terms;          // in the file's order
  std::vector<Hash> verifications;  // of each term: who says them has had the hashes of its chunks
  std::optional<Sha256> sha256;     // what the client says it is

  uint64_t bytes() const;  // of all terms, as they say
  bool operator==(const ShardFile&) const = default;
};

struct ShardChunk {
  Hash hash;
  uint32_t raw_start;  // in the xorb
  uint32_t raw_bytes;
  bool operator==(const ShardChunk&) const = default;
};

struct ShardXorb {
  Hash hash;
  std::vector<ShardChunk> chunks;
  uint32_t raw_bytes;
  uint32_t stored_bytes;  // some clients say 0
  bool operator==(const ShardXorb&) const = default;
};

struct Shard {
  std::vector<ShardFile> files;
  std::vector<ShardXorb> xorbs;
  bool operator==(const Shard&) const = default;
};

// Reads a stranger's upload. Tables and a footer behind the second section are passed over, whatever the header says of
// them. Throws Error(bad_file) naming the byte at fault; of what a shard says only that it may be so is known then.
Shard parse_shard(std::span<const std::byte> bytes);

// Holds an upload against the xorbs that are stored: every chunk of its xorbs and every term is as it says, and its
// terms give each file its id. `find` gives null for a xorb that is not stored; what it gives is used until the next
// call. Throws Error(bad_file) naming the file or xorb, and Error(full) if its files have more than `most_chunks` in
// all, whose hashing would take whoever calls too long. What remains to be shown is each file's SHA-256.
using FindXorb = std::function<const XorbTable*(const Hash&)>;
constexpr uint64_t kMostShardChunks = uint64_t{1} << 26;  // 4 TiB as a rule; 20 s to hash on one core
void check_shard(const Shard& shard, const FindXorb& find, uint64_t most_chunks = kMostShardChunks);

// As a client uploads it: files and xorbs in the order given, no footer. Throws Error(full) beyond kMostShardBytes.
std::vector<std::byte> write_shard(const Shard& shard);

// What a client gets who asked for a chunk: xorbs that it may refer to until `expiry`, their chunks' hashes protected
// by `key`, or plain if that is all zeros. With the lookup offsets that clients need though nothing is there. Times are
// Unix seconds.
struct DedupAnswer {
  std::vector<const XorbTable*> xorbs;
  Key key;
  uint64_t created, expiry;
};
std::vector<std::byte> write_dedup_answer(const DedupAnswer& answer);

}  // namespace glassbox::xet
