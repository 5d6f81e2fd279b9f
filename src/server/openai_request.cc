// What a request of OpenAI's dialect asks for.
#include <algorithm>
#include <cctype>

#include "base/random.h"
#include "server/fields.h"
#include "server/openai.h"

namespace glassbox::openai {
namespace {

constexpr int kMostChoices = 16, kMostStops = 16, kMostAlternatives = 20;
constexpr size_t kMostPrompts = 128, kMostValues = 1'000'000;
constexpr size_t kLongestStop = 4096;  // bytes: each sequence looks for its stops after every token
constexpr int kMostDepth = 64;
constexpr int64_t kCompletionTokens = 16;  // what /v1/completions generates where max_tokens is left out
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr std::string_view kSpace = " \t\r\n\v\f";

// True if the model's template has this word: what it never names it cannot read.
bool mentions(const ModelCard& card, std::string_view word) {
  auto part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  const std::string& source = card.template_source;
  for (size_t at = source.find(word); at != std::string::npos && !word.empty(); at = source.find(word, at + 1)) {
    size_t end = at + word.size();
    if ((at == 0 || !part(source[at - 1])) && (end == source.size() || !part(source[end]))) return true;
  }
  return false;
}

// Neither answers nor their form depend on these here; their types are checked all the same.
void read_harmless(Fields& fields) {
  fields.text("user");
  fields.boolean("store");
  fields.object("metadata");
  fields.text("service_tier");
  fields.text("safety_identifier");
  fields.text("prompt_cache_key");
  fields.text("prompt_cache_retention");
  fields.object("prompt_cache_options");
}

std::vector<std::string> read_stop(Fields& fields) {
  std::vector<std::string> stop;
  const OrderedJson* value = fields.find("stop");
  if (!value) return stop;
  std::string path = fields.path("stop");
  if (value->is_string()) {
    stop.push_back(value->get<std::string>());
  } else if (value->is_array()) {
    if (value->size() > kMostStops)
      throw ApiError(400, fmt::format("{}: expected at most {} texts, got {}", path, kMostStops, value->size()),
                     "invalid_value", path);
    for (size_t i = 0; i < value->size(); ++i) {
      if (!(*value)[i].is_string()) refuse_type(fmt::format("{}[{}]", path, i), "a string", (*value)[i]);
      stop.push_back((*value)[i].get<std::string>());
    }
  } else {
    refuse_type(path, "a string or a list of strings", *value);
  }
  for (const std::string& text : stop) {
    if (text.empty()) refuse_value(path, "texts that are not empty", OrderedJson(text));
    if (text.size() > kLongestStop)
      throw ApiError(400,
                     fmt::format("{}: expected texts of at most {} bytes, got {}", path, kLongestStop, text.size()),
                     "invalid_value", path);
  }
  return stop;
}

void read_logit_bias(Fields& fields, const ModelCard& card, Sampling& sampling) {
  const OrderedJson* biases = fields.object("logit_bias");
  if (!biases) return;
  for (const auto& [key, bias] : biases->items()) {
    std::string path = fmt::format("logit_bias[{}]", shown(key));
    bool digits = !key.empty() && key.size() <= 9 && key.find_first_not_of("0123456789") == std::string::npos;
    int32_t token = digits ? std::stoi(key) : -1;
    if (token < 0 || token >= card.vocabulary)
      throw ApiError(400, fmt::format("{}: expected token ids from 0 to {} as keys", path, card.vocabulary - 1),
                     "invalid_value", "logit_bias");
    if (!bias.is_number()) refuse_type(path, "a number from -100 to 100", bias);
    double value = bias.get<double>();
    if (!(value >= -100 && value <= 100)) refuse_value(path, "a number from -100 to 100", bias);
    sampling.logit_bias[token] = static_cast<float>(value);
  }
}

void read_seed(Fields& fields, Request& request) {
  const OrderedJson* seed = fields.find("seed");
  if (!seed) {
    request.generation.sampling.seed = drawn_seed();
    request.seed = *request.generation.sampling.seed;
    return;
  }
  if (!seed->is_number_integer()) refuse_type(fields.path("seed"), "a whole number of 64 bits", *seed);
  request.seed = *seed;
  // A negative one is its two's complement, so that every number is a seed of its own.
  request.generation.sampling.seed =
      seed->is_number_unsigned() ? seed->get<uint64_t>() : static_cast<uint64_t>(seed->get<int64_t>());
}

// What both endpoints share.
void read_common(Fields& fields, const ModelCard& card, Request& request) {
  request.model = fields.text("model").value_or("");
  request.n = static_cast<int>(fields.integer("n", 1, kMostChoices).value_or(1));
  request.stream = fields.boolean("stream").value_or(false);
  if (const OrderedJson* options = fields.object("stream_options")) {
    if (!request.stream) refuse_unsupported("stream_options", "means something only where stream is true");
    Fields inner(*options, "stream_options");
    request.include_usage = inner.boolean("include_usage").value_or(false);
    inner.boolean("include_obfuscation");  // padding against eavesdroppers; without it nothing is missing
    inner.finish();
  }

  Sampling& sampling = request.generation.sampling;
  sampling = card.defaults;
  auto number = [&](const char* name, double least, double most, float& into) {
    if (auto value = fields.number(name, least, most)) into = static_cast<float>(*value);
  };
  number("temperature", 0, 2, sampling.temperature);
  number("top_p", 0, 1, sampling.top_p);
  number("min_p", 0, 1, sampling.min_p);
  number("presence_penalty", -2, 2, sampling.presence_penalty);
  number("frequency_penalty", -2, 2, sampling.frequency_penalty);
  number("repetition_penalty", 0.01, 100, sampling.repetition_penalty);
  if (auto top_k = fields.integer("top_k", -1, 1'000'000'000))
    sampling.top_k = static_cast<int>(std::max<int64_t>(0, *top_k));  // -1 is how some clients write "all"
  read_logit_bias(fields, card, sampling);
  read_seed(fields, request);

  request.generation.stop = read_stop(fields);
  request.generation.stop.insert(request.generation.stop.end(), card.stop.begin(), card.stop.end());
  request.generation.ignore_eos = fields.boolean("ignore_eos").value_or(false);
  read_harmless(fields);
}

// A message's content as one text. Parts are joined by line ends, as servers of local models do: templates
// want text.
std::string read_content(const OrderedJson& content, const std::string& path) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) refuse_type(path, "a string or a list of parts", content);
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    std::string at = fmt::format("{}[{}]", path, i);
    Fields part(content[i], at);
    auto type = part.text("type");
    if (!type) part.missing("type");
    if (*type != "text")
      throw ApiError(
          400, fmt::format("{}.type: only \"text\" parts are supported, got {}", at, described(*part.find("type"))),
          "unsupported_value", at + ".type");
    auto piece = part.text("text");
    if (!piece) part.missing("text");
    part.finish();
    if (i > 0) text += '\n';
    text += *piece;
  }
  return text;
}

// Templates want a call's arguments as an object; OpenAI writes them as its JSON text.
OrderedJson read_tool_calls(const OrderedJson& calls, const std::string& path) {
  OrderedJson out = OrderedJson::array();
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
    call.finish();
    Fields inner(*function, at + ".function");
    auto name = inner.text("name");
    if (!name) inner.missing("name");
    auto arguments = inner.text("arguments");
    if (!arguments) inner.missing("arguments");
    inner.finish();
    OrderedJson parsed;
    try {
      parsed = parse_ordered_json(*arguments, at + ".function.arguments", ErrorKind::bad_request, kMostDepth);
    } catch (const Error& error) { throw ApiError(400, error.what(), "invalid_value", at + ".function.arguments"); }
    if (!parsed.is_object()) refuse_value(at + ".function.arguments", "the JSON text of an object", *arguments);
    out.push_back(
        {{"id", *id}, {"type", "function"}, {"function", {{"name", *name}, {"arguments", std::move(parsed)}}}});
  }
  return out;
}

