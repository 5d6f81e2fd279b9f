#include <gmock/gmock.h>

#include "server/openai/testing.h"

namespace glassbox::openai {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What a chat with these fields is refused with: "code subject: message".
template <class Parse>
std::string refusal_of(Parse parse) {
  try {
    parse();
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.code + " " + error.subject + ": " + error.what();
  }
  return "accepted";
}
std::string refused(std::string_view fields) {
  return refusal_of([&] { parse_chat(chat(fields), card()); });
}
std::string refused_completion(std::string_view fields) {
  return refusal_of([&] { parse_completion(completion(fields), card()); });
}

TEST(OpenaiRequest, DefaultsAreOpenais) {
  Request request = parsed("{}");
  EXPECT_EQ(request.model, "m");
  EXPECT_EQ(request.n, 1);
  EXPECT_FALSE(request.stream);
  const GenerationRequest& g = request.generation;
  EXPECT_EQ(g.max_tokens, -1);
  EXPECT_EQ(g.logprobs, -1);
  EXPECT_TRUE(g.stop.empty());
  EXPECT_FALSE(g.ignore_eos);
  EXPECT_EQ(g.sampling.temperature, 1);
  EXPECT_EQ(g.sampling.top_p, 1);
  EXPECT_EQ(g.sampling.top_k, 0);
  EXPECT_EQ(context(request)["tools"], nullptr);
  EXPECT_EQ(context(request)["add_generation_prompt"], true);
  EXPECT_EQ(parse_completion(completion(), card()).generation.max_tokens, 16);
}

TEST(OpenaiRequest, EveryFieldArrives) {
  Request request = parsed(R"({
    "temperature": 0.25, "top_p": 0.5, "top_k": 7, "min_p": 0.125, "repetition_penalty": 1.5, "presence_penalty": -1,
    "frequency_penalty": 2, "logit_bias": {"5": -100, "1999": 1.5}, "seed": 42, "n": 3, "stream": true,
    "stream_options": {"include_usage": true, "include_obfuscation": false}, "max_completion_tokens": 9, "stop": ["a", "b"],
    "logprobs": true, "top_logprobs": 4, "ignore_eos": true, "response_format": {"type": "text"}, "user": "u", "store": true,
    "metadata": {"k": "v"}, "service_tier": "auto", "safety_identifier": "s", "prompt_cache_key": "p",
    "prompt_cache_retention": "24h", "prompt_cache_options": {}, "parallel_tool_calls": true, "modalities": ["text"],
    "verbosity": "medium", "prediction": {"type": "content", "content": "x"}, "tools": [], "tool_choice": "auto",
    "chat_template_kwargs": {"enable_thinking": false}})");
  EXPECT_EQ(request.n, 3);
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.include_usage);
  const GenerationRequest& g = request.generation;
  EXPECT_EQ(g.max_tokens, 9);
  EXPECT_EQ(g.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(g.logprobs, 4);
  EXPECT_TRUE(g.ignore_eos);
  EXPECT_EQ(g.sampling.temperature, 0.25f);
  EXPECT_EQ(g.sampling.top_p, 0.5f);
  EXPECT_EQ(g.sampling.top_k, 7);
  EXPECT_EQ(g.sampling.min_p, 0.125f);
  EXPECT_EQ(g.sampling.repetition_penalty, 1.5f);
  EXPECT_EQ(g.sampling.presence_penalty, -1);
  EXPECT_EQ(g.sampling.frequency_penalty, 2);
  EXPECT_EQ(g.sampling.logit_bias, (std::map<int32_t, float>{{5, -100}, {1999, 1.5}}));
  EXPECT_EQ(g.sampling.seed, 42u);
  EXPECT_EQ(request.seed, 42);
  EXPECT_EQ(context(request)["enable_thinking"], false);
}

TEST(OpenaiRequest, NullIsAbsent) {
  OrderedJson body = chat();
  for (const char* name : {"temperature",
                           "top_p",
                           "n",
                           "stop",
                           "seed",
                           "max_tokens",
                           "max_completion_tokens",
                           "logprobs",
                           "top_logprobs",
                           "logit_bias",
                           "response_format",
                           "tools",
                           "tool_choice",
                           "stream",
                           "stream_options",
                           "user",
                           "metadata",
                           "audio",
                           "presence_penalty",
                           "reasoning_effort",
                           "functions",
                           "function_call",
                           "chat_template_kwargs"})
    body[name] = nullptr;
  EXPECT_NO_THROW(parse_chat(body, card()));
}

TEST(OpenaiRequest, ThePublishersDefaultsYieldToTheRequest) {
  ModelCard published = card();
  published.defaults.sampling.temperature = 0.6f;
  published.defaults.sampling.top_k = 40;
  published.stop = {"END"};
  Request request = parse_chat(chat(R"({"top_k": 5, "stop": "x"})"), published);
  EXPECT_EQ(request.generation.sampling.temperature, 0.6f);
  EXPECT_EQ(request.generation.sampling.top_k, 5);
  EXPECT_EQ(request.generation.stop, (std::vector<std::string>{"x", "END"}));
}

