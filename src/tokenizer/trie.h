// A set of texts with a number each, walked byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace glassbox {

// Time to take a step does not depend on how many texts there are. Filled first, then immutable and shared.
class Trie {
 public:
  static constexpr uint32_t kNone = 0xFFFFFFFF;
  struct Edge {
    uint64_t key = ~uint64_t{0};       // the node it leaves << 8 | byte
    uint32_t node = 0, value = kNone;  // where it leads; the number of the text that ends there
  };

  // Room for so many bytes of texts in all: no more may be inserted.
  explicit Trie(size_t bytes = 0) {
    size_t slots = 16;
    while (slots < bytes * 2) slots *= 2;
    edges_.resize(slots);
  }

  // False, and nothing changed, if the text was there before (or is empty).
  bool insert(std::string_view text, uint32_t value) {
    uint32_t node = 0;
    Edge* last = nullptr;
    for (char byte : text) {
      const uint64_t key = uint64_t{node} << 8 | static_cast<uint8_t>(byte);
      last = &edges_[find(key)];
      if (last->key != key) *last = {key, nodes_++, kNone};
      node = last->node;
    }
    if (!last || last->value != kNone) return false;
    last->value = value;
    return true;
  }

  // The edge from `node` (0 to begin with) by `byte`; nullptr if no text goes on so.
  const Edge* step(uint32_t node, char byte) const {
    const uint64_t key = uint64_t{node} << 8 | static_cast<uint8_t>(byte);
    const Edge& edge = edges_[find(key)];
    return edge.key == key ? &edge : nullptr;
  }

  // The number of a whole text, or kNone.
  uint32_t at(std::string_view text) const {
    uint32_t node = 0, value = kNone;
    for (char byte : text) {
      const Edge* next = step(node, byte);
      if (!next) return kNone;
      node = next->node, value = next->value;
    }
    return value;
  }

 private:
  size_t find(uint64_t key) const {  // its slot, or the empty one where it would be
    size_t at = (key * 0x9E3779B97F4A7C15u >> 20) & (edges_.size() - 1);
    while (edges_[at].key != key && edges_[at].key != ~uint64_t{0}) at = (at + 1) & (edges_.size() - 1);
    return at;
  }

  std::vector<Edge> edges_;  // open addressing, a power of two, at most half full
  uint32_t nodes_ = 1;
};

}  // namespace glassbox
