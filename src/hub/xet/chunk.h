// A chunk as xorbs store it: 8 bytes that say its lengths and how it is compressed, then its bytes (public Xet
// specification 1.1.0, "Xorb Format").
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace glassbox::xet {

enum class Scheme : uint8_t {
  stored,   // as it is
  lz4,      // one LZ4 frame
  grouped,  // one LZ4 frame of the chunk's bytes, those at index 0, 4, 8... first, then those at 1, 5, 9...
};

// What stands before a chunk's bytes.
struct ChunkHeader {
  static constexpr size_t kSize = 8;
  static constexpr size_t kMostStored = 262144;  // bytes behind the header

  Scheme scheme;
  uint32_t stored;  // bytes behind the header
  uint32_t raw;     // bytes of the chunk, 1 to kLargestChunk

  // Throws Error(bad_file) if these 8 bytes are no header, or say what no chunk can be.
  static ChunkHeader read(std::span<const std::byte> bytes);
};

// Decompresses chunks of strangers. One thread at a time; what it needs of memory it keeps for the next chunk.
class ChunkDecoder {
 public:
  ChunkDecoder();
  ~ChunkDecoder();
  ChunkDecoder(ChunkDecoder&&) noexcept;
  ChunkDecoder& operator=(ChunkDecoder&&) noexcept;

  // `serialised` is one chunk, all of it and nothing else; it becomes exactly `out`. Throws Error(bad_file) if not, and
  // `out` holds anything then.
  void decode(std::span<const std::byte> serialised, std::span<std::byte> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The same with a decoder that each thread keeps.
void decode_chunk(std::span<const std::byte> serialised, std::span<std::byte> out);

// Compresses chunks. Frames have independent blocks of at most 256 KiB, no checksum and no size, which all readers
// take. REQUIRES of all: 1 to kLargestChunk raw bytes.
class ChunkEncoder {
 public:
  // Appends the chunk by whatever scheme makes it smallest, of equal ones the simplest.
  void append_smallest(std::span<const std::byte> raw, std::vector<std::byte>& out);
  // Appends it by this scheme, though it may grow.
  void append(std::span<const std::byte> raw, Scheme scheme, std::vector<std::byte>& out);

 private:
  std::vector<std::byte> frame_, other_, grouped_;
};

}  // namespace glassbox::xet
