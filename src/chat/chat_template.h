// Chat templates: the Jinja2 that published models use to write a conversation as text.
//
// Rendering equals Python's Jinja2 3.1 as transformers sets it up (ImmutableSandboxedEnvironment, trim_blocks,
// lstrip_blocks, loop controls, {% generation %}, raise_exception, strftime_now, a tojson that keeps non-ASCII):
// where Jinja2 renders, the same text; where Jinja2 raises, an Error. Templates are untrusted: they see the values
// they are given and nothing else, and run within limits on steps, depth, sizes and output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "formats/file_set.h"
#include "unicode/mixed_text.h"

namespace glassbox {

struct RenderLimits {
  uint64_t steps = 10'000'000;       // nodes evaluated, plus items and bytes handled: bounds time and memory
  size_t output_bytes = 64u << 20;   // of the text, and of any one string made on the way
  size_t memory_bytes = 256u << 20;  // of all values alive at once
  size_t depth = 1000;               // of nested evaluation (macros that call themselves), and of values in values
  std::optional<std::tm> now;        // what strftime_now() tells; the machine's local time if not given
};

// The bytes [first, second) that {% generation %} blocks wrote at top level, which is what the assistant said (training
// puts its loss there).
using GenerationSpans = std::vector<std::pair<size_t, size_t>>;

// A conversation as a template writes it.
struct Rendered {
  std::string text;
  TrustedSpans trusted;  // what may hold control tokens (PromptEncoder): the template's own text
  GenerationSpans generation;

  void cut(size_t bytes);     // to its first so many
  OrderedJson parts() const;  // [{"text", "trusted"}, ...]: all of the text, in order
  // What parts() gave. Throws Error(bad_request) for anything else.
  static Rendered of_parts(const OrderedJson& parts);
};

// A parsed template, or a model's set of named ones. Immutable: copies share, and threads may render at once.
class ChatTemplate {
 public:
  // Throws Error(bad_file) with `name` and the line; Error(unsupported) for a tag, filter or test of Jinja2 that
  // exists and is not done here.
  static ChatTemplate parse(std::string_view source, std::string_view name);

  // A model may publish several templates by name: "tool_use" is rendered where `tools` are given, "default" otherwise,
  // as transformers does; without a "default" what it would render is an error. `place` names the set in errors. Takes
  // of each what its parse() read. REQUIRES: at least one.
  static ChatTemplate of_named(const std::map<std::string, ChatTemplate>& templates, std::string_view place);

  // `context` is an object of the template's variables: messages, tools, add_generation_prompt, documents,
  // enable_thinking ... A variable it lacks is looked up in variables(); one that neither has is undefined.
  // Throws Error(bad_request) with the template's name and line: what the template itself says through
  // raise_exception, what Python would call a TypeError, or a limit. Throws Error(unsupported) for what Python can do
  // and this does not: arithmetic beyond 64 bits, a few rare methods.
  //
  // Trusted are the template's text and constants, and the model's own variables, through whatever the template does
  // with them; all else that the context brings is not, except a role (of a message, or a variable named so) where it
  // is a word that the template compares with (or system, user, assistant, tool, developer), and the family's marks of
  // reasoning and calls (own_marks.h) in an assistant's content. What mixes both, such as JSON of a client's values, is
  // not trusted where it cannot be told apart. Numbers and names of constants are: they spell no mark.
  Rendered render(const OrderedJson& context, const RenderLimits& limits = {}) const;

  // The model's own variables: bos_token, eos_token and the other special tokens of tokenizer_config.json.
  const OrderedJson& variables() const;
  ChatTemplate with_variables(OrderedJson variables) const;

  // The control tokens that the model's files list ("chat_control_tokens"); nothing where they leave it to their
  // readers.
  const std::optional<std::vector<std::string>>& control_tokens() const;
  ChatTemplate with_control_tokens(std::vector<std::string> tokens) const;

  std::vector<std::string> names() const;                         // of the templates: {"default"} where there is one
  std::optional<ChatTemplate> named(std::string_view key) const;  // that one alone, whatever is given; null: none
  const std::string& name() const;                                // as given to parse(), or the place
  // As given to parse(): the default's, or else tool_use's or the first's; what `inspect` shows and hashes.
  const std::string& source() const;
  std::string literals() const;     // what they write themselves and compare with, a NUL after each
  std::string all_sources() const;  // of all: what a model's templates can speak of is read off them

 private:
  struct Published;
  explicit ChatTemplate(std::shared_ptr<const Published> published) : published_(std::move(published)) {}
  std::shared_ptr<const Published> published_;
};

// The template of a model as published, as transformers' tokenizers find it: chat_template.jinja and
// additional_chat_templates/NAME.jinja, where any of these is; else tokenizer_config.json's "chat_template" (a string,
// a list of {name, template}, or an object of templates by name); else, as its processors do, "chat_template" of
// processor_config.json or chat_template.json. With the special tokens of tokenizer_config.json as its variables.
// Of a .gguf file: gguf_chat_template(). Nothing if the model has no template. Throws Error(bad_file).
std::optional<ChatTemplate> open_chat_template(const FileSet& files);
std::optional<ChatTemplate> open_chat_template(const std::filesystem::path& folder);

}  // namespace glassbox
