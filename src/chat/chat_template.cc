#include "chat/chat_template.h"

#include <algorithm>
#include <map>
#include <new>

#include "base/file.h"
#include "base/json.h"
#include "chat/own_marks.h"
#include "jinja/parser.h"
#include "jinja/render.h"
#include "jinja/text.h"

namespace glassbox {

namespace {

constexpr const char* kDefault = "default";
constexpr const char* kToolUse = "tool_use";

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

namespace {

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
    named[key] = {text.get<std::string>(), key == kDefault ? where : fmt::format("{} {}", where, dump_json(key))};
  };
  if (published.is_string()) {
    add(kDefault, published);
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

Json read_object(const std::filesystem::path& file) {
  Json config = read_json(file);
  if (!config.is_object())
    fail(ErrorKind::bad_file, "{}: expected an object, got {}", file.string(), config.type_name());
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

NamedTemplates templates_of_config(const Json& config, const std::filesystem::path& file) {
  if (!config.contains("chat_template")) return {};
  return named_templates(config["chat_template"], file.string() + ": chat_template");
}

}  // namespace

std::optional<ChatTemplate> open_chat_template(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  constexpr size_t kLargest = 16u << 20;
  OrderedJson variables = OrderedJson::object();
  std::optional<std::vector<std::string>> control_tokens;
  NamedTemplates named;
  // Files of their own, even if none of them is the default, count before all that tokenizer_config.json holds.
  const auto add_file = [&](const std::string& key, const fs::path& file) {
    named[key] = {read_file(file, kLargest), file.string()};
  };
  if (const fs::path file = folder / "chat_template.jinja"; fs::exists(file)) add_file(kDefault, file);
  if (const fs::path more = folder / "additional_chat_templates"; fs::is_directory(more))
    for (const auto& entry : fs::directory_iterator(more))
      if (entry.path().extension() == ".jinja") add_file(entry.path().stem().string(), entry.path());
  if (const fs::path file = folder / "tokenizer_config.json"; fs::exists(file)) {
    const Json config = read_object(file);
    if (named.empty()) named = templates_of_config(config, file);
    add_special_tokens(variables, config);
    if (config.contains("chat_control_tokens") && !config["chat_control_tokens"].is_null())
      control_tokens = listed_tokens(config["chat_control_tokens"], file.string() + ": chat_control_tokens");
  }
  if (const fs::path file = folder / "special_tokens_map.json"; fs::exists(file)) {
    const Json config = read_json(file);
    if (config.is_object()) add_special_tokens(variables, config);
  }
  for (const char* name : {"processor_config.json", "chat_template.json"})
    if (const fs::path file = folder / name; named.empty() && fs::exists(file))
      named = templates_of_config(read_object(file), file);
  if (named.empty()) return std::nullopt;
  std::map<std::string, ChatTemplate> parsed;
  for (const auto& [key, one] : named) parsed.emplace(key, ChatTemplate::parse(one.text, one.place));
  auto result = ChatTemplate::of_named(parsed, folder.string()).with_variables(std::move(variables));
  return control_tokens ? result.with_control_tokens(std::move(*control_tokens)) : result;
}

}  // namespace glassbox
