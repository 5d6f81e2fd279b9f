// The "model" of a tokenizer.json: its vocabulary, and the way words are cut.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"
#include "base/quote.h"
#include "formats/json_fields.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/unigram.h"
#include "tokenizer/wordpiece.h"
#include "unicode/byte_alphabet.h"

namespace glassbox {

namespace {

// Every key is used here or refused.
void check_keys(const Json& model, std::initializer_list<std::string_view> known, std::string_view source) {
  for (const auto& [key, value] : model.items())
    if (std::find(known.begin(), known.end(), key) == known.end() && !value.is_null() && value != Json(false))
      fail(ErrorKind::unsupported, "{}: model: {} is not supported", source, quote(key));
}

// Fills `verbatim` with the byte-level tokens whose names are not in the byte alphabet.
Bpe read_bpe(const VocabularyJson& file, bool byte_level, std::string_view source, std::vector<uint32_t>& verbatim,
             std::optional<std::string>& unk) {
  const Json& model = file.rest["model"];
  for (const char* key : {"vocab", "merges"})
    if (model.contains(key))
      fail(ErrorKind::bad_file, "{}: model: {} is expected to be {}, got {}", source, quote(key),
           std::string_view(key) == "vocab" ? "object" : "array", model[key].type_name());
  check_keys(model,
             {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
              "byte_fallback", "ignore_merges"},
             source);
  if (!file.has_vocab || !file.has_merges)
    fail(ErrorKind::bad_file, "{}: model: {} is missing", source, quote(file.has_vocab ? "merges" : "vocab"));
  if (model.contains("dropout") && !model["dropout"].is_null() && model["dropout"] != 0.0)
    fail(ErrorKind::unsupported, "{}: model: dropout {} is not supported", source, dump_json(model["dropout"]));
  if (const std::string value = json_string_or(model, "continuing_subword_prefix", "", source, "model"); !value.empty())
    fail(ErrorKind::unsupported, "{}: model: continuing_subword_prefix {} is not supported", source, quote(value));

  Bpe::Options options;
  options.suffix = json_string_or(model, "end_of_word_suffix", "", source, "model");
  options.symbols = byte_level ? Bpe::Symbols::bytes : Bpe::Symbols::characters;
  options.ignore_merges = json_bool(model, "ignore_merges", false, source, "model");
  options.fuse_unknown = json_bool(model, "fuse_unk", false, source, "model");
  options.source = source;
  if (!options.suffix.empty() && (!byte_level || options.ignore_merges || options.suffix.size() > 16))
    fail(ErrorKind::unsupported, "{}: model: end_of_word_suffix {} {} is not supported", source, quote(options.suffix),
         byte_level ? "with ignore_merges" : "without ByteLevel");
  const std::string suffix = options.suffix;
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
      if (!outside.emplace(name, id).second) fail(ErrorKind::bad_file, "{}: token {} has two ids", source, quote(name));
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
    if (!id) fail(ErrorKind::bad_file, "{}: model: unk_token {} is not in the vocabulary", source, quote(*unk));
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
      if (!id) fail(ErrorKind::bad_file, "{}: merge {}: token {} is not in the vocabulary", source, rank, quote(name));
      return *id;
    };
    const uint32_t a = known(left), b = known(right), into = known(left + right);
    builder.merge(a, b, rank++, into);
  }
  return std::move(builder).build();
}

// The number that tokenizers reads for a score. Its JSON library takes the digits for an integer, rounds that to
// float64, then divides by a power of ten and rounds again: one bit away from the nearest in every fourth score, which
// decides between ways of cutting whose sums are equal but for rounding.
double as_read(double written) {
  const std::string text =
      fmt::format("{}", std::abs(written));  // the shortest digits that mean it, as files have them
  uint64_t digits = 0;
  int exponent = 0;
  size_t at = 0;
  for (bool fraction = false; at < text.size() && text[at] != 'e'; ++at) {
    if (text[at] == '.') {
      fraction = true;
      continue;
    }
    digits = digits * 10 + static_cast<uint64_t>(text[at] - '0');
    exponent -= fraction;
  }
  if (at < text.size()) exponent += std::stoi(text.substr(at + 1));
  const auto whole = static_cast<double>(digits);
  // Powers of ten up to 22 are exact; no published score needs more, and nothing is known of how those are read.
  if (exponent < -22 || exponent > 0) return written;
  double power = 1;
  for (int i = 0; i < -exponent; ++i) power *= 10;
  return written < 0 ? -(whole / power) : whole / power;
}

