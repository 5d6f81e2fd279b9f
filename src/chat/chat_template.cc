#include "chat/chat_template.h"

#include <algorithm>
#include <map>
#include <new>

#include "base/json.h"
#include "chat/own_marks.h"
#include "jinja/parser.h"
#include "jinja/render.h"
#include "jinja/text.h"

namespace glassbox {

namespace {

constexpr const char* kDefault = "default";
constexpr const char* kToolUse = "tool_use";

// Where a template is asked for the beginning of an answer and writes nothing after the last message, whose turn it is
// is the client's to say, as in a completion: no turn can be forged that the template would have marked.
void trust_open_end(const OrderedJson& context, Rendered& rendered) {
  const auto asked = context.find("add_generation_prompt");
  if (asked == context.end() || !asked->is_boolean() || !asked->get<bool>()) return;
  if (rendered.trusted.empty()) {
    if (!rendered.text.empty()) rendered.trusted.emplace_back(0, rendered.text.size());
  } else {
    rendered.trusted.back().second = rendered.text.size();
  }
}

}  // namespace

void Rendered::cut(size_t bytes) {
  if (bytes >= text.size()) return;
  text.resize(bytes);
  for (auto* spans : {&trusted, &generation}) {
    while (!spans->empty() && spans->back().first >= bytes) spans->pop_back();
    if (!spans->empty()) spans->back().second = std::min(spans->back().second, bytes);
  }
}

OrderedJson Rendered::parts() const {
  OrderedJson parts = OrderedJson::array();
  MixedText(text, trusted).each_run([&](std::string_view run, bool is_trusted) {
    parts.push_back({{"text", run}, {"trusted", is_trusted}});
  });
  return parts;
}

Rendered Rendered::of_parts(const OrderedJson& parts) {
  if (!parts.is_array()) fail(ErrorKind::bad_request, "prompt: expected a list of parts, got {}", parts.type_name());
  MixedText all;
  for (const auto& part : parts) {
    const auto text = part.is_object() ? part.find("text") : part.end();
    const auto is_trusted = part.is_object() ? part.find("trusted") : part.end();
    if (text == part.end() || !text->is_string() || is_trusted == part.end() || !is_trusted->is_boolean())
      fail(ErrorKind::bad_request, "prompt: expected parts with a string \"text\" and a boolean \"trusted\"");
    all.append(text->get_ref<const std::string&>(), is_trusted->get<bool>());
  }
  return {all.text(), all.spans(), {}};
}

struct ChatTemplate::Published {
  struct One {
    std::shared_ptr<const jinja::Template> program;
    std::string source;
    std::vector<std::string> own_marks;
  };
  std::map<std::string, One, std::less<>> templates;  // at least one
  std::string name;
  OrderedJson variables = OrderedJson::object();
  std::optional<std::vector<std::string>> control_tokens;

  // What is read off a model's template is read off this one.
  const One& first() const {
    for (const char* key : {kDefault, kToolUse})
      if (auto found = templates.find(key); found != templates.end()) return found->second;
    return templates.begin()->second;
  }
};

ChatTemplate ChatTemplate::parse(std::string_view source, std::string_view name) {
  auto published = std::make_shared<Published>();
  published->templates[kDefault] = {jinja::parse(source, name), std::string(source),
                                    own_marks(ChatSyntax::of_template(source))};
  published->name = name;
  return ChatTemplate(std::move(published));
}

ChatTemplate ChatTemplate::of_named(const std::map<std::string, ChatTemplate>& templates, std::string_view place) {
  check(!templates.empty(), "a set of chat templates has at least one");
  auto published = std::make_shared<Published>();
  for (const auto& [key, one] : templates) published->templates[key] = one.published_->first();
  const auto common = templates.find(kDefault);
  published->name = common == templates.end() ? std::string(place) : common->second.name();
  return ChatTemplate(std::move(published));
}

ChatTemplate ChatTemplate::with_variables(OrderedJson variables) const {
  check(variables.is_object(), "a chat template's variables are a JSON object");
  auto changed = std::make_shared<Published>(*published_);
  changed->variables = std::move(variables);
  return ChatTemplate(std::move(changed));
}

ChatTemplate ChatTemplate::with_control_tokens(std::vector<std::string> tokens) const {
  auto changed = std::make_shared<Published>(*published_);
  changed->control_tokens = std::move(tokens);
  return ChatTemplate(std::move(changed));
}

const std::optional<std::vector<std::string>>& ChatTemplate::control_tokens() const {
  return published_->control_tokens;
}
const OrderedJson& ChatTemplate::variables() const { return published_->variables; }
const std::string& ChatTemplate::name() const { return published_->name; }
const std::string& ChatTemplate::source() const { return published_->first().source; }

std::vector<std::string> ChatTemplate::names() const {
  std::vector<std::string> names;
  for (const auto& [key, one] : published_->templates) names.push_back(key);
  return names;
}

std::optional<ChatTemplate> ChatTemplate::named(std::string_view key) const {
  const auto found = published_->templates.find(key);
  if (found == published_->templates.end()) return std::nullopt;
  auto alone = std::make_shared<Published>();
  alone->templates[kDefault] = found->second;
  alone->name = found->second.program->name;
  alone->variables = published_->variables;
  alone->control_tokens = published_->control_tokens;
  return ChatTemplate(std::move(alone));
}

std::string ChatTemplate::all_sources() const {
  std::string all;
  for (const auto& [key, one] : published_->templates) (all += all.empty() ? "" : "\n") += one.source;
  return all;
}

std::string ChatTemplate::literals() const {
  std::string all;
  for (const auto& [key, one] : published_->templates) all += one.program->literals;
  return all;
}

Rendered ChatTemplate::render(const OrderedJson& context, const RenderLimits& limits) const {
  if (!context.is_object()) fail(ErrorKind::bad_request, "{}: the variables of a template are a JSON object", name());
  const auto tools = context.find("tools");
  const bool has_tools = tools != context.end() && !tools->is_null();
  auto chosen = has_tools ? published_->templates.find(kToolUse) : published_->templates.end();
  if (chosen == published_->templates.end()) chosen = published_->templates.find(kDefault);
  if (chosen == published_->templates.end())
    fail(ErrorKind::bad_request,
         "{}: chat templates named {}, none named default: a conversation without tools has none", name(),
         fmt::join(names(), ", "));
  const jinja::Template* program = chosen->second.program.get();
  const auto is_role = [program](std::string_view role) {
    constexpr std::string_view kRoles[] = {"system", "user", "assistant", "tool", "developer"};
    return std::find(std::begin(kRoles), std::end(kRoles), role) != std::end(kRoles) || program->words.contains(role);
  };
  jinja::Meter meter(limits.steps, limits.memory_bytes, std::min(limits.output_bytes, limits.memory_bytes),
                     limits.depth);
  jinja::Renderer renderer(*program, context, published_->variables,
                           {limits.output_bytes, limits.depth, limits.now, {is_role, chosen->second.own_marks}});
  try {
    Rendered rendered;
    MixedText text = renderer.run(&rendered.generation);
    rendered.trusted = text.spans();
    rendered.text = std::move(text).take();
    trust_open_end(context, rendered);
    return rendered;
  } catch (const jinja::Failure& failure) {
    fail(failure.kind, "{}: line {}: {}", program->name, renderer.line(), jinja::one_line(failure.what()));
  } catch (const std::bad_alloc&) {
    fail(ErrorKind::bad_request, "{}: line {}: out of memory", program->name, renderer.line());
  }
}

}  // namespace glassbox