TEST(OpenaiRequest, WithoutAWordOfThePublisherOursHoldUntilTheRequestSaysOtherwise) {
  ModelCard silent = card();
  silent.defaults = sampling_defaults({});
  const auto sampling = [&](const char* body) { return parse_chat(chat(body), silent).generation.sampling; };
  EXPECT_EQ(sampling("{}").temperature, 0.7f);
  EXPECT_EQ(sampling("{}").top_k, 40);
  const Sampling plain = sampling(R"({"temperature": 1, "top_p": 1, "top_k": 0, "min_p": 0})");
  EXPECT_EQ(plain.temperature, 1);
  EXPECT_EQ(plain.top_p, 1);
  EXPECT_EQ(plain.top_k, 0);
  EXPECT_EQ(plain.min_p, 0);
}

TEST(OpenaiRequest, SeedsOfEverySizeAreKept) {
  Request drawn = parsed("{}");
  EXPECT_EQ(drawn.seed, OrderedJson(*drawn.generation.sampling.seed));
  EXPECT_LT(*drawn.generation.sampling.seed, uint64_t{1} << 53);
  EXPECT_NE(drawn.seed, parsed("{}").seed);
  EXPECT_EQ(parsed(R"({"seed": -1})").generation.sampling.seed, ~uint64_t{0});
  EXPECT_EQ(parsed(R"({"seed": -1})").seed, -1);
  EXPECT_EQ(parsed(R"({"seed": 18446744073709551615})").generation.sampling.seed, ~uint64_t{0});
  EXPECT_THAT(refused(R"({"seed": 1.5})"), HasSubstr("seed: expected a whole number"));
  EXPECT_THAT(refused(R"({"seed": 18446744073709551616})"), HasSubstr("seed: expected a whole number"));
}

TEST(OpenaiRequest, WrongValuesAreNamed) {
  EXPECT_EQ(refused(R"({"temperature": "hot"})"),
            "invalid_type temperature: temperature: expected a number from 0 to 2, got the string \"hot\"");
  EXPECT_EQ(refused(R"({"temperature": 2.5})"),
            "invalid_value temperature: temperature: expected a number from 0 to 2, got the number 2.5");
  EXPECT_EQ(refused(R"({"n": 0})"), "invalid_value n: n: expected a whole number from 1 to 16, got the number 0");
  EXPECT_EQ(refused(R"({"n": 1.5})"), "invalid_value n: n: expected a whole number from 1 to 16, got the number 1.5");
  EXPECT_EQ(refused(R"({"n": 3.0})"), "accepted");
  EXPECT_EQ(refused(R"({"n": 99999999999999999999})"),
            "invalid_value n: n: expected a whole number from 1 to 16, got the number 1e+20");
  EXPECT_THAT(refusal_of([] {
                parse_chat(parse_body(R"({"model": "m", "messages": [], "n": 99999999999999999999})"), card());
              }),
              HasSubstr("n: expected a whole number from 1 to 16, got the number 99999999999999999999"));
  EXPECT_THAT(refused(R"({"top_p": -0.1})"), HasSubstr("invalid_value top_p"));
  EXPECT_THAT(refused(R"({"presence_penalty": 3})"), HasSubstr("invalid_value presence_penalty"));
  EXPECT_THAT(refused(R"({"max_tokens": 0})"),
              HasSubstr("max_tokens: expected a whole number from 1, got the number 0"));
  EXPECT_THAT(refused(R"({"max_tokens": 5, "max_completion_tokens": 6})"), HasSubstr("contradicts"));
  EXPECT_EQ(refused(R"({"max_tokens": 5, "max_completion_tokens": 5})"), "accepted");
  EXPECT_THAT(refused(R"({"stream": "yes"})"), HasSubstr("stream: expected true or false"));
  EXPECT_THAT(refused(R"({"stream_options": {"include_usage": true}})"), HasSubstr("only where stream is true"));
  EXPECT_THAT(refused(R"({"stream": true, "stream_options": {"x": 1}})"),
              HasSubstr("\"stream_options.x\": unknown field"));
  EXPECT_THAT(refused(R"({"stop": 5})"), HasSubstr("stop: expected a string or a list of strings, got the number 5"));
  EXPECT_THAT(refused(R"({"stop": ["a", 5]})"), HasSubstr("stop[1]: expected a string"));
  EXPECT_THAT(refused(R"({"stop": ""})"), HasSubstr("not empty"));
  EXPECT_THAT(refused(fmt::format(R"({{"stop": ["a", "{}"]}})", std::string(5000, 'x'))),
              HasSubstr("stop: expected texts of at most 4096 bytes, got 5000"));
  OrderedJson stops = chat();
  stops["stop"] = std::vector<std::string>(17, "s");
  EXPECT_THAT(refusal_of([&] { parse_chat(stops, card()); }), HasSubstr("at most 16 texts, got 17"));
  EXPECT_THAT(refused(R"({"logit_bias": {"2000": 1}})"), HasSubstr("token ids from 0 to 1999"));
  EXPECT_THAT(refused(R"({"logit_bias": {"-1": 1}})"), HasSubstr("token ids from 0 to 1999"));
  EXPECT_THAT(refused(R"({"logit_bias": {"99999999999999999999": 1}})"), HasSubstr("token ids from 0 to 1999"));
  EXPECT_THAT(refused(R"({"logit_bias": {"a\nb": 1}})"), HasSubstr(R"(logit_bias["a\nb"]: expected token ids)"));
  EXPECT_THAT(refused(R"({"logit_bias": {"5": 101}})"), HasSubstr("from -100 to 100"));
  EXPECT_THAT(refused(R"({"logit_bias": [1]})"), HasSubstr("logit_bias: expected an object, got a list"));
  EXPECT_THAT(refused(R"({"top_logprobs": 3})"), HasSubstr("only where logprobs is true"));
  EXPECT_THAT(refused(R"({"logprobs": true, "top_logprobs": 21})"), HasSubstr("from 0 to 20"));
  EXPECT_THAT(refused(R"({"logprobs": 1})"), HasSubstr("logprobs: expected true or false"));
  EXPECT_THAT(refused(R"({"user": 1})"), HasSubstr("invalid_type user: user: expected a string"));
  EXPECT_THAT(refused(R"({"store": "no"})"), HasSubstr("invalid_type store"));
}