Unigram read_unigram(const Json& model, std::string_view source, std::optional<std::string>& unk) {
  check_keys(model, {"type", "unk_id", "vocab", "byte_fallback"}, source);
  Unigram::Options options;
  options.source = source;
  options.single = false;
  options.lowest = std::numeric_limits<double>::infinity();
  std::vector<Unigram::Piece> pieces;
  std::map<std::string, uint32_t, std::less<>> ids;
  for (const Json& entry : json_array(model, "vocab", source, "model")) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
      fail(ErrorKind::bad_file, "{}: model: piece {}: expected a text and its score, got {}", source, pieces.size(),
           quote(dump_json(entry)));
    Unigram::Piece piece;
    piece.text = entry[0].get<std::string>();
    piece.score = entry[1].get<double>();
    if (!std::isfinite(piece.score))
      fail(ErrorKind::bad_file, "{}: model: piece {}: its score is not finite", source, pieces.size());
    piece.score = as_read(piece.score);
    options.lowest = std::min(options.lowest, piece.score);
    ids.emplace(piece.text, static_cast<uint32_t>(pieces.size()));
    pieces.push_back(std::move(piece));
  }
  const auto id = model.contains("unk_id") ? json_integer(model["unk_id"]) : std::nullopt;
  if (!id || *id < 0 || static_cast<size_t>(*id) >= pieces.size())
    fail(ErrorKind::unsupported, "{}: model: a Unigram without unk_id in [0, {}) is not supported", source,
         pieces.size());
  options.unknown = static_cast<uint32_t>(*id);
  unk = pieces[options.unknown].text;
  if (json_bool(model, "byte_fallback", false, source, "model")) {
    for (int b = 0; b < 256; ++b)
      if (auto found = ids.find(fmt::format("<0x{:02X}>", b)); found != ids.end())
        options.bytes.push_back(found->second);
    if (!options.bytes.empty() && options.bytes.size() != 256)
      fail(ErrorKind::unsupported, "{}: byte_fallback with {} of 256 byte tokens is not supported", source,
           options.bytes.size());
  }
  return Unigram(std::move(pieces), std::move(options));
}

WordPiece read_wordpiece(const VocabularyJson& file, std::string_view source, std::optional<std::string>& unk) {
  const Json& model = file.rest["model"];
  check_keys(model, {"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word"}, source);
  if (!file.has_vocab) fail(ErrorKind::bad_file, "{}: model: \"vocab\" is missing or no object", source);
  WordPiece::Options options;
  options.source = source;
  options.prefix = json_string_or(model, "continuing_subword_prefix", "##", source, "model");
  options.unknown = json_string_or(model, "unk_token", "[UNK]", source, "model");
  unk = options.unknown;
  if (model.contains("max_input_chars_per_word")) {
    const auto most = json_integer(model["max_input_chars_per_word"]);
    if (!most || *most < 0)
      fail(ErrorKind::bad_file, "{}: model: max_input_chars_per_word: expected a count, got {}", source,
           quote(dump_json(model["max_input_chars_per_word"])));
    options.longest_word = static_cast<size_t>(*most);
  }
  const uint32_t limit = id_limit(file.vocab.size());
  std::vector<std::pair<std::string, uint32_t>> tokens;
  for (const auto& [name, id] : file.vocab) tokens.emplace_back(name, checked_id(id, limit, name, source));
  return WordPiece(tokens, std::move(options));
}

}  // namespace

void read_model(const VocabularyJson& file, std::string_view source, TokenizerParts& parts) {
  const Json& model = json_object(file.rest, "model", source, "tokenizer.json");
  const std::string type = json_string_or(model, "type", file.has_merges ? "BPE" : "", source, "model");
  const bool byte_level = parts.pretokenizer.byte_level();
  if (type == "BPE") {
    Bpe bpe = read_bpe(file, byte_level, source, parts.verbatim, parts.unk);
    parts.kind = byte_level ? "byte-level BPE" : bpe.options().bytes.empty() ? "BPE" : "BPE with byte fallback";
    parts.decoder.suffix = bpe.options().suffix;
    parts.model = std::make_shared<Bpe>(std::move(bpe));
    return;
  }
  if (type != "Unigram" && type != "WordPiece")
    fail(ErrorKind::unsupported, "{}: model type {} is not supported", source, quote(type));
  if (byte_level) fail(ErrorKind::unsupported, "{}: {} with ByteLevel is not supported", source, type);
  parts.kind = type;
  if (type == "Unigram")
    parts.model = std::make_shared<Unigram>(read_unigram(model, source, parts.unk));
  else
    parts.model = std::make_shared<WordPiece>(read_wordpiece(file, source, parts.unk));
}

}  // namespace glassbox
