#include "server/openai/request.h"

#include <algorithm>
#include <cctype>

#include "base/quote.h"
#include "base/random.h"
#include "server/fields.h"
#include "server/openai/messages.h"
#include "server/openai/neutral.h"
#include "server/prompt.h"

namespace glassbox::openai {
namespace {

constexpr int kMostChoices = 16, kMostStops = 16, kMostAlternatives = 20;
constexpr size_t kMostPrompts = 128, kMostValues = 1'000'000;
constexpr size_t kLongestStop = 4096;      // bytes: each sequence looks for its stops after every token
constexpr int64_t kCompletionTokens = 16;  // what /v1/completions generates where max_tokens is left out
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

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
  const OrderedJson* given = fields.find("logit_bias");
  if (given && given->is_array() && given->empty()) return;  // llama.cpp's way to write none
  const OrderedJson* biases = fields.object("logit_bias");
  if (!biases) return;
  for (const auto& [key, bias] : biases->items()) {
    std::string path = fmt::format("logit_bias[{}]", quote(key));
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
void read_common(Fields& fields, const ModelCard& card, bool chat, Request& request) {
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
  sampling = card.defaults.sampling;
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
  request.generation.skip_special = fields.boolean("skip_special_tokens").value_or(true);
  read_neutral(fields, chat);
}

// Tokens at most: -1 is how some clients write "no limit".
std::optional<int64_t> read_limit(Fields& fields, const char* name) {
  const auto limit = fields.integer(name, -1, kMost);
  if (limit == 0) refuse_value(fields.path(name), "a whole number from 1", OrderedJson(0));
  return limit;
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

// With "none" tools change nothing, and their descriptions stay out of the prompt so that the model has nothing to
// call. To force a call would need the answer constrained.
void read_tools(Fields& fields, const ModelCard& card, api::Conversation& conversation,
                std::vector<std::string>& notes) {
  bool none = false;
  if (const OrderedJson* choice = fields.find("tool_choice")) {
    if (!choice->is_string() && !choice->is_object()) refuse_type("tool_choice", "a string or an object", *choice);
    none = *choice == "none";
    if (!none && *choice != "auto")
      refuse_unsupported("tool_choice", "a call cannot be forced: only \"auto\" and \"none\" are supported");
  }
  const OrderedJson* tools = fields.list("tools");
  if (tools && !tools->empty() && !none) {
    if (!api::mentions(card, "tools"))
      refuse_unsupported("tools",
                         "this model's chat template knows no tools (with \"tool_choice\": \"none\" they are "
                         "accepted and left out)");
    if (!ChatSyntax::of_template(card.template_source).calls)
      refuse_unsupported("tools", "how this model calls tools is not known here");
    conversation.tools = OrderedJson::array();
    for (size_t i = 0; i < tools->size(); ++i)
      conversation.tools.push_back(read_tool((*tools)[i], fmt::format("tools[{}]", i), notes));
  }
  const OrderedJson* functions = fields.list("functions");
  if (functions && !functions->empty()) refuse_unsupported("functions", "not supported: tools are");
  if (const OrderedJson* call = fields.find("function_call"); call && *call != "none" && *call != "auto")
    refuse_unsupported("function_call", "not supported: tools are");
  conversation.one_call = !fields.boolean("parallel_tool_calls").value_or(true);
}

// What OpenAI's models do and these do not: accepted where it asks for nothing.
void refuse_other_modes(Fields& fields) {
  if (const OrderedJson* modalities = fields.list("modalities");
      modalities && *modalities != OrderedJson::array({"text"}))
    refuse_unsupported("modalities", "only [\"text\"] is supported");
  fields.object("prediction");  // a guess at the answer that may make it faster, and never changes it
  for (const char* name : {"audio", "web_search_options", "moderation"})
    if (fields.find(name)) refuse_unsupported(name, "not supported");
}

// The switches of thinking that other servers' clients send count as well.
void read_template_settings(Fields& fields, api::TemplateSettings settings) {
  if (const OrderedJson* more = fields.object("chat_template_kwargs"))
    for (const auto& [name, value] : more->items())
      settings.variable(name, value, fmt::format("chat_template_kwargs[{}]", quote(name)));
  if (auto word = fields.text("reasoning_effort")) settings.effort(*word, "reasoning_effort");
  if (auto on = fields.boolean("enable_thinking")) settings.think(*on, "enable_thinking");
  if (const OrderedJson* given = fields.find("think")) {
    if (given->is_boolean())
      settings.think(given->get<bool>(), "think");
    else if (given->is_string())
      settings.effort(given->get<std::string>(), "think");
    else
      refuse_type("think", "true, false or a string", *given);
  }
  if (auto word = fields.text("verbosity")) settings.verbosity(*word, "verbosity");
}

template <class T>
bool has(const api::Message& message) {
  return std::ranges::any_of(message.parts, [](const api::Part& part) { return std::holds_alternative<T>(part); });
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

Request parse_chat(const OrderedJson& body, const ModelCard& card) {
  Fields fields(body, "");
  Request request;
  auto& conversation = request.input.emplace<api::Conversation>();
  read_common(fields, card, true, request);

  auto max_tokens = read_limit(fields, "max_tokens");
  auto max_completion_tokens = read_limit(fields, "max_completion_tokens");
  if (max_tokens && max_completion_tokens && *max_tokens != *max_completion_tokens)
    throw ApiError(
        400, fmt::format("max_tokens: {} contradicts max_completion_tokens, {}", *max_tokens, *max_completion_tokens),
        "invalid_value", "max_tokens");
  request.generation.max_tokens = max_completion_tokens.value_or(max_tokens.value_or(-1));

  bool logprobs = fields.boolean("logprobs").value_or(false);
  auto alternatives = fields.integer("top_logprobs", 0, kMostAlternatives);
  if (alternatives.value_or(0) > 0 && !logprobs)
    throw ApiError(400, "top_logprobs: means something only where logprobs is true", "invalid_value", "top_logprobs");
  if (logprobs) request.generation.logprobs = static_cast<int>(alternatives.value_or(0));

  read_response_format(fields);
  read_tools(fields, card, conversation, request.notes);
  refuse_other_modes(fields);

  const OrderedJson* messages = fields.list("messages");
  if (!messages) fields.missing("messages");
  if (messages->empty()) refuse_value("messages", "at least one message", *messages);
  for (size_t i = 0; i < messages->size(); ++i)
    conversation.messages.push_back(read_message((*messages)[i], fmt::format("messages[{}]", i), card));

  if (fields.boolean("continue_final_message").value_or(false)) conversation.continued_by = "continue_final_message";
  auto generation_prompt = fields.boolean("add_generation_prompt");
  if (conversation.continues()) {
    if (generation_prompt.value_or(false))
      throw ApiError(400, "add_generation_prompt: contradicts continue_final_message", "invalid_value",
                     "add_generation_prompt");
    const api::Message& last = conversation.messages.back();
    if (last.role != api::Role::assistant || !has<api::Text>(last) || has<api::Call>(last))
      throw ApiError(400, "continue_final_message: the last message must be an assistant's, with text to continue",
                     "invalid_value", "continue_final_message");
  }
  conversation.opens_answer = generation_prompt.value_or(!conversation.continues());
  read_template_settings(fields, {card, conversation.variables, request.notes});
  fields.finish();
  request.generation.continues = conversation.continues();
  request.generation.kept_special =
      ChatSyntax::of_template(card.template_source).special_marks(card.special_tokens, conversation.tools.is_array());
  return request;
}

Request parse_completion(const OrderedJson& body, const ModelCard& card) {
  Fields fields(body, "");
  Request request;
  auto& texts = request.input.emplace<api::Texts>();
  read_common(fields, card, false, request);
  request.generation.continues = true;
  request.generation.max_tokens = read_limit(fields, "max_tokens").value_or(kCompletionTokens);
  if (const OrderedJson* none = fields.find("logprobs"); none && *none == false) {
    // What the chats' field says where none are wanted.
  } else if (auto logprobs = fields.integer("logprobs", 0, kMostAlternatives))
    request.generation.logprobs = static_cast<int>(*logprobs);
  texts.echo = fields.boolean("echo").value_or(false);
  if (texts.echo && request.generation.logprobs >= 0)
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
    texts.prompts.emplace_back(prompt->get<std::string>());
  } else if (!prompt->is_array()) {
    refuse_type("prompt", "a string, a list of strings, a list of token ids or a list of those", *prompt);
  } else if (prompt->empty()) {
    refuse_value("prompt", "at least one prompt", *prompt);
  } else if (prompt->front().is_number()) {
    texts.prompts.emplace_back(ids(*prompt, "prompt"));
  } else {
    if (prompt->size() > kMostPrompts)
      throw ApiError(400, fmt::format("prompt: expected at most {} prompts, got {}", kMostPrompts, prompt->size()),
                     "invalid_value", "prompt");
    for (size_t i = 0; i < prompt->size(); ++i) {
      const OrderedJson& one = (*prompt)[i];
      std::string path = fmt::format("prompt[{}]", i);
      if (one.is_string() && prompt->front().is_string())
        texts.prompts.emplace_back(one.get<std::string>());
      else if (one.is_array() && prompt->front().is_array())
        texts.prompts.emplace_back(ids(one, path));
      else
        refuse_type(path, prompt->front().is_array() ? "a list of token ids" : "a string", one);
    }
  }
  fields.finish();
  return request;
}

}  // namespace glassbox::openai
