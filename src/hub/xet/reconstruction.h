// Where the bytes of a file lie: which chunks of which xorbs, in order, and which stored bytes have them. What a client
// is told who downloads (public Xet specification 1.1.0, "CAS API", reconstruction).
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

// Bytes of a file, as HTTP says it: the last one belongs to it.
struct ByteRange {
  uint64_t first, last;
};

// Chunks of a xorb that are fetched together, and the stored bytes that they are.
struct Fetch {
  uint32_t first_chunk, end_chunk;  // end_chunk is the first that does not belong to it
  uint32_t first_byte, last_byte;   // last_byte does
  bool operator==(const Fetch&) const = default;
};

struct XorbFetches {
  Hash xorb;
  std::vector<Fetch> fetches;  // ascending, with chunks between them that nobody asked for
  bool operator==(const XorbFetches&) const = default;
};

// The answer. Its terms follow one another without a gap; each lies within one fetch of its xorb.
struct Reconstruction {
  uint64_t offset_into_first_range = 0;  // bytes of the first term before those that were asked for
  std::vector<Term> terms;
  std::vector<XorbFetches> xorbs;  // in the order in which the terms first name them
  bool operator==(const Reconstruction&) const = default;
};

// Of the bytes of `range`, or of the whole file. A range may go on behind the file's end, as far as it likes; nothing
// if it begins there (HTTP's 416), as every range of an empty file does. The same question has the same answer.
// `find` gives the table of a xorb that a term in sight names; it is used until the next call. REQUIRES: terms are what
// check_shard() accepted. Throws Error(bad_request) for a range that ends before it begins.
std::optional<Reconstruction> reconstruct(std::span<const Term> terms, const std::optional<ByteRange>& range,
                                          const std::function<const XorbTable&(const Hash&)>& find);

}  // namespace glassbox::xet
