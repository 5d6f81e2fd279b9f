#include "server/openai/writer.h"

#include <gmock/gmock.h>

#include "server/openai/dialect.h"
#include "server/openai/testing.h"

namespace glassbox::openai {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(OpenaiAnswer, Errors) {
  EXPECT_EQ(
      error_json(ApiError(400, "n: wrong", "invalid_value", "n")),
      json(
          R"({"error": {"message": "n: wrong", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}})"));
  EXPECT_EQ(error_json(ApiError(500, "x", ""))["error"]["type"], "server_error");
  EXPECT_EQ(error_json(ApiError(500, "x", ""))["error"]["code"], nullptr);
  auto of = [](auto thrown) { return error_of(std::make_exception_ptr(thrown)); };
  EXPECT_EQ(of(Error(ErrorKind::bad_request, "messages[2].content", "expected less")).subject, "messages[2].content");
  EXPECT_EQ(of(Error(ErrorKind::bad_request, "temperature: said no")).subject, "");
  EXPECT_EQ(of(Error(ErrorKind::full, "prompt", "too long")).code, "context_length_exceeded");
  EXPECT_EQ(of(Error(ErrorKind::full, "prompt", "too long")).status, 400);
  // What is the server's own affair is for its log.
  for (ErrorKind kind : {ErrorKind::io, ErrorKind::bad_file, ErrorKind::not_found}) {
    const ApiError error = of(Error(kind, "/home/ann/model.safetensors: truncated"));
    EXPECT_EQ(error.status, 500);
    EXPECT_STREQ(error.what(), "the server failed; its log says how");
    EXPECT_STREQ(error.for_log(), "/home/ann/model.safetensors: truncated");
  }
  EXPECT_EQ(of(ApiError(404, "m", "model_not_found", "model")).status, 404);
  EXPECT_EQ(of(std::logic_error("l")).status, 500);
}

TEST(OpenaiAnswer, Models) {
  ModelCard one = card();
  GenerationConfig says;
  says.temperature = 0.3;
  one.defaults = sampling_defaults(says);
  OrderedJson list = json(Dialect().models({{one, false}}));
  EXPECT_EQ(list["object"], "list");
  EXPECT_EQ(list["data"][0]["id"], "glassbox/prism");
  EXPECT_EQ(list["data"][0]["object"], "model");
  EXPECT_EQ(list["data"][0]["created"], 1'700'000'000);
  EXPECT_EQ(list["data"][0]["owned_by"], "glassbox");
  EXPECT_EQ(list["data"][0]["glassbox"]["context"], 1024);
  EXPECT_EQ(list["data"][0]["glassbox"]["sampling"].dump(),
            R"({"temperature":0.3,"top_k":0,"top_p":1.0,"min_p":0.0,"repetition_penalty":1.0})");
  EXPECT_EQ(list["data"][0]["glassbox"]["sampling_from"].dump(),
            R"({"temperature":"model","top_k":"glassbox","top_p":"glassbox","min_p":"glassbox",)"
            R"("repetition_penalty":"glassbox"})");
}

const std::vector<std::string> kPieces = {"<think>", "2", "+", "</think>", "Four", " is", "\xe2\x82", "\xac", ""};

// A fake engine's words, by number.
TokenEvent said(int32_t id, std::string text, float logprob = -0.5f, std::vector<Alternative> alternatives = {}) {
  return {id, std::move(text), logprob, std::move(alternatives)};
}
Finished ended(FinishReason reason = FinishReason::stop, std::string text = "") {
  Finished finished;
  finished.reason = reason;
  finished.text = std::move(text);
  finished.prompt_tokens = 10;
  finished.cached_tokens = 4;
  finished.completion_tokens = 5;
  finished.prefill_s = 0.5;
  finished.decode_s = 2;
  return finished;
}

// An answer as a server makes it: its choices, and their writer.
class Answer {
 public:
  Answer(const Request& request, Writer::Options options, std::vector<api::Choice> choices)
      : writer_(request, std::move(options)), choices_(std::move(choices)) {
    begun_ = writer_.begin(choices_);
  }
  const std::string& begin() const { return begun_; }
  std::string token(size_t choice, const TokenEvent& event) {
    return writer_.event(choice, choices_[choice].token(event));
  }
  std::string finished(size_t choice, const Finished& finished) {
    const api::Said rest = choices_[choice].finished(finished);
    return writer_.finished(choice, rest, choices_);
  }
  bool enough(size_t choice) const { return choices_[choice].enough(); }
  bool done() const { return std::ranges::all_of(choices_, &api::Choice::done); }
  OrderedJson whole() { return json(writer_.whole(choices_)); }

 private:
  Writer writer_;
  std::vector<api::Choice> choices_;
  std::string begun_;
};

Writer::Options options_for_tests() {
  Writer::Options options;
  options.id = "id-1";
  options.created = 1'700'000'000;
  options.piece = [](int32_t id) { return std::string_view(kPieces.at(static_cast<size_t>(id))); };
  return options;
}

Answer answer(const Request& request, size_t choices, bool chat = true, const std::vector<std::string>& echoes = {},
              std::string begun = "") {
  api::Choice::Reading reading;
  reading.begun = std::move(begun);
  std::vector<api::Choice> all;
  for (size_t i = 0; i < choices; ++i) {
    if (chat)
      all.emplace_back(reading);
    else
      all.emplace_back(echoes.empty() ? "" : echoes[i / static_cast<size_t>(request.n)]);
  }
  return Answer(request, options_for_tests(), std::move(all));
}

// The JSON of each event; "[DONE]" as a string.
std::vector<OrderedJson> events_of(std::string_view text) {
  std::vector<OrderedJson> events;
  while (!text.empty()) {
    size_t end = text.find("\n\n");
    EXPECT_TRUE(text.starts_with("data: ")) << text;
    std::string_view data = text.substr(6, end - 6);
    events.push_back(data == "[DONE]" ? OrderedJson("[DONE]") : json(data));
    text.remove_prefix(end + 2);
  }
  return events;
}

Answer tool_answer(const Request& request, bool one_call = false) {
  api::Choice::Reading reading;
  reading.syntax.calls = call_syntax("tagged");
  reading.tools = json(R"([{"type": "function", "function": {"name": "add"}}])");
  reading.one_call = one_call;
  return Answer(request, options_for_tests(), {api::Choice(reading)});
}

TokenEvent text_event(std::string text) {
  TokenEvent event;
  event.text = std::move(text);
  return event;
}

TEST(OpenaiAnswer, CallsOfTools) {
  const std::vector<std::string> pieces = {"<think>hm", "</think>Wait.\n<tool", "_call>{\"name\": \"add\", \"argu",
                                           "ments\": {\"a\": 1}}</tool_call>"};
  Answer whole = tool_answer(parsed("{}"));
  for (const std::string& piece : pieces) EXPECT_EQ(whole.token(0, text_event(piece)), "");
  whole.finished(0, Finished{});
  OrderedJson choice = whole.whole()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], "Wait.");
  EXPECT_EQ(choice["message"]["reasoning_content"], "hm");
  ASSERT_EQ(choice["message"]["tool_calls"].size(), 1u);
  OrderedJson call = choice["message"]["tool_calls"][0];
  EXPECT_THAT(call["id"].get<std::string>(), ::testing::StartsWith("call_"));
  EXPECT_EQ(call["type"], "function");
  EXPECT_EQ(call["function"], json(R"({"name": "add", "arguments": "{\"a\":1}"})"));

  Answer streamed = tool_answer(parsed(R"({"stream": true})"));
  std::string text = streamed.begin();
  for (const std::string& piece : pieces) text += streamed.token(0, text_event(piece));
  text += streamed.finished(0, Finished{});
  std::string content;
  size_t calls = 0;
  OrderedJson last;
  for (const OrderedJson& event : events_of(text)) {
    if (!event.is_object() || event["choices"].empty()) continue;
    const OrderedJson& one = event["choices"][0];
    if (one["delta"].contains("content") && one["delta"]["content"].is_string())
      content += one["delta"]["content"].get<std::string>();
    if (one["delta"].contains("tool_calls")) {
      ++calls;
      EXPECT_EQ(one["delta"]["tool_calls"][0]["index"], 0);
      EXPECT_EQ(one["delta"]["tool_calls"][0]["function"], call["function"]);
    }
    if (!one["finish_reason"].is_null()) last = one["finish_reason"];
  }
  EXPECT_EQ(content, "Wait.");
  EXPECT_EQ(calls, 1u);
  EXPECT_EQ(last, "tool_calls");

  Answer cut = tool_answer(parsed("{}"));
  cut.token(0, text_event("<tool_call>{\"na"));
  Finished finished;
  finished.reason = FinishReason::length;
  cut.finished(0, finished);
  choice = cut.whole()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_EQ(choice["message"]["content"], "<tool_call>{\"na");
  EXPECT_FALSE(choice["message"].contains("tool_calls"));
}

TEST(OpenaiAnswer, WholeChat) {
  Request request = parsed(R"({"seed": 7, "logprobs": true, "top_logprobs": 2})");
  Answer a = answer(request, 1);
  EXPECT_EQ(a.begin(), "");
  EXPECT_EQ(a.token(0, said(0, "<think>")), "");
  a.token(0, said(1, "2"));
  a.token(0, said(3, "</think>"));
  a.token(0, said(4, "Four", -0.25f, {{4, -0.25f}, {6, -std::numeric_limits<float>::infinity()}}));
  EXPECT_FALSE(a.done());
  a.finished(0, ended(FinishReason::length, "!"));
  EXPECT_TRUE(a.done());
  OrderedJson expected = json(R"({
    "id": "id-1", "object": "chat.completion", "created": 1700000000, "model": "m", "system_fingerprint": "F",
    "choices": [{"index": 0,
      "message": {"role": "assistant", "content": "Four!", "reasoning_content": "2", "refusal": null},
      "logprobs": {"content": [
        {"token": "<think>", "logprob": -0.5, "bytes": [60, 116, 104, 105, 110, 107, 62], "top_logprobs": []},
        {"token": "2", "logprob": -0.5, "bytes": [50], "top_logprobs": []},
        {"token": "</think>", "logprob": -0.5, "bytes": [60, 47, 116, 104, 105, 110, 107, 62], "top_logprobs": []},
        {"token": "Four", "logprob": -0.25, "bytes": [70, 111, 117, 114], "top_logprobs": [
          {"token": "Four", "logprob": -0.25, "bytes": [70, 111, 117, 114]},
          {"token": "\\xe2\\x82", "logprob": -9999.0, "bytes": [226, 130]}]}], "refusal": null},
      "finish_reason": "length"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": 4},
              "completion_tokens_details": {"reasoning_tokens": 3}},
    "seed": 7, "timings": {"prefill_tokens_per_s": 12.0, "decode_tokens_per_s": 2.0}})");
  OrderedJson whole = a.whole();
  EXPECT_THAT(whole["system_fingerprint"].get<std::string>(), HasSubstr("fp_glassbox_"));
  expected["system_fingerprint"] = whole["system_fingerprint"];
  EXPECT_EQ(whole.dump(1), expected.dump(1));
}

TEST(OpenaiAnswer, StreamedChat) {
  Request request = parsed(R"({"seed": 7, "stream": true})");
  Answer a = answer(request, 1);
  auto begin = events_of(a.begin());
  ASSERT_EQ(begin.size(), 1u);
  OrderedJson expected = json(
      R"({"id": "id-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m", "system_fingerprint": "F",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null}], "seed": 7})");
  expected["system_fingerprint"] = begin[0]["system_fingerprint"];
  EXPECT_EQ(begin[0].dump(1), expected.dump(1));

  EXPECT_EQ(a.token(0, said(0, "<think>")), "");
  auto thought = events_of(a.token(0, said(1, "2")));
  ASSERT_EQ(thought.size(), 1u);
  EXPECT_EQ(thought[0]["choices"][0]["delta"], json(R"({"reasoning_content": "2"})"));
  EXPECT_EQ(a.token(0, said(3, "</think>")), "");
  auto word = events_of(a.token(0, said(4, "Four")));
  ASSERT_EQ(word.size(), 1u);
  EXPECT_EQ(word[0]["choices"][0]["delta"], json(R"({"content": "Four"})"));
  EXPECT_FALSE(word[0].contains("usage"));
  EXPECT_EQ(a.token(0, said(6, "")), "");  // half a character: nothing to tell yet
  auto end = events_of(a.finished(0, ended()));
  ASSERT_EQ(end.size(), 2u);
  EXPECT_EQ(end[0]["choices"][0], json(R"({"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop"})"));
  EXPECT_EQ(end[0]["seed"], 7);
  EXPECT_EQ(end[0]["timings"], json(R"({"prefill_tokens_per_s": 12.0, "decode_tokens_per_s": 2.0})"));
  EXPECT_EQ(end[1], "[DONE]");
}

TEST(OpenaiAnswer, StreamedUsageComesLastAndAlone) {
  Request request = parsed(R"({"seed": 7, "n": 2, "stream": true, "stream_options": {"include_usage": true}})");
  Answer a = answer(request, 2);
  auto begin = events_of(a.begin());
  ASSERT_EQ(begin.size(), 2u);
  EXPECT_EQ(begin[1]["choices"][0]["index"], 1);
  EXPECT_TRUE(begin[0]["usage"].is_null() && begin[0].contains("usage"));
  auto first = events_of(a.finished(1, ended()));
  ASSERT_EQ(first.size(), 1u);  // another choice still speaks
  EXPECT_EQ(first[0]["choices"][0]["finish_reason"], "stop");
  auto last = events_of(a.finished(0, ended(FinishReason::length, "left")));
  ASSERT_EQ(last.size(), 4u);
  EXPECT_EQ(last[0]["choices"][0]["delta"]["content"], "left");
  EXPECT_EQ(last[1]["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(last[2]["choices"], OrderedJson::array());
  EXPECT_EQ(last[2]["usage"]["prompt_tokens"], 10);  // one prompt for both
  EXPECT_EQ(last[2]["usage"]["completion_tokens"], 10);
  EXPECT_EQ(last[2]["seed"], 7);
  EXPECT_EQ(last[3], "[DONE]");
}

TEST(OpenaiAnswer, StreamedLogprobsCoverEveryToken) {
  Request request = parsed(R"({"stream": true, "logprobs": true})");
  Answer a = answer(request, 1);
  std::vector<std::string> tokens;
  std::string content, reasoning;
  auto take = [&](const std::string& text) {
    for (const OrderedJson& event : events_of(text)) {
      if (event.is_string()) continue;
      const OrderedJson& choice = event["choices"][0];
      content += choice["delta"].value("content", "");
      reasoning += choice["delta"].value("reasoning_content", "");
      if (!choice["logprobs"].is_null())
        for (const OrderedJson& entry : choice["logprobs"]["content"]) tokens.push_back(entry["token"]);
    }
  };
  take(a.token(0, said(0, "<think>")));
  take(a.token(0, said(1, "2")));
  take(a.token(0, said(3, "</think>Four")));  // both sides of the tag in one piece
  take(a.token(0, said(6, "")));
  take(a.token(0, said(7, "\u20ac")));
  take(a.finished(0, ended()));
  EXPECT_EQ(reasoning, "2");
  EXPECT_EQ(content, "Four\u20ac");
  EXPECT_EQ(tokens, (std::vector<std::string>{"<think>", "2", "</think>", "\\xe2\\x82", "\\xac"}));
}

TEST(OpenaiAnswer, ReasoningThatThePromptBegan) {
  Request request = parsed(R"({})");
  auto split = [&](std::string begun, std::vector<std::string> pieces) {
    Answer a = answer(request, 1, true, {}, std::move(begun));
    for (const std::string& piece : pieces) a.token(0, said(8, piece));
    a.finished(0, ended());
    OrderedJson message = a.whole()["choices"][0]["message"];
    return message.value("reasoning_content", "") + "|" + message["content"].get<std::string>();
  };
  EXPECT_EQ(split("", {"a", " b"}), "|a b");
  EXPECT_EQ(split("<think>\n", {"so", "</think>", "\n\n4"}), "so|4");
  EXPECT_EQ(split("<think>so it", {" is", "</think>4"}), " is|4");  // the space belongs to the reasoning
  EXPECT_EQ(split("<think>so it ", {"is", "</think>4"}), "is|4");
  EXPECT_EQ(split("<think>so</think>It is", {" 4"}), "| 4");
  EXPECT_EQ(split("It is", {" <think>"}), "| <think>");
}

TEST(OpenaiAnswer, Completions) {
  Request request =
      parse_completion(completion(R"({"seed": 1, "n": 2, "prompt": ["A", "B\u20ac"], "echo": true})"), card());
  Answer a = answer(request, 4, false, {"A", "B\u20ac"});
  for (size_t i : {3, 1, 0, 2}) a.token(i, said(5, fmt::format(" is{}", i)));
  for (size_t i = 0; i < 4; ++i) a.finished(i, ended());
  OrderedJson whole = a.whole();
  EXPECT_EQ(whole["object"], "text_completion");
  EXPECT_EQ(whole["choices"][0], json(R"({"index": 0, "text": "A is0", "logprobs": null, "finish_reason": "stop"})"));
  EXPECT_EQ(whole["choices"][3]["text"], "B\u20ac is3");
  EXPECT_EQ(whole["usage"]["prompt_tokens"], 20);  // two prompts, once each
  EXPECT_EQ(whole["usage"]["completion_tokens"], 20);
  EXPECT_FALSE(whole["usage"].contains("completion_tokens_details"));
}

TEST(OpenaiAnswer, CompletionLogprobs) {
  Request request = parse_completion(completion(R"({"logprobs": 2})"), card());
  Answer a = answer(request, 1, false);
  a.token(0, said(4, "Four", -0.5f, {{4, -0.5f}, {5, -1}}));
  a.token(0, said(6, "", -3, {{4, -0.5f}, {5, -1}}));
  a.token(0, said(7, "\u20ac", -0.5f, {{7, -0.5f}, {5, -1}}));
  a.token(0, said(5, " is", -0.5f, {{5, -0.5f}, {4, -1}}));
  a.finished(0, ended());
  EXPECT_EQ(a.whole()["choices"][0]["logprobs"].dump(), json(R"({
    "tokens": ["Four", "bytes:\\xe2\\x82", "bytes:\\xac", " is"],
    "token_logprobs": [-0.5, -3.0, -0.5, -0.5],
    "top_logprobs": [{"Four": -0.5, " is": -1.0}, {"Four": -0.5, " is": -1.0, "bytes:\\xe2\\x82": -3.0},
                     {"bytes:\\xac": -0.5, " is": -1.0}, {" is": -0.5, "Four": -1.0}],
    "text_offset": [0, 4, 5, 5]})")
                                                            .dump());
}

TEST(OpenaiAnswer, TokensWithoutTextTakeNoPlaceInIt) {
  Request request = parse_completion(completion(R"({"logprobs": 0})"), card());
  Writer::Options options = options_for_tests();
  options.textless = {3};
  Answer a(request, options, {api::Choice("")});
  a.token(0, said(4, "Four"));
  a.token(0, said(3, ""));
  a.token(0, said(5, " is"));
  a.finished(0, ended());
  const OrderedJson choice = a.whole()["choices"][0];
  EXPECT_EQ(choice["text"], "Four is");
  EXPECT_EQ(choice["logprobs"]["text_offset"], json("[0, 4, 4]"));
  EXPECT_EQ(choice["logprobs"]["tokens"], json(R"(["Four", "</think>", " is"])"));
}

TEST(OpenaiAnswer, OneCallIsAll) {
  for (bool stream : {false, true}) {
    Request request = parsed(stream ? R"({"stream": true})" : "{}");
    Answer a = tool_answer(request, true);
    std::string events = a.begin();
    const std::string call = R"(<tool_call>{"name": "add", "arguments": {}}</tool_call>)";
    events += a.token(0, text_event("So" + call + call + "more"));
    EXPECT_TRUE(a.enough(0));
    events += a.token(0, text_event("and more" + call));
    Finished finished;
    finished.reason = FinishReason::cancelled;
    finished.text = "end";
    events += a.finished(0, finished);
    const OrderedJson choice = a.whole()["choices"][0];
    EXPECT_EQ(choice["finish_reason"], "tool_calls");
    EXPECT_EQ(choice["message"]["tool_calls"].size(), 1u);
    EXPECT_EQ(choice["message"]["content"], "So");
    size_t calls = 0;
    for (size_t at = 0; (at = events.find("\"tool_calls\":[", at)) != std::string::npos; ++at) ++calls;
    EXPECT_EQ(calls, stream ? 1u : 0u);
  }
}

TEST(OpenaiAnswer, StreamedCompletions) {
  Request request = parse_completion(completion(R"({"stream": true, "logprobs": 0, "seed": 3})"), card());
  Answer a = answer(request, 1, false);
  EXPECT_EQ(a.begin(), "");
  auto events = events_of(a.token(0, said(4, "Four")));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["object"], "text_completion");
  EXPECT_EQ(events[0]["choices"][0],
            json(R"({"index": 0, "text": "Four", "logprobs": {"tokens": ["Four"], "token_logprobs": [-0.5],
    "top_logprobs": [null], "text_offset": [0]}, "finish_reason": null})"));
  auto end = events_of(a.finished(0, ended()));
  EXPECT_EQ(end[0]["choices"][0], json(R"({"index": 0, "text": "", "logprobs": null, "finish_reason": "stop"})"));
  EXPECT_EQ(end[0]["seed"], 3);
  EXPECT_EQ(end[1], "[DONE]");
  // With echo the prompt is the first text.
  Request echo = parse_completion(completion(R"({"stream": true, "echo": true})"), card());
  Answer b = answer(echo, 1, false, {"Once"});
  EXPECT_EQ(events_of(b.begin()).at(0)["choices"][0]["text"], "Once");
}

TEST(OpenaiAnswer, IdsAreNew) {
  EXPECT_EQ(api::new_id("chatcmpl-").size(), 9 + 24u);
  EXPECT_NE(api::new_id("x"), api::new_id("x"));
}

}  // namespace
}  // namespace glassbox::openai
