// Xorbs: chunks one behind the other, each compressed by itself, named by what they hold. Two xorbs of one name may
// differ in how their chunks are compressed, so byte ranges are always those of the copy that is stored (public Xet
// specification 1.1.0, "Xorb Format").
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "hub/xet/chunk.h"
#include "hub/xet/hash.h"

namespace glassbox::xet {

constexpr size_t kMostChunks = 8192;                 // of a xorb
constexpr size_t kMostXorbBytes = size_t{64} << 20;  // that we write
constexpr size_t kMostStrangersXorbBytes =           // of chunks: clients count raw bytes, without the headers
    kMostXorbBytes + kMostChunks * ChunkHeader::kSize;

struct XorbChunk {
  Hash hash;
  uint32_t raw_end;     // where it ends in the raw bytes of all
  uint32_t stored_end;  // where it ends in the xorb as it is stored
};

// What a xorb holds and where. Chunks are numbered from 0; a range of them ends before `end`.
struct XorbTable {
  Hash hash;
  std::vector<XorbChunk> chunks;

  // Where a chunk begins; of the number behind the last, where all end.
  uint32_t raw_start(size_t chunk) const { return chunk == 0 ? 0 : chunks[chunk - 1].raw_end; }
  uint32_t stored_start(size_t chunk) const { return chunk == 0 ? 0 : chunks[chunk - 1].stored_end; }
  uint32_t raw_bytes(size_t first, size_t end) const { return raw_start(end) - raw_start(first); }
  uint32_t raw_bytes() const { return raw_start(chunks.size()); }
  uint32_t stored_bytes() const { return stored_start(chunks.size()); }  // a footer lies behind them
};

// A part of a file: the chunks [first, end) of a xorb, and how many bytes they are.
struct Term {
  Hash xorb;
  uint32_t raw_bytes;
  uint32_t first, end;
  bool operator==(const Term&) const = default;
};

// Of the term that is these chunks.
Hash verification_hash(const XorbTable& xorb, size_t first, size_t end);

// Makes a xorb of chunks.
class XorbWriter {
 public:
  struct Xorb {
    XorbTable table;
    std::vector<std::byte> bytes;
  };

  // Whether a chunk of so many raw bytes has room in it, however badly it compresses.
  bool fits(size_t raw_bytes) const;
  // REQUIRES: fits(raw.size()); 1 to kLargestChunk bytes, of which `hash` is chunk_hash().
  void add(std::span<const std::byte> raw, const Hash& hash);

  bool empty() const { return xorb_.table.chunks.empty(); }
  size_t chunks() const { return xorb_.table.chunks.size(); }

  // The xorb of what was added, and begins the next. REQUIRES: not empty().
  Xorb finish();

 private:
  Xorb xorb_;
  MerkleTree tree_;
  ChunkEncoder encoder_;
};

// Checks a stranger's xorb while its bytes arrive in pieces of any size: each chunk is decompressed and hashed. Holds
// one chunk at a time, and the table. One thread at a time; of no use once it has thrown.
class XorbReader {
 public:
  // Sees each chunk behind the last check of it.
  using SeeChunk = std::function<void(const XorbChunk& chunk, std::span<const std::byte> raw)>;
  explicit XorbReader(SeeChunk see = {}) : see_(std::move(see)) {}

  // Throws Error(bad_file) naming the chunk and byte at fault, also for more than a xorb may hold.
  void add(std::span<const std::byte> piece);

  // At the end of its bytes. Throws Error(bad_file) if they end within a chunk, are none, or have another name than
  // `name`. A footer is passed over unread: what is to be kept are the table's stored_bytes().
  XorbTable finish(const std::optional<Hash>& name = {});

 private:
  std::optional<std::span<const std::byte>> gather(std::span<const std::byte>& piece, size_t size);
  void read_chunk(std::span<const std::byte> serialised, uint32_t raw_bytes);
  void count_footer(size_t bytes);
  // Runs `read`, and says of an Error where in the xorb it was.
  template <class Read>
  auto placed(Read read) const;

  SeeChunk see_;
  XorbTable table_;
  MerkleTree tree_;
  ChunkDecoder decoder_;
  std::vector<std::byte> buffer_;  // the beginning of a chunk that a piece has cut
  std::vector<std::byte> raw_;
  size_t footer_ = 0;  // bytes of it so far
};

}  // namespace glassbox::xet
