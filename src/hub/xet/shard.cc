#include "hub/xet/shard.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "hub/xet/bytes.h"
#include "hub/xet/chunker.h"

namespace glassbox::xet {
namespace {

constexpr size_t kRecord = 48;
constexpr size_t kFooter = 200;
constexpr uint64_t kVersion = 2, kFooterVersion = 1;
constexpr uint32_t kHasVerification = 0x8000'0000, kHasSha256 = 0x4000'0000;  // flags of a file
constexpr uint32_t kDedupCandidate = 0x8000'0000;                             // flag of a chunk

constexpr unsigned char kTag[32] = {0x48, 0x46, 0x52, 0x65, 0x70, 0x6f, 0x4d, 0x65, 0x74, 0x61, 0x44,
                                    0x61, 0x74, 0x61, 0x00, 0x55, 0x69, 0x67, 0x45, 0x6a, 0x7b, 0x81,
                                    0x57, 0x83, 0xa5, 0xbd, 0xd9, 0x5c, 0xcd, 0xd1, 0x4a, 0xa9};

Hash hash_at(std::span<const std::byte> bytes, size_t at) {
  Hash hash;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), hash.bytes.size(), hash.bytes.begin());
  return hash;
}

uint32_t load32(std::span<const std::byte> bytes, size_t at) { return static_cast<uint32_t>(load<4>(bytes, at)); }

