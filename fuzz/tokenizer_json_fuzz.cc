// Any text as tokenizer.json: an Error of one line, or a tokenizer that encodes to ids in its range and decodes them.
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "fuzz/require.h"
#include "tokenizer/tokenizer.h"
#include "unicode/utf8.h"

namespace {}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace glassbox;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const Tokenizer tokenizer = Tokenizer::from_json(text, "fuzz");
    tokenizer.describe();
    for (const std::string_view sample :
         {text.substr(0, 200), std::string_view("  the fox's 17 + 25 <s>\n\u2581\xff\u65E5")}) {
      const auto ids = tokenizer.encode(sample);
      for (int32_t id : ids) require(id >= 0 && static_cast<size_t>(id) < tokenizer.size());
      const std::string back = tokenizer.decode(ids);
      require(unicode::valid_prefix(back) == back.size());
    }
  } catch (const Error& error) { require_one_line(error.what()); }
  return 0;
}
