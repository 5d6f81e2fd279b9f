// A tokenizer as a tokenizer.json: its parts, spelled as their readers read them.
#include <algorithm>

#include "base/base64.h"
#include "base/error.h"
#include "base/quote.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/unigram.h"
#include "tokenizer/wordpiece.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

Json sequence(const char* key, Json steps) {
  if (steps.empty()) return nullptr;
  if (steps.size() == 1) return steps[0];
  return {{"type", "Sequence"}, {key, std::move(steps)}};
}

const char* name_of(PreTokenizer::Behavior behavior) {
  switch (behavior) {
    case PreTokenizer::Behavior::removed:
      return "Removed";
    case PreTokenizer::Behavior::isolated:
      return "Isolated";
    case PreTokenizer::Behavior::merged_with_previous:
      return "MergedWithPrevious";
    case PreTokenizer::Behavior::merged_with_next:
      return "MergedWithNext";
    case PreTokenizer::Behavior::contiguous:
      break;
  }
  return "Contiguous";
}

Json split_json(Json pattern, PreTokenizer::Behavior behavior, bool invert) {
  return {{"type", "Split"}, {"pattern", std::move(pattern)}, {"behavior", name_of(behavior)}, {"invert", invert}};
}

Json byte_level_json(bool prefix_space, bool regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", prefix_space}, {"trim_offsets", true}, {"use_regex", regex}};
}

Json step_json(const PreTokenizer::Step& step) {
  using Kind = PreTokenizer::Kind;
  if (const auto* known = std::get_if<PreTokenizer::Known>(&step))
    return split_json({{"Regex", expression_of(known->pattern)}}, PreTokenizer::Behavior::isolated, false);
  if (const auto* one = std::get_if<PreTokenizer::Split>(&step))
    return split_json(one->regex ? Json{{"Regex", one->regex->expression()}} : Json{{"String", one->literal}},
                      one->behavior, one->invert);
  if (const auto* digits = std::get_if<PreTokenizer::Digits>(&step))
    return {{"type", "Digits"}, {"individual_digits", digits->individual}};
  if (const auto* meta = std::get_if<PreTokenizer::Metaspace>(&step)) {
    const char* scheme = meta->prefix == PreTokenizer::Prefix::always  ? "always"
                         : meta->prefix == PreTokenizer::Prefix::first ? "first"
                                                                       : "never";
    return {{"type", "Metaspace"}, {"replacement", meta->mark}, {"prepend_scheme", scheme}, {"split", meta->split}};
  }
  const auto& by_kind = std::get<PreTokenizer::ByKind>(step);
  switch (by_kind.kind) {
    case Kind::white_space:
      return {{"type", "WhitespaceSplit"}};
    case Kind::words:
      return {{"type", "Whitespace"}};
    case Kind::bert:
      return {{"type", "BertPreTokenizer"}};
    case Kind::punctuation:
      return {{"type", "Punctuation"}, {"behavior", name_of(by_kind.behavior)}};
    case Kind::trailing_space:
      break;
  }
  return split_json({{"Regex", "\\s+$"}}, PreTokenizer::Behavior::isolated, false);
}

Json decoder_json(const DecoderSpec& decoder) {
  if (decoder.byte_level) return byte_level_json(true, true);
  if (decoder.word_prefix)
    return {{"type", "WordPiece"}, {"prefix", *decoder.word_prefix}, {"cleanup", decoder.cleanup}};
  if (!decoder.drop_in_first.empty())
    return {
        {"type", "Metaspace"}, {"replacement", decoder.drop_in_first}, {"prepend_scheme", "always"}, {"split", true}};
  Json steps = Json::array();
  for (const auto& [what, with] : decoder.replace)
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", what}}}, {"content", with}});
  if (decoder.byte_fallback) steps.push_back({{"type", "ByteFallback"}});
  steps.push_back({{"type", "Fuse"}});
  if (decoder.strip > 0) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", decoder.strip}, {"stop", 0}});
  return {{"type", "Sequence"}, {"decoders", std::move(steps)}};
}

Json special_token(const std::string& name) { return {{"SpecialToken", {{"id", name}, {"type_id", 0}}}}; }

}  // namespace

