// SentencePiece models (tokenizer.model): pieces with scores, and how text is prepared for them.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "base/error.h"
#include "base/quote.h"
#include "formats/json_fields.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/unigram.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

// Protocol buffers as far as sentencepiece_model.proto needs them: fields in any order, unknown ones passed over.
class Message {
 public:
  Message(std::string_view bytes, std::string_view source) : bytes_(bytes), source_(source) {}

  // Moves to the next field; false at the end.
  bool next() {
    if (at_ == bytes_.size()) return false;
    const uint64_t key = varint();
    field_ = key >> 3;
    wire_ = key & 7;
    switch (wire_) {
      case 0:
        number_ = varint();
        break;
      case 1:
        data_ = take(8);
        break;
      case 2:
        data_ = take(varint());
        break;
      case 5:
        data_ = take(4);
        break;
      default:
        fail(ErrorKind::bad_file, "{}: no SentencePiece model: wire type {} at byte {}", source_, wire_, at_);
    }
    return true;
  }

  uint64_t field() const { return field_; }
  std::string_view data() const { return expect(2), data_; }
  uint64_t number() const { return expect(0), number_; }
  int32_t integer() const { return static_cast<int32_t>(number()); }  // negative ones are sent as 64 bits
  float real() const {
    expect(5);
    float value;
    std::memcpy(&value, data_.data(), 4);
    return value;
  }

 private:
  void expect(uint64_t wire) const {
    if (wire_ != wire)
      fail(ErrorKind::bad_file, "{}: no SentencePiece model: field {} has wire type {}, expected {}", source_, field_,
           wire_, wire);
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) break;
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    fail(ErrorKind::bad_file, "{}: no SentencePiece model: a number cut short at byte {}", source_, at_);
  }
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_)
      fail(ErrorKind::bad_file, "{}: no SentencePiece model: {} bytes expected at byte {}, {} are left", source_, count,
           at_, bytes_.size() - at_);
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }

  std::string_view bytes_, source_, data_;
  size_t at_ = 0;
  uint64_t field_ = 0, wire_ = 0, number_ = 0;
};

SentencePieceModel parse(std::string_view bytes, std::string_view source) {
  SentencePieceModel model;
  for (Message all(bytes, source); all.next();) {
    if (all.field() == 1) {
      SentencePieceModel::Piece piece;
      for (Message one(all.data(), source); one.next();) {
        if (one.field() == 1) piece.text = one.data();
        if (one.field() == 2) piece.score = one.real();
        if (one.field() == 3) piece.type = one.integer();
      }
      model.pieces.push_back(piece);
    } else if (all.field() == 2) {
      for (Message spec(all.data(), source); spec.next();) {
        switch (spec.field()) {
          case 3:
            model.model_type = spec.integer();
            break;
          case 24:
            model.suffix = spec.number() != 0;
            break;
          case 35:
            model.byte_fallback = spec.number() != 0;
            break;
          case 40:
            model.unk = spec.integer();
            break;
          case 41:
            model.bos = spec.integer();
            break;
          case 42:
            model.eos = spec.integer();
            break;
          case 43:
            model.pad = spec.integer();
            break;
          default:
            break;
        }
      }
    } else if (all.field() == 3) {
      for (Message spec(all.data(), source); spec.next();) {
        switch (spec.field()) {
          case 2:
            model.charsmap = spec.data();
            break;
          case 3:
            model.dummy_prefix = spec.number() != 0;
            break;
          case 4:
            model.squeeze = spec.number() != 0;
            break;
          case 5:
            model.escape = spec.number() != 0;
            break;
          default:
            break;
        }
      }
    }
  }
  return model;
}

