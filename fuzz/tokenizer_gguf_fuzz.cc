// Any bytes as a GGUF file with a tokenizer in it: an Error of one line, or a tokenizer that works.
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"
#include "formats/gguf.h"
#include "fuzz/require.h"
#include "tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace glassbox;
  const auto held = std::make_shared<std::vector<uint64_t>>(size / 8 + 1);  // aligned as the reader wants it
  if (size > 0) std::memcpy(held->data(), data, size);
  try {
    const auto bytes = std::as_bytes(std::span(*held)).first(size);
    const Tokenizer tokenizer = Tokenizer::from_gguf(Gguf::from_bytes(bytes, held, "fuzz"));
    tokenizer.describe();
    for (const char* sample :
         {"  the fox's 17 + 25 [CLS] <s>\n\u2581\xff\u65E5e\u0301", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
      const auto ids = tokenizer.encode(sample);
      for (int32_t id : ids) require(id >= 0 && static_cast<size_t>(id) < tokenizer.size());
      tokenizer.decode(ids);
    }
    // What it can be written as is read again.
    std::string json;
    try {
      json = tokenizer.to_json();
      tokenizer.to_gguf(static_cast<int64_t>(tokenizer.size()));
    } catch (const Error& error) { require(error.kind() == ErrorKind::unsupported); }
    if (!json.empty()) Tokenizer::from_json(json, "again");
  } catch (const Error& error) { require_one_line(error.what()); }
  return 0;
}