Json PreTokenizer::to_json() const {
  Json steps = Json::array();
  bool regex = false, space = false;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const auto* known = std::get_if<Known>(&steps_[i]);
    if (std::holds_alternative<PrefixSpace>(steps_[i]))  // ByteLevel's, and only gpt2's expression comes after it
      space = true;
    else if (byte_level_ && known && known->pattern == KnownPattern::gpt2 && i + 1 == steps_.size())
      regex = true;
    else if (known && known->pattern == KnownPattern::deepseek_v3)
      for (const std::string_view expression : kDeepSeekV3)
        steps.push_back(split_json({{"Regex", expression}}, Behavior::isolated, false));
    else
      steps.push_back(step_json(steps_[i]));
  }
  if (byte_level_) steps.push_back(byte_level_json(space, regex));
  return sequence("pretokenizers", std::move(steps));
}

Json Normalizer::to_json(std::string_view source) const {
  Json steps = Json::array();
  for (const Step& step : steps_) {
    if (const auto* prepend = std::get_if<Prepend>(&step)) {
      if (prepend->first_only)
        fail(ErrorKind::unsupported, "{}: a normalizer that prepends {} at a text's beginning only", source,
             quote(prepend->text));
      steps.push_back({{"type", "Prepend"}, {"prepend", prepend->text}});
    } else if (const auto* replace = std::get_if<Replace>(&step)) {
      steps.push_back({{"type", "Replace"}, {"pattern", {{"String", replace->what}}}, {"content", replace->with}});
    } else if (const auto* regex = std::get_if<ReplaceRegex>(&step)) {
      steps.push_back(
          {{"type", "Replace"}, {"pattern", {{"Regex", regex->what.expression()}}}, {"content", regex->with}});
    } else if (const auto* form = std::get_if<Compose>(&step)) {
      steps.push_back({{"type", std::string("NF") + (form->compatibility ? "K" : "") + (form->compose ? "C" : "D")}});
    } else if (const auto* mapped = std::get_if<Mapped>(&step); mapped && mapped->graphemes) {
      steps.push_back({{"type", "Precompiled"}, {"precompiled_charsmap", to_base64(mapped->map->blob())}});
    } else if (std::holds_alternative<Lower>(step)) {
      steps.push_back({{"type", "Lowercase"}});
    } else if (const auto* strip = std::get_if<Strip>(&step)) {
      steps.push_back({{"type", "Strip"}, {"strip_left", strip->left}, {"strip_right", strip->right}});
    } else if (std::holds_alternative<StripAccents>(step)) {
      steps.push_back({{"type", "StripAccents"}});
    } else if (const auto* bert = std::get_if<Bert>(&step)) {
      steps.push_back({{"type", "BertNormalizer"},
                       {"clean_text", bert->clean},
                       {"handle_chinese_chars", bert->chinese},
                       {"strip_accents", bert->accents},
                       {"lowercase", bert->lower}});
    } else {
      fail(ErrorKind::unsupported, "{}: SentencePiece's {} has no name in a tokenizer.json", source,
           std::holds_alternative<Squeeze>(step) ? "remove_extra_whitespaces" : "precompiled_charsmap");
    }
  }
  return sequence("normalizers", std::move(steps));
}