OrderedJson read_message(const OrderedJson& given, const std::string& path, const ModelCard& card) {
  Fields fields(given, path);
  auto role = fields.text("role");
  if (!role) fields.missing("role");
  if (*role == "developer") role = "system";  // what newer models' clients call it
  bool assistant = *role == "assistant", tool = *role == "tool";
  if (*role != "system" && *role != "user" && !assistant && !tool)
    refuse_value(path + ".role", "system, developer, user, assistant or tool", *role);

  OrderedJson message = {{"role", *role}};
  OrderedJson calls;
  if (assistant) {
    if (const OrderedJson* list = fields.list("tool_calls"); list && !list->empty()) {
      if (!mentions(card, "tool_calls"))
        refuse_unsupported(path + ".tool_calls", "this model's chat template knows no tool calls");
      calls = read_tool_calls(*list, path + ".tool_calls");
    }
    // What an answer of ours or OpenAI's carries when a client sends it back as it came.
    if (const OrderedJson* list = fields.list("annotations"); list && !list->empty())
      refuse_unsupported(path + ".annotations", "not supported");
    for (const char* name : {"refusal", "audio", "function_call"})
      if (fields.find(name)) refuse_unsupported(path + "." + name, "not supported");
    if (auto reasoning = fields.text("reasoning_content")) message["reasoning_content"] = *reasoning;
  }
  if (const OrderedJson* content = fields.find("content"))
    message["content"] = read_content(*content, path + ".content");
  else if (calls.is_null())
    fields.missing("content");
  else
    message["content"] = nullptr;
  if (!calls.is_null()) message["tool_calls"] = std::move(calls);
  if (tool) {
    auto id = fields.text("tool_call_id");
    if (!id) fields.missing("tool_call_id");
    message["tool_call_id"] = *id;
  }
  if (auto name = fields.text("name")) message["name"] = *name;
  fields.finish();
  return message;
}

