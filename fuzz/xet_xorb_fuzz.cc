// Any bytes as a xorb: an Error of one line, the same however they come in pieces, or chunks that can be read one by
// one, have the names that the table says, and make the same xorb once more.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "fuzz/require.h"
#include "hub/xet/chunker.h"
#include "hub/xet/xorb.h"

namespace {

using namespace glassbox;
using namespace glassbox::xet;

struct Outcome {
  std::string error;
  XorbTable table;
};

Outcome read(std::span<const std::byte> bytes, size_t piece) {
  Outcome outcome;
  try {
    XorbReader reader;
    for (; !bytes.empty(); bytes = bytes.subspan(std::min(piece, bytes.size()))) {
      // A block of exactly this size, so that a byte read past its end is noticed.
      const std::vector<std::byte> some(bytes.begin(),
                                        bytes.begin() + static_cast<std::ptrdiff_t>(std::min(piece, bytes.size())));
      reader.add(some);
    }
    outcome.table = reader.finish();
  } catch (const Error& error) {
    outcome.error = error.what();
    require(!outcome.error.empty());
    require_one_line(outcome.error);
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const Outcome whole = read(bytes, size + 1);
  for (const size_t piece : {size_t{1}, size_t{9}, size_t{100}}) {
    const Outcome pieces = read(bytes, piece);
    require(pieces.error == whole.error && pieces.table.hash == whole.table.hash);
  }
  if (!whole.error.empty()) return 0;

  const XorbTable& table = whole.table;
  require(!table.chunks.empty() && table.stored_bytes() <= size);
  XorbWriter writer;
  for (size_t i = 0; i < table.chunks.size(); ++i) {
    const auto stored = bytes.subspan(table.stored_start(i), table.stored_start(i + 1) - table.stored_start(i));
    std::vector<std::byte> raw(table.raw_bytes(i, i + 1));
    decode_chunk(stored, raw);
    require(chunk_hash(raw) == table.chunks[i].hash && writer.fits(raw.size()));
    writer.add(raw, table.chunks[i].hash);
  }
  const XorbWriter::Xorb again = writer.finish();
  require(again.table.hash == table.hash && read(again.bytes, 1000).table.hash == table.hash);
  return 0;
}