TEST(OpenaiRequest, WhatIsNotDoneIsRefusedByName) {
  EXPECT_EQ(refused(R"({"temprature": 1})"), "unknown_parameter temprature: \"temprature\": unknown field");
  EXPECT_THAT(refused(R"({"response_format": {"type": "json_object"}})"),
              HasSubstr("unsupported_value response_format.type"));
  EXPECT_THAT(refused(R"({"response_format": {"type": "json_schema", "json_schema": {}}})"),
              HasSubstr("response_format.type"));
  std::string tools = R"("tools": [{"type": "function", "function": {"name": "f"}}])";
  EXPECT_THAT(refused("{" + tools + "}"), HasSubstr("unsupported_parameter tools"));
  EXPECT_THAT(refused("{" + tools + R"(, "tool_choice": "auto"})"), HasSubstr("unsupported_parameter tools"));
  EXPECT_EQ(refused("{" + tools + R"(, "tool_choice": "none"})"), "accepted");
  EXPECT_THAT(refused(R"({"tool_choice": "required"})"), HasSubstr("unsupported_parameter tool_choice"));
  EXPECT_THAT(refused(R"({"tool_choice": 3})"), HasSubstr("invalid_type tool_choice"));
  EXPECT_THAT(refused(R"({"functions": [{}]})"), HasSubstr("unsupported_parameter functions"));
  EXPECT_THAT(refused(R"({"modalities": ["text", "audio"]})"), HasSubstr("modalities"));
  EXPECT_THAT(refused(R"({"audio": {"voice": "x"}})"), HasSubstr("audio: not supported"));
  EXPECT_THAT(refused(R"({"web_search_options": {}})"), HasSubstr("web_search_options"));
  EXPECT_THAT(refused(R"({"chat_template_kwargs": {"messages": []}})"), HasSubstr("a field of its own"));
  // What belongs to the other endpoint is unknown here.
  EXPECT_THAT(refused(R"({"prompt": "x"})"), HasSubstr("unknown_parameter prompt"));
  EXPECT_THAT(refused_completion(R"({"messages": []})"), HasSubstr("unknown_parameter messages"));
  EXPECT_THAT(refused_completion(R"({"top_logprobs": 1})"), HasSubstr("unknown_parameter top_logprobs"));
}

TEST(OpenaiRequest, BodiesThatAreNoRequest) {
  EXPECT_THAT(refusal_of([] { parse_body("{"); }), HasSubstr("invalid_json : the request's body: not JSON"));
  EXPECT_THAT(refusal_of([] { parse_body(""); }), HasSubstr("not JSON"));
  EXPECT_THAT(refusal_of([] { parse_body("[1]"); }), HasSubstr("expected an object, got a list"));
  EXPECT_THAT(refusal_of([] { parse_body("{\"a\":1,\"a\":2}"); }), HasSubstr("given twice"));
  EXPECT_THAT(refusal_of([] { parse_body("{\"a\":\"\xff\"}"); }), HasSubstr("not JSON"));
  EXPECT_THAT(refusal_of([] { parse_body(std::string(100'000, '[')); }), HasSubstr("nested deeper than 64"));
  std::string many = "[0";
  for (int i = 0; i < 1'000'001; ++i) many += ",0";
  EXPECT_THAT(refusal_of([&] { parse_body("{\"a\":" + many + "]}"); }), HasSubstr("more than 1000000 values"));
  EXPECT_THAT(refusal_of([] { model_of(json("{}")); }), HasSubstr("missing_required_parameter model"));
  EXPECT_THAT(refusal_of([] { model_of(json(R"({"model": 5})")); }), HasSubstr("model: expected a string"));
  EXPECT_EQ(model_of(json(R"({"model": "m"})")), "m");
}

// The messages a template gets for these.
OrderedJson messages_of(std::string_view messages) {
  OrderedJson body = chat();
  body["messages"] = json(messages);
  return context(parse_chat(body, card()))["messages"];
}
std::string messages_refused(std::string_view messages) {
  return refusal_of([&] { messages_of(messages); });
}

TEST(OpenaiRequest, Messages) {
  EXPECT_EQ(messages_of(R"([{"role": "developer", "content": "d"}, {"role": "user", "content": "u", "name": "Ann"}])"),
            json(R"([{"role": "system", "content": "d"}, {"role": "user", "content": "u", "name": "Ann"}])"));
  EXPECT_EQ(
      messages_of(R"([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}])"),
      json(R"([{"role": "user", "content": "a\nb"}])"));
  // An answer as clients send it back.
  EXPECT_EQ(messages_of(R"([{"role": "assistant", "content": "a", "refusal": null, "annotations": [], "audio": null,
                             "function_call": null, "tool_calls": null, "reasoning_content": "r"}])"),
            json(R"([{"role": "assistant", "content": "a", "reasoning_content": "r"}])"));
  EXPECT_EQ(messages_of(R"([{"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
                             "function": {"name": "f", "arguments": "{\"z\": 1, \"a\": 2}"}}]},
                            {"role": "tool", "tool_call_id": "1", "content": "3"}])"),
            json(R"([{"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
                      "function": {"name": "f", "arguments": {"z": 1, "a": 2}}}]},
                     {"role": "tool", "content": "3", "tool_call_id": "1"}])"));
}