void read_response_format(Fields& fields) {
  const OrderedJson* format = fields.object("response_format");
  if (!format) return;
  Fields inner(*format, "response_format");
  auto type = inner.text("type");
  if (!type) inner.missing("type");
  if (*type != "text")
    throw ApiError(
        400, fmt::format("response_format.type: only \"text\" is supported, got {}", described(OrderedJson(*type))),
        "unsupported_value", "response_format.type");
  inner.finish();
}

OrderedJson read_tool(const OrderedJson& given, const std::string& path) {
  Fields tool(given, path);
  auto type = tool.text("type");
  if (!type) tool.missing("type");
  if (*type != "function")
    throw ApiError(400, fmt::format("{}.type: only \"function\" is supported", path), "unsupported_value",
                   path + ".type");
  const OrderedJson* function = tool.object("function");
  if (!function) tool.missing("function");
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
    refuse_unsupported(path + ".function.strict", "arguments are not constrained to a schema");
  inner.finish();
  return given;
}

// With "none" tools change nothing, and their descriptions stay out of the prompt so that the model has nothing to
// call. To force a call would need the answer constrained.
void read_tools(Fields& fields, const ModelCard& card, ChatRequest& request) {
  bool none = false;
  if (const OrderedJson* choice = fields.find("tool_choice")) {
    if (!choice->is_string() && !choice->is_object()) refuse_type("tool_choice", "a string or an object", *choice);
    none = *choice == "none";
    if (!none && *choice != "auto")
      refuse_unsupported("tool_choice", "a call cannot be forced: only \"auto\" and \"none\" are supported");
  }
  const OrderedJson* tools = fields.list("tools");
  if (tools && !tools->empty() && !none) {
    if (!mentions(card, "tools"))
      refuse_unsupported("tools",
                         "this model's chat template knows no tools (with \"tool_choice\": \"none\" they are "
                         "accepted and left out)");
    if (ChatSyntax::of_template(card.template_source).calls == CallSyntax::none)
      refuse_unsupported("tools", "how this model calls tools is not known here");
    request.tools = OrderedJson::array();
    for (size_t i = 0; i < tools->size(); ++i)
      request.tools.push_back(read_tool((*tools)[i], fmt::format("tools[{}]", i)));
  }
  const OrderedJson* functions = fields.list("functions");
  if (functions && !functions->empty()) refuse_unsupported("functions", "not supported: tools are");
  if (const OrderedJson* call = fields.find("function_call"); call && *call != "none" && *call != "auto")
    refuse_unsupported("function_call", "not supported: tools are");
  if (!fields.boolean("parallel_tool_calls").value_or(true) && !request.tools.is_null())
    refuse_unsupported("parallel_tool_calls", "how many calls a model makes is not constrained");
}

// What OpenAI's models do and these do not: accepted where it asks for nothing.
void refuse_other_modes(Fields& fields) {
  if (const OrderedJson* modalities = fields.list("modalities");
      modalities && *modalities != OrderedJson::array({"text"}))
    refuse_unsupported("modalities", "only [\"text\"] is supported");
  if (auto verbosity = fields.text("verbosity"); verbosity && *verbosity != "medium")
    refuse_unsupported("verbosity", "only \"medium\", which changes nothing, is supported");
  fields.object("prediction");  // a guess at the answer that may make it faster, and never changes it
  for (const char* name : {"audio", "web_search_options", "moderation"})
    if (fields.find(name)) refuse_unsupported(name, "not supported");
}

}  // namespace

