// What the configuration files beside a tokenizer say: special tokens, and what is put around a text.
#include <algorithm>

#include "base/error.h"
#include "base/quote.h"
#include "formats/json_fields.h"
#include "tokenizer/tokenizer_impl.h"

namespace glassbox {

namespace {

// A token named in a configuration: its text, or an object with it.
std::optional<std::string> named_token(const Json& config, const char* key, std::string_view source) {
  if (!config.is_object() || !config.contains(key) || config[key].is_null()) return std::nullopt;
  if (config[key].is_string()) return config[key].get<std::string>();
  return json_string(config[key], "content", source, key);
}

}  // namespace

void apply_config(TokenizerParts& parts, const Json& config, const Json& special_map, const Json& added,
                  std::string_view source, bool from_json) {
  if (!config.is_null() && !config.is_object())
    fail(ErrorKind::bad_file, "{}: expected an object, got {}", source, config.type_name());
  auto name = [&](const char* key, std::optional<std::string>& into) {
    const Json& from = config.is_object() && config.contains(key) ? config : special_map;
    if (auto found = named_token(from, key, source))
      into = found;
    else if (from.is_object() && from.contains(key))
      into.reset();  // null: it has none
  };
  name("bos_token", parts.bos);
  name("eos_token", parts.eos);
  name("unk_token", parts.unk);
  name("pad_token", parts.pad);

  const uint32_t limit = id_limit(parts.model->tokens() + parts.added.size());
  auto define = [&](AddedToken token, bool flags_known) {
    for (AddedToken& old : parts.added) {
      if (old.id != token.id && old.content != token.content) continue;
      if (old.content != token.content && old.from_convention) {  // the file names what we only knew by convention
        old = std::move(token);
        return;
      }
      if (old.id != token.id || old.content != token.content)
        fail(ErrorKind::bad_file, "{}: token {} with id {} contradicts {} with id {}", source, quote(token.content),
             token.id, quote(old.content), old.id);
      if (flags_known) old = std::move(token);
      return;
    }
    if (auto known = parts.id_of(token.content); known && *known != token.id)
      fail(ErrorKind::bad_file, "{}: token {} has id {}, but {} in the vocabulary", source, quote(token.content),
           token.id, *known);
    parts.added.push_back(std::move(token));
  };
  if (config.is_object() && config.contains("added_tokens_decoder") && !config["added_tokens_decoder"].is_null()) {
    for (const auto& [key, value] : json_object(config, "added_tokens_decoder", source, "tokenizer_config").items()) {
      Json entry = value;
      if (!entry.is_object() || key.empty() || key.size() > 9 ||
          key.find_first_not_of("0123456789") != std::string::npos)
        fail(ErrorKind::bad_file, "{}: added_tokens_decoder: {} is no token id", source, quote(key));
      entry["id"] = std::stoll(key);
      define(read_added_tokens(Json::array({entry}), limit, source)[0], true);
    }
  } else if (added.is_object()) {
    for (const auto& [content, id] : added.items()) {
      AddedToken token;
      token.content = content;
      token.id = static_cast<int32_t>(checked_id(id, limit, content, source));
      define(std::move(token), false);
    }
  }

  // What the configuration names as special is so, and is found in text, if the vocabulary has it.
  auto mark_special = [&](const std::string& content) {
    for (AddedToken& token : parts.added)
      if (token.content == content) {
        token.special = true;
        return;
      }
    auto id = parts.id_of(content);
    if (!id) return;
    AddedToken token;
    token.id = *id;
    token.content = content;
    token.special = true;
    parts.added.push_back(std::move(token));
  };
  for (const auto* token : {&parts.bos, &parts.eos, &parts.unk, &parts.pad})
    if (*token) mark_special(**token);
  for (const Json* from : {&config, &special_map}) {
    for (const char* key : {"sep_token", "cls_token", "mask_token"})
      if (auto found = named_token(*from, key, source)) mark_special(*found);
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
      if (!from->is_object() || !from->contains(key) || !(*from)[key].is_array()) continue;
      for (const Json& entry : (*from)[key]) {
        if (entry.is_string())
          mark_special(entry.get<std::string>());
        else
          mark_special(json_string(entry, "content", source, key));
      }
    }
  }

  // Beside files without a post_processor, one that says whether a BOS or EOS goes around the text says all of it.
  if (!from_json && config.is_object() && (config.contains("add_bos_token") || config.contains("add_eos_token"))) {
    parts.before.clear();
    parts.after.clear();
    const bool bos = json_bool(config, "add_bos_token", false, source, "tokenizer_config");
    const bool eos = json_bool(config, "add_eos_token", false, source, "tokenizer_config");
    auto id = [&](const std::optional<std::string>& token) { return token ? parts.id_of(*token) : std::nullopt; };
    if (auto one = id(parts.bos); bos && one) parts.before = {*one};
    if (auto one = id(parts.eos); eos && one) parts.after = {*one};
  }
}

}  // namespace glassbox