// What libraries keep of an answer and send back: the fields of streams and helpers are left out of what the template
// gets, and nothing is refused that says nothing.
TEST(OpenaiRequest, HistoriesAsClientsKeepThem) {
  const OrderedJson plain = json(R"([{"role": "assistant", "content": null, "tool_calls": [
      {"id": "c1", "type": "function", "function": {"name": "now", "arguments": {}}}]}])");
  for (
      const char* message :
      {// A stream's deltas joined: a call without arguments never got any.
       R"({"role": "assistant", "content": null, "tool_calls": [{"index": 0, "id": "c1", "type": "function",
               "function": {"name": "now", "arguments": ""}}]})",
       R"({"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "now", "arguments": null}}]})",
       R"({"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "now", "arguments": " \n"}}]})",
       R"({"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "now", "arguments": "null"}}]})",
       R"({"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "now", "arguments": {}}}]})",
       // As openai's stream helper and parse() leave it.
       R"({"role": "assistant", "content": null, "refusal": null, "parsed": null, "audio": null, "annotations": [],
               "function_call": null, "tool_calls": [{"id": "c1", "type": "function", "index": 0,
               "function": {"name": "now", "arguments": "{}", "parsed_arguments": {"a": 1}}}]})",
       // LiteLLM's, and a provider's own fields.
       R"({"role": "assistant", "content": null, "provider_specific_fields": {"refusal": null}, "thinking_blocks": null,
               "images": [], "annotations": [{"type": "url_citation"}], "tool_calls": [{"id": "c1", "type": "function",
               "provider_specific_fields": null, "extra_content": {}, "function": {"name": "now", "arguments": "{}"}}],
               "unheard_of": null})"}) {
    EXPECT_EQ(messages_of(fmt::format("[{}]", message)), plain) << message;
  }
  // Whatever was parsed of a content is not read again.
  EXPECT_EQ(messages_of(R"([{"role": "assistant", "content": "{\"a\": 1}", "parsed": {"a": 1}}])"),
            json(R"([{"role": "assistant", "content": "{\"a\": 1}"}])"));
  // A refusal is what was said.
  for (const char* refusal : {R"({"role": "assistant", "content": null, "refusal": "No."})",
                              R"({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]})"})
    EXPECT_EQ(messages_of(fmt::format("[{}]", refusal)), json(R"([{"role": "assistant", "content": "No."}])"));
  EXPECT_EQ(
      messages_of(
          R"([{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}])"),
      json(R"([{"role": "user", "content": "x"}])"));
}

TEST(OpenaiRequest, ReasoningComesBackUnderTheNameTheTemplateReads) {
  const auto of = [](const char* source, std::string_view message) {
    ModelCard model = card();
    model.template_source = source;
    OrderedJson body = chat();
    body["messages"].push_back(json(message));
    return context(parse_chat(body, model), model)["messages"][1];
  };
  const OrderedJson usual = json(R"({"role": "assistant", "content": "a", "reasoning_content": "r"})");
  for (const char* given :
       {R"({"role": "assistant", "content": "a", "reasoning_content": "r"})",
        R"({"role": "assistant", "content": "a", "reasoning": "r", "reasoning_details": [{"type": "x", "text": "r"}]})",
        R"({"role": "assistant", "content": "a", "thinking": "r", "reasoning": "", "reasoning_content": null})",
        R"({"role": "assistant", "content": "a", "reasoning_content": "r", "reasoning": "r"})"}) {
    EXPECT_EQ(of("{{ m.reasoning_content }} m.reasoning", given), usual) << given;
    EXPECT_EQ(of("{{ m.reasoning }}", given)["reasoning"], "r") << given;
    EXPECT_EQ(of("{{ message.thinking }}", given)["thinking"], "r") << given;
  }
  // gpt-oss's template raises where a message that calls tools has both.
  EXPECT_FALSE(of("{{ message.thinking }} tool_calls", R"({"role": "assistant", "content": "a", "reasoning": "r",
      "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": ""}}]})")
                   .contains("thinking"));
}

