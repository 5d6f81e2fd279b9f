#include "server/openai/messages.h"

#include <algorithm>
#include <cctype>

#include "server/fields.h"
#include "server/prompt.h"

namespace glassbox::openai {
namespace {

// What clients keep beside a message, a part of it or a call, and no template reads: marks for a prompt cache, the
// places of a stream, what a library made of the text, other providers' notes.
void read_kept(Fields& fields, std::initializer_list<const char*> names) {
  for (const char* name : names) fields.find(name);
}

// A message's content: texts.
std::vector<api::Text> read_content(const OrderedJson& content, const std::string& path, bool assistant) {
  if (content.is_string()) return {{content.get<std::string>()}};
  if (!content.is_array()) refuse_type(path, "a string or a list of parts", content);
  std::vector<api::Text> texts;
  for (size_t i = 0; i < content.size(); ++i) {
    std::string at = fmt::format("{}[{}]", path, i);
    Fields part(content[i], at);
    auto type = part.text("type");
    if (!type) part.missing("type");
    // A refusal is what the assistant said.
    const bool refusal = assistant && *type == "refusal";
    if (*type != "text" && !refusal && !(assistant && *type == "output_text"))
      throw ApiError(
          400, fmt::format("{}.type: only \"text\" parts are supported, got {}", at, described(*part.find("type"))),
          "unsupported_value", at + ".type");
    const char* name = refusal ? "refusal" : "text";
    auto piece = part.text(name);
    if (!piece) part.missing(name);
    read_kept(part, {"cache_control", "prompt_cache_breakpoint", "annotations", "logprobs"});
    part.finish();
    texts.push_back({*std::move(piece)});
  }
  if (texts.empty()) texts.emplace_back();  // an empty list is an empty text
  return texts;
}

// A call's arguments: the JSON text of an object, nothing at all where a stream never brought any, or the object.
OrderedJson read_arguments(Fields& function, const std::string& path) {
  const OrderedJson* given = function.find("arguments");
  if (!given) return OrderedJson::object();
  if (given->is_object()) return *given;
  if (!given->is_string()) refuse_type(path, "the JSON text of an object", *given);
  const auto& text = given->get_ref<const std::string&>();
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return OrderedJson::object();
  OrderedJson parsed;
  try {
    parsed = parse_ordered_json(text, path, ErrorKind::bad_request, kMostDepth);
  } catch (const Error& error) { throw ApiError(400, error.what(), "invalid_value", path); }
  if (parsed.is_null()) return OrderedJson::object();
  if (!parsed.is_object()) refuse_value(path, "the JSON text of an object", *given);
  return parsed;
}

std::vector<api::Call> read_tool_calls(const OrderedJson& calls, const std::string& path) {
  std::vector<api::Call> out;
  for (size_t i = 0; i < calls.size(); ++i) {
    std::string at = fmt::format("{}[{}]", path, i);
    Fields call(calls[i], at);
    auto id = call.text("id");
    if (!id) call.missing("id");
    auto type = call.text("type");
    if (type.value_or("function") != "function")
      throw ApiError(400, fmt::format("{}.type: only \"function\" is supported", at), "unsupported_value",
                     at + ".type");
    const OrderedJson* function = call.object("function");
    if (!function) call.missing("function");
    read_kept(call, {"index", "cache_control", "extra_content", "provider_specific_fields"});
    call.finish();
    Fields inner(*function, at + ".function");
    auto name = inner.text("name");
    if (!name) inner.missing("name");
    OrderedJson arguments = read_arguments(inner, at + ".function.arguments");
    read_kept(inner, {"parsed_arguments", "index", "provider_specific_fields"});
    inner.finish();
    out.push_back({*id, *name, std::move(arguments)});
  }
  return out;
}

// What an assistant thought, under whatever name the client's server or library gave it.
std::string read_reasoning(Fields& fields) {
  std::string reasoning, said_by;
  for (const char* name : {"reasoning_content", "reasoning", "thinking"}) {
    const auto text = fields.text(name);
    if (!text || text->empty()) continue;
    if (!reasoning.empty() && *text != reasoning)
      throw ApiError(400, fmt::format("{}: contradicts {}", fields.path(name), said_by), "invalid_value",
                     fields.path(name));
    reasoning = *text;
    said_by = name;
  }
  return reasoning;
}

std::optional<api::Role> role_of(std::string_view name) {
  if (name == "system" || name == "developer") return api::Role::system;  // the latter in newer models' clients
  if (name == "user") return api::Role::user;
  if (name == "assistant") return api::Role::assistant;
  if (name == "tool") return api::Role::tool;
  return std::nullopt;
}

}  // namespace

api::Message read_message(const OrderedJson& given, const std::string& path, const ModelCard& card) {
  Fields fields(given, path);
  auto role = fields.text("role");
  if (!role) fields.missing("role");
  const std::optional<api::Role> known = role_of(*role);
  if (!known) refuse_value(path + ".role", "system, developer, user, assistant or tool", *role);
  const bool assistant = *known == api::Role::assistant, tool = *known == api::Role::tool;

  std::vector<api::Call> calls;
  std::string reasoning;
  std::optional<std::string> refusal;
  if (assistant) {
    if (const OrderedJson* list = fields.list("tool_calls"); list && !list->empty()) {
      if (!api::mentions(card, "tool_calls"))
        refuse_unsupported(path + ".tool_calls", "this model's chat template knows no tool calls");
      calls = read_tool_calls(*list, path + ".tool_calls");
    }
    for (const char* name : {"audio", "function_call"})
      if (fields.find(name)) refuse_unsupported(path + "." + name, "not supported");
    refusal = fields.text("refusal");
    reasoning = read_reasoning(fields);
    // What an answer of ours, OpenAI's or another server's carries besides, when a client sends it back as it came.
    fields.list("annotations");
    read_kept(fields, {"parsed", "reasoning_details", "thinking_blocks", "images", "logprobs", "token_ids"});
  }
  read_kept(fields, {"cache_control", "prompt_cache_breakpoint", "provider_specific_fields"});
  std::vector<api::Text> texts;
  if (const OrderedJson* content = fields.find("content"))
    texts = read_content(*content, path + ".content", assistant);
  else if (refusal && !refusal->empty())  // what was said instead of an answer
    texts.push_back({*refusal});
  else if (calls.empty())
    fields.missing("content");

  api::Message message{*known, {}, {}};
  if (tool) {
    auto id = fields.text("tool_call_id");
    if (!id) fields.missing("tool_call_id");
    message.parts.emplace_back(api::Result{*id, {texts.begin(), texts.end()}});
  } else {
    if (!reasoning.empty()) message.parts.emplace_back(api::Reasoning{std::move(reasoning)});
    message.parts.insert(message.parts.end(), texts.begin(), texts.end());
    message.parts.insert(message.parts.end(), calls.begin(), calls.end());
  }
  message.name = fields.text("name");
  fields.finish();
  return message;
}

OrderedJson read_tool(const OrderedJson& given, const std::string& path, std::vector<std::string>& notes) {
  Fields tool(given, path);
  auto type = tool.text("type");
  if (!type) tool.missing("type");
  if (*type != "function")
    throw ApiError(400, fmt::format("{}.type: only \"function\" is supported", path), "unsupported_value",
                   path + ".type");
  const OrderedJson* function = tool.object("function");
  if (!function) tool.missing("function");
  read_kept(tool, {"cache_control", "prompt_cache_breakpoint"});
  tool.finish();
  Fields inner(*function, path + ".function");
  auto name = inner.text("name");
  if (!name) inner.missing("name");
  auto allowed = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.'; };
  if (name->empty() || name->size() > 64 || !std::all_of(name->begin(), name->end(), allowed))
    refuse_value(path + ".function.name", "1 to 64 letters, digits, _ - .", *name);
  inner.text("description");
  inner.object("parameters");
  if (inner.boolean("strict").value_or(false))
    notes.push_back(fmt::format("{}.function.strict: best effort: arguments are not constrained to the schema", path));
  inner.finish();
  OrderedJson kept = given;  // marks for a prompt cache are no part of the tool
  for (const char* mark : {"cache_control", "prompt_cache_breakpoint"}) kept.erase(mark);
  return kept;
}

}  // namespace glassbox::openai
