// Any body as a chat's and as a completion's request: an ApiError of one line, or a request within its limits that an
// answer can be made for.
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "server/openai/openai.h"

namespace {

using namespace glassbox;

void attempt(const std::function<void()>& act) {
  try {
    act();
  } catch (const ApiError& error) {
    require(error.status == 400);
    require(std::strlen(error.what()) > 0 && std::strlen(error.what()) < 2000);
    require_one_line(error.what());
    require(openai::error_json(error)["error"]["message"].is_string());
    dump_ordered_json(openai::error_json(error));
  }
}

ModelCard card() {
  ModelCard card;
  card.id = "m";
  card.vocabulary = 300;
  card.context = 100;
  card.has_template = true;
  card.template_source = "messages tools tool_calls enable_thinking reasoning_effort <tool_call>";
  card.special_tokens = {{"<tool_call>", 9}, {"<|end|>", 8}};
  return card;
}

void check_common(const openai::Request& request) {
  const GenerationRequest& g = request.generation;
  require(g.sampling.seed.has_value());
  require(request.n >= 1 && request.n <= 16);
  require(g.max_tokens == -1 || g.max_tokens >= 1);
  require(g.logprobs >= -1 && g.logprobs <= 20);
  require(g.stop.size() <= 16);
  for (const std::string& stop : g.stop) require(!stop.empty());
  g.sampling.validate(300);  // throws what is not an ApiError: nothing may be left for the engine to refuse
}

// An answer of a few tokens, whole or streamed, is always valid JSON.
void answer(const openai::Request& request, bool chat, std::vector<std::string> echoes, std::string begun) {
  const std::string bytes = "<think>\xe2\x82\xac</think>abc";
  const auto piece = [&](int32_t id) {
    return std::string_view(bytes).substr(static_cast<size_t>(id) % bytes.size(), 3);
  };
  openai::Answer::Options options;
  options.id = "id";
  options.chat = chat;
  options.echoes = std::move(echoes);
  options.begun = std::move(begun);
  openai::Answer answer(request, std::move(options), static_cast<size_t>(request.n), piece);
  std::string events = answer.begin();
  for (int i = 0; i < request.n; ++i) {
    TokenEvent event;
    event.id = 7 * i;
    event.text = i % 2 ? "<think>a" : "b</think>";
    if (request.generation.logprobs > 0) event.alternatives = {{1, -1.0f}, {8, -2.0f}};
    events += answer.token(static_cast<size_t>(i), event);
    events += answer.finished(static_cast<size_t>(i), Finished{});
  }
  require(answer.done());
  require(dump_ordered_json(answer.whole()).size() > 2);
  require(events.empty() != request.stream);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ModelCard model = card();
  attempt([&] {
    const OrderedJson body = openai::parse_body(text);
    attempt([&] { openai::model_of(body); });
    attempt([&] {
      const openai::ChatRequest chat = openai::parse_chat(body, model);
      check_common(chat);
      for (const OrderedJson& message : chat.context["messages"]) {
        require(message["role"].is_string());
        if (message.contains("tool_calls"))  // as templates take them, whatever the client kept
          for (const OrderedJson& call : message["tool_calls"])
            require(call.size() == 3 && call["function"].size() == 2 && call["function"]["arguments"].is_object());
      }
      const std::string note = openai::notes_header(chat.notes);
      require(note.empty() == chat.notes.empty() && note.size() < 1100);
      for (char c : note) require(c >= ' ' && c < 0x7f);
      std::string begun;
      if (chat.continues) begun = chat.context["messages"].back()["content"].get<std::string>();
      answer(chat, true, {}, begun);
      attempt([&] {
        openai::render_prompt(
            chat, [](const OrderedJson& context) { return Rendered{dump_ordered_json(context["messages"]), {}, {}}; });
      });
    });
    attempt([&] {
      const openai::CompletionRequest completion = openai::parse_completion(body, model);
      check_common(completion);
      require(!completion.prompts.empty());
      for (const auto& prompt : completion.prompts)
        if (const auto* ids = std::get_if<std::vector<int32_t>>(&prompt))
          for (const int32_t id : *ids) require(id >= 0 && id < 300);
      answer(completion, false, completion.echo ? std::vector<std::string>{"echo"} : std::vector<std::string>{}, "");
    });
  });
  return 0;
}
