#include "server/openai/writer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "server/openai/dialect.h"

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

std::string_view reason_text(api::Finish finish) {
  switch (finish) {
    case api::Finish::length:
      return "length";
    case api::Finish::calls:
      return "tool_calls";
    case api::Finish::stop:
      break;
  }
  return "stop";
}

std::string sse(const OrderedJson& chunk) { return "data: " + dump_ordered_json(chunk) + "\n\n"; }

// Lists of one are added to lists of the same name.
void append(OrderedJson& all, const OrderedJson& more) {
  for (const auto& [name, list] : more.items())
    if (list.is_array()) all[name].push_back(list[0]);
}

// As a message has them, or indexed from `first` as a stream does.
OrderedJson calls_json(const std::vector<ToolCall>& calls, std::optional<size_t> first) {
  OrderedJson list = OrderedJson::array();
  for (size_t i = 0; i < calls.size(); ++i) {
    OrderedJson one = OrderedJson::object();
    if (first) one["index"] = *first + i;
    one["id"] = calls[i].id;
    one["type"] = "function";
    one["function"] = {{"name", calls[i].name}, {"arguments", calls[i].arguments}};
    list.push_back(std::move(one));
  }
  return list;
}

OrderedJson timings(const api::Usage& usage) {
  OrderedJson timings = OrderedJson::object();
  if (usage.prefill_tokens_per_s) timings["prefill_tokens_per_s"] = *usage.prefill_tokens_per_s;
  if (usage.decode_tokens_per_s) timings["decode_tokens_per_s"] = *usage.decode_tokens_per_s;
  return timings;
}

}  // namespace

Writer::Writer(const Request& request, Options options)
    : options_(std::move(options)),
      model_(request.model),
      seed_(request.seed),
      chat_(std::holds_alternative<api::Conversation>(request.input)),
      n_(static_cast<size_t>(request.n)),
      logprobs_(request.generation.logprobs >= 0),
      stream_(request.stream),
      include_usage_(request.include_usage) {}

OrderedJson Writer::head(std::string_view object) const {
  return {{"id", options_.id},
          {"object", object},
          {"created", options_.created},
          {"model", model_},
          {"system_fingerprint", kFingerprint}};
}

OrderedJson Writer::chunk(size_t choice, OrderedJson delta, OrderedJson logprobs, OrderedJson finish_reason) const {
  OrderedJson chunk = head(chat_ ? "chat.completion.chunk" : "text_completion");
  OrderedJson one = {{"index", choice}};
  one[chat_ ? "delta" : "text"] = std::move(delta);
  one["logprobs"] = std::move(logprobs);
  one["finish_reason"] = std::move(finish_reason);
  chunk["choices"] = OrderedJson::array({std::move(one)});
  if (include_usage_) chunk["usage"] = nullptr;
  return chunk;
}

std::string Writer::begin(api::Choices choices) {
  std::string events;
  kept_.resize(choices.size());
  for (size_t i = 0; i < choices.size(); ++i) {
    kept_[i].offset = characters(choices[i].text());
    if (logprobs_ && chat_)
      kept_[i].logprobs = {{"content", OrderedJson::array()}, {"refusal", nullptr}};
    else if (logprobs_)
      kept_[i].logprobs = {{"tokens", OrderedJson::array()},
                           {"token_logprobs", OrderedJson::array()},
                           {"top_logprobs", OrderedJson::array()},
                           {"text_offset", OrderedJson::array()}};
    if (!stream_) continue;
    if (chat_) {
      OrderedJson first = chunk(i, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr);
      first["seed"] = seed_;
      events += sse(first);
    } else if (!choices[i].text().empty()) {
      events += sse(chunk(i, choices[i].text(), nullptr, nullptr));
    }
  }
  return events;
}

OrderedJson Writer::chat_logprob(const TokenEvent& event) const {
  std::string_view bytes = options_.piece(event.id);
  OrderedJson entry = {{"token", chat_token(bytes)}, {"logprob", finite(event.logprob)}, {"bytes", byte_list(bytes)}};
  OrderedJson top = OrderedJson::array();
  for (const Alternative& other : event.alternatives) {
    std::string_view piece = options_.piece(other.id);
    top.push_back({{"token", chat_token(piece)}, {"logprob", finite(other.logprob)}, {"bytes", byte_list(piece)}});
  }
  entry["top_logprobs"] = std::move(top);
  return {{"content", OrderedJson::array({std::move(entry)})}, {"refusal", nullptr}};
}

