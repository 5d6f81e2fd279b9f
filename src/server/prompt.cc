#include "server/prompt.h"

#include <cctype>

#include "base/random.h"
#include "server/fields.h"

namespace glassbox::api {
namespace {

constexpr std::string_view kSpace = " \t\r\n\v\f";

// `word` as a whole, somewhere not right after one of these characters.
bool has_word(std::string_view source, std::string_view word, std::string_view not_after) {
  auto part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (size_t at = source.find(word); at != std::string::npos && !word.empty(); at = source.find(word, at + 1)) {
    size_t end = at + word.size();
    if (at > 0 && (part(source[at - 1]) || not_after.find(source[at - 1]) != std::string_view::npos)) continue;
    if (end == source.size() || !part(source[end])) return true;
  }
  return false;
}

// True if the template has it other than as a field of something or a text: `thinking`, not `message.thinking` or
// "thinking".
bool has_variable(const ModelCard& card, std::string_view word) { return has_word(card.template_source, word, ".'\""); }

std::string_view name_of(Role role) {
  switch (role) {
    case Role::system:
      return "system";
    case Role::user:
      return "user";
    case Role::assistant:
      return "assistant";
    case Role::tool:
      break;
  }
  return "tool";
}

[[noreturn]] void refuse_image(size_t message) {
  fail_at(ErrorKind::unsupported, fmt::format("messages[{}]", message), "an image: this model reads text alone");
}

// Under every name this model's template looks for: reasoning_content in most, reasoning in some; gpt-oss's takes
// thinking, and raises where a message that calls tools has content too.
void add_reasoning(OrderedJson& message, const std::string& reasoning, const ModelCard& card) {
  message["reasoning_content"] = reasoning;
  if (mentions(card, "reasoning_content")) return;
  if (mentions(card, "reasoning")) message["reasoning"] = reasoning;
  const bool says = message["content"].is_string() && !message["content"].get_ref<const std::string&>().empty();
  if (card.template_source.find("message.thinking") != std::string::npos && !(says && message.contains("tool_calls")))
    message["thinking"] = reasoning;
}

void add_line(std::optional<std::string>& text, const std::string& line) { text = text ? *text + '\n' + line : line; }

// A message as templates want it.
class MessageJson {
 public:
  explicit MessageJson(size_t index) : index_(index) {}

  void operator()(const Text& part) { add_line(content_, part.text); }
  void operator()(const Image&) { refuse_image(index_); }
  void operator()(const Reasoning& part) { reasoning_ += part.text; }
  void operator()(const Call& part) {
    if (calls_.is_null()) calls_ = OrderedJson::array();
    calls_.push_back(
        {{"id", part.id}, {"type", "function"}, {"function", {{"name", part.name}, {"arguments", part.arguments}}}});
  }
  void operator()(const Result& part) {
    call_ = part.call;
    for (const auto& one : part.content) std::visit(*this, one);
  }

  OrderedJson json(const Message& message, const ModelCard& card) {
    for (const Part& part : message.parts) std::visit(*this, part);
    OrderedJson json = {{"role", name_of(message.role)}, {"content", nullptr}};
    if (content_) json["content"] = *std::move(content_);
    if (!calls_.is_null()) json["tool_calls"] = std::move(calls_);
    if (!reasoning_.empty()) add_reasoning(json, reasoning_, card);
    if (call_) json["tool_call_id"] = *call_;
    if (message.name) json["name"] = *message.name;
    return json;
  }

