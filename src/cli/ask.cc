#include "cli/ask.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "cli/streams.h"

namespace glassbox {
namespace {

std::atomic<bool> interrupted = false;

// Ctrl-C asks the answer to stop; a second one while it is stopping is the shell's usual end, unless whoever asks has
// something to lose and a handler of its own.
struct CatchInterrupt {
  struct sigaction before{};
  CatchInterrupt() {
    interrupted = false;
    struct sigaction action{};
    action.sa_handler = [](int) { interrupted = true; };
    sigaction(SIGINT, nullptr, &before);
    if (before.sa_handler == SIG_DFL) action.sa_flags = SA_RESETHAND;
    sigaction(SIGINT, &action, nullptr);
  }
  ~CatchInterrupt() { sigaction(SIGINT, &before, nullptr); }
  CatchInterrupt(const CatchInterrupt&) = delete;
  CatchInterrupt& operator=(const CatchInterrupt&) = delete;
};

}  // namespace

Answer ask(Engine& engine, GenerationRequest request, std::optional<AnswerParser> parser, const Told& told) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> pieces;
  bool done = false, spoke = false;
  Answer answer;
  const CatchInterrupt catching;
  const auto tokens = static_cast<int64_t>(request.prompt.size());
  const auto read = [&] {  // of prompts, by all requests: here, of this one
    const EngineStatistics statistics = engine.statistics();
    return statistics.prompt_tokens + statistics.cached_tokens;
  };
  const int64_t before = read();
  const auto id = engine.submit(
      std::move(request),
      [&](const TokenEvent& event) {
        const std::lock_guard lock(mutex);
        pieces.push_back(event.text);
        spoke = true;
        changed.notify_one();
      },
      [&](const Finished& finished) {
        const std::lock_guard lock(mutex);
        pieces.push_back(finished.text);
        answer.finished = finished;
        done = true;
        changed.notify_one();
      });
  const auto take = [&](const AnswerParser::Delta& delta) {
    told.piece(delta);
    answer.reasoning += delta.reasoning;
    answer.text += delta.content;
  };
  for (bool over = false, asked_to_stop = false; !over;) {
    std::vector<std::string> fresh;
    bool reading = false;
    {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, std::chrono::milliseconds(50), [&] { return done || !pieces.empty(); });
      fresh.swap(pieces);
      over = done;
      reading = !spoke && !done;
    }
    if (reading && told.progress) told.progress(read() - before, tokens);
    for (const std::string& piece : fresh) take(parser ? parser->push(piece) : AnswerParser::Delta::said(piece));
    if ((interrupted || output_lost()) && !asked_to_stop) {
      engine.cancel(id);
      asked_to_stop = true;
    }
  }
  if (parser) take(parser->finish());
  if (answer.finished.failure) throw *answer.finished.failure;
  return answer;
}

}  // namespace glassbox