// Settings of thinking reach the template that reads them; one that does not is told about.
TEST(OpenaiRequest, SettingsOfTheTemplate) {
  const auto with = [](const char* source, std::string_view fields) {
    ModelCard model = card();
    model.template_source = source;
    Request request = parse_chat(chat(fields), model);
    return conversation(request).variables.dump() + " " + notes_header(request.notes);
  };
  EXPECT_EQ(with("{{ reasoning_effort }}", R"({"reasoning_effort": "high"})"), R"({"reasoning_effort":"high"} )");
  EXPECT_EQ(with("", R"({"reasoning_effort": "high"})"),
            "{} reasoning_effort: this model's chat template does not read it");
  EXPECT_EQ(
      with("{{ enable_thinking }}", R"({"reasoning_effort": "none"})"),
      R"({"enable_thinking":false} reasoning_effort: this model's chat template only turns thinking on or off: off)");
  EXPECT_EQ(with("{% if thinking %}", R"({"reasoning_effort": "low"})"),
            R"({"thinking":true} reasoning_effort: this model's chat template only turns thinking on or off: on)");
  EXPECT_EQ(with("{{ enable_thinking }}", R"({"think": false})"), R"({"enable_thinking":false} )");
  EXPECT_EQ(with("{{ enable_thinking }}", R"({"enable_thinking": true})"), R"({"enable_thinking":true} )");
  EXPECT_EQ(with("{{ reasoning_effort }}", R"({"think": "low"})"), R"({"reasoning_effort":"low"} )");
  EXPECT_EQ(with("{{ m.thinking }}", R"({"think": false})"), "{} think: this model's chat template does not read it");
  EXPECT_EQ(with("{{ enable_thinking }}", R"({"chat_template_kwargs": {"enable_thinking": false, "k": 1, "n": null}})"),
            R"({"enable_thinking":false} chat_template_kwargs["k"]: this model's chat template does not read it)");
  EXPECT_EQ(with("", R"({"chat_template_kwargs": {"a\nb\u00e9": 1}})"),
            R"({} chat_template_kwargs["a\\nb\u00e9"]: this model's chat template does not read it)");
  EXPECT_EQ(with("", R"({"verbosity": "medium"})"), "{} ");
  EXPECT_EQ(with("", R"({"verbosity": "low"})"), "{} verbosity: this model's chat template does not read it");
  EXPECT_EQ(with("{{ enable_thinking }}", R"({"think": true, "chat_template_kwargs": {"enable_thinking": true}})"),
            R"({"enable_thinking":true} )");
  EXPECT_THAT(refused(R"({"think": true, "chat_template_kwargs": {"enable_thinking": false}})"),
              HasSubstr("otherwise"));
  EXPECT_THAT(refused(R"({"think": 1})"), HasSubstr("think: expected true, false or a string, got the number 1"));
  EXPECT_THAT(refused(R"({"reasoning_effort": 1})"), HasSubstr("reasoning_effort: expected a string"));
  EXPECT_EQ(notes_header({std::string(990, 'a'), "b", "c", "defghijklmn"}),
            std::string(990, 'a') + "; b; c; and 1 more");
}

// What asks for what happens anyway passes; the same field with any other value is refused by its name.
TEST(OpenaiRequest, WhatHappensAnywayMayBeAskedFor) {
  for (
      const char* fields :
      {R"({"n": 1, "best_of": 1, "logit_bias": {}, "stop": [], "tools": [], "functions": [], "function_call": "none"})",
       R"({"logit_bias": [], "top_logprobs": 0, "logprobs": false, "max_tokens": -1, "max_completion_tokens": -1})",
       R"({"response_format": {"type": "text"}, "modalities": ["text"], "store": false, "service_tier": "auto"})",
       R"({"user": "", "metadata": {}, "prompt_cache_key": "k", "safety_identifier": "s", "parallel_tool_calls": false})",
       R"({"mirostat": 0, "mirostat_tau": 5.0, "mirostat_eta": 0.1, "typical_p": 1.0, "tfs_z": 1, "xtc_probability": 0,
            "xtc_threshold": 0.1, "dry_multiplier": 0.0, "dry_base": 1.75, "dynatemp_range": 0, "repeat_penalty": 1,
            "repeat_last_n": 64, "cache_prompt": true, "id_slot": -1, "n_probs": 0, "grammar": ""})",
       R"({"min_tokens": 0, "length_penalty": 1.0, "use_beam_search": false, "stop_token_ids": [], "priority": 3,
            "include_stop_str_in_output": false, "add_special_tokens": false, "spaces_between_special_tokens": true})",
       R"({"keep_alive": "5m", "options": {}, "format": "", "raw": false, "guided_json": null, "suffix": null})"}) {
    EXPECT_EQ(refused(fields), "accepted") << fields;
  }
  EXPECT_EQ(refused_completion(R"({"best_of": 1, "echo": false, "suffix": "", "logprobs": false, "mirostat": 0})"),
            "accepted");
  EXPECT_EQ(refused(R"({"mirostat": 2})"),
            "unsupported_parameter mirostat: mirostat: not supported: expected 0 or nothing, got the number 2");
  EXPECT_EQ(refused(R"({"top_n_sigma": 1})"),
            "unsupported_parameter top_n_sigma: top_n_sigma: not supported: expected "
            "-1 or 0 or nothing, got the number 1");
  for (const char* fields :
       {R"({"best_of": 2})", R"({"typical_p": 0.9})", R"({"xtc_probability": 0.1})", R"({"repeat_penalty": 1.1})",
        R"({"grammar": "root ::= x"})", R"({"stop_token_ids": [1]})", R"({"min_tokens": 5})", R"({"echo": true})",
        R"({"options": {"temperature": 0}})", R"({"format": "json"})", R"({"use_beam_search": true})"})
    EXPECT_THAT(refused(fields), HasSubstr("unsupported_parameter")) << fields;
  EXPECT_THAT(refused(R"({"guided_json": {}})"), HasSubstr("unknown_parameter guided_json"));
  EXPECT_EQ(parsed(R"({"max_tokens": -1})").generation.max_tokens, -1);
  EXPECT_EQ(parse_completion(completion(R"({"max_tokens": -1})"), card()).generation.max_tokens, -1);
}

