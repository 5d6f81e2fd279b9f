#include "hub/xet/chunk.h"

#include <lz4frame.h>

#include <algorithm>
#include <new>
#include <utility>

#include "base/error.h"
#include "hub/xet/bytes.h"
#include "hub/xet/chunker.h"

namespace glassbox::xet {
namespace {

constexpr size_t kGroups = 4;

// How many of `size` bytes are in the groups before this one.
size_t group_start(size_t size, size_t group) { return size / kGroups * group + std::min(group, size % kGroups); }

void group(std::span<const std::byte> raw, std::byte* out) {
  const size_t whole = raw.size() / kGroups;
  std::byte* const groups[kGroups] = {out, out + group_start(raw.size(), 1), out + group_start(raw.size(), 2),
                                      out + group_start(raw.size(), 3)};
  for (size_t i = 0; i < whole; ++i)
    for (size_t g = 0; g < kGroups; ++g) groups[g][i] = raw[kGroups * i + g];
  for (size_t g = 0; g < raw.size() % kGroups; ++g) groups[g][whole] = raw[kGroups * whole + g];
}

void ungroup(const std::byte* grouped, std::span<std::byte> out) {
  const size_t whole = out.size() / kGroups;
  const std::byte* const groups[kGroups] = {grouped, grouped + group_start(out.size(), 1),
                                            grouped + group_start(out.size(), 2), grouped + group_start(out.size(), 3)};
  for (size_t i = 0; i < whole; ++i)
    for (size_t g = 0; g < kGroups; ++g) out[kGroups * i + g] = groups[g][i];
  for (size_t g = 0; g < out.size() % kGroups; ++g) out[kGroups * whole + g] = groups[g][whole];
}

void append_header(Scheme scheme, size_t stored, size_t raw, std::vector<std::byte>& out) {
  append<1>(out, 0);  // version
  append<3>(out, stored);
  append<1>(out, static_cast<uint8_t>(scheme));
  append<3>(out, raw);
}

void append_whole(Scheme scheme, std::span<const std::byte> stored, size_t raw, std::vector<std::byte>& out) {
  append_header(scheme, stored.size(), raw, out);
  out.insert(out.end(), stored.begin(), stored.end());
}

// A frame of `raw` within `room`.
std::span<const std::byte> compress(std::span<const std::byte> raw, std::vector<std::byte>& room) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockSizeID = LZ4F_max256KB;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  room.resize(LZ4F_compressFrameBound(kLargestChunk, &preferences));
  const size_t size = LZ4F_compressFrame(room.data(), room.size(), raw.data(), raw.size(), &preferences);
  check(!LZ4F_isError(size), "an LZ4 frame fits its bound");
  return std::span(room).first(size);
}

}  // namespace

ChunkHeader ChunkHeader::read(std::span<const std::byte> bytes) {
  check(bytes.size() >= kSize, "a chunk's header is 8 bytes");
  const uint64_t version = load<1>(bytes), stored = load<3>(bytes, 1), scheme = load<1>(bytes, 4),
                 raw = load<3>(bytes, 5);
  if (version != 0) fail(ErrorKind::bad_file, "expected a chunk of version 0, got {}", version);
  if (scheme > static_cast<uint64_t>(Scheme::grouped))
    fail(ErrorKind::bad_file, "expected compression scheme 0, 1 or 2, got {}", scheme);
  if (raw == 0 || raw > kLargestChunk)
    fail(ErrorKind::bad_file, "expected a chunk of 1 to {} bytes, got {}", kLargestChunk, raw);
  if (stored > kMostStored) fail(ErrorKind::bad_file, "expected at most {} stored bytes, got {}", kMostStored, stored);
  if (scheme == static_cast<uint64_t>(Scheme::stored) && stored != raw)
    fail(ErrorKind::bad_file, "expected {} bytes stored as they are, got {}", raw, stored);
  return {static_cast<Scheme>(scheme), static_cast<uint32_t>(stored), static_cast<uint32_t>(raw)};
}

struct ChunkDecoder::State {
  LZ4F_dctx* context = nullptr;
  std::vector<std::byte> grouped;

