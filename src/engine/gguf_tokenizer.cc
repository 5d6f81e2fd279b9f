#include "engine/gguf_tokenizer.h"

#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "formats/quote.h"
#include "text/chat_template.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

// GGUF's names of token kinds ("tokenizer.ggml.token_type").
enum Kind : int32_t { normal = 1, control = 3, user_defined = 4, unused = 5 };

constexpr const char* kCl100k =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kO200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// How text is split before BPE: GGUF's name ("tokenizer.ggml.pre"), and what a tokenizer.json says of it. The first
// name of the same splitting is the one written.
struct Splitting {
  const char* name;
  std::vector<const char*> steps;  // "digits", "gpt2" (ByteLevel's own regular expression), or an expression
  bool composes = false;           // NFC before it
  bool whole_words = false;        // a word that is a token is not merged ("ignore_merges")
};
const std::vector<Splitting>& splittings() {
  static const std::vector<Splitting> all = {{"gpt-2", {"gpt2"}},
                                             {"olmo", {"gpt2"}},
                                             {"llama-bpe", {kCl100k}, false, true},
                                             {"llama3", {kCl100k}, false, true},
                                             {"llama-v3", {kCl100k}, false, true},
                                             {"dbrx", {kCl100k}},
                                             {"qwen2", {kQwen2}, true},
                                             {"stablelm2", {kQwen2}},
                                             {"deepseek-r1-qwen", {kQwen2}},
                                             {"smollm", {"digits", "gpt2"}},
                                             {"starcoder", {"digits", "gpt2"}},
                                             {"gpt-4o", {kO200k}},
                                             {"llama4", {kO200k}}};
  return all;
}

// The steps of a tokenizer.json's pre_tokenizer; nothing if one of them is of another kind.
std::optional<std::vector<std::string>> steps_of(const Json& pre) {
  std::vector<std::string> steps;
  const auto add = [&](const Json& step) {
    const std::string type = step.value("type", "");
    if (type == "ByteLevel") {
      if (step.value("add_prefix_space", false)) return false;
      if (step.value("use_regex", true)) steps.emplace_back("gpt2");
      return true;
    }
    if (type == "Digits" && step.value("individual_digits", false)) {
      steps.emplace_back("digits");
      return true;
    }
    if (type != "Split" || step.value("invert", false) || step.value("behavior", "") != "Isolated") return false;
    const Json pattern = step.value("pattern", Json::object());
    if (!pattern.contains("Regex") || !pattern["Regex"].is_string()) return false;
    steps.push_back(pattern["Regex"]);
    return true;
  };
  if (!pre.is_object()) return std::nullopt;
  if (pre.value("type", "") == "Sequence") {
    for (const Json& step : pre.value("pretokenizers", Json::array()))
      if (!step.is_object() || !add(step)) return std::nullopt;
  } else if (!add(pre)) {
    return std::nullopt;
  }
  return steps;
}

Json pre_tokenizer(const Splitting& splitting) {
  Json steps = Json::array();
  bool byte_level = false;
  for (const std::string_view step : splitting.steps) {
    if (step == "digits") {
      steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
    } else if (step == "gpt2") {
      steps.push_back(
          {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}});
      byte_level = true;
    } else {
      steps.push_back({{"type", "Split"}, {"pattern", {{"Regex", step}}}, {"behavior", "Isolated"}, {"invert", false}});
    }
  }
  if (!byte_level)
    steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

std::string special_name(const Json& config, const char* key) {
  const Json token = config.value(key, Json());
  if (token.is_string()) return token;
  return token.is_object() ? token.value("content", "") : "";
}

std::string text_of(const fs::path& file) { return fs::exists(file) ? read_file(file) : std::string(); }

}  // namespace

std::vector<GgufEntry> gguf_tokenizer(const fs::path& folder, int64_t vocabulary) {
  const auto chat = open_chat_template(folder);
  return gguf_tokenizer(text_of(folder / "tokenizer.json"), text_of(folder / "tokenizer_config.json"),
                        chat ? chat->source() : "", folder.string(), vocabulary);
}

