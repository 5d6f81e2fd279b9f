// The chat template of a model as published: which of its files and keys has it.
#include <map>

#include "base/error.h"
#include "chat/chat_template.h"
#include "chat/gguf_model.h"
#include "formats/file_set.h"

namespace glassbox {
namespace {

// tokenizer_config.json writes a token as its text, or as an object with it.
std::optional<std::string> token_text(const Json& token) {
  if (token.is_string()) return token.get<std::string>();
  if (token.is_object() && token.contains("content") && token["content"].is_string())
    return token["content"].get<std::string>();
  return std::nullopt;
}

void add_special_tokens(OrderedJson& variables, const Json& config) {
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    if (variables.contains(key) || !config.contains(key)) continue;
    if (auto text = token_text(config[key])) variables[key] = *text;
  }
  const char* more = "additional_special_tokens";
  if (variables.contains(more) || !config.contains(more) || !config[more].is_array()) return;
  OrderedJson all = OrderedJson::array();
  for (const Json& token : config[more])
    if (auto text = token_text(token)) all.push_back(*text);
  if (!all.empty()) variables[more] = std::move(all);
}

// Templates by name, each with the place that errors name.
struct NamedTemplate {
  std::string text, place;
};
using NamedTemplates = std::map<std::string, NamedTemplate>;

NamedTemplates named_templates(const Json& published, const std::string& where) {
  NamedTemplates named;
  const auto add = [&](const std::string& key, const Json& text) {
    named[key] = {text.get<std::string>(), key == "default" ? where : fmt::format("{} {}", where, dump_json(key))};
  };
  if (published.is_string()) {
    add("default", published);
  } else if (published.is_array()) {
    for (const Json& each : published) {
      if (!each.is_object() || !each.contains("name") || !each["name"].is_string() || !each.contains("template") ||
          !each["template"].is_string())
        fail(ErrorKind::bad_file, "{}: expected objects with a name and a template", where);
      add(each["name"].get<std::string>(), each["template"]);
    }
  } else if (published.is_object()) {
    for (const auto& [key, text] : published.items()) {
      if (!text.is_string())
        fail(ErrorKind::bad_file, "{}: {}: expected a string, got {}", where, dump_json(key), text.type_name());
      add(key, text);
    }
  } else if (!published.is_null()) {
    fail(ErrorKind::bad_file, "{}: expected a string, a list or an object, got {}", where, published.type_name());
  }
  return named;
}

Json read_object(const ModelFile& file) {
  Json config = file.json();
  if (!config.is_object()) fail(ErrorKind::bad_file, "{}: expected an object, got {}", file.source, config.type_name());
  return config;
}

std::vector<std::string> listed_tokens(const Json& list, const std::string& where) {
  if (!list.is_array()) fail(ErrorKind::bad_file, "{}: expected a list of strings, got {}", where, list.type_name());
  std::vector<std::string> tokens;
  for (const Json& token : list) {
    if (!token.is_string()) fail(ErrorKind::bad_file, "{}: expected strings, got {}", where, token.type_name());
    tokens.push_back(token.get<std::string>());
  }
  return tokens;
}

NamedTemplates templates_of_config(const Json& config, const ModelFile& file) {
  if (!config.contains("chat_template")) return {};
  return named_templates(config["chat_template"], file.source + ": chat_template");
}

}  // namespace

std::optional<ChatTemplate> open_chat_template(const FileSet& files) {
  if (files.kind() == FileSet::Kind::gguf) {
    const Gguf file = Gguf::open(files.path());
    return gguf_chat_template(file, Tokenizer::from_gguf(file));
  }
  constexpr size_t kLargest = 16u << 20;
  constexpr std::string_view kMore = "additional_chat_templates/", kEnding = ".jinja";
  OrderedJson variables = OrderedJson::object();
  std::optional<std::vector<std::string>> control_tokens;
  NamedTemplates named;
  // Files of their own, even if none of them is the default, count before all that tokenizer_config.json holds.
  const auto add_file = [&](const std::string& key, const ModelFile& file) {
    named[key] = {file.text(kLargest), file.source};
  };
  if (const auto file = files.file("chat_template.jinja")) add_file("default", *file);
  for (const std::string& name : files.names(kMore))
    if (name.ends_with(kEnding))
      add_file(name.substr(kMore.size(), name.size() - kMore.size() - kEnding.size()), *files.file(name));
  if (const auto file = files.file("tokenizer_config.json")) {
    const Json config = read_object(*file);
    if (named.empty()) named = templates_of_config(config, *file);
    add_special_tokens(variables, config);
    if (config.contains("chat_control_tokens") && !config["chat_control_tokens"].is_null())
      control_tokens = listed_tokens(config["chat_control_tokens"], file->source + ": chat_control_tokens");
  }
  if (const Json config = files.json("special_tokens_map.json"); config.is_object())
    add_special_tokens(variables, config);
  for (const char* name : {"processor_config.json", "chat_template.json"})
    if (const auto file = files.file(name); named.empty() && file)
      named = templates_of_config(read_object(*file), *file);
  if (named.empty()) return std::nullopt;
  std::map<std::string, ChatTemplate> parsed;
  for (const auto& [key, one] : named) parsed.emplace(key, ChatTemplate::parse(one.text, one.place));
  auto result = ChatTemplate::of_named(parsed, files.source()).with_variables(std::move(variables));
  return control_tokens ? result.with_control_tokens(std::move(*control_tokens)) : result;
}

std::optional<ChatTemplate> open_chat_template(const std::filesystem::path& folder) {
  return open_chat_template(FileSet::of_folder(folder));
}

}  // namespace glassbox