 private:
  const size_t index_;
  std::optional<std::string> content_, call_;
  std::string reasoning_;
  OrderedJson calls_;
};

// Some templates write a call's arguments as the text they are given, and raise on an object.
bool with_text_arguments(OrderedJson& context) {
  bool any = false;
  for (OrderedJson& message : context["messages"]) {
    if (!message.contains("tool_calls")) continue;
    for (OrderedJson& call : message["tool_calls"]) {
      OrderedJson& arguments = call["function"]["arguments"];
      if (!arguments.is_object()) continue;
      arguments = dump_ordered_json(arguments);
      any = true;
    }
  }
  return any;
}

// A template's errors begin with its file and the line: clients are told the line.
Error without_file(const Error& error) {
  const std::string what = error.what();
  for (size_t at = what.find(": line "); at != std::string::npos; at = what.find(": line ", at + 1)) {
    const size_t digits = at + 7, end = what.find_first_not_of("0123456789", digits);
    if (end != std::string::npos && end > digits && what[end] == ':')
      return Error(error.kind(), "the model's chat template" + what.substr(at));
  }
  return error;
}

Rendered render_either_way(const OrderedJson& context, const Render& render) {
  const auto given = [&](const OrderedJson& with) {
    try {
      return render(with);
    } catch (const Error& error) { throw without_file(error); }
  };
  try {
    return given(context);
  } catch (const Error& error) {
    OrderedJson again = context;
    if (error.kind() != ErrorKind::bad_request || !with_text_arguments(again)) throw;
    try {
      return given(again);
    } catch (const Error&) {}
    throw;
  }
}

}  // namespace

bool mentions(const ModelCard& card, std::string_view word) { return has_word(card.template_source, word, ""); }

std::string text_of(const Message& message) {
  std::optional<std::string> text;
  for (const Part& part : message.parts)
    if (const auto* one = std::get_if<Text>(&part)) add_line(text, one->text);
  return text.value_or("");
}

OrderedJson template_context(const Conversation& conversation, const ModelCard& card) {
  OrderedJson messages = OrderedJson::array();
  for (const Message& message : conversation.messages)
    messages.push_back(MessageJson(messages.size()).json(message, card));
  // As transformers calls a template: what there is none of is None, not undefined.
  OrderedJson context = {{"messages", std::move(messages)},
                         {"tools", conversation.tools},
                         {"documents", nullptr},
                         {"add_generation_prompt", conversation.opens_answer}};
  context.update(conversation.variables);
  return context;
}

Rendered render_prompt(const Conversation& conversation, const ModelCard& card, const Render& render) {
  OrderedJson context = template_context(conversation, card);
  if (!conversation.continues()) return render_either_way(context, render);
  OrderedJson& message = context["messages"].back();
  std::string content = message["content"].get<std::string>();
  if (content.find_first_not_of(kSpace) == std::string::npos) {
    // Nothing said yet: the answer begins where the template begins one.
    context["messages"].erase(context["messages"].size() - 1);
    context["add_generation_prompt"] = true;
    return render_either_way(context, render);
  }
  // Found again by a mark that no text has: templates may rewrite what comes before the last message's end.
  std::string mark = fmt::format("[continue here {:016x}]", key_of(drawn_seed(), content));
  message["content"] = content + mark + " ";
  Rendered rendered = render_either_way(context, render);
  size_t at = rendered.text.rfind(mark);
  if (at == std::string::npos)
    throw ApiError(400,
                   conversation.continued_by + ": this model's chat template does not write the last message as it is",
                   "invalid_value", conversation.continued_by);
  bool kept = rendered.text.compare(at + mark.size(), 1, " ") == 0;
  rendered.cut(at);
  // A template that trims messages would have trimmed this one's end too.
  if (!kept) rendered.cut(rendered.text.find_last_not_of(kSpace) + 1);
  return rendered;
}

TemplateSettings::TemplateSettings(const ModelCard& card, OrderedJson& variables, std::vector<std::string>& notes)
    : card_(card), variables_(variables), notes_(notes) {
  if (mentions(card, "enable_thinking"))
    switch_ = "enable_thinking";
  else if (has_variable(card, "thinking"))
    switch_ = "thinking";
}

void TemplateSettings::variable(const std::string& name, const OrderedJson& value, const std::string& path) {
  for (const char* own : {"messages", "tools", "documents", "add_generation_prompt"})
    if (name == own) refuse_unsupported(path, "the request has a field of its own for this");
  if (mentions(card_, name))
    set(name, value, path);
  else if (!value.is_null())
    note_unread(path);
}

void TemplateSettings::think(bool on, const std::string& path) {
  if (switch_.empty()) return note_unread(path);
  set(switch_, on, path);
}

void TemplateSettings::effort(const std::string& word, const std::string& path) {
  if (mentions(card_, "reasoning_effort")) return set("reasoning_effort", word, path);
  const bool on = word != "none" && word != "minimal";
  think(on, path);
  if (!switch_.empty())
    notes_.push_back(
        fmt::format("{}: this model's chat template only turns thinking on or off: {}", path, on ? "on" : "off"));
}

void TemplateSettings::verbosity(const std::string& word, const std::string& path) {
  if (mentions(card_, "verbosity"))
    set("verbosity", word, path);
  else if (word != "medium")
    note_unread(path);
}

void TemplateSettings::set(const std::string& name, OrderedJson value, const std::string& path) {
  const auto [said, first] = said_where_.try_emplace(name, path);
  if (!first && variables_[name] != value) refuse_unsupported(path, said->second + " says otherwise");
  variables_[name] = std::move(value);
}

void TemplateSettings::note_unread(const std::string& path) {
  notes_.push_back(path + ": this model's chat template does not read it");
}

}  // namespace glassbox::api
