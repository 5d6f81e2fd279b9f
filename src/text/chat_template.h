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
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace glassbox {

// JSON whose objects keep the order they were written in: templates print tools as the request had them.
using OrderedJson = nlohmann::ordered_json;

struct RenderLimits {
  uint64_t steps = 10'000'000;       // nodes evaluated, plus items and bytes handled: bounds time and memory
  size_t output_bytes = 64u << 20;   // of the text, and of any one string made on the way
  size_t memory_bytes = 256u << 20;  // of all values alive at once
  size_t depth = 1000;               // of nested evaluation (macros that call themselves), and of values in values
  std::optional<std::tm> now;        // what strftime_now() tells; the machine's local time if not given
};

// What render() says besides the text: the bytes [first, second) that {% generation %} blocks wrote at top level,
// which is what the assistant said (training puts its loss there).
using GenerationSpans = std::vector<std::pair<size_t, size_t>>;

// A parsed template, or a model's set of named ones. Immutable: copies share, and threads may render at once.
class ChatTemplate {
 public:
  // Throws Error(bad_file) with `name` and the line; Error(unsupported) for a tag, filter or test of Jinja2 that
  // exists and is not done here.
  static ChatTemplate parse(std::string_view source, std::string_view name);

  // `context` is an object of the template's variables: messages, tools, add_generation_prompt, documents,
  // enable_thinking ... A variable it lacks is looked up in variables(); one that neither has is undefined.
  // Throws Error(bad_request) with the template's name and line: what the template itself says through
  // raise_exception, what Python would call a TypeError, or a limit. Throws Error(unsupported) for what Python can do
  // and this does not: arithmetic beyond 64 bits, a few rare methods.
  std::string render(const OrderedJson& context, const RenderLimits& limits = {},
                     GenerationSpans* generation = nullptr) const;

  // The model's own variables: bos_token, eos_token and the other special tokens of tokenizer_config.json.
  const OrderedJson& variables() const;
  ChatTemplate with_variables(OrderedJson variables) const;

  // A model may publish a second template, "tool_use": it is rendered when `tools` are given, as transformers does.
  ChatTemplate with_alternative(std::string_view key, const ChatTemplate& other) const;

  const std::string& name() const;    // as given to parse()
  const std::string& source() const;  // as given to parse(): what `inspect` shows and hashes

 private:
  struct Published;
  explicit ChatTemplate(std::shared_ptr<const Published> published) : published_(std::move(published)) {}
  std::shared_ptr<const Published> published_;
};

// The template of a published folder: chat_template.jinja (and additional_chat_templates/*.jinja), else
// tokenizer_config.json's "chat_template" (a string, or a list of named ones); with the special tokens of
// tokenizer_config.json as its variables. Nothing if the model has no template. Throws Error(bad_file).
std::optional<ChatTemplate> open_chat_template(const std::filesystem::path& folder);

}  // namespace glassbox