OrderedJson Writer::completion_logprobs(Kept& kept, const TokenEvent& event) const {
  std::string_view bytes = options_.piece(event.id);
  OrderedJson top = nullptr;
  if (!event.alternatives.empty()) {
    top = OrderedJson::object();
    for (const Alternative& other : event.alternatives)
      top.emplace(completion_token(options_.piece(other.id)),
                  finite(other.logprob));  // of two with one name, the likelier
    top.emplace(completion_token(bytes), finite(event.logprob));
  }
  OrderedJson entry = {{"tokens", OrderedJson::array({completion_token(bytes)})},
                       {"token_logprobs", OrderedJson::array({finite(event.logprob)})},
                       {"top_logprobs", OrderedJson::array({std::move(top)})},
                       {"text_offset", OrderedJson::array({kept.offset})}};
  if (!options_.textless.contains(event.id)) kept.offset += characters(bytes);
  return entry;
}

std::string Writer::content_event(size_t choice, std::string_view field, const std::string& text,
                                  OrderedJson logprobs) const {
  if (!chat_) return sse(chunk(choice, text, std::move(logprobs), nullptr));
  OrderedJson delta = OrderedJson::object();
  delta[std::string(field)] = text;
  return sse(chunk(choice, std::move(delta), std::move(logprobs), nullptr));
}

// Log-probabilities go with the first of them.
std::string Writer::said_events(size_t choice, const api::Said& said, OrderedJson logprobs) {
  if (!stream_) return {};
  std::string events;
  if (!said.reasoning.empty())
    events += content_event(choice, "reasoning_content", said.reasoning, std::exchange(logprobs, nullptr));
  if (!said.text.empty() || !logprobs.is_null())
    events += content_event(choice, "content", said.text, std::move(logprobs));
  if (!said.calls.empty()) {
    size_t& told = kept_[choice].calls;
    events += sse(chunk(choice, {{"tool_calls", calls_json(said.calls, told)}}, nullptr, nullptr));
    told += said.calls.size();
  }
  return events;
}

std::string Writer::event(size_t choice, const api::Said& said) {
  OrderedJson logprobs = nullptr;
  if (logprobs_ && said.token) {
    logprobs = chat_ ? chat_logprob(*said.token) : completion_logprobs(kept_[choice], *said.token);
    if (!stream_) append(kept_[choice].logprobs, logprobs);
  }
  return said_events(choice, said, std::move(logprobs));
}

std::string Writer::finished(size_t choice, const api::Said& rest, api::Choices choices) {
  if (!stream_) return {};
  std::string events = said_events(choice, rest, nullptr);
  OrderedJson last =
      chunk(choice, chat_ ? OrderedJson::object() : OrderedJson(""), nullptr, reason_text(choices[choice].finish()));
  if (!std::ranges::all_of(choices, &api::Choice::done)) return events + sse(last);
  const api::Usage used = usage_of(choices, n_);
  if (include_usage_) {
    events += sse(last);
    last = head(chat_ ? "chat.completion.chunk" : "text_completion");
    last["choices"] = OrderedJson::array();
    last["usage"] = usage(used);
  }
  last["seed"] = seed_;
  last["timings"] = timings(used);
  return events + sse(last) + "data: [DONE]\n\n";
}

std::string Writer::failed(const ApiError& error) { return stream_ ? sse(error_json(error)) : ""; }

OrderedJson Writer::usage(const api::Usage& used) const {
  OrderedJson usage = {{"prompt_tokens", used.prompt},
                       {"completion_tokens", used.completion},
                       {"total_tokens", used.prompt + used.completion},
                       {"prompt_tokens_details", {{"cached_tokens", used.cached}}}};
  if (chat_) usage["completion_tokens_details"] = {{"reasoning_tokens", used.reasoning}};
  return usage;
}

std::string Writer::whole(api::Choices choices) {
  OrderedJson whole = head(chat_ ? "chat.completion" : "text_completion");
  OrderedJson list = OrderedJson::array();
  for (size_t i = 0; i < choices.size(); ++i) {
    const api::Choice& choice = choices[i];
    OrderedJson one = {{"index", i}};
    if (chat_) {
      OrderedJson message = {{"role", "assistant"}, {"content", choice.text()}};
      if (!choice.reasoning().empty()) message["reasoning_content"] = choice.reasoning();
      if (!choice.calls().empty()) {
        if (choice.text().empty()) message["content"] = nullptr;
        message["tool_calls"] = calls_json(choice.calls(), std::nullopt);
      }
      message["refusal"] = nullptr;
      one["message"] = std::move(message);
    } else {
      one["text"] = choice.text();
    }
    one["logprobs"] = kept_[i].logprobs;
    one["finish_reason"] = reason_text(choice.finish());
    list.push_back(std::move(one));
  }
  const api::Usage used = usage_of(choices, n_);
  whole["choices"] = std::move(list);
  whole["usage"] = usage(used);
  whole["seed"] = seed_;
  whole["timings"] = timings(used);
  return dump_ordered_json(whole);
}

}  // namespace glassbox::openai