TEST(OpenaiRequest, WrongMessagesAreNamed) {
  EXPECT_THAT(refused(R"({"messages": null})"), HasSubstr("messages: required, and missing"));
  EXPECT_THAT(refused(R"({"messages": "hi"})"), HasSubstr("messages: expected a list, got the string \"hi\""));
  EXPECT_THAT(messages_refused("[]"), HasSubstr("at least one message"));
  EXPECT_THAT(messages_refused("[5]"), HasSubstr("messages[0]: expected an object, got the number 5"));
  EXPECT_THAT(messages_refused(R"([{"content": "x"}])"), HasSubstr("messages[0].role: required, and missing"));
  EXPECT_THAT(messages_refused(R"([{"role": "wizard", "content": "x"}])"), HasSubstr("got the string \"wizard\""));
  EXPECT_EQ(
      messages_refused(
          R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": 7}])"),
      "invalid_type messages[2].content: messages[2].content: expected a string or a list of parts, got the "
      "number 7");
  EXPECT_THAT(messages_refused(R"([{"role": "user"}])"), HasSubstr("messages[0].content: required"));
  EXPECT_THAT(
      messages_refused(R"([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])"),
      HasSubstr("messages[0].content[0].type: only \"text\" parts are supported, got the string \"image_url\""));
  EXPECT_THAT(messages_refused(R"([{"role": "user", "content": [{"text": "x"}]}])"),
              HasSubstr("messages[0].content[0].type: required"));
  EXPECT_THAT(messages_refused(R"([{"role": "user", "content": "x", "mood": "good"}])"),
              HasSubstr("\"messages[0].mood\": unknown field"));
  EXPECT_THAT(messages_refused(R"([{"role": "tool", "content": "x"}])"),
              HasSubstr("messages[0].tool_call_id: required"));
  EXPECT_THAT(messages_refused(R"([{"role": "assistant", "content": "x", "audio": {"id": "a"}}])"),
              HasSubstr("messages[0].audio: not supported"));
  EXPECT_THAT(messages_refused(R"([{"role": "user", "content": "x", "refusal": "no"}])"),
              HasSubstr("\"messages[0].refusal\": unknown field"));
  EXPECT_THAT(
      messages_refused(R"([{"role": "assistant", "content": "x", "reasoning": "a", "reasoning_content": "b"}])"),
      HasSubstr("messages[0].reasoning: contradicts reasoning_content"));
  std::string call =
      R"([{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "ARGS"}}]}])";
  auto with = [&](std::string_view arguments) { return std::string(call).replace(call.find("ARGS"), 4, arguments); };
  EXPECT_THAT(messages_refused(with("not json")), HasSubstr("messages[0].tool_calls[0].function.arguments"));
  EXPECT_THAT(messages_refused(with("[1]")), HasSubstr("the JSON text of an object"));
  ModelCard plain = card();
  plain.template_source = "";
  OrderedJson body = chat();
  body["messages"] = json(with("{}"));
  EXPECT_THAT(refusal_of([&] { parse_chat(body, plain); }), HasSubstr("knows no tool calls"));
}

