#include "server/job.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "server/prompt.h"
#include "server/responses.h"

namespace glassbox {
namespace {

using Clock = std::chrono::steady_clock;
using http::Response;
using http::ResponseStream;

// One request being generated for: several sequences whose events come from the engine's thread and are taken
// up, one at a time, on the request's own strand of workers. Held by the engine's callbacks and by posted
// work alone, so it ends with the last of them.
class Job : public std::enable_shared_from_this<Job> {
 public:
  Job(std::shared_ptr<ResponseStream> stream, Around around, api::Asked asked, std::vector<api::Choice> choices)
      : stream_(std::move(stream)),
        around_(std::move(around)),
        generator_(std::move(asked.generator)),
        generation_(std::move(asked.request.generation)),
        n_(static_cast<size_t>(asked.request.n)),
        streams_(asked.request.stream),
        writer_(std::move(asked.writer)),
        choices_(std::move(choices)) {}

  // Answers each prompt n times. On the request's strand. Throws what submitting throws; what was submitted before is
  // then cancelled.
  void start(const std::vector<std::vector<int32_t>>& prompts) {
    std::string first = writer_->begin(choices_);
    try {
      for (const auto& prompt : prompts)
        for (size_t choice = 0; choice < n_; ++choice) submit(prompt, choice);
    } catch (...) {
      over_ = true;
      cancel();
      throw;
    }
    stream_->on_gone([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->leave();
    });
    if (!streams_) return;
    Response head{200,
                  {{"Content-Type", std::string(writer_->content_type())},
                   {"Cache-Control", "no-store"},
                   {"X-Accel-Buffering", "no"}},
                  std::move(first)};
    head.filler = writer_->filler();
    around_.finish(head);
    stream_->begin(std::move(head));
  }

 private:
  void submit(const std::vector<int32_t>& prompt, uint64_t choice) {
    GenerationRequest one = generation_;
    one.prompt = prompt;
    one.choice = choice;
    size_t i = ids_.size();
    auto self = shared_from_this();
    try {
      ids_.push_back(generator_->submit(
          std::move(one),
          [self, i](const TokenEvent& event) { self->stream_->post([self, i, event] { self->token(i, event); }); },
          [self, i](const Finished& finished) {
            self->stream_->post([self, i, finished] { self->finished(i, finished); });
          }));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::io) throw error_of_failure(error);
      throw;
    }
  }

  void token(size_t choice, const TokenEvent& event) {
    if (over_) return;
    if (!std::exchange(spoke_, true)) around_.metrics.first_token(model(), seconds());
    try {
      send(writer_->event(choice, choices_[choice].token(event)));
      if (choices_[choice].enough()) generator_->cancel(ids_[choice]);
    } catch (...) { fail(error_of(std::current_exception())); }
  }

  void finished(size_t choice, const Finished& finished) {
    bool first = choice % n_ == 0;  // of the answers to one prompt
    around_.metrics.answered(model(), first ? finished.prompt_tokens : 0, first ? finished.cached_tokens : 0,
                             finished.completion_tokens);
    if (over_) return;
    if (finished.failure) return fail(error_of_failure(*finished.failure));
    if (finished.reason == FinishReason::cancelled && !choices_[choice].enough()) {
      // Nobody here asked for that: the engine is closing down.
      return fail(ApiError(503, "the server is stopping", "server_stopping"));
    }
    const api::Said rest = choices_[choice].finished(finished);
    send(writer_->finished(choice, rest, choices_));
    if (!std::ranges::all_of(choices_, &api::Choice::done)) return;
    over_ = true;
    if (streams_) return stream_->end();
    respond(json_response(200, writer_->whole(choices_)));
  }

  void fail(const ApiError& error) {
    over_ = true;
    spdlog::error("{}: {}", model(), error.for_log());
    cancel();
    if (streams_) {
      stream_->write(writer_->failed(error));
      return stream_->end();
    }
    respond(error_response(around_.dialect, error));
  }

  void respond(Response response) {
    around_.finish(response);
    stream_->respond(std::move(response));
  }

  void leave() {
    if (std::exchange(over_, true)) return;
    around_.metrics.left(model());
    cancel();
  }

  void send(const std::string& events) {
    if (!events.empty()) stream_->write(events);  // if the client has gone, leave() follows
  }
  void cancel() {
    for (Engine::RequestId id : ids_) generator_->cancel(id);
  }
  const std::string& model() const { return generator_->card().id; }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }

  const std::shared_ptr<ResponseStream> stream_;
  const Around around_;
  const std::shared_ptr<Generator> generator_;
  const GenerationRequest generation_;
  const size_t n_;
  const bool streams_;
  const std::unique_ptr<api::Writer> writer_;
  std::vector<api::Choice> choices_;
  std::vector<Engine::RequestId> ids_;
  const Clock::time_point began_ = Clock::now();
  bool spoke_ = false, over_ = false;
};

// What the model reads, and how each answer to it is read: of all prompts n for each, in order.
struct Prompts {
  std::vector<std::vector<int32_t>> ids;
  std::vector<api::Choice> choices;
};

Prompts prompts_of(const api::Conversation& conversation, const api::Request& request, const Generator& generator) {
  Rendered rendered = render(conversation, generator);
  Prompts prompts;
  prompts.ids.push_back(generator.encode_prompt(rendered));
  api::Choice::Reading reading;
  reading.syntax = ChatSyntax::of_template(generator.card().template_source);
  reading.tools = conversation.tools;
  reading.one_call = conversation.one_call;
  if (request.generation.skip_special)
    reading.silent = texts_of(generator.card().special_tokens, request.generation.kept_special);
  reading.prompt = std::move(rendered.text);
  if (conversation.continues() && !ReasoningSplitter::opened_by(reading.prompt))
    reading.begun = text_of(conversation.messages.back());
  for (int i = 0; i < request.n; ++i) prompts.choices.emplace_back(reading);
  return prompts;
}

Prompts prompts_of(const api::Texts& texts, const api::Request& request, const Generator& generator) {
  Prompts prompts;
  for (const auto& prompt : texts.prompts) {
    const auto* text = std::get_if<std::string>(&prompt);
    prompts.ids.push_back(text ? generator.encode(*text) : std::get<std::vector<int32_t>>(prompt));
    const std::string echo = !texts.echo ? "" : text ? *text : generator.decode(prompts.ids.back());
    for (int i = 0; i < request.n; ++i) prompts.choices.emplace_back(echo);
  }
  return prompts;
}

}  // namespace

Rendered render(const api::Conversation& conversation, const Generator& generator) {
  return api::render_prompt(conversation, generator.card(),
                            [&](const OrderedJson& context) { return generator.render(context); });
}

void answer(api::Asked asked, Around around, std::shared_ptr<ResponseStream> stream) {
  Prompts prompts = std::visit([&](const auto& input) { return prompts_of(input, asked.request, *asked.generator); },
                               asked.request.input);
  std::make_shared<Job>(std::move(stream), std::move(around), std::move(asked), std::move(prompts.choices))
      ->start(prompts.ids);
}

}  // namespace glassbox