OrderedJson parse_body(std::string_view body) {
  OrderedJson parsed;
  try {
    parsed = parse_ordered_json(body, "the request's body", ErrorKind::bad_request, kMostDepth, kMostValues);
  } catch (const Error& error) { throw ApiError(400, error.what(), "invalid_json"); }
  if (!parsed.is_object())
    throw ApiError(400, fmt::format("the request's body: expected an object, got {}", described(parsed)),
                   "invalid_type");
  return parsed;
}

std::string model_of(const OrderedJson& body) {
  Fields fields(body, "");
  auto model = fields.text("model");
  if (!model) fields.missing("model");
  return *model;
}

ChatRequest parse_chat(const OrderedJson& body, const ModelCard& card) {
  Fields fields(body, "");
  ChatRequest request;
  read_common(fields, card, request);

  auto max_tokens = fields.integer("max_tokens", 1, kMost);
  auto max_completion_tokens = fields.integer("max_completion_tokens", 1, kMost);
  if (max_tokens && max_completion_tokens && *max_tokens != *max_completion_tokens)
    throw ApiError(
        400, fmt::format("max_tokens: {} contradicts max_completion_tokens, {}", *max_tokens, *max_completion_tokens),
        "invalid_value", "max_tokens");
  request.generation.max_tokens = max_completion_tokens.value_or(max_tokens.value_or(-1));

  bool logprobs = fields.boolean("logprobs").value_or(false);
  auto alternatives = fields.integer("top_logprobs", 0, kMostAlternatives);
  if (alternatives && !logprobs)
    throw ApiError(400, "top_logprobs: means something only where logprobs is true", "invalid_value", "top_logprobs");
  if (logprobs) request.generation.logprobs = static_cast<int>(alternatives.value_or(0));

  read_response_format(fields);
  read_tools(fields, card, request);
  refuse_other_modes(fields);

  const OrderedJson* messages = fields.list("messages");
  if (!messages) fields.missing("messages");
  if (messages->empty()) refuse_value("messages", "at least one message", *messages);
  OrderedJson list = OrderedJson::array();
  for (size_t i = 0; i < messages->size(); ++i)
    list.push_back(read_message((*messages)[i], fmt::format("messages[{}]", i), card));

  request.continues = fields.boolean("continue_final_message").value_or(false);
  auto generation_prompt = fields.boolean("add_generation_prompt");
  if (request.continues) {
    if (generation_prompt.value_or(false))
      throw ApiError(400, "add_generation_prompt: contradicts continue_final_message", "invalid_value",
                     "add_generation_prompt");
    const OrderedJson& last = list.back();
    if (last["role"] != "assistant" || !last["content"].is_string() || last.contains("tool_calls"))
      throw ApiError(400, "continue_final_message: the last message must be an assistant's, with text to continue",
                     "invalid_value", "continue_final_message");
  }

  // As transformers calls a template: what there is none of is None, not undefined.
  request.context = {{"messages", std::move(list)},
                     {"tools", request.tools},
                     {"documents", nullptr},
                     {"add_generation_prompt", generation_prompt.value_or(!request.continues)}};
  if (const OrderedJson* more = fields.object("chat_template_kwargs"))
    for (const auto& [key, value] : more->items()) {
      std::string path = fmt::format("chat_template_kwargs[{}]", shown(key));
      if (request.context.contains(key)) refuse_unsupported(path, "the request has a field of its own for this");
      if (!mentions(card, key)) refuse_unsupported(path, "this model's chat template does not read it");
      request.context[key] = value;
    }
  if (auto effort = fields.text("reasoning_effort")) {
    if (!mentions(card, "reasoning_effort"))
      refuse_unsupported("reasoning_effort", "this model's chat template does not read it");
    if (request.context.contains("reasoning_effort"))
      refuse_unsupported("reasoning_effort", "given in chat_template_kwargs too");
    request.context["reasoning_effort"] = *effort;
  }
  fields.finish();
  return request;
}