std::string Tokenizer::to_json() const {
  impl_->check_some();
  const Impl& impl = *impl_;
  const TokenizerParts& parts = impl.parts;
  Json vocabulary = Json::object(), model;
  for (uint32_t id = 0; id < parts.model->size(); ++id) {
    const std::string name = impl.name(static_cast<int32_t>(id));
    if (!parts.model->defined(id) || name == fmt::format("[PAD{}]", id)) continue;
    if (unicode::valid_prefix(name) != name.size())
      fail(ErrorKind::unsupported, "{}: token {} is called {}: no UTF-8, which a tokenizer.json is", parts.source, id,
           quote(name));
    if (parts.model->find(parts.model->text(id)) || !vocabulary.contains(name)) vocabulary[name] = id;
  }
  std::vector<const AddedToken*> tokens;
  for (const AddedToken& token : parts.added) {
    if (token.content.empty()) continue;
    if (unicode::valid_prefix(token.content) != token.content.size())
      fail(ErrorKind::unsupported, "{}: added token {}: {} is no UTF-8, which a tokenizer.json is", parts.source,
           token.id, quote(token.content));
    tokens.push_back(&token);
  }
  std::sort(tokens.begin(), tokens.end(), [](const AddedToken* a, const AddedToken* b) { return a->id < b->id; });
  // Hugging Face's tokenizers pass over the ids of added tokens and count on from the vocabulary: where that would end
  // elsewhere, the vocabulary names them too.
  bool counts_on = true;
  int64_t next = static_cast<int64_t>(vocabulary.size());
  for (const AddedToken* token : tokens)
    if (!vocabulary.contains(token->content)) counts_on = counts_on && token->id == next++;
  if (!counts_on)
    for (const AddedToken* token : tokens)
      if (!vocabulary.contains(token->content)) vocabulary[token->content] = token->id;

  if (impl.bpe) {
    Json merges = Json::array();
    for (const Bpe::Merge& merge : impl.bpe->merge_list()) {
      const std::string left = impl.name(static_cast<int32_t>(merge.left)),
                        right = impl.name(static_cast<int32_t>(merge.right));
      if (left.find(' ') == left.npos && right.find(' ') == right.npos)
        merges.push_back(left + " " + right);
      else
        merges.push_back({left, right});
    }
    const Bpe::Options& options = impl.bpe->options();
    const Json suffix = options.suffix.empty() ? Json() : Json(options.suffix);
    const Json unknown =
        options.unknown == Bpe::kNone ? Json() : Json(impl.name(static_cast<int32_t>(options.unknown)));
    model = {{"type", "BPE"},
             {"dropout", nullptr},
             {"unk_token", unknown},
             {"continuing_subword_prefix", nullptr},
             {"end_of_word_suffix", suffix},
             {"fuse_unk", options.fuse_unknown},
             {"byte_fallback", !options.bytes.empty()},
             {"ignore_merges", options.ignore_merges},
             {"vocab", std::move(vocabulary)},
             {"merges", std::move(merges)}};
  } else if (const auto* words = dynamic_cast<const WordPiece*>(parts.model.get())) {
    model = {{"type", "WordPiece"},
             {"unk_token", words->options().unknown},
             {"continuing_subword_prefix", words->options().prefix},
             {"max_input_chars_per_word", words->options().longest_word},
             {"vocab", std::move(vocabulary)}};
  } else {
    fail(ErrorKind::unsupported, "{}: a Unigram, whose sums of scores differ from one reader to another", parts.source);
  }

  Json added = Json::array();
  for (const AddedToken* one : tokens) {
    const AddedToken& token = *one;
    // What is looked for in prepared text must be what preparing makes of the content.
    std::string storage;
    const bool normalized = token.normalized && parts.normalizer.apply(token.content, true, storage) == token.pattern;
    added.push_back({{"id", token.id},
                     {"content", normalized ? token.content : token.pattern},
                     {"single_word", token.single_word},
                     {"lstrip", token.lstrip},
                     {"rstrip", token.rstrip},
                     {"normalized", normalized},
                     {"special", token.special}});
  }
  Json post;
  if (!parts.before.empty() || !parts.after.empty()) {
    const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
               second = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
    Json single = Json::array(), pair = Json::array(), special = Json::object();
    const auto put = [&](const std::vector<int32_t>& ids) {
      for (const int32_t id : ids) {
        const std::string name = impl.name(id);
        single.push_back(special_token(name));
        pair.push_back(special_token(name));
        special[name] = {{"id", name}, {"ids", {id}}, {"tokens", {name}}};
      }
    };
    put(parts.before);
    single.push_back(text);
    pair.push_back(text);
    put(parts.after);
    pair.push_back(second);
    post = {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
  }
  const Json file = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", std::move(added)},
                     {"normalizer", parts.normalizer.to_json(parts.source)},
                     {"pre_tokenizer", parts.pretokenizer.to_json()},
                     {"post_processor", std::move(post)},
                     {"decoder", decoder_json(parts.decoder)},
                     {"model", std::move(model)}};
  return dump_json(file) + "\n";
}

}  // namespace glassbox
