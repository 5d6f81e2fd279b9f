// tokenizer.json, and the configuration files beside it.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "text/json_fields.h"
#include "text/tokenizer_impl.h"
#include "text/unicode.h"

namespace glassbox {

uint32_t id_limit(size_t entries) {
  return static_cast<uint32_t>(std::min<size_t>(entries * 8 + 65536, size_t{1} << 28));
}

uint32_t checked_id(int64_t id, uint32_t limit, std::string_view token, std::string_view source) {
  if (id < 0 || id >= static_cast<int64_t>(limit))
    fail(ErrorKind::bad_file, "{}: token {}: expected an id in [0, {}), got {}", source, unicode::shown(token), limit,
         id);
  return static_cast<uint32_t>(id);
}

uint32_t checked_id(const Json& value, uint32_t limit, std::string_view token, std::string_view source) {
  const auto id = json_integer(value);
  if (!id)
    fail(ErrorKind::bad_file, "{}: token {}: expected an id in [0, {}), got {}", source, unicode::shown(token), limit,
         unicode::shown(dump_json(value)));
  return checked_id(*id, limit, token, source);
}

namespace {

std::vector<AddedToken> read_added(const Json& list, uint32_t limit, std::string_view source) {
  std::vector<AddedToken> out;
  for (const Json& entry : list) {
    AddedToken token;
    token.content = json_string(entry, "content", source, "added_tokens");
    if (!entry.contains("id"))
      fail(ErrorKind::bad_file, "{}: added token {} has no id", source, unicode::shown(token.content));
    token.id = static_cast<int32_t>(checked_id(entry["id"], limit, token.content, source));
    token.special = json_bool(entry, "special", false, source, "added_tokens");
    token.single_word = json_bool(entry, "single_word", false, source, "added_tokens");
    token.lstrip = json_bool(entry, "lstrip", false, source, "added_tokens");
    token.rstrip = json_bool(entry, "rstrip", false, source, "added_tokens");
    token.normalized = json_bool(entry, "normalized", !token.special, source, "added_tokens");
    out.push_back(std::move(token));
  }
  return out;
}

// Fills `verbatim` with the byte-level tokens whose names are not in the byte alphabet.
Bpe read_bpe(const VocabularyJson& file, bool byte_level, std::string_view source, std::vector<uint32_t>& verbatim,
             std::optional<std::string>& unk) {
  const Json& model = file.rest["model"];
  static constexpr std::string_view kKnown[] = {
      "type",     "dropout",       "unk_token",    "continuing_subword_prefix", "end_of_word_suffix",
      "fuse_unk", "byte_fallback", "ignore_merges"};
  for (const auto& [key, value] : model.items()) {
    if (key == "vocab" || key == "merges")
      fail(ErrorKind::bad_file, "{}: model: {} is expected to be {}, got {}", source, unicode::shown(key),
           key == "vocab" ? "object" : "array", value.type_name());
    if (std::find(std::begin(kKnown), std::end(kKnown), key) == std::end(kKnown) && !value.is_null() &&
        value != Json(false))
      fail(ErrorKind::unsupported, "{}: model: {} is not supported", source, unicode::shown(key));
  }
  if (!file.has_vocab || !file.has_merges)
    fail(ErrorKind::bad_file, "{}: model: {} is missing", source, unicode::shown(file.has_vocab ? "merges" : "vocab"));
  if (model.contains("dropout") && !model["dropout"].is_null() && model["dropout"] != 0.0)
    fail(ErrorKind::unsupported, "{}: model: dropout {} is not supported", source, dump_json(model["dropout"]));
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (const std::string value = json_string_or(model, key, "", source, "model"); !value.empty())
      fail(ErrorKind::unsupported, "{}: model: {} {} is not supported", source, key, unicode::shown(value));

  Bpe::Options options;
  options.symbols = byte_level ? Bpe::Symbols::bytes : Bpe::Symbols::characters;
  options.ignore_merges = json_bool(model, "ignore_merges", false, source, "model");
  options.fuse_unknown = json_bool(model, "fuse_unk", false, source, "model");
  options.source = source;
  Bpe::Builder builder(std::move(options), file.vocab.size());

  const uint32_t limit = id_limit(file.vocab.size());
  std::map<std::string, uint32_t, std::less<>> outside;  // names that are not in the byte alphabet
  std::string text;
  for (const auto& [name, value] : file.vocab) {
    const uint32_t id = checked_id(value, limit, name, source);
    text.clear();
    const bool mapped = !byte_level || unicode::from_alphabet(name, text);
    if (!mapped) {
      verbatim.push_back(id);
      if (!outside.emplace(name, id).second)
        fail(ErrorKind::bad_file, "{}: token {} has two ids", source, unicode::shown(name));
    }
    builder.token(id, byte_level && mapped ? std::string_view(text) : std::string_view(name), mapped);
  }
  auto find = [&](std::string_view name) -> std::optional<uint32_t> {
    if (!byte_level) return builder.find(name);
    text.clear();
    if (unicode::from_alphabet(name, text)) return builder.find(text);
    auto found = outside.find(name);
    return found == outside.end() ? std::nullopt : std::optional<uint32_t>(found->second);
  };

  if (model.contains("unk_token") && !model["unk_token"].is_null()) {
    unk = json_string(model, "unk_token", source, "model");
    const auto id = find(*unk);
    if (!id)
      fail(ErrorKind::bad_file, "{}: model: unk_token {} is not in the vocabulary", source, unicode::shown(*unk));
    builder.unknown(*id);
  }
  if (json_bool(model, "byte_fallback", false, source, "model")) {
    std::vector<uint32_t> bytes;
    for (int b = 0; b < 256; ++b)
      if (auto id = find(fmt::format("<0x{:02X}>", b))) bytes.push_back(*id);
    if (byte_level && !bytes.empty())
      fail(ErrorKind::unsupported, "{}: byte_fallback with ByteLevel is not supported", source);
    if (!bytes.empty() && bytes.size() != 256)
      fail(ErrorKind::unsupported, "{}: byte_fallback with {} of 256 byte tokens is not supported", source,
           bytes.size());
    builder.byte_tokens(std::move(bytes));
  }

  uint32_t rank = 0;
  for (const auto& [left, right] : file.merges) {
    auto known = [&](const std::string& name) {
      const auto id = find(name);
      if (!id)
        fail(ErrorKind::bad_file, "{}: merge {}: token {} is not in the vocabulary", source, rank,
             unicode::shown(name));
      return *id;
    };
    const uint32_t a = known(left), b = known(right), into = known(left + right);
    builder.merge(a, b, rank++, into);
  }
  return std::move(builder).build();
}

void read_post_processor(const Json& spec, std::string_view source, uint32_t limit, TokenizerParts& parts) {
  if (spec.is_null()) return;
  const std::string type = json_string(spec, "type", source, "post_processor");
  const std::string place = "post_processor " + type;
  if (type == "Sequence") {
    for (const Json& one : json_array(spec, "processors", source, place))
      read_post_processor(one, source, limit, parts);
  } else if (type == "ByteLevel") {
    // Trims the offsets it reports; ids stay.
  } else if (type == "TemplateProcessing") {
    const Json& tokens = json_object(spec, "special_tokens", source, place);
    std::vector<int32_t> before, after;
    bool seen = false;
    for (const Json& item : json_array(spec, "single", source, place)) {
      if (item.contains("Sequence")) {
        if (seen || json_string(json_object(item, "Sequence", source, place), "id", source, place) != "A")
          fail(ErrorKind::unsupported, "{}: {}: a template for one text that is not made of one text is not supported",
               source, place);
        seen = true;
        continue;
      }
      const std::string name = json_string(json_object(item, "SpecialToken", source, place), "id", source, place);
      const Json& token = json_object(tokens, name.c_str(), source, place);
      // Until a configuration says so by name: what stands before a text is its BOS, what stands after it its EOS.
      std::optional<std::string>& role = seen ? parts.eos : parts.bos;
      if (!role) role = name;
      for (const Json& id : json_array(token, "ids", source, place))
        (seen ? after : before).push_back(static_cast<int32_t>(checked_id(id, limit, name, source)));
    }
    if (!seen) fail(ErrorKind::unsupported, "{}: {}: a template without the text is not supported", source, place);
    parts.before.insert(parts.before.begin(), before.begin(), before.end());
    parts.after.insert(parts.after.end(), after.begin(), after.end());
  } else {
    fail(ErrorKind::unsupported, "{}: post_processor {} is not supported", source, unicode::shown(type));
  }
}

void read_decoder(const Json& spec, std::string_view source, DecoderSpec& decoder, bool& fused) {
  const std::string type = json_string(spec, "type", source, "decoder");
  const std::string place = "decoder " + type;
  if (type == "Sequence") {
    for (const Json& one : json_array(spec, "decoders", source, place)) read_decoder(one, source, decoder, fused);
  } else if (type == "ByteLevel") {
    if (fused || !decoder.replace.empty() || decoder.byte_fallback)
      fail(ErrorKind::unsupported, "{}: decoder ByteLevel after another decoder is not supported", source);
    decoder.byte_level = fused = true;
  } else if (type == "Fuse") {
    fused = true;
  } else if (type == "ByteFallback") {
    if (fused) fail(ErrorKind::unsupported, "{}: decoder ByteFallback after Fuse is not supported", source);
    decoder.byte_fallback = true;
  } else if (type == "Replace") {
    const Json& pattern = json_object(spec, "pattern", source, place);
    if (fused || decoder.byte_fallback || !pattern.contains("String"))
      fail(ErrorKind::unsupported,
           "{}: decoder Replace of anything but a string, or after another decoder, is not supported", source);
    std::string what = json_string(pattern, "String", source, place);
    if (what.empty()) fail(ErrorKind::unsupported, "{}: decoder Replace of an empty string is not supported", source);
    std::string with = json_string(spec, "content", source, place);
    if (with.size() > 64)
      fail(ErrorKind::unsupported, "{}: {} by {} bytes is not supported", source, place, with.size());
    decoder.replace.emplace_back(std::move(what), std::move(with));
  } else if (type == "Strip") {
    const auto start = spec.contains("start") ? json_integer(spec["start"]) : 0;
    const auto stop = spec.contains("stop") ? json_integer(spec["stop"]) : 0;
    if (!fused || json_string(spec, "content", source, place) != " " || !start || *start < 0 || *start > 100 ||
        stop != 0)
      fail(ErrorKind::unsupported,
           "{}: decoder Strip of anything but spaces at the beginning, after Fuse, is not supported", source);
    decoder.strip += static_cast<size_t>(*start);
  } else if (type == "Metaspace") {
    const std::string mark = json_string(spec, "replacement", source, place);
    const bool older = json_bool(spec, "add_prefix_space", true, source, place);
    const bool prefix = json_string_or(spec, "prepend_scheme", older ? "always" : "never", source, place) != "never";
    if (fused || !decoder.replace.empty() || decoder.byte_fallback || mark.empty())
      fail(ErrorKind::unsupported, "{}: decoder Metaspace after another decoder is not supported", source);
    decoder.replace.emplace_back(mark, " ");
    if (prefix) decoder.drop_in_first = mark;
    fused = true;
  } else {
    fail(ErrorKind::unsupported, "{}: decoder {} is not supported", source, unicode::shown(type));
  }
}

// A token named in a configuration: its text, or an object with it.
std::optional<std::string> named_token(const Json& config, const char* key, std::string_view source) {
  if (!config.is_object() || !config.contains(key) || config[key].is_null()) return std::nullopt;
  if (config[key].is_string()) return config[key].get<std::string>();
  return json_string(config[key], "content", source, key);
}

}  // namespace

TokenizerParts read_tokenizer_json(const VocabularyJson& whole, std::string_view source) {
  const Json& file = whole.rest;
  const Json& model = json_object(file, "model", source, "tokenizer.json");
  const std::string type = json_string_or(model, "type", whole.has_merges ? "BPE" : "", source, "model");
  if (type != "BPE") fail(ErrorKind::unsupported, "{}: model type {} is not supported", source, unicode::shown(type));
  auto part = [&](const char* key) -> const Json& {
    static const Json nothing;
    auto found = file.find(key);
    return found == file.end() ? nothing : *found;
  };
  // "truncation" and "padding" are how its last user called it; transformers sets both anew with every call.

  TokenizerParts parts;
  parts.source = source;
  parts.normalizer = Normalizer::from_json(part("normalizer"), source);
  parts.pretokenizer = PreTokenizer::from_json(part("pre_tokenizer"), source);
  const bool byte_level = parts.pretokenizer.byte_level();
  parts.bpe = read_bpe(whole, byte_level, source, parts.verbatim, parts.unk);
  parts.kind = byte_level ? "byte-level BPE" : parts.bpe->options().bytes.empty() ? "BPE" : "BPE with byte fallback";

  if (part("decoder").is_null())
    fail(ErrorKind::unsupported, "{}: a tokenizer without a decoder is not supported", source);
  bool fused = false;
  read_decoder(part("decoder"), source, parts.decoder, fused);
  if (parts.decoder.byte_level != byte_level)
    fail(ErrorKind::unsupported, "{}: ByteLevel as {} only is not supported", source,
         byte_level ? "pre_tokenizer" : "decoder");

  if (const Json& list = part("added_tokens"); !list.is_null()) {
    if (!list.is_array())
      fail(ErrorKind::bad_file, "{}: \"added_tokens\" is expected to be array, got {}", source, list.type_name());
    parts.added = read_added(list, id_limit(parts.bpe->tokens() + list.size()), source);
    for (const AddedToken& token : parts.added) {
      auto known = byte_level ? std::nullopt : parts.bpe->find(token.content);
      std::string bytes;
      if (byte_level && unicode::from_alphabet(token.content, bytes)) known = parts.bpe->find(bytes);
      if (known && *known != static_cast<uint32_t>(token.id))
        fail(ErrorKind::bad_file, "{}: added token {} has id {}, but {} in the vocabulary", source,
             unicode::shown(token.content), token.id, *known);
    }
  }
  read_post_processor(part("post_processor"), source, id_limit(parts.bpe->tokens() + parts.added.size()), parts);
  return parts;
}

void apply_config(TokenizerParts& parts, const Json& config, const Json& special_map, const Json& added,
                  std::string_view source) {
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

  const uint32_t limit = id_limit(parts.bpe->tokens() + parts.added.size());
  auto define = [&](AddedToken token, bool flags_known) {
    for (AddedToken& old : parts.added) {
      if (old.id != token.id && old.content != token.content) continue;
      if (old.content != token.content && old.from_convention) {  // the file names what we only knew by convention
        old = std::move(token);
        return;
      }
      if (old.id != token.id || old.content != token.content)
        fail(ErrorKind::bad_file, "{}: token {} with id {} contradicts {} with id {}", source,
             unicode::shown(token.content), token.id, unicode::shown(old.content), old.id);
      if (flags_known) old = std::move(token);
      return;
    }
    if (auto known = parts.id_of(token.content); known && *known != token.id)
      fail(ErrorKind::bad_file, "{}: token {} has id {}, but {} in the vocabulary", source,
           unicode::shown(token.content), token.id, *known);
    parts.added.push_back(std::move(token));
  };
  if (config.is_object() && config.contains("added_tokens_decoder") && !config["added_tokens_decoder"].is_null()) {
    for (const auto& [key, value] : json_object(config, "added_tokens_decoder", source, "tokenizer_config").items()) {
      Json entry = value;
      if (!entry.is_object() || key.empty() || key.size() > 9 ||
          key.find_first_not_of("0123456789") != std::string::npos)
        fail(ErrorKind::bad_file, "{}: added_tokens_decoder: {} is no token id", source, unicode::shown(key));
      entry["id"] = std::stoll(key);
      define(read_added(Json::array({entry}), limit, source)[0], true);
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

  // A configuration that says whether a BOS or EOS goes around the text says all of it, as in transformers.
  if (config.is_object() && (config.contains("add_bos_token") || config.contains("add_eos_token"))) {
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
