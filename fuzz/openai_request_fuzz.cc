// Any body as a chat's and as a completion's request: an ApiError of one line, or a request within its limits that an
// answer can be made for.
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "server/openai/dialect.h"
#include "server/openai/request.h"
#include "server/openai/writer.h"
#include "server/prompt.h"
#include "server/responses.h"

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
void answer(const openai::Request& request, std::vector<api::Choice> choices) {
  const std::string bytes = "<think>\xe2\x82\xac</think>abc";
  openai::Writer::Options options;
  options.id = "id";
  options.piece = [&](int32_t id) { return std::string_view(bytes).substr(static_cast<size_t>(id) % bytes.size(), 3); };
  openai::Writer writer(request, std::move(options));
  std::string events = writer.begin(choices);
  for (int i = 0; i < request.n; ++i) {
    const auto choice = static_cast<size_t>(i);
    TokenEvent event;
    event.id = 7 * i;
    event.text = i % 2 ? "<think>a" : "b</think>";
    if (request.generation.logprobs > 0) event.alternatives = {{1, -1.0f}, {8, -2.0f}};
    events += writer.event(choice, choices[choice].token(event));
    const api::Said rest = choices[choice].finished(Finished{});
    events += writer.finished(choice, rest, choices);
  }
  require(OrderedJson::parse(writer.whole(choices)).is_object());
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
      const openai::Request chat = openai::parse_chat(body, model);
      check_common(chat);
      const auto& conversation = std::get<api::Conversation>(chat.input);
      const OrderedJson context = api::template_context(conversation, model);
      for (const OrderedJson& message : context["messages"]) {
        require(message["role"].is_string());
        if (message.contains("tool_calls"))  // as templates take them, whatever the client kept
          for (const OrderedJson& call : message["tool_calls"])
            require(call.size() == 3 && call["function"].size() == 2 && call["function"]["arguments"].is_object());
      }
      const std::string note = notes_header(chat.notes);
      require(note.empty() == chat.notes.empty() && note.size() < 1100);
      for (char c : note) require(c >= ' ' && c < 0x7f);
      api::Choice::Reading reading;
      if (conversation.continues()) reading.begun = api::text_of(conversation.messages.back());
      answer(chat, std::vector<api::Choice>(static_cast<size_t>(chat.n), api::Choice(reading)));
      attempt([&] {
        api::render_prompt(conversation, model, [](const OrderedJson& context) {
          return Rendered{dump_ordered_json(context["messages"]), {}, {}};
        });
      });
    });
    attempt([&] {
      const openai::Request completion = openai::parse_completion(body, model);
      check_common(completion);
      const auto& texts = std::get<api::Texts>(completion.input);
      require(!texts.prompts.empty());
      for (const auto& prompt : texts.prompts)
        if (const auto* ids = std::get_if<std::vector<int32_t>>(&prompt))
          for (const int32_t id : *ids) require(id >= 0 && id < 300);
      answer(completion,
             std::vector<api::Choice>(static_cast<size_t>(completion.n), api::Choice(texts.echo ? "echo" : "")));
    });
  });
  return 0;
}
