#include "hub/xet/reconstruction.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "base/error.h"

namespace glassbox::xet {
namespace {

// The chunk that has this raw byte of its xorb.
uint32_t chunk_with(const XorbTable& xorb, uint32_t byte) {
  const auto chunk = std::ranges::upper_bound(xorb.chunks, byte, {}, &XorbChunk::raw_end);
  return static_cast<uint32_t>(chunk - xorb.chunks.begin());
}

// Ranges that overlap or touch become one.
void merge(std::vector<Fetch>& fetches) {
  std::ranges::sort(fetches, {}, &Fetch::first_chunk);
  size_t merged = 0;
  for (const Fetch& fetch : fetches) {
    if (merged > 0 && fetch.first_chunk <= fetches[merged - 1].end_chunk)
      fetches[merged - 1].end_chunk = std::max(fetches[merged - 1].end_chunk, fetch.end_chunk);
    else
      fetches[merged++] = fetch;
  }
  fetches.resize(merged);
}

}  // namespace

std::optional<Reconstruction> reconstruct(std::span<const Term> terms, const std::optional<ByteRange>& range,
                                          const std::function<const XorbTable&(const Hash&)>& find) {
  const ByteRange wanted = range.value_or(ByteRange{0, std::numeric_limits<uint64_t>::max()});
  if (wanted.first > wanted.last)
    fail(ErrorKind::bad_request, "expected a range of bytes, got one from {} to {}", wanted.first, wanted.last);

  Reconstruction answer;
  std::unordered_map<Hash, size_t> places;  // in answer.xorbs
  uint64_t start = 0;                       // of the term in the file
  for (const Term& whole : terms) {
    if (start > wanted.last) break;
    const uint64_t end = start + whole.raw_bytes;
    if (end <= wanted.first) {
      start = end;
      continue;
    }
    Term term = whole;
    const bool cut_before = start < wanted.first;
    const bool cut_behind = end - 1 > wanted.last;
    if (cut_before || cut_behind) {
      const XorbTable& xorb = find(term.xorb);
      check(term.end <= xorb.chunks.size() && xorb.raw_bytes(term.first, term.end) == term.raw_bytes,
            "a term is what its xorb holds");
      const uint32_t raw_start = xorb.raw_start(term.first);
      if (cut_before) {
        term.first = chunk_with(xorb, raw_start + static_cast<uint32_t>(wanted.first - start));
        answer.offset_into_first_range = wanted.first - start - (xorb.raw_start(term.first) - raw_start);
      }
      if (cut_behind) term.end = chunk_with(xorb, raw_start + static_cast<uint32_t>(wanted.last - start)) + 1;
      term.raw_bytes = xorb.raw_bytes(term.first, term.end);
    }
    answer.terms.push_back(term);
    const auto [place, is_new] = places.try_emplace(term.xorb, answer.xorbs.size());
    if (is_new) answer.xorbs.push_back({term.xorb, {}});
    answer.xorbs[place->second].fetches.push_back({term.first, term.end, 0, 0});
    start = end;
  }
  if (range && answer.terms.empty()) return std::nullopt;

  for (XorbFetches& xorb : answer.xorbs) {
    merge(xorb.fetches);
    const XorbTable& table = find(xorb.xorb);
    for (Fetch& fetch : xorb.fetches) {
      check(fetch.end_chunk <= table.chunks.size(), "a term is what its xorb holds");
      fetch.first_byte = table.stored_start(fetch.first_chunk);
      fetch.last_byte = table.stored_start(fetch.end_chunk) - 1;
    }
  }
  return answer;
}

}  // namespace glassbox::xet
