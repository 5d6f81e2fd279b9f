// glassbox tokenize, detokenize, render: text to ids and back, messages to a prompt.
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/command.h"
#include "engine/gguf_model.h"
#include "engine/shipped.h"

namespace glassbox {
namespace {

struct TextOptions {
  std::string source;
  bool no_special = false;
};

Tokenizer open_tokenizer(const std::string& source) {
  if (const auto shipped = shipped_model(source))
    return Tokenizer::from_json(shipped->tokenizer, source + "/tokenizer.json", shipped->tokenizer_config);
  if (is_gguf_file(source)) return Tokenizer::from_gguf(Gguf::open(source));
  return Tokenizer::open(source);
}

int tokenize(const TextOptions& options) {
  const Tokenizer tokenizer = open_tokenizer(options.source);
  const auto ids = tokenizer.encode(read_standard_input(), !options.no_special);
  fmt::print("[{}]\n", fmt::join(ids, ", "));
  return 0;
}

int detokenize(const TextOptions& options) {
  const Tokenizer tokenizer = open_tokenizer(options.source);
  const Json list = parse_json(read_standard_input(), "standard input", ErrorKind::bad_request);
  if (!list.is_array())
    fail(ErrorKind::bad_request, "standard input: expected a JSON list of token ids, got {}", list.type_name());
  std::vector<int32_t> ids;
  for (const Json& id : list) {
    if (!id.is_number_integer() || id < 0 || id > INT32_MAX)
      fail(ErrorKind::bad_request, "standard input: expected token ids, got {}", dump_json(id).substr(0, 60));
    ids.push_back(id.get<int32_t>());
  }
  const std::string text = tokenizer.decode(ids);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

ChatTemplate open_template(const std::string& source) {
  const auto missing = [&] { fail(ErrorKind::unsupported, "{}: has no chat template", source); };
  if (const auto shipped = shipped_model(source)) return *open_model(source)->chat_template;
  if (std::filesystem::is_directory(source)) {
    auto found = open_chat_template(source);
    if (!found) missing();
    return *found;
  }
  if (is_gguf_file(source)) {
    const Gguf file = Gguf::open(source);
    auto found = gguf_chat_template(file, Tokenizer::from_gguf(file));
    if (!found) missing();
    return *found;
  }
  return ChatTemplate::parse(read_file(source), source);
}

int render(const TextOptions& options) {
  const ChatTemplate chat_template = open_template(options.source);
  const std::string input = read_standard_input();
  parse_json(input, "standard input", ErrorKind::bad_request);  // bounds the depth and names what is wrong
  const OrderedJson context = OrderedJson::parse(input);
  if (!context.is_object())
    fail(ErrorKind::bad_request, "standard input: expected an object with \"messages\", got {}", context.type_name());
  const std::string text = chat_template.render(context);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

}  // namespace

void add_text_commands(Commands& commands) {
  auto options = std::make_shared<TextOptions>();
  auto* command = commands.add("tokenize", "Text on standard input, a JSON list of token ids on standard output",
                               "echo -n 'Hello' | glassbox tokenize glassbox/prism", options, tokenize);
  command->add_option("SOURCE", options->source, "A model, a folder, tokenizer.json or tokenizer.model")->required();
  command->add_flag("--no-special", options->no_special,
                    "Leave out what the tokenizer would put around the text, such as BOS");

  options = std::make_shared<TextOptions>();
  command = commands.add("detokenize", "A JSON list of token ids on standard input, their text on standard output",
                         "echo '[40, 41]' | glassbox detokenize glassbox/prism", options, detokenize);
  command->add_option("SOURCE", options->source, "A model, a folder, tokenizer.json or tokenizer.model")->required();

  options = std::make_shared<TextOptions>();
  command = commands.add(
      "render", "Messages on standard input, the prompt's exact text on standard output",
      R"(echo '{"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true}' | glassbox render glassbox/prism)",
      options, render);
  command->add_option("SOURCE", options->source, "A model, a folder, or a template file (*.jinja)")->required();
}

}  // namespace glassbox
