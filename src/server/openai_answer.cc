// What an engine says, in OpenAI's dialect.
#include <openssl/rand.h>

#include <algorithm>
#include <cmath>

#include "server/openai.h"

namespace glassbox::openai {
namespace {

// The same for every kernel set: they agree to the bit.
constexpr std::string_view kFingerprint = "fp_glassbox_" GLASSBOX_VERSION;

// Where a logarithm is minus infinity: JSON has none, and this is what OpenAI's API sends instead.
constexpr double kImpossible = -9999.0;

double finite(float logprob) { return std::isfinite(logprob) ? static_cast<double>(logprob) : kImpossible; }

bool is_utf8(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size();) {
    auto lead = static_cast<unsigned char>(bytes[i]);
    size_t size = lead < 0x80                   ? 1
                  : lead >= 0xC2 && lead < 0xE0 ? 2
                  : lead >= 0xE0 && lead < 0xF0 ? 3
                  : lead >= 0xF0 && lead < 0xF5 ? 4
                                                : 0;
    if (size == 0 || i + size > bytes.size()) return false;
    for (size_t k = 1; k < size; ++k)
      if ((static_cast<unsigned char>(bytes[i + k]) & 0xC0) != 0x80) return false;
    auto second = size > 1 ? static_cast<unsigned char>(bytes[i + 1]) : 0x80;
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || (lead == 0xF0 && second < 0x90) ||
        (lead == 0xF4 && second > 0x8F))
      return false;
    i += size;
  }
  return true;
}

// A token that is part of a character, as OpenAI writes it.
std::string escaped(std::string_view bytes, std::string_view before) {
  std::string text(before);
  for (char c : bytes) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return text;
}
std::string chat_token(std::string_view bytes) { return is_utf8(bytes) ? std::string(bytes) : escaped(bytes, ""); }
std::string completion_token(std::string_view bytes) {
  return is_utf8(bytes) ? std::string(bytes) : escaped(bytes, "bytes:");
}

