// glassbox tokenize, detokenize, render: text to ids and back, messages to a prompt.
#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "chat/prompt_encoder.h"
#include "cli/command.h"
#include "cli/fetch.h"
#include "cli/streams.h"
#include "formats/file_set.h"

namespace glassbox {
namespace {

struct TextOptions {
  std::string source;
  bool no_special = false;
  bool prompt = false;  // standard input is what `render --json` wrote
};

struct RenderOptions {
  std::string source, name;
  bool json = false, ids = false, text = false;
};

Tokenizer open_tokenizer(const std::string& source) {
  fetch_model(source);
  const auto model = FileSet::find(source);
  return model ? Tokenizer::open(*model) : Tokenizer::open(source);
}

// Nothing where a model has none, or for what is no model.
std::optional<ChatTemplate> template_of_model(const std::string& source) {
  const auto model = FileSet::find(source);
  return model ? open_chat_template(*model) : std::nullopt;
}

void print_ids(const std::vector<int32_t>& ids) { fmt::print("[{}]\n", fmt::join(ids, ", ")); }

void write_standard_output(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// For people: what the template writes is dimmed, so that the conversation stands out.
void show(const Rendered& rendered) {
  const char* term = std::getenv("TERM");
  const bool colours = !std::getenv("NO_COLOR") && term && std::string_view(term) != "dumb";
  MixedText(rendered.text, rendered.trusted).each_run([&](std::string_view run, bool trusted) {
    if (colours && trusted) write_standard_output("\033[2;36m");
    write_standard_output(run);
    if (colours && trusted) write_standard_output("\033[0m");
  });
}

int tokenize(const TextOptions& options) {
  const Tokenizer tokenizer = open_tokenizer(options.source);
  const std::string input = read_standard_input();
  if (options.prompt) {
    const OrderedJson prompt = parse_ordered_json(input, "standard input", ErrorKind::bad_request);
    const OrderedJson parts = prompt.is_object() && prompt.contains("prompt") ? prompt["prompt"] : prompt;
    print_ids(PromptEncoder(tokenizer, template_of_model(options.source)).encode(Rendered::of_parts(parts)));
    return 0;
  }
  print_ids(tokenizer.encode(input, !options.no_special));
  return 0;
}

int detokenize(const TextOptions& options) {
  const Tokenizer tokenizer = open_tokenizer(options.source);
  const Json list = parse_json(read_standard_input(), "standard input", ErrorKind::bad_request);
  if (!list.is_array())
    fail(ErrorKind::bad_request, "standard input: expected a JSON list of token ids, got {}", list.type_name());
  std::vector<int32_t> ids;
  for (const Json& id : list) {
    const int64_t number = id.is_number_integer() ? id.get<int64_t>() : -1;  // beyond its largest: negative
    if (number < 0 || number > INT32_MAX)
      fail(ErrorKind::bad_request, "standard input: expected token ids, got {}", dump_json(id).substr(0, 60));
    ids.push_back(static_cast<int32_t>(number));
  }
  const std::string text = tokenizer.decode(ids);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return 0;
}

// Nothing for a template file, or a folder that has no tokenizer: what they write is text, and which of it is their
// own.
std::optional<PromptEncoder> find_prompts(const std::string& source, const std::optional<ChatTemplate>& chat_template) {
  if (!FileSet::find(source)) return std::nullopt;
  try {
    return PromptEncoder(open_tokenizer(source), chat_template);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return std::nullopt;
  }
}

int render(const RenderOptions& options) {
  fetch_model(options.source);
  std::optional<ChatTemplate> chat_template = FileSet::find(options.source)
                                                  ? template_of_model(options.source)
                                                  : ChatTemplate::parse(read_file(options.source), options.source);
  if (!chat_template) fail(ErrorKind::unsupported, "{}: has no chat template", options.source);
  if (!options.name.empty()) {
    const auto names = chat_template->names();
    chat_template = chat_template->named(options.name);
    if (!chat_template)
      fail(ErrorKind::bad_request, "--template: {} has no chat template named {}, only {}", options.source,
           options.name, fmt::join(names, ", "));
  }
  const OrderedJson context = parse_ordered_json(read_standard_input(), "standard input", ErrorKind::bad_request);
  if (!context.is_object())
    fail(ErrorKind::bad_request, "standard input: expected an object with \"messages\", got {}", context.type_name());
  const Rendered rendered = chat_template->render(context);

  const auto prompts = find_prompts(options.source, chat_template);
  if (options.ids) {
    if (!prompts) fail(ErrorKind::bad_request, "--ids: {} is a template without a tokenizer", options.source);
    print_ids(prompts->encode(rendered));
    return 0;
  }
  if (options.json) {
    OrderedJson out = OrderedJson::object();
    if (prompts) {
      const auto ids = prompts->encode(rendered);
      out = {{"tokens", ids.size()}, {"ids", ids}};
    }
    out["prompt"] = rendered.parts();
    fmt::print("{}\n", dump_ordered_json(out));
    return 0;
  }
  if (::isatty(STDOUT_FILENO)) {
    show(rendered);
    return 0;
  }
  // A program that reads this text for tokens would find some that nobody may write.
  if (const auto forged = prompts && !options.text ? prompts->forged(rendered) : std::nullopt)
    fail(ErrorKind::bad_request,
         "standard output: the conversation spells the control token {} (byte {} of the prompt), which is text there; "
         "the text alone cannot say so: --json and --ids can, --text writes it all the same",
         forged->token, forged->byte);
  write_standard_output(rendered.text);
  return 0;
}

}  // namespace

void add_text_commands(Commands& commands) {
  auto options = std::make_shared<TextOptions>();
  Command command = commands.add("tokenize", "Text on standard input, a JSON list of token ids on standard output",
                                 "echo -n 'Hello' | glassbox tokenize glassbox/prism", options, tokenize);
  command.option("SOURCE", &options->source, "A model, a folder, tokenizer.json or tokenizer.model").required();
  command.flag("--no-special", &options->no_special,
               "Leave out what the tokenizer would put around the text, such as BOS");
  command.flag("--prompt", &options->prompt,
               "Standard input is what `glassbox render --json` wrote: control tokens are the template's alone");

  options = std::make_shared<TextOptions>();
  command = commands.add("detokenize", "A JSON list of token ids on standard input, their text on standard output",
                         "echo '[40, 41]' | glassbox detokenize glassbox/prism", options, detokenize);
  command.option("SOURCE", &options->source, "A model, a folder, tokenizer.json or tokenizer.model").required();

  auto rendering = std::make_shared<RenderOptions>();
  command = commands.add(
      "render", "Messages on standard input, the prompt's exact text on standard output",
      R"(echo '{"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true}' | glassbox render glassbox/prism)",
      rendering, render);
  command.option("SOURCE", &rendering->source, "A model, a folder, or a template file (*.jinja)").required();
  command.option("--template", &rendering->name, "The template of this name, where the model has several");
  const Option json = command.flag("--json", &rendering->json,
                                   "JSON: the prompt in parts, each the template's own (trusted) or not, and its ids");
  const Option ids = command.flag("--ids", &rendering->ids, "The ids that the model is given");
  const Option text =
      command.flag("--text", &rendering->text, "The text alone, even where the conversation spells control tokens");
  json.excludes(ids).excludes(text);
  ids.excludes(text);
}

}  // namespace glassbox