std::shared_ptr<const TokenModel> make_bpe(const SentencePieceModel& model, Bpe::Options options) {
  // Higher scores merge first, equal ones from the left.
  std::vector<float> scores;
  for (const SentencePieceModel::Piece& piece : model.pieces) scores.push_back(piece.score);
  std::sort(scores.begin(), scores.end(), std::greater<>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  Bpe::Builder builder(std::move(options), model.pieces.size());
  std::vector<uint32_t> ranks(model.pieces.size(), Bpe::kNone);
  for (uint32_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    const auto type = static_cast<PieceType>(piece.type);
    const bool merges = type == PieceType::normal;
    builder.token(id, piece.text, merges);
    if (merges)
      ranks[id] = static_cast<uint32_t>(std::lower_bound(scores.begin(), scores.end(), piece.score, std::greater<>()) -
                                        scores.begin());
  }
  builder.merge_all_splits(ranks);
  return std::make_shared<Bpe>(std::move(builder).build());
}

std::shared_ptr<const TokenModel> make_unigram(const SentencePieceModel& model, uint32_t unknown,
                                               std::vector<uint32_t> bytes, std::string_view source) {
  Unigram::Options options;
  options.unknown = unknown;
  options.bytes = std::move(bytes);
  options.source = source;
  float lowest = std::numeric_limits<float>::max(), highest = std::numeric_limits<float>::lowest();
  std::vector<Unigram::Piece> pieces;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    const auto type = static_cast<PieceType>(piece.type);
    const bool normal = type == PieceType::normal;
    if (normal) lowest = std::min(lowest, piece.score), highest = std::max(highest, piece.score);
    const bool user_defined = type == PieceType::user_defined;
    pieces.push_back({std::string(piece.text), piece.score, normal || user_defined, user_defined});
  }
  options.lowest = lowest;
  options.highest = highest;
  return std::make_shared<Unigram>(std::move(pieces), std::move(options));
}

}  // namespace

TokenizerParts read_sentencepiece(std::string_view bytes, std::string_view source, const Json& config) {
  const SentencePieceModel model = parse(bytes, source);
  if (model.pieces.empty()) fail(ErrorKind::bad_file, "{}: no SentencePiece model: it has no pieces", source);
  // transformers' `legacy` (its default) prepares every stretch between special tokens as a text of its own.
  const bool legacy = config.is_object() ? json_bool(config, "legacy", true, source, "tokenizer_config") : true;
  return tokenizer_of(model, source, legacy);
}

