// What Xet calls things by: BLAKE3 in keyed mode, a key for each kind of thing. The definitions are those of the public
// Xet specification 1.1.0 (huggingface/hub-docs, docs/xet, "Hashing").
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::xet {

// The name of a chunk, xorb, file or term.
struct Hash {
  std::array<std::byte, 32> bytes{};  // as binary formats hold them

  // Of 64 digits: nothing for any other length, letter or capital.
  static std::optional<Hash> parse(std::string_view text);
  // The bytes as four little-endian integers, 16 lower-case hex digits each: within each group of 8 the bytes are
  // reversed.
  std::string text() const;
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

  bool is_zero() const { return *this == Hash{}; }
  // Its last 8 bytes as a little-endian integer, modulo `divisor`.
  uint64_t modulo(uint64_t divisor) const;

  bool operator==(const Hash&) const = default;
  std::strong_ordering operator<=>(const Hash& other) const;  // as text() is ordered
};

// A key of keyed BLAKE3, which is no name of anything.
using Key = std::array<std::byte, 32>;

// Of a chunk's raw bytes.
Hash chunk_hash(std::span<const std::byte> chunk);

// Of a term: the raw hashes of its chunks in order. Whoever knows it has seen the chunks' hashes.
Hash verification_hash(std::span<const Hash> chunks);

// What a dedup answer says instead of a chunk's hash, so that only who has the chunk recognises it.
Hash protected_hash(const Key& key, const Hash& chunk);

// Whether clients ask the server for this chunk; they ask for the first chunk of each file, too.
inline bool is_dedup_candidate(const Hash& chunk) { return chunk.modulo(1024) == 0; }

// A chunk, or a group of them.
struct Node {
  Hash hash;
  uint64_t length;  // raw bytes
};

// The tree over a list of chunks, whose shape depends on their hashes. Chunks are added one by one; what is kept
// grows with the logarithm of their number.
class MerkleTree {
 public:
  void add(const Hash& hash, uint64_t length);

  // The name of a xorb of these chunks. Zero for none.
  Hash root() const;
  // The name of a file of these chunks, however they are spread over xorbs. Zero for none.
  Hash file_id() const;
  uint64_t length() const { return length_; }  // of all

 private:
  // Nodes at one distance from the chunks: those of the group that is still open.
  struct Level {
    std::vector<Node> open;
    uint64_t nodes = 0;  // that there ever were
  };
  static void add(std::vector<Level>& levels, size_t level, const Node& node);

  std::vector<Level> levels_;
  uint64_t length_ = 0;
};

// The same for chunks at hand.
Hash merkle_root(std::span<const Node> chunks);
Hash file_id(std::span<const Node> chunks);

// A SHA-256 digest, in the order that everybody prints it, and as shards hold it: the Hash whose text() is the digest's
// usual 64 digits.
using Sha256 = std::array<std::byte, 32>;
Hash of_sha256(const Sha256& digest);
Sha256 sha256_of(const Hash& hash);

}  // namespace glassbox::xet

template <>
struct std::hash<glassbox::xet::Hash> {
  size_t operator()(const glassbox::xet::Hash& hash) const noexcept;
};