OrderedJson byte_list(std::string_view bytes) {
  OrderedJson list = OrderedJson::array();
  for (char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return list;
}

size_t characters(std::string_view bytes) {
  return static_cast<size_t>(std::count_if(bytes.begin(), bytes.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string_view reason_text(FinishReason reason) { return reason == FinishReason::length ? "length" : "stop"; }

std::string sse(const OrderedJson& chunk) { return "data: " + dump_ordered_json(chunk) + "\n\n"; }

}  // namespace

OrderedJson error_json(const ApiError& error) {
  std::string_view type = error.status >= 500   ? "server_error"
                          : error.status == 429 ? "rate_limit_error"
                          : error.status == 401 ? "authentication_error"
                                                : "invalid_request_error";
  OrderedJson inner = {{"message", error.what()}, {"type", type}, {"param", nullptr}, {"code", nullptr}};
  if (!error.param.empty()) inner["param"] = error.param;
  if (!error.code.empty()) inner["code"] = error.code;
  return {{"error", std::move(inner)}};
}

ApiError error_of(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const ApiError& error) { return error; } catch (const Error& error) {
    std::string message = error.what();
    // The engine's errors begin with the name of what is wrong: "temperature: expected ...".
    size_t end = message.find_first_not_of("abcdefghijklmnopqrstuvwxyz_");
    std::string param = end != std::string::npos && message[end] == ':' ? message.substr(0, end) : "";
    switch (error.kind()) {
      case ErrorKind::bad_request:
        return ApiError(400, message, "invalid_value", param);
      case ErrorKind::unsupported:
        return ApiError(400, message, "unsupported_parameter", param);
      case ErrorKind::full:
        return ApiError(400, message, "context_length_exceeded", param);
      default:
        return ApiError::hidden(message);
    }
  } catch (const std::bad_alloc&) {
    return ApiError(500, "out of memory", "server_error");
  } catch (const std::exception& error) { return ApiError::hidden(error.what()); } catch (...) {
    return ApiError::hidden("an error without a name");
  }
}

OrderedJson model_json(const ModelCard& card) {
  OrderedJson own = {{"context", card.context},
                     {"vocabulary", card.vocabulary},
                     {"parameters", card.parameters},
                     {"dtype", card.dtype},
                     {"memory_bytes", card.memory_bytes},
                     {"has_chat_template", card.has_template},
                     {"sampling", values_json(card.defaults)},
                     {"sampling_from", sources_json(card.defaults)}};
  if (!card.base.empty()) own["adapter_of"] = card.base;
  return {{"id", card.id},
          {"object", "model"},
          {"created", card.created},
          {"owned_by", "glassbox"},
          {"glassbox", std::move(own)}};
}

OrderedJson models_json(const std::vector<const ModelCard*>& cards) {
  OrderedJson list = OrderedJson::array();
  for (const ModelCard* card : cards) list.push_back(model_json(*card));
  return {{"object", "list"}, {"data", std::move(list)}};
}

std::string notes_header(const std::vector<std::string>& notes) {
  constexpr size_t kLongest = 1000;
  std::string header;
  for (size_t i = 0; i < notes.size(); ++i) {
    // What is not ASCII, escaped.
    std::string note = OrderedJson(notes[i]).dump(-1, ' ', true, OrderedJson::error_handler_t::replace);
    note = note.substr(1, note.size() - 2);
    for (size_t at = 0; (at = note.find("\\\"", at)) != std::string::npos; ++at) note.erase(at, 1);
    if (header.size() + note.size() > kLongest) return header + fmt::format("; and {} more", notes.size() - i);
    header += (header.empty() ? "" : "; ") + note;
  }
  return header;
}

std::string new_id(std::string_view prefix) {
  constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  unsigned char bytes[24];
  check(RAND_bytes(bytes, sizeof bytes) == 1, "no random bytes");
  std::string id(prefix);
  for (unsigned char byte : bytes) id += kLetters[byte % kLetters.size()];
  return id;
}

Answer::Answer(const Request& request, Options options, size_t choices, std::function<std::string_view(int32_t)> piece)
    : options_(std::move(options)),
      model_(request.model),
      seed_(request.seed),
      n_(static_cast<size_t>(request.n)),
      logprobs_(request.generation.logprobs >= 0),
      stream_(request.stream),
      include_usage_(request.include_usage),
      piece_(std::move(piece)),
      choices_(choices) {
  for (size_t i = 0; i < choices_.size(); ++i) {
    Choice& choice = choices_[i];
    if (options_.chat) {
      // Space at its end must not count as before a closing tag that the answer brings.
      std::string_view begun = options_.begun;
      begun = begun.substr(0, begun.find_last_not_of(" \t\r\n") + 1);
      choice.parser = AnswerParser(options_.syntax, options_.tools, options_.prompt, options_.silent);
      if (!begun.empty()) choice.parser.push(begun);
      if (logprobs_) choice.logprobs = {{"content", OrderedJson::array()}, {"refusal", nullptr}};
    } else {
      if (!options_.echoes.empty()) choice.content = options_.echoes[i / n_];
      choice.offset = characters(choice.content);
      if (logprobs_)
        choice.logprobs = {{"tokens", OrderedJson::array()},
                           {"token_logprobs", OrderedJson::array()},
                           {"top_logprobs", OrderedJson::array()},
                           {"text_offset", OrderedJson::array()}};
    }
  }
}

OrderedJson Answer::head(std::string_view object) const {
  return {{"id", options_.id},
          {"object", object},
          {"created", options_.created},
          {"model", model_},
          {"system_fingerprint", kFingerprint}};
}

OrderedJson Answer::chunk(size_t choice, OrderedJson delta, OrderedJson logprobs, OrderedJson finish_reason) const {
  OrderedJson chunk = head(options_.chat ? "chat.completion.chunk" : "text_completion");
  OrderedJson one = {{"index", choice}};
  one[options_.chat ? "delta" : "text"] = std::move(delta);
  one["logprobs"] = std::move(logprobs);
  one["finish_reason"] = std::move(finish_reason);
  chunk["choices"] = OrderedJson::array({std::move(one)});
  if (include_usage_) chunk["usage"] = nullptr;
  return chunk;
}

std::string Answer::begin() {
  std::string events;
  if (!stream_) return events;
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (options_.chat) {
      OrderedJson first = chunk(i, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
      first["seed"] = seed_;
      events += sse(first);
    } else if (!choices_[i].content.empty()) {
      events += sse(chunk(i, choices_[i].content, nullptr, nullptr));
    }
  }
  return events;
}

OrderedJson Answer::chat_logprob(const TokenEvent& event) const {
  std::string_view bytes = piece_(event.id);
  OrderedJson entry = {{"token", chat_token(bytes)}, {"logprob", finite(event.logprob)}, {"bytes", byte_list(bytes)}};
  OrderedJson top = OrderedJson::array();
  for (const Alternative& other : event.alternatives) {
    std::string_view piece = piece_(other.id);
    top.push_back({{"token", chat_token(piece)}, {"logprob", finite(other.logprob)}, {"bytes", byte_list(piece)}});
  }
  entry["top_logprobs"] = std::move(top);
  return {{"content", OrderedJson::array({std::move(entry)})}, {"refusal", nullptr}};
}

OrderedJson Answer::completion_logprobs(Choice& choice, const TokenEvent& event) const {
  std::string_view bytes = piece_(event.id);
  OrderedJson top = nullptr;
  if (!event.alternatives.empty()) {
    top = OrderedJson::object();
    for (const Alternative& other : event.alternatives)
      top.emplace(completion_token(piece_(other.id)),
                  finite(other.logprob));  // of two with one name, the likelier
    top.emplace(completion_token(bytes), finite(event.logprob));
  }
  OrderedJson entry = {{"tokens", OrderedJson::array({completion_token(bytes)})},
                       {"token_logprobs", OrderedJson::array({finite(event.logprob)})},
                       {"top_logprobs", OrderedJson::array({std::move(top)})},
                       {"text_offset", OrderedJson::array({choice.offset})}};
  if (!options_.textless.contains(event.id)) choice.offset += characters(bytes);
  return entry;
}

void Answer::append(OrderedJson& all, const OrderedJson& more) const {
  for (const auto& [name, list] : more.items())
    if (list.is_array()) all[name].push_back(list[0]);
}

std::string Answer::content_event(size_t choice, std::string_view field, const std::string& text,
                                  OrderedJson logprobs) const {
  if (!options_.chat) return sse(chunk(choice, text, std::move(logprobs), nullptr));
  OrderedJson delta = OrderedJson::object();
  delta[std::string(field)] = text;
  return sse(chunk(choice, std::move(delta), std::move(logprobs), nullptr));
}

// Adds what was said to the choice; events where there is anything to tell. Log-probabilities go with the
// first of them.
std::string Answer::said(size_t choice, AnswerParser::Delta delta, OrderedJson logprobs) {
  Choice& c = choices_[choice];
  if (enough(choice)) {
    delta = {};
  } else if (options_.one_call && !delta.calls.empty()) {
    delta.calls.resize(1);
    delta.content.resize(delta.before_calls);
  }
  c.reasoning += delta.reasoning;
  c.content += delta.content;
  const size_t first_call = c.calls.size();
  for (ToolCall& call : delta.calls) {
    if (call.id.empty()) call.id = options_.syntax.calls->short_ids ? new_id("").substr(0, 9) : new_id("call_");
    c.calls.push_back(std::move(call));
  }
  std::string events;
  if (!stream_) return events;
  if (!delta.reasoning.empty())
    events += content_event(choice, "reasoning_content", delta.reasoning, std::exchange(logprobs, nullptr));
  if (!delta.content.empty() || !logprobs.is_null())
    events += content_event(choice, "content", delta.content, std::move(logprobs));
  if (c.calls.size() > first_call)
    events += sse(chunk(choice, {{"tool_calls", calls_json(choice, first_call, true)}}, nullptr, nullptr));
  return events;
}

// The calls from the `first` on, as a message has them, or indexed as a stream does.
OrderedJson Answer::calls_json(size_t choice, size_t first, bool indexed) const {
  OrderedJson list = OrderedJson::array();
  const std::vector<ToolCall>& calls = choices_[choice].calls;
  for (size_t i = first; i < calls.size(); ++i) {
    OrderedJson one = OrderedJson::object();
    if (indexed) one["index"] = i;
    one["id"] = calls[i].id;
    one["type"] = "function";
    one["function"] = {{"name", calls[i].name}, {"arguments", calls[i].arguments}};
    list.push_back(std::move(one));
  }
  return list;
}

std::string_view Answer::reason_of(const Choice& choice) const {
  if (choice.finished.reason == FinishReason::stop && !choice.calls.empty()) return "tool_calls";
  if (options_.one_call && !choice.calls.empty()) return "tool_calls";
  return reason_text(choice.finished.reason);
}

std::string Answer::token(size_t choice, const TokenEvent& event) {
  if (enough(choice)) return {};  // until the engine knows
  Choice& c = choices_[choice];
  OrderedJson logprobs = nullptr;
  if (logprobs_) {
    logprobs = options_.chat ? chat_logprob(event) : completion_logprobs(c, event);
    if (!stream_) append(c.logprobs, logprobs);
  }
  if (!options_.chat) return said(choice, AnswerParser::Delta::said(event.text), std::move(logprobs));
  const bool spoke = c.parser.speaks();
  AnswerParser::Delta delta = c.parser.push(event.text);
  if (!spoke && delta.content.empty()) ++c.reasoning_tokens;  // until the answer proper begins
  return said(choice, std::move(delta), std::move(logprobs));
}

std::string Answer::finished(size_t choice, const Finished& finished) {
  Choice& c = choices_[choice];
  c.finished = finished;
  ++done_;
  AnswerParser::Delta rest = AnswerParser::Delta::said(finished.text);
  if (options_.chat) {
    rest = c.parser.push(finished.text);
    rest.add(c.parser.finish());
  }
  std::string events = said(choice, std::move(rest), nullptr);
  if (c.reasoning.empty()) c.reasoning_tokens = 0;

  if (!stream_) return events;
  OrderedJson last = chunk(choice, options_.chat ? OrderedJson::object() : OrderedJson(""), nullptr, reason_of(c));
  if (!done()) return events + sse(last);
  if (include_usage_) {
    events += sse(last);
    last = head(options_.chat ? "chat.completion.chunk" : "text_completion");
    last["choices"] = OrderedJson::array();
    last["usage"] = usage();
  }
  last["seed"] = seed_;
  last["timings"] = timings();
  return events + sse(last) + "data: [DONE]\n\n";
}

std::string Answer::failed(const ApiError& error) { return sse(error_json(error)); }

int64_t Answer::prompt_tokens() const {
  int64_t tokens = 0;
  for (size_t i = 0; i < choices_.size(); i += n_) tokens += choices_[i].finished.prompt_tokens;
  return tokens;
}

int64_t Answer::cached_tokens() const {
  int64_t tokens = 0;
  for (size_t i = 0; i < choices_.size(); i += n_) tokens += choices_[i].finished.cached_tokens;
  return tokens;
}

int64_t Answer::completion_tokens() const {
  int64_t tokens = 0;
  for (const Choice& choice : choices_) tokens += choice.finished.completion_tokens;
  return tokens;
}

OrderedJson Answer::usage() const {
  int64_t reasoning = 0;
  for (const Choice& choice : choices_) reasoning += choice.reasoning_tokens;
  OrderedJson usage = {{"prompt_tokens", prompt_tokens()},
                       {"completion_tokens", completion_tokens()},
                       {"total_tokens", prompt_tokens() + completion_tokens()},
                       {"prompt_tokens_details", {{"cached_tokens", cached_tokens()}}}};
  if (options_.chat) usage["completion_tokens_details"] = {{"reasoning_tokens", reasoning}};
  return usage;
}

// Of several choices: what was read in all their reading time, and what was said (after each one's first
// token) while the longest spoke. A figure that was not measured is left out.
OrderedJson Answer::timings() const {
  int64_t read = 0, said = 0;
  double reading = 0, speaking = 0;
  for (const Choice& choice : choices_) {
    const Finished& f = choice.finished;
    read += f.prompt_tokens - f.cached_tokens;
    reading += f.prefill_s;
    said += std::max<int64_t>(0, f.completion_tokens - 1);
    speaking = std::max(speaking, f.decode_s);
  }
  OrderedJson timings = OrderedJson::object();
  if (reading > 0) timings["prefill_tokens_per_s"] = static_cast<double>(read) / reading;
  if (speaking > 0) timings["decode_tokens_per_s"] = static_cast<double>(said) / speaking;
  return timings;
}

OrderedJson Answer::whole() const {
  check(done(), "an answer is whole when all its choices are");
  OrderedJson whole = head(options_.chat ? "chat.completion" : "text_completion");
  OrderedJson list = OrderedJson::array();
  for (size_t i = 0; i < choices_.size(); ++i) {
    const Choice& choice = choices_[i];
    OrderedJson one = {{"index", i}};
    if (options_.chat) {
      OrderedJson message = {{"role", "assistant"}, {"content", choice.content}};
      if (!choice.reasoning.empty()) message["reasoning_content"] = choice.reasoning;
      if (!choice.calls.empty()) {
        if (choice.content.empty()) message["content"] = nullptr;
        message["tool_calls"] = calls_json(i, 0, false);
      }
      message["refusal"] = nullptr;
      one["message"] = std::move(message);
    } else {
      one["text"] = choice.content;
    }
    one["logprobs"] = choice.logprobs;
    one["finish_reason"] = reason_of(choice);
    list.push_back(std::move(one));
  }
  whole["choices"] = std::move(list);
  whole["usage"] = usage();
  whole["seed"] = seed_;
  whole["timings"] = timings();
  return whole;
}

}  // namespace glassbox::openai
