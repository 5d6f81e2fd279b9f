// Any bytes as vocab.txt, or as vocab.json, a zero byte and merges.txt: an Error of one line, or a tokenizer that
// works.
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "fuzz/require.h"
#include "tokenizer/tokenizer_impl.h"

namespace {

template <class Read>
void attempt(Read&& read) {
  using namespace glassbox;
  try {
    const Tokenizer tokenizer = Tokenizer::Impl::finish(read());
    for (const char* sample :
         {"  the fox's 17 + 25 [CLS] <|endoftext|>\n\u2581\xff\u65E5e\u0301", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
      const auto ids = tokenizer.encode(sample);
      for (int32_t id : ids) require(id >= 0 && static_cast<size_t>(id) < tokenizer.size());
      tokenizer.decode(ids);
    }
  } catch (const Error& error) { require_one_line(error.what()); }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace glassbox;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  attempt([&] { return read_vocab_txt(bytes, "fuzz", nullptr); });
  const size_t cut = bytes.find('\0');
  if (cut == std::string_view::npos) return 0;
  for (const char* kind : {"GPT2Tokenizer", "Qwen2Tokenizer", "CLIPTokenizer"})
    attempt([&] {
      return read_vocab_and_merges(bytes.substr(0, cut), bytes.substr(cut + 1), "fuzz",
                                   Json{{"tokenizer_class", kind}});
    });
  return 0;
}