TokenizerParts tokenizer_of(const SentencePieceModel& model, std::string_view source, bool legacy) {
  static constexpr const char* kTypes[] = {"", "Unigram", "BPE", "word", "char"};
  if (model.model_type != 1 && model.model_type != 2)
    fail(ErrorKind::unsupported, "{}: SentencePiece model type {} is not supported", source,
         model.model_type >= 1 && model.model_type <= 4 ? kTypes[model.model_type] : std::to_string(model.model_type));
  if (!model.escape || model.suffix)
    fail(ErrorKind::unsupported, "{}: SentencePiece {} is not supported", source,
         model.suffix ? "treat_whitespace_as_suffix" : "without escape_whitespaces");
  const bool unigram = model.model_type == 1;
  std::shared_ptr<const Charsmap> map;
  if (!model.charsmap.empty()) map = std::make_shared<Charsmap>(Charsmap::parse(model.charsmap, source));

  TokenizerParts parts;
  parts.source = source;
  Bpe::Options options;
  options.symbols = Bpe::Symbols::characters;
  options.fuse_unknown = true;
  options.source = source;
  std::vector<uint32_t> byte_ids(256, Bpe::kNone);
  std::optional<uint32_t> unknown;
  std::vector<AddedToken> added;
  for (uint32_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    if (piece.text.empty() || unicode::valid_prefix(piece.text) != piece.text.size())
      fail(ErrorKind::bad_file, "{}: piece {} is {}", source, id, piece.text.empty() ? "empty" : "not UTF-8");
    if (!std::isfinite(piece.score)) fail(ErrorKind::bad_file, "{}: piece {}: score {}", source, id, piece.score);
    AddedToken token;
    token.id = static_cast<int32_t>(id);
    token.content = token.pattern = piece.text;
    parts.scores.push_back(piece.score);
    switch (static_cast<PieceType>(piece.type)) {
      case PieceType::normal:
        break;
      case PieceType::unknown:
        if (unknown) fail(ErrorKind::bad_file, "{}: pieces {} and {} are both the unknown one", source, *unknown, id);
        unknown = id;
        token.special = true;
        added.push_back(token);
        break;
      case PieceType::control:
        token.special = true;
        added.push_back(token);
        break;
      case PieceType::user_defined:  // found whole in the prepared text
        if (map) {
          std::string mapped;
          map->replace_longest(piece.text, mapped);
          if (mapped != piece.text)
            fail(ErrorKind::unsupported,
                 "{}: piece {} {}, user defined and changed by the normalizer, is not supported", source, id,
                 quote(piece.text));
        }
        token.normalized = true;
        if (!unigram) added.push_back(token);  // Unigram chooses it before all others
        break;
      case PieceType::byte: {
        const int value = byte_token(piece.text);
        if (value < 0 || byte_ids[static_cast<size_t>(value)] != Bpe::kNone)
          fail(ErrorKind::bad_file, "{}: piece {}: {} is no byte, or one that was there before", source, id,
               quote(piece.text));
        byte_ids[static_cast<size_t>(value)] = id;
        parts.verbatim.push_back(id);
        break;
      }
      case PieceType::unused:
        if (unigram || model.drop_unused) break;
        [[fallthrough]];
      default:
        fail(ErrorKind::unsupported, "{}: piece {} of type {} is not supported", source, id,
             piece.type == 5 ? "unused" : std::to_string(piece.type));
    }
  }
  if (!unknown) fail(ErrorKind::bad_file, "{}: no SentencePiece model: no piece is the unknown one", source);
  options.unknown = *unknown;
  if (model.byte_fallback) {
    if (std::find(byte_ids.begin(), byte_ids.end(), Bpe::kNone) != byte_ids.end())
      fail(ErrorKind::bad_file, "{}: byte_fallback without all of the 256 byte pieces", source);
    options.bytes = byte_ids;
  }

  if (unigram)
    parts.model = make_unigram(model, *unknown, options.bytes, source);
  else
    parts.model = make_bpe(model, std::move(options));
  parts.kind = unigram ? "SentencePiece Unigram" : "SentencePiece BPE";
  if (model.byte_fallback) parts.kind += " with byte fallback";
  parts.added = std::move(added);

  std::vector<Normalizer::Step> steps;
  if (map) steps.emplace_back(Normalizer::Mapped{map, false});
  if (model.squeeze) steps.emplace_back(Normalizer::Squeeze{std::string(kSpaceMark)});
  if (model.dummy_prefix) steps.emplace_back(Normalizer::Prepend{std::string(kSpaceMark), !legacy});
  steps.emplace_back(Normalizer::Replace{" ", std::string(kSpaceMark)});
  parts.normalizer = Normalizer(std::move(steps));
  parts.decoder.replace = {{std::string(kSpaceMark), " "}};
  parts.decoder.byte_fallback = true;
  parts.decoder.strip = model.dummy_prefix ? 1 : 0;

  auto name = [&](int32_t id) -> std::optional<std::string> {
    if (id < 0 || static_cast<size_t>(id) >= model.pieces.size()) return std::nullopt;
    return std::string(model.pieces[static_cast<size_t>(id)].text);
  };
  parts.unk = name(static_cast<int32_t>(*unknown));
  parts.bos = name(model.bos);
  parts.eos = name(model.eos);
  parts.pad = name(model.pad);
  if (parts.bos)
    parts.before = {model.bos};  // as Llama 2 and Mistral are used
  else if (parts.eos)
    parts.after = {model.eos};  // as T5 is
  return parts;
}

}  // namespace glassbox