TEST(OpenaiRequest, Prompts) {
  auto prompts = [](std::string_view prompt) {
    return texts(parse_completion(completion(fmt::format(R"({{"prompt": {}}})", prompt)), card())).prompts;
  };
  using Ids = std::vector<int32_t>;
  EXPECT_EQ(std::get<std::string>(prompts(R"("a")").at(0)), "a");
  EXPECT_EQ(std::get<std::string>(prompts(R"(["a", "b"])").at(1)), "b");
  EXPECT_EQ(std::get<Ids>(prompts("[1, 2]").at(0)), (Ids{1, 2}));
  EXPECT_EQ(std::get<Ids>(prompts("[[1, 2], [3]]").at(1)), (Ids{3}));
  auto refused = [](std::string_view prompt) { return refused_completion(fmt::format(R"({{"prompt": {}}})", prompt)); };
  EXPECT_THAT(refused("null"), HasSubstr("prompt: required"));
  EXPECT_THAT(refused("5"), HasSubstr("prompt: expected a string, a list of strings"));
  EXPECT_THAT(refused("[]"), HasSubstr("at least one prompt"));
  EXPECT_THAT(refused("[[]]"), HasSubstr("prompt[0]: expected at least one token"));
  EXPECT_THAT(refused("[1, \"a\"]"), HasSubstr("prompt[1]: expected a token id from 0 to 1999, got the string \"a\""));
  EXPECT_THAT(refused("[1, 2000]"), HasSubstr("prompt[1]: expected a token id from 0 to 1999, got the number 2000"));
  EXPECT_THAT(refused("[1, -1]"), HasSubstr("prompt[1]"));
  EXPECT_THAT(refused("[1, 18446744073709551615]"), HasSubstr("prompt[1]"));
  EXPECT_THAT(refused("[\"a\", [1]]"), HasSubstr("prompt[1]: expected a string"));
  EXPECT_THAT(refused("[[1], \"a\"]"), HasSubstr("prompt[1]: expected a list of token ids"));
  EXPECT_THAT(refused("[{}]"), HasSubstr("prompt[0]: expected a string, got an object"));
}

TEST(OpenaiRequest, CompletionsOwnFields) {
  Request request = parse_completion(completion(R"({"logprobs": 2, "n": 2, "best_of": 2, "suffix": ""})"), card());
  EXPECT_EQ(request.generation.logprobs, 2);
  EXPECT_TRUE(texts(parse_completion(completion(R"({"echo": true})"), card())).echo);
  EXPECT_THAT(refused_completion(R"({"echo": true, "logprobs": 0})"), HasSubstr("unsupported_parameter echo"));
  EXPECT_THAT(refused_completion(R"({"best_of": 3})"), HasSubstr("unsupported_parameter best_of"));
  EXPECT_THAT(refused_completion(R"({"suffix": "end"})"), HasSubstr("unsupported_parameter suffix"));
  EXPECT_THAT(refused_completion(R"({"logprobs": true})"), HasSubstr("logprobs: expected a whole number from 0 to 20"));
}

Rendered all_ours(std::string text) {
  Rendered rendered;
  if (!text.empty()) rendered.trusted = {{0, text.size()}};
  rendered.text = std::move(text);
  return rendered;
}

// Templates as models have them: one keeps a message's space, one trims it, one drops what it does not like.
std::string chatml(const OrderedJson& context, auto write) {
  std::string text;
  for (const auto& message : context["messages"])
    text += "<" + message["role"].get<std::string>() + ">" + write(message["content"].get<std::string>()) + "</>\n";
  if (context["add_generation_prompt"] == true) text += "<assistant>";
  return text;
}

TEST(OpenaiRequest, FinalMessagesAreContinued) {
  auto rendered = [](std::string_view content, auto write) {
    OrderedJson body = chat(R"({"continue_final_message": true})");
    body["messages"].push_back({{"role", "assistant"}, {"content", content}});
    Request request = parse_chat(body, card());
    return render_prompt(request, [&](const OrderedJson& context) { return all_ours(chatml(context, write)); }).text;
  };
  auto keep = [](const std::string& text) { return text; };
  auto trim = [](const std::string& text) {
    size_t begin = text.find_first_not_of(" \n");
    return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \n") + 1 - begin);
  };
  EXPECT_EQ(rendered("It is", keep), "<user>hi</>\n<assistant>It is");
  EXPECT_EQ(rendered("It is ", keep), "<user>hi</>\n<assistant>It is ");
  EXPECT_EQ(rendered("hi", keep),
            "<user>hi</>\n<assistant>hi");  // the last one, though the text is in the prompt twice
  EXPECT_EQ(rendered("It is ", trim), "<user>hi</>\n<assistant>It is");
  EXPECT_EQ(rendered("", keep), "<user>hi</>\n<assistant>");
  EXPECT_THAT(refusal_of([&] { rendered("x", [](const std::string&) { return std::string(); }); }),
              HasSubstr("does not write the last message as it is"));
  EXPECT_THAT(refused(R"({"continue_final_message": true})"), HasSubstr("must be an assistant's"));
  EXPECT_THAT(refused(R"({"continue_final_message": true, "add_generation_prompt": true})"), HasSubstr("contradicts"));
  Request plain = parsed("{}");
  EXPECT_EQ(render_prompt(plain, [&](const OrderedJson& context) { return all_ours(chatml(context, keep)); }).text,
            "<user>hi</>\n<assistant>");
}

