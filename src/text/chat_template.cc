#include "text/chat_template.h"

#include <algorithm>
#include <map>
#include <new>

#include "base/file.h"
#include "base/json.h"
#include "text/jinja/parser.h"
#include "text/jinja/render.h"
#include "text/jinja/text.h"

namespace glassbox {

struct ChatTemplate::Published {
  std::shared_ptr<const jinja::Template> program;
  std::string name, source;
  OrderedJson variables = OrderedJson::object();
  std::map<std::string, std::shared_ptr<const jinja::Template>, std::less<>> alternatives;
};

ChatTemplate ChatTemplate::parse(std::string_view source, std::string_view name) {
  auto published = std::make_shared<Published>();
  published->program = jinja::parse(source, name);
  published->name = name;
  published->source = source;
  return ChatTemplate(std::move(published));
}

ChatTemplate ChatTemplate::with_variables(OrderedJson variables) const {
  check(variables.is_object(), "a chat template's variables are a JSON object");
  auto changed = std::make_shared<Published>(*published_);
  changed->variables = std::move(variables);
  return ChatTemplate(std::move(changed));
}

ChatTemplate ChatTemplate::with_alternative(std::string_view key, const ChatTemplate& other) const {
  auto changed = std::make_shared<Published>(*published_);
  changed->alternatives.insert_or_assign(std::string(key), other.published_->program);
  return ChatTemplate(std::move(changed));
}

const OrderedJson& ChatTemplate::variables() const { return published_->variables; }
const std::string& ChatTemplate::name() const { return published_->name; }
const std::string& ChatTemplate::source() const { return published_->source; }

std::string ChatTemplate::render(const OrderedJson& context, const RenderLimits& limits,
                                 GenerationSpans* generation) const {
  if (!context.is_object()) fail(ErrorKind::bad_request, "{}: the variables of a template are a JSON object", name());
  const jinja::Template* program = published_->program.get();
  if (auto tools = context.find("tools"); tools != context.end() && !tools->is_null()) {
    auto for_tools = published_->alternatives.find("tool_use");
    if (for_tools != published_->alternatives.end()) program = for_tools->second.get();
  }
  if (generation) generation->clear();
  jinja::Meter meter(limits.steps, limits.memory_bytes, std::min(limits.output_bytes, limits.memory_bytes),
                     limits.depth);
  jinja::Renderer renderer(*program, context, published_->variables, {limits.output_bytes, limits.depth, limits.now});
  try {
    return renderer.run(generation);
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

std::map<std::string, std::string> named_templates(const Json& published, const std::string& where) {
  std::map<std::string, std::string> named;
  if (published.is_string()) {
    named["default"] = published.get<std::string>();
  } else if (published.is_array()) {
    for (const Json& each : published) {
      if (!each.is_object() || !each.contains("name") || !each["name"].is_string() || !each.contains("template") ||
          !each["template"].is_string())
        fail(ErrorKind::bad_file, "{}: expected objects with a name and a template", where);
      named[each["name"].get<std::string>()] = each["template"].get<std::string>();
    }
  } else if (!published.is_null()) {
    fail(ErrorKind::bad_file, "{}: expected a string or a list, got {}", where, published.type_name());
  }
  return named;
}

}  // namespace

std::optional<ChatTemplate> open_chat_template(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  constexpr size_t kLargest = 16u << 20;
  OrderedJson variables = OrderedJson::object();
  std::map<std::string, std::string> named, places;
  if (fs::path file = folder / "tokenizer_config.json"; fs::exists(file)) {
    Json config = read_json(file);
    if (!config.is_object())
      fail(ErrorKind::bad_file, "{}: expected an object, got {}", file.string(), config.type_name());
    std::string where = file.string() + ": chat_template";
    if (config.contains("chat_template")) named = named_templates(config["chat_template"], where);
    for (const auto& [key, text] : named) places[key] = key == "default" ? where : where + " \"" + key + "\"";
    add_special_tokens(variables, config);
  }
  if (fs::path file = folder / "special_tokens_map.json"; fs::exists(file)) {
    Json config = read_json(file);
    if (config.is_object()) add_special_tokens(variables, config);
  }
  // Files of their own count before what tokenizer_config.json holds.
  auto add_file = [&](const std::string& key, const fs::path& file) {
    named[key] = read_file(file, kLargest);
    places[key] = file.string();
  };
  if (fs::path file = folder / "chat_template.jinja"; fs::exists(file)) {
    named.clear();
    add_file("default", file);
    if (fs::path more = folder / "additional_chat_templates"; fs::is_directory(more))
      for (const auto& entry : fs::directory_iterator(more))
        if (entry.path().extension() == ".jinja") add_file(entry.path().stem().string(), entry.path());
  }
  if (named.empty()) return std::nullopt;
  if (!named.contains("default")) {
    std::string keys;
    for (const auto& [key, text] : named) keys += (keys.empty() ? "" : ", ") + key;
    fail(ErrorKind::bad_file, "{}: has chat templates {} but none named default", folder.string(), keys);
  }
  auto result = ChatTemplate::parse(named["default"], places["default"]).with_variables(std::move(variables));
  for (const auto& [key, text] : named)
    if (key != "default") result = result.with_alternative(key, ChatTemplate::parse(text, places[key]));
  return result;
}

}  // namespace glassbox