  State() {
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) throw std::bad_alloc();
  }
  ~State() { LZ4F_freeDecompressionContext(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void decompress(std::span<const std::byte> frame, std::span<std::byte> out) {
    constexpr size_t kFlags = 4;  // where a frame's are
    if (frame.size() > kFlags && (std::to_integer<unsigned>(frame[kFlags]) & 1) != 0)
      fail(ErrorKind::bad_file, "expected an LZ4 frame without a dictionary, got one that names its own");
    LZ4F_resetDecompressionContext(context);
    LZ4F_decompressOptions_t options{};
    options.stableDst = 1;
    size_t read = 0, written = 0;
    for (;;) {
      size_t taken = frame.size() - read, given = out.size() - written;
      const size_t more = LZ4F_decompress(context, out.data() + written, &given, frame.data() + read, &taken, &options);
      if (LZ4F_isError(more)) fail(ErrorKind::bad_file, "expected an LZ4 frame, got {}", LZ4F_getErrorName(more));
      read += taken;
      written += given;
      if (more == 0) break;
      if (taken == 0 && given == 0)
        fail(ErrorKind::bad_file, "expected an LZ4 frame that ends with {} of its {} bytes read and {} of {} written",
             read, frame.size(), written, out.size());
    }
    if (read != frame.size() || written != out.size())
      fail(ErrorKind::bad_file, "expected an LZ4 frame of {} bytes that holds {}, got one of {} that holds {}",
           frame.size(), out.size(), read, written);
  }
};

ChunkDecoder::ChunkDecoder() : state_(std::make_unique<State>()) {}
ChunkDecoder::~ChunkDecoder() = default;
ChunkDecoder::ChunkDecoder(ChunkDecoder&&) noexcept = default;
ChunkDecoder& ChunkDecoder::operator=(ChunkDecoder&&) noexcept = default;

void ChunkDecoder::decode(std::span<const std::byte> serialised, std::span<std::byte> out) {
  if (serialised.size() < ChunkHeader::kSize)
    fail(ErrorKind::bad_file, "expected a chunk's header of {} bytes, got {}", ChunkHeader::kSize, serialised.size());
  const ChunkHeader header = ChunkHeader::read(serialised);
  const auto stored = serialised.subspan(ChunkHeader::kSize);
  if (stored.size() != header.stored)
    fail(ErrorKind::bad_file, "expected {} stored bytes, got {}", header.stored, stored.size());
  if (out.size() != header.raw)
    fail(ErrorKind::bad_file, "expected a chunk of {} bytes, got {}", out.size(), header.raw);
  switch (header.scheme) {
    case Scheme::stored:
      std::copy(stored.begin(), stored.end(), out.begin());
      break;
    case Scheme::lz4:
      state_->decompress(stored, out);
      break;
    case Scheme::grouped:
      state_->grouped.resize(kLargestChunk);
      state_->decompress(stored, std::span(state_->grouped).first(out.size()));
      ungroup(state_->grouped.data(), out);
      break;
  }
}

void decode_chunk(std::span<const std::byte> serialised, std::span<std::byte> out) {
  thread_local ChunkDecoder decoder;
  decoder.decode(serialised, out);
}

void ChunkEncoder::append_smallest(std::span<const std::byte> raw, std::vector<std::byte>& out) {
  check(!raw.empty() && raw.size() <= kLargestChunk, "a chunk has 1 to 131072 bytes");
  grouped_.resize(kLargestChunk);
  group(raw, grouped_.data());
  const auto frame = compress(raw, frame_);
  const auto grouped = compress(std::span(grouped_).first(raw.size()), other_);
  if (raw.size() <= std::min(frame.size(), grouped.size())) {
    append_whole(Scheme::stored, raw, raw.size(), out);
  } else if (frame.size() <= grouped.size()) {
    append_whole(Scheme::lz4, frame, raw.size(), out);
  } else {
    append_whole(Scheme::grouped, grouped, raw.size(), out);
  }
}

void ChunkEncoder::append(std::span<const std::byte> raw, Scheme scheme, std::vector<std::byte>& out) {
  check(!raw.empty() && raw.size() <= kLargestChunk, "a chunk has 1 to 131072 bytes");
  switch (scheme) {
    case Scheme::stored:
      append_whole(scheme, raw, raw.size(), out);
      break;
    case Scheme::lz4:
      append_whole(scheme, compress(raw, frame_), raw.size(), out);
      break;
    case Scheme::grouped:
      grouped_.resize(kLargestChunk);
      group(raw, grouped_.data());
      append_whole(scheme, compress(std::span(grouped_).first(raw.size()), frame_), raw.size(), out);
      break;
  }
}

}  // namespace glassbox::xet
