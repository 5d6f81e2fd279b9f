// tokenizer.json: how its parts are put together.
#include <algorithm>

#include "base/error.h"
#include "base/quote.h"
#include "formats/json_fields.h"
#include "tokenizer/tokenizer_impl.h"
#include "unicode/byte_alphabet.h"

namespace glassbox {

uint32_t id_limit(size_t entries) {
  return static_cast<uint32_t>(std::min<size_t>(entries * 8 + 65536, size_t{1} << 28));
}

uint32_t checked_id(int64_t id, uint32_t limit, std::string_view token, std::string_view source) {
  if (id < 0 || id >= static_cast<int64_t>(limit))
    fail(ErrorKind::bad_file, "{}: token {}: expected an id in [0, {}), got {}", source, quote(token), limit, id);
  return static_cast<uint32_t>(id);
}

uint32_t checked_id(const Json& value, uint32_t limit, std::string_view token, std::string_view source) {
  const auto id = json_integer(value);
  if (!id)
    fail(ErrorKind::bad_file, "{}: token {}: expected an id in [0, {}), got {}", source, quote(token), limit,
         quote(dump_json(value)));
  return checked_id(*id, limit, token, source);
}

std::vector<AddedToken> read_added_tokens(const Json& list, uint32_t limit, std::string_view source) {
  std::vector<AddedToken> out;
  for (const Json& entry : list) {
    AddedToken token;
    token.content = json_string(entry, "content", source, "added_tokens");
    if (!entry.contains("id")) fail(ErrorKind::bad_file, "{}: added token {} has no id", source, quote(token.content));
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

namespace {

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
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    auto token = [&](const char* key) {
      const Json& pair = json_array(spec, key, source, place);
      if (pair.size() != 2 || !pair[0].is_string())
        fail(ErrorKind::bad_file, "{}: {}: {}: expected a token and its id, got {}", source, place, key,
             quote(dump_json(pair)));
      return std::pair(pair[0].get<std::string>(),
                       static_cast<int32_t>(checked_id(pair[1], limit, pair[0].get<std::string>(), source)));
    };
    const auto cls = token("cls"), sep = token("sep");
    parts.before.insert(parts.before.begin(), cls.second);
    parts.after.push_back(sep.second);
    if (!parts.bos) parts.bos = cls.first;
    if (!parts.eos) parts.eos = sep.first;
  } else {
    fail(ErrorKind::unsupported, "{}: post_processor {} is not supported", source, quote(type));
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
    const bool prefix_space = json_bool(spec, "add_prefix_space", true, source, place);
    const bool prefix =
        json_string_or(spec, "prepend_scheme", prefix_space ? "always" : "never", source, place) != "never";
    if (fused || !decoder.replace.empty() || decoder.byte_fallback || mark.empty())
      fail(ErrorKind::unsupported, "{}: decoder Metaspace after another decoder is not supported", source);
    decoder.replace.emplace_back(mark, " ");
    if (prefix) decoder.drop_in_first = mark;
    fused = true;
  } else if (type == "WordPiece") {
    if (fused || !decoder.replace.empty() || decoder.byte_fallback)
      fail(ErrorKind::unsupported, "{}: decoder WordPiece after another decoder is not supported", source);
    decoder.word_prefix = json_string_or(spec, "prefix", "##", source, place);
    decoder.cleanup = json_bool(spec, "cleanup", true, source, place);
    fused = true;
  } else {
    fail(ErrorKind::unsupported, "{}: decoder {} is not supported", source, quote(type));
  }
}

}  // namespace

TokenizerParts read_tokenizer_json(const VocabularyJson& whole, std::string_view source) {
  const Json& file = whole.rest;
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
  read_model(whole, source, parts);

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
    parts.added = read_added_tokens(list, id_limit(parts.model->tokens() + list.size()), source);
    for (const AddedToken& token : parts.added) {
      auto known = byte_level ? std::nullopt : parts.model->find(token.content);
      std::string bytes;
      if (byte_level && unicode::from_alphabet(token.content, bytes)) known = parts.model->find(bytes);
      if (known && *known != static_cast<uint32_t>(token.id))
        fail(ErrorKind::bad_file, "{}: added token {} has id {}, but {} in the vocabulary", source,
             quote(token.content), token.id, *known);
    }
  }
  read_post_processor(part("post_processor"), source, id_limit(parts.model->tokens() + parts.added.size()), parts);
  return parts;
}

}  // namespace glassbox
