// Where files are cut into chunks: by what is in them, so that bytes that move keep their cuts. A gear hash of the last
// 64 bytes is looked at behind each byte (public Xet specification 1.1.0, "Chunking").
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace glassbox::xet {

constexpr size_t kSmallestChunk = 8192;  // but for a file's last one; other writers' may be smaller
constexpr size_t kLargestChunk = 131072;

// Cuts one file, whose bytes come in pieces of any size: the cuts do not depend on how it came in pieces. Keeps no
// byte.
//   while (const auto end = chunker.next(piece)) { ...; piece = piece.subspan(*end); }
class Chunker {
 public:
  // Takes in bytes up to the end of the chunk that is open: how many, or nothing if the chunk goes on behind `piece`,
  // all of which is taken in then.
  std::optional<size_t> next(std::span<const std::byte> piece);

  // Bytes of the chunk that is open. At the file's end they are its last chunk, unless there are none.
  size_t open() const { return size_; }

  // The same for a further file.
  void reset() { *this = {}; }

 private:
  uint64_t gear_ = 0;
  size_t size_ = 0;
};

}  // namespace glassbox::xet