std::vector<GgufEntry> gguf_tokenizer(std::string_view tokenizer_json, std::string_view tokenizer_config,
                                      std::string_view chat_template, std::string_view source, int64_t vocabulary) {
  const std::string where = std::string(source) + "/tokenizer.json";
  if (tokenizer_json.empty())
    fail(ErrorKind::unsupported, "{}: expected a tokenizer.json: GGUF files are written from it alone", source);
  const Json tokenizer = parse_json(tokenizer_json, where, ErrorKind::bad_file, 128);
  const Json model = tokenizer.value("model", Json::object());
  if (model.value("type", "") != "BPE" || model.value("byte_fallback", false) ||
      !model.value("vocab", Json()).is_object())
    fail(ErrorKind::unsupported, "{}: only byte-level BPE can be written as GGUF", where);
  const auto steps = steps_of(tokenizer.value("pre_tokenizer", Json()));
  const Json normalizer = tokenizer.value("normalizer", Json());
  const bool composes = normalizer.is_object() && normalizer.value("type", "") == "NFC";
  if (!normalizer.is_null() && !composes)
    fail(ErrorKind::unsupported, "{}: normalizer: GGUF has no place for {}", where,
         dump_json(normalizer).substr(0, 80));
  const bool whole_words = model.value("ignore_merges", false);
  const Splitting* splitting = nullptr;
  for (const Splitting& known : splittings())
    if (steps && !splitting && std::vector<std::string>(known.steps.begin(), known.steps.end()) == *steps &&
        known.composes == composes && known.whole_words == whole_words)
      splitting = &known;
  if (!splitting)
    fail(ErrorKind::unsupported, "{}: pre_tokenizer: GGUF has no name that we know for this way to split text", where);

  std::map<int64_t, std::pair<std::string, Kind>> by_id;
  for (const auto& [token, id] : model["vocab"].items())
    if (id.is_number_integer()) by_id[id.get<int64_t>()] = {token, normal};
  std::map<std::string, int64_t> ids;
  for (const Json& added : tokenizer.value("added_tokens", Json::array()))
    by_id[added.value("id", int64_t{-1})] = {added.value("content", ""),
                                             added.value("special", false) ? control : user_defined};
  if (by_id.empty() || by_id.begin()->first < 0 || by_id.rbegin()->first >= vocabulary)
    fail(ErrorKind::bad_file, "{}: expected token ids from 0 to {}", where, vocabulary - 1);
  std::vector<std::string> tokens;
  std::vector<int32_t> kinds;
  for (int64_t id = 0; id < vocabulary; ++id) {
    const auto found = by_id.find(id);
    tokens.push_back(found == by_id.end() ? fmt::format("[PAD{}]", id) : found->second.first);
    kinds.push_back(found == by_id.end() ? unused : found->second.second);
    ids.emplace(tokens.back(), id);
  }
  std::vector<std::string> merges;
  for (const Json& merge : model.value("merges", Json::array())) {
    if (merge.is_string()) {
      merges.push_back(merge);
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
    } else {
      fail(ErrorKind::bad_file, "{}: model.merges: expected pairs of tokens, got {}", where, brief(merge));
    }
  }

  std::vector<GgufEntry> entries{{"tokenizer.ggml.model", GgufValue::of("gpt2")},
                                 {"tokenizer.ggml.pre", GgufValue::of(splitting->name)},
                                 {"tokenizer.ggml.tokens", GgufValue::array(tokens)},
                                 {"tokenizer.ggml.token_type", GgufValue::array(kinds)},
                                 {"tokenizer.ggml.merges", GgufValue::array(merges)}};
  const Json config = tokenizer_config.empty()
                          ? Json::object()
                          : parse_json(tokenizer_config, std::string(source) + "/tokenizer_config.json");
  const auto special = [&](const char* key, const char* name) {
    const auto found = ids.find(special_name(config, key));
    if (found != ids.end())
      entries.push_back(
          {fmt::format("tokenizer.ggml.{}_token_id", name), GgufValue::of(static_cast<uint32_t>(found->second))});
  };
  special("bos_token", "bos");
  special("eos_token", "eos");
  special("unk_token", "unknown");
  special("pad_token", "padding");
  // Whether texts begin with BOS is what the post-processor says.
  const std::string post = dump_json(tokenizer.value("post_processor", Json()));
  const std::string bos = special_name(config, "bos_token");
  const bool adds_bos = !bos.empty() && post.find("TemplateProcessing") != post.npos &&
                        post.find("\"id\":" + dump_json(bos)) != post.npos;
  entries.push_back({"tokenizer.ggml.add_bos_token", GgufValue::of(adds_bos)});
  entries.push_back({"tokenizer.huggingface.json", GgufValue::of(tokenizer_json)});
  if (!chat_template.empty()) entries.push_back({"tokenizer.chat_template", GgufValue::of(chat_template)});
  return entries;
}

