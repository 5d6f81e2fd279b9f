// Any text as a chat template: an Error of one line, or a text within the limits, each byte of it trusted or not; the
// same the second time.
#include <fmt/ranges.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/error.h"
#include "fuzz/require.h"
#include "chat/chat_template.h"

namespace {

using namespace glassbox;

const OrderedJson& context() {
  static const OrderedJson kContext = OrderedJson::parse(R"({
    "messages": [{"role": "system", "content": "Be <brief>."},
                 {"role": "user", "content": [{"type": "text", "text": "Hé 你 "}]},
                 {"role": "assistant", "content": null,
                  "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"x": 1, "y": [2.5, true]}}}]},
                 {"role": "tool", "content": "{}"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"x": {"type": "integer"}}}}}],
    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
    "x": -7, "f": 2.5, "s": " some Text\n", "e": "", "n": null, "b": false,
    "l": [3, 1, 2], "d": {"b": 1, "a": "z", "items": []}})");
  return kContext;
}

std::string attempt(const ChatTemplate& chat, const RenderLimits& limits) {
  try {
    const auto [text, trusted, generation] = chat.render(context(), limits);
    require(text.size() <= limits.output_bytes);
    for (const auto& [first, second] : generation) require(first <= second && second <= text.size());
    size_t at = 0;  // spans ascend, and between two there is something
    for (const auto& [first, second] : trusted) {
      require(first < second && second <= text.size() && (first > at || (at == 0 && first == 0)));
      at = second;
    }
    std::string back;
    MixedText(text, trusted).each_run([&](std::string_view run, bool) { back += run; });
    require(back == text);
    return text + fmt::format("{}", fmt::join(trusted, ","));
  } catch (const Error& error) {
    require_one_line(error.what());
    return std::string("!") + error.what();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  RenderLimits limits;
  limits.steps = 20'000;
  limits.output_bytes = 100'000;
  limits.memory_bytes = 4u << 20;
  limits.depth = 200;
  limits.now = std::tm{};
  limits.now->tm_year = 124;
  limits.now->tm_mday = 1;
  try {
    auto chat = ChatTemplate::parse(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
    require(attempt(chat, limits) == attempt(chat, limits));
  } catch (const Error& error) { require_one_line(error.what()); }
  return 0;
}
