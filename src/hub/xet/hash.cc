#include "hub/xet/hash.h"

#include <blake3.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>
#include <utility>

#include "base/random.h"
#include "hub/xet/bytes.h"

namespace glassbox::xet {
namespace {

constexpr size_t kHashDigits = 2 * sizeof(Hash::bytes);

constexpr Key key(std::string_view digits) {
  constexpr auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Key bytes{};
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(digit(digits[2 * i]) << 4 | digit(digits[2 * i + 1]));
  return bytes;
}

constexpr Key kChunk = key("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229");
constexpr Key kGroup = key("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f");
constexpr Key kTerm = key("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3");
constexpr Key kFile{};

class KeyedBlake3 {
 public:
  explicit KeyedBlake3(const Key& key) {
    // BLAKE3 remembers what the machine can do in a plain variable: it is written here once, before threads read it.
    [[maybe_unused]] static const bool chosen = (look_at_the_machine(), true);
    blake3_hasher_init_keyed(&hasher_, reinterpret_cast<const uint8_t*>(key.data()));
  }
  void add(const void* bytes, size_t size) { blake3_hasher_update(&hasher_, bytes, size); }
  Hash hash() const {
    Hash hash;
    blake3_hasher_finalize(&hasher_, reinterpret_cast<uint8_t*>(hash.bytes.data()), hash.bytes.size());
    return hash;
  }

 private:
  static void look_at_the_machine() {
    blake3_hasher hasher;
    uint8_t out[BLAKE3_OUT_LEN];
    blake3_hasher_init(&hasher);
    blake3_hasher_finalize(&hasher, out, sizeof out);
  }

  blake3_hasher hasher_;
};

Hash keyed_hash(const Key& key, std::span<const std::byte> bytes) {
  KeyedBlake3 hasher(key);
  hasher.add(bytes.data(), bytes.size());
  return hasher.hash();
}

constexpr size_t kLeast = 3, kMost = 9;  // nodes of a group that others follow

bool ends_group(std::span<const Node> open) {
  return open.size() == kMost || (open.size() >= kLeast && open.back().hash.modulo(4) == 0);
}

void write_digits(const Hash& hash, char* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < hash.bytes.size(); ++i) {
    const unsigned byte = std::to_integer<unsigned>(hash.bytes[i ^ 7]);  // its group of 8, from the other end
    *out++ = kDigits[byte >> 4];
    *out++ = kDigits[byte & 15];
  }
}

Node group(std::span<const Node> nodes) {
  constexpr std::string_view kBetween = " : ";
  char text[kMost * (kHashDigits + kBetween.size() + std::numeric_limits<uint64_t>::digits10 + 1 + 1)];
  char* end = text;
  uint64_t length = 0;
  for (const Node& node : nodes) {
    write_digits(node.hash, end);
    end = std::ranges::copy(kBetween, end + kHashDigits).out;
    end = std::to_chars(end, std::end(text), node.length).ptr;
    *end++ = '\n';
    length += node.length;
  }
  return {keyed_hash(kGroup, std::as_bytes(std::span(text, end))), length};
}

}  // namespace

std::optional<Hash> Hash::parse(std::string_view text) {
  Hash hash;
  if (text.size() != kHashDigits) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    unsigned digit;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a' + 10);
    } else {
      return std::nullopt;
    }
    std::byte& byte = hash.bytes[i / 2 ^ 7];  // its group of 8, from the other end
    byte = byte << 4 | static_cast<std::byte>(digit);
  }
  return hash;
}

std::string Hash::text() const {
  std::string text(kHashDigits, '0');
  write_digits(*this, text.data());
  return text;
}

uint64_t Hash::modulo(uint64_t divisor) const { return load<8>(bytes, 24) % divisor; }

std::strong_ordering Hash::operator<=>(const Hash& other) const {
  for (size_t at = 0; at < bytes.size(); at += 8) {
    const auto order = load<8>(bytes, at) <=> load<8>(other.bytes, at);
    if (order != 0) return order;
  }
  return std::strong_ordering::equal;
}

Hash chunk_hash(std::span<const std::byte> chunk) { return keyed_hash(kChunk, chunk); }

Hash verification_hash(std::span<const Hash> chunks) { return keyed_hash(kTerm, std::as_bytes(chunks)); }

Hash protected_hash(const Key& key, const Hash& chunk) { return keyed_hash(key, chunk.bytes); }

void MerkleTree::add(std::vector<Level>& levels, size_t level, const Node& node) {
  if (level == levels.size()) levels.emplace_back();
  std::vector<Node>& open = levels[level].open;
  open.push_back(node);
  ++levels[level].nodes;
  if (!ends_group(open)) return;
  const Node whole = group(open);
  open.clear();
  add(levels, level + 1, whole);
}

void MerkleTree::add(const Hash& hash, uint64_t length) {
  add(levels_, 0, {hash, length});
  length_ += length;
}

Hash MerkleTree::root() const {
  if (levels_.empty()) return {};
  std::vector<Level> levels = levels_;
  for (size_t level = 0;; ++level) {
    std::vector<Node>& open = levels[level].open;
    if (levels[level].nodes == 1) return open.front().hash;
    // At its end a list leaves a group of any size, even of one.
    if (!open.empty()) add(levels, level + 1, group(std::exchange(open, {})));
  }
}

Hash MerkleTree::file_id() const { return levels_.empty() ? Hash{} : keyed_hash(kFile, root().bytes); }

Hash merkle_root(std::span<const Node> chunks) {
  MerkleTree tree;
  for (const Node& chunk : chunks) tree.add(chunk.hash, chunk.length);
  return tree.root();
}

Hash file_id(std::span<const Node> chunks) {
  MerkleTree tree;
  for (const Node& chunk : chunks) tree.add(chunk.hash, chunk.length);
  return tree.file_id();
}

Hash of_sha256(const Sha256& digest) {
  Hash hash;
  for (size_t i = 0; i < digest.size(); ++i) hash.bytes[i ^ 7] = digest[i];
  return hash;
}

Sha256 sha256_of(const Hash& hash) { return of_sha256(hash.bytes).bytes; }

}  // namespace glassbox::xet

// Strangers choose what they call their things: by a secret of this process none can fill one bucket of a table.
size_t std::hash<glassbox::xet::Hash>::operator()(const glassbox::xet::Hash& hash) const noexcept {
  using glassbox::drawn_seed;
  using glassbox::xet::load;
  static const std::array<uint64_t, 4> secret = [] {
    std::array<uint64_t, 4> words;
    for (uint64_t& word : words) word = drawn_seed() << 32 ^ drawn_seed();
    return words;
  }();
  const auto mix = [&](size_t i) {
    const auto product = static_cast<unsigned __int128>(load<8>(hash.bytes, 8 * i) ^ secret[i]) *
                         (load<8>(hash.bytes, 8 * i + 8) ^ secret[i + 1]);
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  return mix(0) ^ mix(2);
}