TEST(OpenaiRequest, ToolsAreOfferedToTemplatesThatKnowThem) {
  auto ask = [](const std::string& more) {
    return parse_chat(chat(std::string("{") + kTool + more + "}"), tool_card());
  };
  Request request = ask("");
  EXPECT_EQ(conversation(request).tools.size(), 1u);
  EXPECT_EQ(context(request)["tools"][0]["function"]["name"], "add");
  EXPECT_EQ(conversation(ask(R"(, "tool_choice": "auto", "parallel_tool_calls": true)")).tools.size(), 1u);
  EXPECT_EQ(context(ask(R"(, "tool_choice": "none")"))["tools"], nullptr);
  auto refused_with = [&](const std::string& fields, const ModelCard& model) {
    return refusal_of([&] { parse_chat(chat(fields), model); });
  };
  const std::string tool = std::string("{") + kTool;
  EXPECT_THAT(refused_with(tool + R"(, "tool_choice": "required"})", tool_card()), HasSubstr("tool_choice"));
  EXPECT_THAT(
      refused_with(tool + R"(, "tool_choice": {"type": "function", "function": {"name": "add"}}})", tool_card()),
      HasSubstr("cannot be forced"));
  EXPECT_TRUE(conversation(ask(R"(, "parallel_tool_calls": false)")).one_call);
  EXPECT_FALSE(conversation(ask(R"(, "parallel_tool_calls": true)")).one_call);
  EXPECT_THAT(refused_with(tool + "}", card()), HasSubstr("knows no tools"));
  ModelCard unknown = card();
  unknown.template_source = "tools";
  EXPECT_THAT(refused_with(tool + "}", unknown), HasSubstr("how this model calls tools"));
  EXPECT_THAT(refused_with(R"({"tools": [{"type": "web"}]})", tool_card()), HasSubstr("tools[0].type"));
  EXPECT_THAT(refused_with(R"({"tools": [{"type": "function", "function": {"name": "a b"}}]})", tool_card()),
              HasSubstr("tools[0].function.name"));
  Request strict = parse_chat(
      chat(
          R"({"tools": [{"type": "function", "function": {"name": "f", "strict": true}, "cache_control": {"type": "e"}}]})"),
      tool_card());
  EXPECT_EQ(conversation(strict).tools, json(R"([{"type": "function", "function": {"name": "f", "strict": true}}])"));
  EXPECT_EQ(notes_header(strict.notes),
            "tools[0].function.strict: best effort: arguments are not constrained to the schema");
}

// Templates that write arguments as the text they are given get text.
TEST(OpenaiRequest, ArgumentsAreTextWhereTheTemplateWantsIt) {
  Request request = parse_chat(
      json(R"({"model": "m", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls":
        [{"id": "1", "type": "function", "function": {"name": "add", "arguments": "{\"a\": 1}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "2"}]})"),
      tool_card());
  auto arguments = [](const OrderedJson& context) {
    return context["messages"][1]["tool_calls"][0]["function"]["arguments"];
  };
  EXPECT_EQ(render_prompt(request, [&](const OrderedJson& c) { return all_ours(arguments(c).dump()); }).text,
            R"({"a":1})");
  EXPECT_EQ(render_prompt(request,
                          [&](const OrderedJson& c) {
                            if (!arguments(c).is_string()) fail(ErrorKind::bad_request, "not text");
                            return all_ours(arguments(c).get<std::string>());
                          })
                .text,
            R"({"a":1})");
  try {  // what is raised either way is the first complaint
    render_prompt(request, [&](const OrderedJson& c) -> Rendered {
      fail(ErrorKind::bad_request, "never: {}", arguments(c).type_name());
    });
    ADD_FAILURE();
  } catch (const Error& error) { EXPECT_STREQ(error.what(), "never: object"); }
}

TEST(OpenaiRequest, TemplatesErrorsNameTheLineOnly) {
  const Request request = parsed("{}");
  const auto told = [&](const std::string& what) -> std::string {
    try {
      render_prompt(request, [&](const OrderedJson&) -> Rendered { throw Error(ErrorKind::bad_request, what); });
    } catch (const Error& error) { return error.what(); }
    return "";
  };
  EXPECT_EQ(told("/home/ann/m/chat_template.jinja: line 3: no: line 4: x"),
            "the model's chat template: line 3: no: line 4: x");
  EXPECT_EQ(told("/a: line x/tokenizer_config.json: chat_template: line 12: y"),
            "the model's chat template: line 12: y");
  EXPECT_EQ(told("prompt: too long"), "prompt: too long");
}

// Special tokens add no text, but for marks that the parser of this answer needs.
TEST(OpenaiRequest, SpecialTokensThatAreKept) {
  ModelCard model = tool_card();
  model.special_tokens = {{"<tool_call>", 7}, {"<|end|>", 8}, {"</think>", 9}};
  const auto kept = [&](const std::string& fields) { return parse_chat(chat(fields), model).generation; };
  EXPECT_TRUE(kept("{}").skip_special);
  EXPECT_EQ(kept("{}").kept_special, (std::set<int32_t>{9}));
  EXPECT_EQ(kept(std::string("{") + kTool + "}").kept_special, (std::set<int32_t>{7, 9}));
  EXPECT_FALSE(kept(R"({"skip_special_tokens": false})").skip_special);
  const GenerationRequest plain = parse_completion(completion(), model).generation;
  EXPECT_TRUE(plain.skip_special);
  EXPECT_EQ(plain.kept_special, std::set<int32_t>{});
  EXPECT_FALSE(parse_completion(completion(R"({"skip_special_tokens": false})"), model).generation.skip_special);
}

}  // namespace
}  // namespace glassbox::openai
