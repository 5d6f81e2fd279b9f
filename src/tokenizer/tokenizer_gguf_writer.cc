// A tokenizer as GGUF metadata, as llama.cpp's converter writes it of the model's own files.
#include <algorithm>

#include "base/error.h"
#include "base/quote.h"
#include "formats/gguf.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/unigram.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

// The name of this way to split text. Of several names of one splitting the first is written, unless another one goes
// with the same normalization and the same treatment of whole words.
std::string_view splitting_name(const TokenizerParts& parts, bool whole_words) {
  const Json spec = parts.pretokenizer.to_json();
  const bool composes =
      parts.normalizer.to_json(parts.source) == Normalizer({Normalizer::Compose{true, false}}).to_json(parts.source);
  if (!parts.normalizer.identity() && !composes)
    fail(ErrorKind::unsupported, "{}: normalizer: GGUF has no place for {}", parts.source,
         dump_json(parts.normalizer.to_json(parts.source)).substr(0, 80));
  std::string_view found;
  int agreed = -1;
  for (const std::string_view name : {"gpt-2", "olmo", "llama-bpe", "dbrx", "qwen2", "stablelm2", "smollm", "gpt-4o",
                                      "tekken", "deepseek-v3", "deepseek-llm", "deepseek-coder", "falcon"}) {
    if (pretokenizer_named(name)->to_json() != spec) continue;
    const int agrees = 2 * (composes_by_name(name) == composes) + (whole_words_by_name(name) == whole_words);
    if (agrees > agreed) found = name, agreed = agrees;
  }
  if (found.empty())
    fail(ErrorKind::unsupported, "{}: pre_tokenizer: GGUF has no name that we know for this way to split text: {}",
         parts.source, dump_json(spec).substr(0, 200));
  return found;
}

// How SentencePiece prepares text, as a normalizer or as Metaspace says it.
struct Preparation {
  bool space_prefix = false, every_stretch = true, squeeze = false;
  std::shared_ptr<const Charsmap> map;
};

// `cuts`: no token reaches over a mark, so that words may be taken apart or not.
Preparation preparation_of(const TokenizerParts& parts, bool cuts) {
  Preparation out;
  bool marks = false;
  const auto refuse = [&]() {
    fail(ErrorKind::unsupported, "{}: text is prepared in a way that GGUF has no key for: {}, {}", parts.source,
         dump_json(parts.normalizer.to_json(parts.source)).substr(0, 120),
         dump_json(parts.pretokenizer.to_json()).substr(0, 120));
  };
  for (const Normalizer::Step& step : parts.normalizer.steps()) {
    const auto* prepend = std::get_if<Normalizer::Prepend>(&step);
    const auto* replace = std::get_if<Normalizer::Replace>(&step);
    const auto* mapped = std::get_if<Normalizer::Mapped>(&step);
    if (mapped && !mapped->graphemes && !marks) {
      out.map = mapped->map;
    } else if (std::holds_alternative<Normalizer::Squeeze>(step) && !marks) {
      out.squeeze = true;
    } else if (prepend && prepend->text == kSpaceMark && !marks) {
      out.space_prefix = true;
      out.every_stretch = !prepend->first_only;
    } else if (replace && replace->what == " " && replace->with == kSpaceMark) {
      marks = true;
    } else {
      refuse();
    }
  }
  for (const PreTokenizer::Step& step : parts.pretokenizer.steps()) {
    const auto* meta = std::get_if<PreTokenizer::Metaspace>(&step);
    if (!meta || meta->mark != kSpaceMark || marks) refuse();
    if (meta->split && parts.pretokenizer.steps().size() == 1 && !cuts) refuse();
    out.space_prefix = meta->prefix != PreTokenizer::Prefix::never;
    marks = true;
  }
  if (!marks) refuse();
  return out;
}

}  // namespace

