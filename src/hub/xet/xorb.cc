#include "hub/xet/xorb.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "hub/xet/chunker.h"

namespace glassbox::xet {
namespace {

constexpr std::string_view kSubject = "xorb";
constexpr std::string_view kFooterMark = "XETBLOB";

bool begins_footer(std::span<const std::byte> bytes) {
  return std::ranges::equal(bytes.first(kFooterMark.size()), std::as_bytes(std::span(kFooterMark)));
}

}  // namespace

Hash verification_hash(const XorbTable& xorb, size_t first, size_t end) {
  check(first <= end && end <= xorb.chunks.size(), "a term lies within its xorb");
  std::vector<Hash> hashes;
  hashes.reserve(end - first);
  for (size_t chunk = first; chunk < end; ++chunk) hashes.push_back(xorb.chunks[chunk].hash);
  return verification_hash(hashes);
}

bool XorbWriter::fits(size_t raw_bytes) const {
  return chunks() < kMostChunks && raw_bytes <= kLargestChunk &&
         xorb_.bytes.size() + ChunkHeader::kSize + raw_bytes <= kMostXorbBytes;
}

void XorbWriter::add(std::span<const std::byte> raw, const Hash& hash) {
  check(fits(raw.size()), "a chunk fits its xorb");
  // Addresses for all of it: growing by copies takes longer than compressing.
  if (empty()) xorb_.bytes.reserve(kMostXorbBytes);
  encoder_.append_smallest(raw, xorb_.bytes);
  tree_.add(hash, raw.size());
  xorb_.table.chunks.push_back(
      {hash, static_cast<uint32_t>(xorb_.table.raw_bytes() + raw.size()), static_cast<uint32_t>(xorb_.bytes.size())});
}

XorbWriter::Xorb XorbWriter::finish() {
  check(!empty(), "a xorb has chunks");
  xorb_.table.hash = std::exchange(tree_, {}).root();
  return std::exchange(xorb_, {});
}

template <class Read>
auto XorbReader::placed(Read read) const {
  try {
    return read();
  } catch (const Error& error) {
    fail_at(error.kind(), std::string(kSubject), "chunk {}, at byte {}: {}", table_.chunks.size(),
            table_.stored_bytes(), error.what());
  }
}

// The next `size` bytes in one piece, where they lie or copied together; nothing if they have not all come.
std::optional<std::span<const std::byte>> XorbReader::gather(std::span<const std::byte>& piece, size_t size) {
  if (buffer_.empty() && piece.size() >= size) return piece.first(size);
  if (buffer_.size() < size) {
    const size_t taken = std::min(size - buffer_.size(), piece.size());
    buffer_.insert(buffer_.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(taken));
    piece = piece.subspan(taken);
    if (buffer_.size() < size) return std::nullopt;
  }
  return std::span(buffer_).first(size);
}

void XorbReader::add(std::span<const std::byte> piece) {
  while (!piece.empty()) {
    if (footer_ > 0) return count_footer(piece.size());
    const auto head = gather(piece, ChunkHeader::kSize);
    if (!head) return;
    if (begins_footer(*head)) {
      count_footer(ChunkHeader::kSize);
      if (buffer_.empty()) piece = piece.subspan(ChunkHeader::kSize);
      buffer_.clear();
      continue;
    }
    const ChunkHeader header = placed([&] {
      if (table_.chunks.size() == kMostChunks) fail(ErrorKind::bad_file, "expected at most {} chunks", kMostChunks);
      const ChunkHeader header = ChunkHeader::read(*head);
      if (table_.stored_bytes() + ChunkHeader::kSize + header.stored > kMostStrangersXorbBytes)
        fail(ErrorKind::bad_file, "expected at most {} bytes in all", kMostStrangersXorbBytes);
      return header;
    });
    const size_t size = ChunkHeader::kSize + header.stored;
    const auto serialised = gather(piece, size);
    if (!serialised) return;
    read_chunk(*serialised, header.raw);
    if (buffer_.empty()) piece = piece.subspan(size);
    buffer_.clear();
  }
}

void XorbReader::read_chunk(std::span<const std::byte> serialised, uint32_t raw_bytes) {
  raw_.resize(kLargestChunk);
  const auto raw = std::span(raw_).first(raw_bytes);
  placed([&] { decoder_.decode(serialised, raw); });
  const XorbChunk chunk{chunk_hash(raw), table_.raw_bytes() + raw_bytes,
                        table_.stored_bytes() + static_cast<uint32_t>(serialised.size())};
  tree_.add(chunk.hash, raw_bytes);
  table_.chunks.push_back(chunk);
  if (see_) see_(chunk, raw);
}

void XorbReader::count_footer(size_t bytes) {
  // One of 8192 chunks has 40 bytes for each, and less than 128 beside.
  const size_t most = 40 * table_.chunks.size() + 128;
  if (bytes > most - footer_)
    fail_at(ErrorKind::bad_file, std::string(kSubject), "footer at byte {}: expected at most {} bytes behind {} chunks",
            table_.stored_bytes(), most, table_.chunks.size());
  footer_ += bytes;
}

XorbTable XorbReader::finish(const std::optional<Hash>& name) {
  if (!buffer_.empty())
    fail_at(ErrorKind::bad_file, std::string(kSubject), "chunk {}, at byte {}: expected all of it, got {} bytes",
            table_.chunks.size(), table_.stored_bytes(), buffer_.size());
  if (table_.chunks.empty()) fail_at(ErrorKind::bad_file, std::string(kSubject), "expected chunks, got none");
  table_.hash = tree_.root();
  if (name && table_.hash != *name)
    fail_at(ErrorKind::bad_file, std::string(kSubject), "expected what is named {}, got {}", name->text(),
            table_.hash.text());
  return std::move(table_);
}

}  // namespace glassbox::xet
