#include "chat/gguf_model.h"

#include <algorithm>

#include "unicode/utf8.h"

namespace glassbox {

std::optional<ChatTemplate> gguf_chat_template(const Gguf& file, const Tokenizer& tokenizer) {
  std::map<std::string, ChatTemplate> named;
  const auto add = [&](const std::string& name, const std::string& key) {
    if (const auto text = file.string(key))
      named.insert_or_assign(name, ChatTemplate::parse(*text, file.source() + ": " + key));
  };
  const std::string key = "tokenizer.chat_template";
  for (const std::string_view name : file.strings("tokenizer.chat_templates").value_or(std::vector<std::string_view>()))
    add(std::string(name), key + "." + std::string(name));
  add("default", key);
  if (named.empty()) return std::nullopt;
  OrderedJson variables = OrderedJson::object();
  const auto say = [&](const char* variable, std::optional<int32_t> id) {
    if (id) variables[variable] = tokenizer.token(*id);
  };
  say("bos_token", tokenizer.bos());
  say("eos_token", tokenizer.eos());
  say("unk_token", tokenizer.unk());
  say("pad_token", tokenizer.pad());
  return ChatTemplate::of_named(named, file.source()).with_variables(std::move(variables));
}

std::string gguf_model_name(const Gguf& file, const std::filesystem::path& path) {
  constexpr size_t kLongest = 200;
  const std::string stem = gguf_stem(path);
  if (has_gguf_ending(path)) return stem;
  const std::string name = file.string("general.name").value_or("");
  const bool control = std::ranges::any_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  return name.empty() || name.size() > kLongest || control || unicode::valid_prefix(name) < name.size() ? stem : name;
}

}  // namespace glassbox