std::vector<NamedText> tokenizer_files(const Gguf& file) {
  const auto key = [](std::string_view name) { return fmt::format("tokenizer.ggml.{}", name); };
  std::vector<NamedText> files;
  const auto tokens = file.strings(key("tokens"));
  if (!tokens) fail(ErrorKind::unsupported, "{}: {} is missing: no tokenizer", file.source(), key("tokens"));
  const auto name_of_id = [&](std::string_view which) -> std::optional<std::string> {
    const auto id = file.integer(key(which));
    if (!id || *id < 0 || static_cast<size_t>(*id) >= tokens->size()) return std::nullopt;
    return std::string((*tokens)[static_cast<size_t>(*id)]);
  };
  const auto kinds = file.integers(key("token_type")).value_or(std::vector<int64_t>(tokens->size(), normal));
  const std::string pre = file.string(key("pre")).value_or("");
  const bool adds_bos =
      file.boolean(key("add_bos_token")).value_or(pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3");

  Json added = Json::array(), decoder = Json::object();
  for (size_t id = 0; id < tokens->size() && id < kinds.size(); ++id) {
    if (kinds[id] != control && kinds[id] != user_defined) continue;
    const Json token = {
        {"id", id},        {"content", (*tokens)[id]}, {"single_word", false},           {"lstrip", false},
        {"rstrip", false}, {"normalized", false},      {"special", kinds[id] == control}};
    added.push_back(token);
    decoder[std::to_string(id)] = token;
    decoder[std::to_string(id)].erase("id");
  }
  if (const auto whole = file.string("tokenizer.huggingface.json")) {
    files.push_back({"tokenizer.json", *whole});
  } else {
    const Splitting* splitting = nullptr;
    for (const Splitting& known : splittings())
      if (known.name == pre) splitting = &known;
    if (file.string(key("model")) != "gpt2" || !splitting)
      fail(ErrorKind::unsupported,
           "{}: a tokenizer of model {}, splitting text as {}, cannot be written as tokenizer.json", file.source(),
           quote(file.string(key("model")).value_or("")), quote(pre));
    Json vocabulary = Json::object();
    for (size_t id = 0; id < tokens->size(); ++id)
      if (kinds.size() <= id || kinds[id] != unused) vocabulary[std::string((*tokens)[id])] = id;
    Json post;
    if (const auto bos = name_of_id("bos_token_id"); adds_bos && bos)
      post = {{"type", "TemplateProcessing"},
              {"single",
               {{{"SpecialToken", {{"id", *bos}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
              {"pair",
               {{{"SpecialToken", {{"id", *bos}, {"type_id", 0}}}},
                {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
                {{"Sequence", {{"id", "B"}, {"type_id", 1}}}}}},
              {"special_tokens",
               {{*bos, {{"id", *bos}, {"ids", {*file.integer(key("bos_token_id"))}}, {"tokens", {*bos}}}}}}};
    const Json tokenizer = {
        {"version", "1.0"},
        {"truncation", nullptr},
        {"padding", nullptr},
        {"added_tokens", added},
        {"normalizer", splitting->composes ? Json({{"type", "NFC"}}) : Json()},
        {"pre_tokenizer", pre_tokenizer(*splitting)},
        {"post_processor", post},
        {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
        {"model",
         {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", splitting->whole_words},
          {"vocab", std::move(vocabulary)},
          {"merges", file.strings(key("merges")).value_or(std::vector<std::string_view>())}}}};
    files.push_back({"tokenizer.json", dump_json(tokenizer, 2) + "\n"});
  }
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false},
                 {"add_bos_token", adds_bos},
                 {"added_tokens_decoder", std::move(decoder)}};
  for (const auto& [name, id] :
       {std::pair{"bos_token", "bos_token_id"}, std::pair{"eos_token", "eos_token_id"},
        std::pair{"unk_token", "unknown_token_id"}, std::pair{"pad_token", "padding_token_id"}})
    if (const auto token = name_of_id(id)) config[name] = *token;
  files.push_back({"tokenizer_config.json", dump_json(config, 2) + "\n"});
  if (const auto chat = file.string("tokenizer.chat_template")) files.push_back({"chat_template.jinja", *chat});
  return files;
}

}  // namespace glassbox
