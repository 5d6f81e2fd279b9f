// A generator without a model, for tests: it answers in tokens that say which request, choice and position
// they are, from a thread of its own, as an engine does.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <list>
#include <mutex>
#include <thread>

#include "server/generator.h"

namespace glassbox::testing {

class FakeGenerator : public Generator {
 public:
  explicit FakeGenerator(std::string id = "fake/one") {
    card_.id = std::move(id);
    card_.created = 1'700'000'000;
    card_.context = 1000;
    card_.vocabulary = 300;
    card_.has_template = true;
    card_.template_source = "messages";
    thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  }
  ~FakeGenerator() override {
    thread_.request_stop();
    wake_.notify_all();
    thread_.join();
  }

  std::chrono::microseconds pause{0};  // between two rounds of tokens
  int64_t tokens = 5;                  // of an answer that asks for no fewer
  std::optional<Error> failure;        // answers end with it after their second token
  std::string prefix;                  // what answers begin with
  std::atomic<int64_t> waiting = 0;    // as statistics tell

  std::atomic<bool> changed = false;       // on disk
  std::shared_future<void> hold_encoding;  // if it is one: prompts are encoded once it is ready
  mutable std::atomic<int> encoding = 0;   // prompts that wait so, or did

  std::atomic<int> submitted = 0, cancelled = 0;

  const ModelCard& card() const override { return card_; }
  ModelCard& own_card() { return card_; }
  // <role>content</> for each message, and the beginning of an answer.
  Rendered render(const OrderedJson& context) const override {
    MixedText text;
    for (const auto& message : context["messages"]) {
      if (message["role"] == "tool") fail(ErrorKind::bad_request, "fake template: no tools here");
      text.append("<" + message["role"].get<std::string>() + ">", true);
      text.append(message["content"].get<std::string>(), false);
      text.append("</>", true);
    }
    if (context["add_generation_prompt"] == true) text.append("<assistant>", true);
    return {text.text(), text.spans(), {}};
  }
  // A token a byte.
  std::vector<int32_t> encode_prompt(const Rendered& prompt) const override { return encode(prompt.text); }
  std::vector<int32_t> encode(std::string_view text) const override {
    if (hold_encoding.valid()) {
      ++encoding;
      hold_encoding.wait();
    }
    return {text.begin(), text.end()};
  }
  std::string_view piece(int32_t id) const override {
    static const std::string kBytes = [] {
      std::string bytes;
      for (int i = 0; i < 300; ++i) bytes += static_cast<char>(i);
      return bytes;
    }();
    return std::string_view(kBytes).substr(static_cast<size_t>(id), 1);
  }
  std::string decode(const std::vector<int32_t>& ids) const override { return {ids.begin(), ids.end()}; }
  bool changed_on_disk() const override { return changed; }

  Engine::RequestId submit(GenerationRequest request, Engine::OnToken on_token,
                           Engine::OnFinished on_finished) override {
    if (static_cast<int64_t>(request.prompt.size()) >= card_.context)
      fail_at(ErrorKind::full, "prompt", "{} tokens leave no room in a context of {}", request.prompt.size(),
              card_.context);
    std::lock_guard lock(mutex_);
    ++submitted;
    sequences_.push_back({++last_, std::move(request), std::move(on_token), std::move(on_finished), 0, false});
    wake_.notify_all();
    return last_;
  }
  void cancel(Engine::RequestId id) override {
    std::lock_guard lock(mutex_);
    for (Sequence& sequence : sequences_)
      if (sequence.id == id) sequence.cancelled = true;
    wake_.notify_all();
  }
  EngineStatistics statistics() const override {
    EngineStatistics statistics;
    statistics.waiting = waiting;
    std::lock_guard lock(mutex_);
    statistics.running = static_cast<int64_t>(sequences_.size());
    return statistics;
  }

 private:
  struct Sequence {
    Engine::RequestId id;
    GenerationRequest request;
    Engine::OnToken on_token;
    Engine::OnFinished on_finished;
    int64_t said;
    bool cancelled;
  };

  void run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stop.stop_requested() || !sequences_.empty(); });
      if (sequences_.empty()) return;
      for (auto at = sequences_.begin(); at != sequences_.end();) {
        const GenerationRequest& request = at->request;
        const auto ended = std::make_unique<Finished>();  // gcc 12 takes one of the stack for uninitialized
        Finished& finished = *ended;
        finished.prompt_tokens = static_cast<int64_t>(request.prompt.size());
        finished.cached_tokens = 1;
        finished.completion_tokens = at->said;
        finished.seed = *request.sampling.seed;
        finished.prefill_s = finished.decode_s = 1;
        int64_t most = request.max_tokens < 0 ? tokens : std::min(tokens, request.max_tokens);
        bool over = true;
        if (at->cancelled || stop.stop_requested()) {
          ++cancelled;
          finished.reason = FinishReason::cancelled;
        } else if (failure && at->said == 2) {
          finished.failure = failure;
        } else if (at->said >= most) {
          finished.reason = most < tokens ? FinishReason::length : FinishReason::stop;
        } else {
          over = false;
          TokenEvent event;
          event.id = static_cast<int32_t>('a' + at->said % 26);
          event.text = (at->said == 0 ? prefix : "") +
                       fmt::format("{}.{}.{} ", *request.sampling.seed, request.choice, at->said);
          event.logprob = -1;
          if (request.logprobs >= 0) event.alternatives.assign(static_cast<size_t>(request.logprobs), {'b', -2});
          ++at->said;
          at->on_token(event);
        }
        if (over) {
          Sequence ended = std::move(*at);
          at = sequences_.erase(at);
          lock.unlock();
          ended.on_finished(finished);
          ended = {};
          lock.lock();
          break;  // the list may have grown meanwhile
        }
        ++at;
      }
      if (pause.count() > 0) wake_.wait_for(lock, pause, [&] { return stop.stop_requested(); });
    }
  }

  ModelCard card_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Sequence> sequences_;
  Engine::RequestId last_ = 0;
  std::jthread thread_;
};

}  // namespace glassbox::testing
