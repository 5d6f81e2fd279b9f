// Any bytes as tokenizer.model or a list of ranks, in all their forms: an Error of one line, or a tokenizer that works.
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
    for (const char* sample : {"  the fox's 17 + 25 <s>\n\u2581\xff\u65E5",
                               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
      const auto ids = tokenizer.encode(sample);
      for (int32_t id : ids) require(id >= 0 && static_cast<size_t>(id) < tokenizer.size());
      tokenizer.decode(ids);
    }
  } catch (const Error& error) { require_one_line(error.what()); }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  attempt([&] { return glassbox::read_sentencepiece(bytes, "fuzz", nullptr); });
  for (const char* name :
       {"tokenizer.model", "cl100k_base.tiktoken", "deepseek_v3.tiktoken", "mistral_v3_tekken.tiktoken"})
    attempt([&] { return glassbox::read_tiktoken(bytes, "fuzz", name, nullptr); });
  return 0;
}
