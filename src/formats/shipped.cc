#include "formats/shipped.h"

#if GLASSBOX_SHIPS_PRISM
#define GLASSBOX_FILE(symbol)                      \
  extern "C" const char glassbox_prism_##symbol[]; \
  extern "C" const char glassbox_prism_##symbol##_end[];
GLASSBOX_FILE(config)
GLASSBOX_FILE(generation_config)
GLASSBOX_FILE(tokenizer)
GLASSBOX_FILE(tokenizer_config)
GLASSBOX_FILE(chat_template)
GLASSBOX_FILE(card)
GLASSBOX_FILE(loss)
GLASSBOX_FILE(weights)
#undef GLASSBOX_FILE
// Name, first byte and the one behind the last of each file; nulls behind them.
extern "C" const char* const glassbox_prism_sources[][3];
#endif

namespace glassbox {

std::vector<std::string_view> shipped_models() {
#if GLASSBOX_SHIPS_PRISM
  return {"glassbox/prism"};
#else
  return {};
#endif
}

std::optional<ShippedModel> shipped_model([[maybe_unused]] std::string_view name) {
#if GLASSBOX_SHIPS_PRISM
  if (name == "glassbox/prism") {
    const auto text = [](const char* begin, const char* end) {
      return std::string_view(begin, static_cast<size_t>(end - begin));
    };
    std::vector<ShippedFile> making;
    for (const auto* source = glassbox_prism_sources; (*source)[0]; ++source)
      making.push_back({(*source)[0], text((*source)[1], (*source)[2])});
#define GLASSBOX_FILE(symbol) text(glassbox_prism_##symbol, glassbox_prism_##symbol##_end)
    return ShippedModel{"glassbox/prism",
                        GLASSBOX_FILE(config),
                        GLASSBOX_FILE(generation_config),
                        GLASSBOX_FILE(tokenizer),
                        GLASSBOX_FILE(tokenizer_config),
                        GLASSBOX_FILE(chat_template),
                        GLASSBOX_FILE(card),
                        GLASSBOX_FILE(loss),
                        std::as_bytes(std::span(GLASSBOX_FILE(weights))),
                        std::move(making)};
#undef GLASSBOX_FILE
  }
#endif
  return std::nullopt;
}

}  // namespace glassbox
