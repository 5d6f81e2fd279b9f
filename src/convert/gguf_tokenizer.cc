#include "convert/gguf_tokenizer.h"

#include <optional>

#include "base/error.h"
#include "chat/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary_json.h"

namespace glassbox {
namespace {

// GGUF's names of token kinds ("tokenizer.ggml.token_type").
enum Kind : int64_t { control = 3, user_defined = 4 };

std::vector<GgufEntry> entries_of(const Tokenizer& tokenizer, std::string_view published,
                                  const std::optional<ChatTemplate>& chat, int64_t vocabulary) {
  std::vector<GgufEntry> entries = tokenizer.to_gguf(vocabulary);
  if (!published.empty()) entries.push_back({"tokenizer.huggingface.json", GgufValue::of(published)});
  if (!chat) return entries;
  std::vector<std::string> others;
  for (const std::string& name : chat->names()) {
    const std::string text = chat->named(name)->source();
    if (name != "default") others.push_back(name);
    entries.push_back(
        {name == "default" ? "tokenizer.chat_template" : "tokenizer.chat_template." + name, GgufValue::of(text)});
  }
  if (!others.empty()) entries.push_back({"tokenizer.chat_templates", GgufValue::array(others)});
  return entries;
}

// Nothing where no tokenizer.json says it (a Unigram of SentencePiece): GGUF's own keys say all of it then.
std::string json_of(const Tokenizer& tokenizer) {
  try {
    return tokenizer.to_json();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unsupported) throw;
    return {};
  }
}

}  // namespace

std::vector<GgufEntry> gguf_tokenizer(const FileSet& files, int64_t vocabulary) {
  const auto chat = open_chat_template(files);
  std::optional<Tokenizer> opened;
  try {
    opened = Tokenizer::open(files);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return {{"tokenizer.ggml.model", GgufValue::of("none")}};  // as llama.cpp has it of models without
  }
  const auto published = files.file("tokenizer.json");
  return entries_of(*opened, published ? published->text() : json_of(*opened), chat, vocabulary);
}

std::vector<NamedText> tokenizer_files(const Gguf& file) {
  const auto key = [](std::string_view name) { return fmt::format("tokenizer.ggml.{}", name); };
  std::vector<NamedText> files;
  std::optional<Tokenizer> opened;
  try {
    opened = Tokenizer::from_gguf(file);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return {};
  }
  const Tokenizer& tokenizer = *opened;
  const auto whole = file.string("tokenizer.huggingface.json");
  files.push_back({"tokenizer.json", whole ? *whole : tokenizer.to_json()});

  // Special and added tokens: as tokenizer.json lists them, and those that only GGUF's keys know.
  Json decoder = Json::object();
  const Json published = parse_vocabulary_json(files[0].text, file.source() + ": tokenizer.json").rest;
  if (published.contains("added_tokens"))
    for (Json token : published["added_tokens"]) {
      const int64_t id = token.value("id", int64_t{-1});
      token.erase("id");
      decoder[std::to_string(id)] = std::move(token);
    }
  const auto kinds = file.integers(key("token_type")).value_or(std::vector<int64_t>());
  for (size_t id = 0; id < kinds.size() && id < tokenizer.size(); ++id) {
    if ((kinds[id] != control && kinds[id] != user_defined) || decoder.contains(std::to_string(id))) continue;
    decoder[std::to_string(id)] = {{"content", tokenizer.token(static_cast<int32_t>(id))},
                                   {"single_word", false},
                                   {"lstrip", false},
                                   {"rstrip", false},
                                   {"normalized", false},
                                   {"special", kinds[id] == control}};
  }
  const std::vector<int32_t> around = tokenizer.encode("");
  Json config = {
      {"tokenizer_class", "PreTrainedTokenizerFast"},
      {"clean_up_tokenization_spaces", false},
      {"add_bos_token", tokenizer.adds_bos()},
      {"add_eos_token", !around.empty() && around.back() == tokenizer.eos() && around.size() > tokenizer.adds_bos()},
      {"added_tokens_decoder", std::move(decoder)}};
  for (const auto& [name, id] : {std::pair{"bos_token", tokenizer.bos()}, std::pair{"eos_token", tokenizer.eos()},
                                 std::pair{"unk_token", tokenizer.unk()}, std::pair{"pad_token", tokenizer.pad()}})
    if (id) config[name] = tokenizer.token(*id);
  // One template is a file of its own; several are a list, since their names need not be names of files.
  const auto chat = file.string("tokenizer.chat_template");
  Json named = Json::array();
  for (const std::string_view name : file.strings("tokenizer.chat_templates").value_or(std::vector<std::string_view>()))
    if (const auto text = file.string(fmt::format("tokenizer.chat_template.{}", name)); text && name != "default")
      named.push_back({{"name", name}, {"template", *text}});
  if (!named.empty() && chat) named.push_back({{"name", "default"}, {"template", *chat}});
  if (!named.empty()) config["chat_template"] = std::move(named);
  const bool several = config.contains("chat_template");
  files.push_back({"tokenizer_config.json", dump_json(config, 2) + "\n"});
  if (chat && !several) files.push_back({"chat_template.jinja", std::string(*chat)});
  return files;
}

}  // namespace glassbox