// A shard's records, one after the other.
class Records {
 public:
  explicit Records(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> next(const char* what) {
    if (bytes_.size() - at_ < kRecord)
      fail_at(ErrorKind::bad_file, "shard", "byte {}: expected {} of {} bytes, got {}", at_, what, kRecord,
              bytes_.size() - at_);
    at_ += kRecord;
    return bytes_.subspan(at_ - kRecord, kRecord);
  }

  // Whether the record is the end of a section: all ones and then zeros.
  bool ends_section(std::span<const std::byte> record) const {
    constexpr size_t kOnes = 32;
    const auto is = [](std::byte value) { return [=](std::byte byte) { return byte == value; }; };
    if (!std::ranges::all_of(record.first(kOnes), is(std::byte{0xff}))) return false;
    if (!std::ranges::all_of(record.subspan(kOnes), is(std::byte{0}))) wrong("expected zeros behind a section's end");
    return true;
  }

  // Before memory is asked for: whether so many records can follow.
  void expect(uint64_t records, const char* what) const {
    const size_t left = (bytes_.size() - at_) / kRecord;
    if (records > left)
      fail_at(ErrorKind::bad_file, "shard", "byte {}: expected {} records of {}, got room for {}", at_, records, what,
              left);
  }

  // Of the record last given.
  template <class... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const {
    fail_at(ErrorKind::bad_file, "shard", "byte {}: {}", at_ - kRecord,
            fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

ShardFile parse_file(Records& records, std::span<const std::byte> header) {
  ShardFile file;
  file.id = hash_at(header, 0);
  const uint32_t flags = load32(header, 32), terms = load32(header, 36);
  if ((flags & ~(kHasVerification | kHasSha256)) != 0) records.wrong("file with flags {:08x}, not known", flags);
  if ((flags & kHasVerification) == 0) records.wrong("expected a file with verification of its terms, got none");
  if ((terms == 0) != file.id.is_zero()) records.wrong("file {} of {} terms", file.id.text(), terms);
  const bool has_sha256 = (flags & kHasSha256) != 0;
  records.expect(2 * uint64_t{terms} + (has_sha256 ? 1 : 0), "a file");

  file.terms.reserve(terms);
  for (uint32_t i = 0; i < terms; ++i) {
    const auto record = records.next("a term");
    const Term term{.xorb = hash_at(record, 0),
                    .raw_bytes = load32(record, 36),
                    .first = load32(record, 40),
                    .end = load32(record, 44)};
    if (const uint32_t other = load32(record, 32); other != 0)
      records.wrong("expected a term with flags 0, got {:08x}", other);
    if (term.first >= term.end || term.end > kMostChunks)
      records.wrong("expected chunks of a xorb of at most {}, got [{}, {})", kMostChunks, term.first, term.end);
    if (term.raw_bytes < term.end - term.first || term.raw_bytes > (term.end - term.first) * kLargestChunk)
      records.wrong("expected the bytes of {} chunks, got {}", term.end - term.first, term.raw_bytes);
    file.terms.push_back(term);
  }
  file.verifications.reserve(terms);
  for (uint32_t i = 0; i < terms; ++i) file.verifications.push_back(hash_at(records.next("a term's verification"), 0));
  if (has_sha256) file.sha256 = sha256_of(hash_at(records.next("a file's SHA-256"), 0));
  return file;
}

ShardXorb parse_xorb(Records& records, std::span<const std::byte> header) {
  const uint32_t chunks = load32(header, 36);
  ShardXorb xorb{
      .hash = hash_at(header, 0), .chunks = {}, .raw_bytes = load32(header, 40), .stored_bytes = load32(header, 44)};
  if (chunks == 0 || chunks > kMostChunks)
    records.wrong("expected a xorb of 1 to {} chunks, got {}", kMostChunks, chunks);
  records.expect(chunks, "a xorb");

  xorb.chunks.reserve(chunks);
  uint32_t start = 0;
  for (uint32_t i = 0; i < chunks; ++i) {
    const auto record = records.next("a chunk");
    const ShardChunk chunk{
        .hash = hash_at(record, 0), .raw_start = load32(record, 32), .raw_bytes = load32(record, 36)};
    if (chunk.raw_start != start) records.wrong("expected chunk {} at {}, got {}", i, start, chunk.raw_start);
    if (chunk.raw_bytes == 0 || chunk.raw_bytes > kLargestChunk)
      records.wrong("expected a chunk of 1 to {} bytes, got {}", kLargestChunk, chunk.raw_bytes);
    start += chunk.raw_bytes;
    xorb.chunks.push_back(chunk);
  }
  if (start != xorb.raw_bytes)
    records.wrong("expected a xorb of {} bytes, got chunks of {} in all", xorb.raw_bytes, start);
  return xorb;
}

void append_hash(std::vector<std::byte>& out, const Hash& hash) {
  out.insert(out.end(), hash.bytes.begin(), hash.bytes.end());
}

void append_zeros(std::vector<std::byte>& out, size_t count) { out.resize(out.size() + count); }

void append_header(std::vector<std::byte>& out, size_t footer) {
  for (const unsigned char byte : kTag) append<1>(out, byte);
  append<8>(out, kVersion);
  append<8>(out, footer);
}

void append_section_end(std::vector<std::byte>& out) {
  out.insert(out.end(), sizeof(Hash::bytes), std::byte{0xff});
  append_zeros(out, kRecord - sizeof(Hash::bytes));
}

void append_file(std::vector<std::byte>& out, const ShardFile& file) {
  check(file.verifications.size() == file.terms.size(), "each term has a verification");
  append_hash(out, file.id);
  append<4>(out, kHasVerification | (file.sha256 ? kHasSha256 : 0));
  append<4>(out, file.terms.size());
  append_zeros(out, 8);
  for (const Term& term : file.terms) {
    append_hash(out, term.xorb);
    append<4>(out, 0);
    append<4>(out, term.raw_bytes);
    append<4>(out, term.first);
    append<4>(out, term.end);
  }
  for (const Hash& verification : file.verifications) {
    append_hash(out, verification);
    append_zeros(out, 16);
  }
  if (file.sha256) {
    append_hash(out, of_sha256(*file.sha256));
    append_zeros(out, 16);
  }
}

void append_xorb_header(std::vector<std::byte>& out, const Hash& xorb, size_t chunks, uint32_t raw, uint32_t stored) {
  append_hash(out, xorb);
  append<4>(out, 0);
  append<4>(out, chunks);
  append<4>(out, raw);
  append<4>(out, stored);
}

void append_chunk(std::vector<std::byte>& out, const Hash& hash, uint32_t raw_start, uint32_t raw_bytes,
                  uint32_t flags) {
  append_hash(out, hash);
  append<4>(out, raw_start);
  append<4>(out, raw_bytes);
  append<4>(out, flags);
  append<4>(out, 0);
}

void check_xorb(const ShardXorb& xorb, const XorbTable* stored) {
  const auto subject = [&] { return "shard: xorb " + xorb.hash.text(); };
  if (!stored) fail_at(ErrorKind::bad_file, subject(), "expected one that is stored");
  if (stored->chunks.size() != xorb.chunks.size())
    fail_at(ErrorKind::bad_file, subject(), "expected {} chunks, got {}", stored->chunks.size(), xorb.chunks.size());
  for (size_t i = 0; i < xorb.chunks.size(); ++i) {
    const ShardChunk& chunk = xorb.chunks[i];
    if (chunk.hash != stored->chunks[i].hash || chunk.raw_start != stored->raw_start(i) ||
        chunk.raw_bytes != stored->raw_bytes(i, i + 1))
      fail_at(ErrorKind::bad_file, subject(), "chunk {}: expected {}, {} bytes at {}, got {}, {} bytes at {}", i,
              stored->chunks[i].hash.text(), stored->raw_bytes(i, i + 1), stored->raw_start(i), chunk.hash.text(),
              chunk.raw_bytes, chunk.raw_start);
  }
}

void check_file(const ShardFile& file, const FindXorb& find, uint64_t& chunks_left) {
  const auto subject = [&](size_t term) { return fmt::format("shard: file {}, term {}", file.id.text(), term); };
  MerkleTree tree;
  for (size_t i = 0; i < file.terms.size(); ++i) {
    const Term& term = file.terms[i];
    const XorbTable* xorb = find(term.xorb);
    if (!xorb) fail_at(ErrorKind::bad_file, subject(i), "expected a xorb that is stored, got {}", term.xorb.text());
    if (term.first >= term.end || term.end > xorb->chunks.size())
      fail_at(ErrorKind::bad_file, subject(i), "expected chunks of a xorb of {}, got [{}, {})", xorb->chunks.size(),
              term.first, term.end);
    if (term.end - term.first > chunks_left)
      fail_at(ErrorKind::full, subject(i), "expected fewer chunks in all files of a shard");
    chunks_left -= term.end - term.first;
    if (const uint32_t raw = xorb->raw_bytes(term.first, term.end); raw != term.raw_bytes)
      fail_at(ErrorKind::bad_file, subject(i), "expected {} bytes, got {}", raw, term.raw_bytes);
    if (verification_hash(*xorb, term.first, term.end) != file.verifications.at(i))
      fail_at(ErrorKind::bad_file, subject(i), "expected the verification of its chunks, got {}",
              file.verifications[i].text());
    for (size_t chunk = term.first; chunk < term.end; ++chunk)
      tree.add(xorb->chunks[chunk].hash, xorb->raw_bytes(chunk, chunk + 1));
  }
  if (const Hash id = tree.file_id(); id != file.id)
    fail_at(ErrorKind::bad_file, "shard: file " + file.id.text(), "expected the name of its chunks, {}", id.text());
}

}  // namespace

uint64_t ShardFile::bytes() const {
  uint64_t bytes = 0;
  for (const Term& term : terms) bytes += term.raw_bytes;
  return bytes;
}

Shard parse_shard(std::span<const std::byte> bytes) {
  if (bytes.size() > kMostShardBytes)
    fail_at(ErrorKind::bad_file, "shard", "expected at most {} bytes, got {}", kMostShardBytes, bytes.size());
  Records records(bytes);
  const auto header = records.next("a header");
  if (!std::ranges::equal(header.first(sizeof kTag), std::as_bytes(std::span(kTag))))
    records.wrong("expected a shard's tag, got other bytes");
  if (const uint64_t version = load<8>(header, sizeof kTag); version != kVersion)
    records.wrong("expected version {}, got {}", kVersion, version);

  Shard shard;
  for (;;) {
    const auto record = records.next("a file, or the end of files");
    if (records.ends_section(record)) break;
    shard.files.push_back(parse_file(records, record));
  }
  for (;;) {
    const auto record = records.next("a xorb, or the end of xorbs");
    if (records.ends_section(record)) break;
    shard.xorbs.push_back(parse_xorb(records, record));
  }
  return shard;
}

void check_shard(const Shard& shard, const FindXorb& find, uint64_t most_chunks) {
  for (const ShardXorb& xorb : shard.xorbs) check_xorb(xorb, find(xorb.hash));
  for (const ShardFile& file : shard.files) check_file(file, find, most_chunks);
}

std::vector<std::byte> write_shard(const Shard& shard) {
  std::vector<std::byte> out;
  append_header(out, 0);
  for (const ShardFile& file : shard.files) append_file(out, file);
  append_section_end(out);
  for (const ShardXorb& xorb : shard.xorbs) {
    append_xorb_header(out, xorb.hash, xorb.chunks.size(), xorb.raw_bytes, xorb.stored_bytes);
    for (const ShardChunk& chunk : xorb.chunks)
      append_chunk(out, chunk.hash, chunk.raw_start, chunk.raw_bytes,
                   is_dedup_candidate(chunk.hash) ? kDedupCandidate : 0);
  }
  append_section_end(out);
  if (out.size() > kMostShardBytes)
    fail_at(ErrorKind::full, "shard", "expected at most {} bytes, got {}", kMostShardBytes, out.size());
  return out;
}

std::vector<std::byte> write_dedup_answer(const DedupAnswer& answer) {
  const bool plain = answer.key == Key{};
  uint64_t raw_bytes = 0;
  std::vector<std::byte> out;
  append_header(out, kFooter);
  const size_t files = out.size();
  append_section_end(out);
  const size_t xorbs = out.size();
  for (const XorbTable* xorb : answer.xorbs) {
    append_xorb_header(out, xorb->hash, xorb->chunks.size(), xorb->raw_bytes(), 0);
    for (size_t i = 0; i < xorb->chunks.size(); ++i) {
      const Hash& hash = xorb->chunks[i].hash;
      append_chunk(out, plain ? hash : protected_hash(answer.key, hash), xorb->raw_start(i), xorb->raw_bytes(i, i + 1),
                   0);
    }
    raw_bytes += xorb->raw_bytes();
  }
  append_section_end(out);

  const size_t end = out.size();
  append<8>(out, kFooterVersion);
  append<8>(out, files);
  append<8>(out, xorbs);
  for (int lookup = 0; lookup < 3; ++lookup) {  // of files, xorbs and chunks: empty, but where they would be
    append<8>(out, end);
    append<8>(out, 0);
  }
  out.insert(out.end(), answer.key.begin(), answer.key.end());
  append<8>(out, answer.created);
  append<8>(out, answer.expiry);
  append_zeros(out, 48);
  append<8>(out, 0);  // bytes on disk
  append<8>(out, 0);  // bytes of files
  append<8>(out, raw_bytes);
  append<8>(out, end);
  check(out.size() == end + kFooter, "a shard's footer has 200 bytes");
  return out;
}

}  // namespace glassbox::xet