CompletionRequest parse_completion(const OrderedJson& body, const ModelCard& card) {
  Fields fields(body, "");
  CompletionRequest request;
  read_common(fields, card, request);
  request.generation.max_tokens = fields.integer("max_tokens", 1, kMost).value_or(kCompletionTokens);
  if (auto logprobs = fields.integer("logprobs", 0, kMostAlternatives))
    request.generation.logprobs = static_cast<int>(*logprobs);
  request.echo = fields.boolean("echo").value_or(false);
  if (request.echo && request.generation.logprobs >= 0)
    refuse_unsupported("echo", "log-probabilities of a prompt are not supported: leave out echo or logprobs");
  if (auto best_of = fields.integer("best_of", 1, kMostChoices); best_of && *best_of != request.n)
    refuse_unsupported("best_of",
                       "choosing among more answers than are returned is not supported: expected n, or nothing");
  if (auto suffix = fields.text("suffix"); suffix && !suffix->empty())
    refuse_unsupported("suffix", "insertion is not supported");
  read_response_format(fields);

  const OrderedJson* prompt = fields.find("prompt");
  if (!prompt) fields.missing("prompt");
  auto ids = [&](const OrderedJson& list, const std::string& path) {
    std::vector<int32_t> tokens;
    tokens.reserve(list.size());
    std::string expected = fmt::format("a token id from 0 to {}", card.vocabulary - 1);
    for (size_t i = 0; i < list.size(); ++i) {
      if (!list[i].is_number_integer()) refuse_type(fmt::format("{}[{}]", path, i), expected, list[i]);
      bool large = list[i].is_number_unsigned() && list[i].get<uint64_t>() >= static_cast<uint64_t>(card.vocabulary);
      if (large || list[i].get<int64_t>() < 0) refuse_value(fmt::format("{}[{}]", path, i), expected, list[i]);
      tokens.push_back(list[i].get<int32_t>());
    }
    if (tokens.empty()) refuse_value(path, "at least one token", list);
    return tokens;
  };
  if (prompt->is_string()) {
    request.prompts.emplace_back(prompt->get<std::string>());
  } else if (!prompt->is_array()) {
    refuse_type("prompt", "a string, a list of strings, a list of token ids or a list of those", *prompt);
  } else if (prompt->empty()) {
    refuse_value("prompt", "at least one prompt", *prompt);
  } else if (prompt->front().is_number()) {
    request.prompts.emplace_back(ids(*prompt, "prompt"));
  } else {
    if (prompt->size() > kMostPrompts)
      throw ApiError(400, fmt::format("prompt: expected at most {} prompts, got {}", kMostPrompts, prompt->size()),
                     "invalid_value", "prompt");
    for (size_t i = 0; i < prompt->size(); ++i) {
      const OrderedJson& one = (*prompt)[i];
      std::string path = fmt::format("prompt[{}]", i);
      if (one.is_string() && prompt->front().is_string())
        request.prompts.emplace_back(one.get<std::string>());
      else if (one.is_array() && prompt->front().is_array())
        request.prompts.emplace_back(ids(one, path));
      else
        refuse_type(path, prompt->front().is_array() ? "a list of token ids" : "a string", one);
    }
  }
  fields.finish();
  return request;
}

namespace {

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

}  // namespace

std::string render_prompt(const ChatRequest& request, const Render& given) {
  const Render render = [&](const OrderedJson& context) {
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
  };
  if (!request.continues) return render(request.context);
  OrderedJson context = request.context;
  OrderedJson& message = context["messages"].back();
  std::string content = message["content"].get<std::string>();
  if (content.find_first_not_of(kSpace) == std::string::npos) {
    // Nothing said yet: the answer begins where the template begins one.
    context["messages"].erase(context["messages"].size() - 1);
    context["add_generation_prompt"] = true;
    return render(context);
  }
  // Found again by a mark that no text has: templates may rewrite what comes before the last message's end.
  std::string mark = fmt::format("[continue here {:016x}]", key_of(drawn_seed(), content));
  message["content"] = content + mark + " ";
  std::string rendered = render(context);
  size_t at = rendered.rfind(mark);
  if (at == std::string::npos)
    throw ApiError(400, "continue_final_message: this model's chat template does not write the last message as it is",
                   "invalid_value", "continue_final_message");
  bool kept = rendered.compare(at + mark.size(), 1, " ") == 0;
  rendered.resize(at);
  // A template that trims messages would have trimmed this one's end too.
  if (!kept) rendered.erase(rendered.find_last_not_of(kSpace) + 1);
  return rendered;
}

}  // namespace glassbox::openai