std::vector<GgufEntry> Tokenizer::to_gguf(int64_t vocabulary) const {
  const Impl& impl = *impl_;
  const TokenizerParts& parts = impl.parts;
  impl.check_some();
  // A token added beyond the model's rows is no token of the model; one that texts are cut into would be.
  const auto beyond = [&](int32_t id) { return id >= vocabulary; };
  for (int64_t id = std::max<int64_t>(vocabulary, 0); id < static_cast<int64_t>(size()); ++id)
    if (parts.model->defined(static_cast<uint32_t>(id)))
      fail(ErrorKind::bad_file, "{}: expected token ids from 0 to {}, got one of {}", parts.source, vocabulary - 1, id);
  for (const auto& id : {bos(), eos(), unk()})
    if (vocabulary < 1 || vocabulary > INT32_MAX || (id && beyond(*id)))
      fail(ErrorKind::bad_file, "{}: expected token ids from 0 to {}, got one of {}", parts.source, vocabulary - 1,
           id.value_or(0));
  const auto* unigram = dynamic_cast<const Unigram*>(parts.model.get());
  const bool merges = impl.bpe && parts.pretokenizer.byte_level();
  const Bpe::Options* bpe = impl.bpe ? &impl.bpe->options() : nullptr;
  const bool odd = bpe ? !bpe->suffix.empty() || (!merges && !bpe->fuse_unknown && bpe->bytes.empty())
                       : !unigram || parts.scores.empty();
  if (odd) fail(ErrorKind::unsupported, "{}: {} cannot be written as GGUF", parts.source, parts.kind);

  const auto count = static_cast<size_t>(vocabulary);
  std::vector<std::string> tokens(count);
  std::vector<int32_t> types(count, static_cast<int32_t>(PieceType::unused));
  for (size_t id = 0; id < count; ++id) {
    if (!parts.model->defined(static_cast<uint32_t>(id))) {
      tokens[id] = fmt::format("[PAD{}]", id);
      continue;
    }
    tokens[id] = impl.name(static_cast<int32_t>(id));
    types[id] = static_cast<int32_t>(PieceType::normal);
  }
  if (impl.bpe)
    for (const uint32_t id : impl.bpe->options().bytes) types[id] = static_cast<int32_t>(PieceType::byte);
  for (const AddedToken& token : parts.added) {
    if (token.content.empty() || beyond(token.id)) continue;
    const auto id = static_cast<size_t>(token.id);
    types[id] = static_cast<int32_t>(token.special ? PieceType::control : PieceType::user_defined);
    tokens[id] = token.content;
    if (merges || token.special) continue;
    // There it is found in the text itself, and has spaces for marks.
    const std::string raw = with_spaces(token.pattern);
    if (token.normalized ? with_marks(token.content) != token.pattern : raw != token.pattern)
      fail(ErrorKind::unsupported, "{}: added token {}: GGUF cannot say in which text it is looked for", parts.source,
           quote(token.content));
    tokens[id] = raw;
  }

  std::vector<GgufEntry> entries{{gguf_key("model"), GgufValue::of(merges ? "gpt2" : unigram ? "t5" : "llama")}};
  const auto put = [&](std::string_view name, GgufValue value) {
    entries.push_back({gguf_key(name), std::move(value)});
  };
  if (merges) {
    put("pre", GgufValue::of(splitting_name(parts, impl.bpe->options().ignore_merges)));
    std::vector<std::string> lines;
    for (const Bpe::Merge& merge : impl.bpe->merge_list()) {
      const std::string left = impl.name(static_cast<int32_t>(merge.left)),
                        right = impl.name(static_cast<int32_t>(merge.right));
      if (left.find(' ') != left.npos || right.find(' ') != right.npos)
        fail(ErrorKind::unsupported, "{}: a merge of {} and {}: GGUF parts them by a space", parts.source, quote(left),
             quote(right));
      lines.push_back(left + " " + right);
    }
    put("tokens", GgufValue::array(tokens));
    put("token_type", GgufValue::array(types));
    put("merges", GgufValue::array(lines));
  } else {
    const uint32_t unknown = unigram ? unigram->options().unknown : impl.bpe->options().unknown;
    if (unknown >= count)
      fail(ErrorKind::unsupported, "{}: no unknown token: GGUF's {} needs one", parts.source, unigram ? "t5" : "llama");
    types[unknown] = static_cast<int32_t>(PieceType::unknown);
    std::vector<float> scores = parts.scores;
    if (scores.empty()) {
      const std::vector<uint32_t> ranks = impl.bpe->token_ranks();
      for (const uint32_t rank : ranks) scores.push_back(rank == Bpe::kNone ? 0.0f : -static_cast<float>(rank));
      for (size_t id = 0; id < scores.size(); ++id) {
        // A token of several characters that nothing makes must not be made there either.
        const std::string_view text = parts.model->text(static_cast<uint32_t>(id));
        size_t one = 0;
        if (!text.empty()) unicode::next(text, one);
        if (types[id] == static_cast<int32_t>(PieceType::normal) && one < text.size() && ranks[id] == Bpe::kNone)
          types[id] = static_cast<int32_t>(PieceType::unused);
      }
    }
    scores.resize(count, -1000.0f);
    const Preparation preparation = preparation_of(parts, impl.bpe && impl.bpe->cuts_before(kSpaceMark));
    put("pre", GgufValue::of("default"));
    put("tokens", GgufValue::array(tokens));
    put("scores", GgufValue::array(scores));
    put("token_type", GgufValue::array(types));
    put("add_space_prefix", GgufValue::of(preparation.space_prefix));
    put("remove_extra_whitespaces", GgufValue::of(preparation.squeeze));
    if (!preparation.every_stretch) entries.push_back({"glassbox.tokenizer.mark_every_stretch", GgufValue::of(false)});
    if (preparation.map) {
      std::vector<GgufValue> bytes;
      for (const char byte : preparation.map->blob()) bytes.push_back(GgufValue::of(static_cast<uint8_t>(byte)));
      put("precompiled_charsmap", GgufValue::array(GgufType::u8, bytes));
    }
  }
  for (const auto& [name, id] :
       {std::pair{"bos", bos()}, std::pair{"eos", eos()}, std::pair{"unknown", unk()}, std::pair{"padding", pad()}})
    if (id && !beyond(*id)) put(fmt::format("{}_token_id", name), GgufValue::of(static_cast<uint32_t>(*id)));
  const auto around = [&](const std::vector<int32_t>& ids, std::optional<int32_t> only) {
    if (!ids.empty() && (ids.size() > 1 || ids[0] != only))
      fail(ErrorKind::unsupported, "{}: around a text GGUF puts its BOS and its EOS; here are {} other tokens",
           parts.source, ids.size());
    return !ids.empty();
  };
  put("add_bos_token", GgufValue::of(around(parts.before, bos())));
  put("add_eos_token", GgufValue::of(around(parts.after, eos())));
  return entries;
}

}  // namespace glassbox
