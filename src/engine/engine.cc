#include "engine/engine.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <future>
#include <limits>
#include <list>
#include <mutex>
#include <new>
#include <thread>

#include "base/error.h"
#include "base/random.h"
#include "engine/sampler.h"
#include "engine/stop_text.h"
#include "tensor/distribution.h"

namespace glassbox {
namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// Positions that half of the machine's memory holds.
int64_t cache_tokens_by_memory(const CacheShape& shape) {
  const auto bytes = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  return static_cast<int64_t>(bytes / 2 / static_cast<double>(shape.position_bytes()));
}

Failure failure_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    return {Failure::Kind::full, "memory: the system has no more of it for this request"};
  } catch (const Error& error) {
    return {error.kind() == ErrorKind::full ? Failure::Kind::full : Failure::Kind::internal, error.what()};
  } catch (const std::exception& error) { return {Failure::Kind::internal, error.what()}; } catch (...) {
    return {Failure::Kind::internal, "an error without a name"};
  }
}

std::vector<Alternative> most_likely(std::span<const float> logprobs, int count) {
  std::vector<int32_t> order(logprobs.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  const auto wanted = std::min(static_cast<size_t>(count), order.size());
  std::ranges::partial_sort(order, order.begin() + static_cast<ptrdiff_t>(wanted), [&](int32_t a, int32_t b) {
    const float x = logprobs[static_cast<size_t>(a)], y = logprobs[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  std::vector<Alternative> list;
  for (size_t i = 0; i < wanted; ++i) list.push_back({order[i], logprobs[static_cast<size_t>(order[i])]});
  return list;
}

// What each of several prompts, of `unread` tokens, oldest first, may read of a pass that reads `chunk`. Half of it is
// the oldest's; the other half is for those behind, in equal parts (of at least kLeastShare tokens, if that makes the
// pass longer): a short prompt is read at once, however long the ones before it are. What somebody does not need goes
// to the others, the oldest first.
constexpr int64_t kLeastShare = 8;

std::vector<int64_t> share_prefill(std::span<const int64_t> unread, int64_t chunk) {
  std::vector<int64_t> shares(unread.size());
  if (unread.empty()) return shares;
  const auto behind = static_cast<int64_t>(unread.size()) - 1;
  int64_t left = chunk;
  for (size_t i = 1; i < unread.size(); ++i)
    left -= shares[i] = std::min(unread[i], std::max(kLeastShare, chunk / 2 / behind));
  left = std::max(left, chunk / 2);
  for (size_t i = 0; i < unread.size() && left > 0; ++i) {
    const int64_t more = std::min(unread[i] - shares[i], left);
    shares[i] += more;
    left -= more;
  }
  return shares;
}

// A request that runs: `tokens` are the prompt and what was said; all but the last `pending` of them are in the cache.
struct Session {
  Engine::RequestId id;
  GenerationRequest request;
  Engine::OnToken on_token;
  Engine::OnFinished on_finished;
  int64_t most_tokens;  // longest this sequence may become

  std::vector<int32_t> tokens;
  KvCache cache;
  Sampler sampler;
  StreamDecoder decoder;
  StopText stop;
  Finished finished;
  Clock::time_point started{}, first_token{};
  bool over = false;

  Session(Engine::RequestId id, GenerationRequest asked, Engine::OnToken on_token, Engine::OnFinished on_finished,
          const Model& model, int64_t most_tokens)
      : id(id),
        request(std::move(asked)),
        on_token(std::move(on_token)),
        on_finished(std::move(on_finished)),
        most_tokens(most_tokens),
        tokens(request.prompt),
        cache(model.network->cache_shape()),
        sampler(request.sampling, request.prompt, request.choice),
        decoder(model.tokenizer, !model.chat_template),
        stop(request.stop) {
    finished.prompt_tokens = static_cast<int64_t>(request.prompt.size());
    finished.seed = *request.sampling.seed;
  }

  int64_t pending() const { return static_cast<int64_t>(tokens.size()) - cache.length(); }
  bool prefilling() const { return finished.completion_tokens == 0; }
};

// A sequence that ended, kept while there is room: a later prompt that begins the same way continues from it.
struct Remembered {
  std::vector<int32_t> tokens;  // those in the cache
  KvCache cache;
  std::shared_ptr<const Adapter> adapter;  // whose keys and values these are
};

constexpr size_t kMostRemembered = 32;

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

}  // namespace

struct Engine::Impl {
  const std::shared_ptr<const Model> model;
  EngineOptions options;
  Workspace workspace;

  mutable std::mutex mutex;  // guards what follows, up to the thread's own
  std::condition_variable wake;
  std::deque<std::unique_ptr<Session>> waiting;
  std::vector<RequestId> cancelled;
  EngineStatistics statistics;
  RequestId next_id = 1;
  bool stopping = false;

  // The engine thread's own.
  std::list<std::unique_ptr<Session>> running;
  std::list<Remembered> remembered;  // most recent first
  int64_t reserved = 0;              // positions the running ones may come to hold

  std::thread thread;  // last: it uses all of the above

  Impl(std::shared_ptr<const Model> of, const EngineOptions& asked)
      : model(std::move(of)), options(asked), workspace(asked.threads) {
    const ModelShape& shape = model->network->shape();
    if (options.context <= 0) options.context = shape.context;
    if (options.context > shape.context)
      fail(ErrorKind::bad_request, "context: the model was made for at most {} tokens, got {}", shape.context,
           options.context);
    if (options.cache_tokens <= 0)
      options.cache_tokens = std::max(options.context, cache_tokens_by_memory(model->network->cache_shape()));
    check(options.max_batch > 0 && options.prefill_chunk > 0, "Engine: batch and chunk must be positive");
    thread = std::thread([this] { run(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    wake.notify_all();
    thread.join();
  }

  void run() {
    for (;;) {
      if (!take_orders()) return;
      drop_ended();
      if (running.empty()) continue;
      step();
      drop_ended();
    }
  }

  // Waits for work; admits, cancels. False when the engine stops and nothing is left.
  bool take_orders() {
    std::vector<std::unique_ptr<Session>> ended;
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] { return stopping || !waiting.empty() || !running.empty() || !cancelled.empty(); });
      const auto is_cancelled = [&](const Session& session) {
        return stopping || std::ranges::count(cancelled, session.id) > 0;
      };
      for (auto& session : running)
        if (is_cancelled(*session)) session->over = true;
      for (auto at = waiting.begin(); at != waiting.end();) {
        if (is_cancelled(**at)) {
          ended.push_back(std::move(*at));
          at = waiting.erase(at);
        } else {
          ++at;
        }
      }
      cancelled.clear();
      while (!waiting.empty() && static_cast<int>(running.size()) < options.max_batch &&
             reserved + waiting.front()->most_tokens <= options.cache_tokens) {
        reserved += waiting.front()->most_tokens;
        running.push_back(std::move(waiting.front()));
        waiting.pop_front();
        begin(*running.back());
      }
      statistics.running = static_cast<int64_t>(running.size());
      statistics.waiting = static_cast<int64_t>(waiting.size());
      if (stopping && running.empty() && ended.empty()) return false;
    }
    for (auto& session : ended) {
      session->finished.reason = FinishReason::cancelled;
      session->on_finished(session->finished);
    }
    return true;
  }

  void begin(Session& session) {
    session.started = Clock::now();
    session.finished.reason = FinishReason::cancelled;  // until it ends otherwise
    // The last prompt token always runs: its logits are what is asked for.
    const std::span<const int32_t> prompt(session.tokens.data(), session.tokens.size() - 1);
    int64_t longest = 0;
    const Remembered* best = nullptr;
    for (const Remembered& past : remembered) {
      if (past.adapter != session.request.adapter) continue;
      if (const int64_t common = common_prefix(prompt, past.tokens); common > longest) longest = common, best = &past;
    }
    if (best) {
      session.cache = best->cache;
      session.cache.resize(longest);
      session.finished.cached_tokens = longest;
      statistics.cached_tokens += longest;
    }
    make_room();
  }

  // Forgets the oldest remembered sequences until what runs has its room.
  void make_room() {
    int64_t held = reserved;
    size_t count = 0;
    for (auto at = remembered.begin(); at != remembered.end();) {
      held += at->cache.length();
      at = held > options.cache_tokens || ++count > kMostRemembered ? remembered.erase(at) : std::next(at);
    }
  }

  void drop_ended() {
    for (auto at = running.begin(); at != running.end();) {
      if (!(*at)->over) {
        ++at;
        continue;
      }
      const std::unique_ptr<Session> session = std::move(*at);
      at = running.erase(at);
      reserved -= session->most_tokens;
      session->finished.text +=
          session->stop.stopped() ? "" : session->stop.push(session->decoder.finish()) + session->stop.finish();
      const auto now = Clock::now();
      session->finished.prefill_s = seconds((session->prefilling() ? now : session->first_token) - session->started);
      session->finished.decode_s = session->prefilling() ? 0 : seconds(now - session->first_token);
      if (!session->finished.failure && session->cache.length() > 0) {
        session->tokens.resize(static_cast<size_t>(session->cache.length()));
        std::erase_if(remembered, [&](const Remembered& past) {
          return past.adapter == session->request.adapter &&
                 common_prefix(past.tokens, session->tokens) == static_cast<int64_t>(past.tokens.size());
        });
        remembered.push_front({std::move(session->tokens), std::move(session->cache), session->request.adapter});
        make_room();
      }
      {
        const std::lock_guard lock(mutex);
        statistics.running = static_cast<int64_t>(running.size());
      }
      session->on_finished(session->finished);
    }
  }

  // What one pass takes of a sequence: its next `count` tokens.
  struct Part {
    Session* session;
    int64_t count;
  };

  // One pass: the next token of every sequence that speaks, and a share of the prompts that are still being read. If it
  // fails, each goes through alone, so that only those end to whom it happens again.
  void step() {
    std::vector<Session*> reading;
    std::vector<int64_t> unread;
    for (auto& session : running)
      if (session->prefilling()) {
        reading.push_back(session.get());
        unread.push_back(session->pending());
      }
    const bool alone = running.size() == 1;
    const std::vector<int64_t> shares =
        share_prefill(unread, alone ? options.prefill_chunk : std::max<int64_t>(1, options.prefill_chunk / 4));
    std::vector<Part> parts;
    for (size_t i = 0; i < reading.size(); ++i) parts.push_back({reading[i], shares[i]});
    for (auto& session : running)
      if (!session->prefilling()) parts.push_back({session.get(), session->pending()});
    std::erase_if(parts, [](const Part& part) { return part.count == 0; });
    try {
      walk(parts);
    } catch (...) {
      if (parts.size() == 1) return end_with(*parts[0].session, std::current_exception());
      for (const Part& part : parts) try {
          walk({&part, 1});
        } catch (...) { end_with(*part.session, std::current_exception()); }
    }
  }

  // Throws what the pass throws; then every cache is as it was.
  void walk(std::span<const Part> parts) {
    std::vector<int64_t> before;
    for (const Part& part : parts) before.push_back(part.session->cache.length());
    std::vector<Session*> speaking;  // whose logits come, in the order of their rows
    int64_t read = 0;
    try {
      Pass pass(workspace);
      for (const auto& [session, count] : parts) {
        const bool whole = count == session->pending();
        if (session->prefilling()) read += count;
        if (whole) speaking.push_back(session);
        pass.add(std::span(session->tokens)
                     .subspan(static_cast<size_t>(session->cache.length()), static_cast<size_t>(count)),
                 &session->cache, whole ? Logits::last : Logits::none, session->request.adapter.get());
      }
      const Tensor logits = (*model->network)(pass);
      const auto width = static_cast<size_t>(logits.width());
      for (size_t row = 0; row < speaking.size(); ++row) try {
          speak(*speaking[row], logits.values().subspan(row * width, width));
        } catch (...) { end_with(*speaking[row], std::current_exception()); }
    } catch (...) {
      for (size_t i = 0; i < parts.size(); ++i) parts[i].session->cache.resize(before[i]);
      throw;
    }
    const std::lock_guard lock(mutex);
    ++statistics.passes;
    statistics.prompt_tokens += read;
    statistics.completion_tokens += static_cast<int64_t>(speaking.size());
  }

  static void end_with(Session& session, const std::exception_ptr& what) {
    session.finished.failure = failure_of(what);
    session.over = true;
  }

  bool leaves_out(const Session& session, int32_t token) const {
    const GenerationRequest& request = session.request;
    return request.skip_special && model->tokenizer.is_special(token) && !request.kept_special.contains(token);
  }

  void speak(Session& session, std::span<const float> logits) {
    if (session.prefilling()) session.first_token = Clock::now();
    if (const auto at = first_not_finite(logits)) {
      const float logit = logits[*at];
      session.finished.failure = {
          Failure::Kind::not_finite,
          fmt::format("logits: expected numbers, got {} for token {} at position {}: weights of the model{} are not "
                      "finite, or too large",
                      logit, *at, session.tokens.size(), session.request.adapter ? " or its adapter" : "")};
      session.over = true;
      return;
    }
    TokenEvent event;
    event.id = session.sampler.sample(logits, static_cast<int64_t>(session.tokens.size()));
    session.sampler.accept(event.id);
    session.tokens.push_back(event.id);
    ++session.finished.completion_tokens;
    const auto end = [&](FinishReason reason) {
      session.finished.reason = reason;
      session.over = true;
    };
    if (!session.request.ignore_eos && std::ranges::binary_search(model->generation.eos, event.id))
      return end(FinishReason::stop);
    if (session.request.logprobs >= 0) {
      std::vector<float> logprobs(logits.size());
      log_softmax(logits, logprobs);
      for (float& logprob : logprobs) logprob = std::max(logprob, std::numeric_limits<float>::lowest());
      event.logprob = logprobs[static_cast<size_t>(event.id)];
      event.alternatives = most_likely(logprobs, session.request.logprobs);
    }
    // Checkpoints pad their vocabulary: a padding row is a token without text.
    if (static_cast<size_t>(event.id) < model->tokenizer.size())
      event.text = leaves_out(session, event.id) ? session.stop.push(model->tokenizer.piece(event.id), true)
                                                 : session.stop.push(session.decoder.push(event.id));
    if (session.stop.stopped())
      end(FinishReason::stop);
    else if (static_cast<int64_t>(session.tokens.size()) >= session.most_tokens)
      end(FinishReason::length);
    session.on_token(event);
  }
};

Engine::Engine(std::shared_ptr<const Model> model, const EngineOptions& options)
    : impl_(std::make_unique<Impl>(std::move(model), options)) {}

Engine::~Engine() = default;

const Model& Engine::model() const { return *impl_->model; }

int64_t Engine::context() const { return impl_->options.context; }

Engine::RequestId Engine::submit(GenerationRequest request, OnToken on_token, OnFinished on_finished) {
  const int64_t vocabulary = model().network->shape().vocabulary;
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  if (prompt == 0) fail(ErrorKind::bad_request, "prompt: expected at least one token, got none");
  if (prompt >= context())
    fail(ErrorKind::full, "prompt: {} tokens leave no room for an answer in a context of {}", prompt, context());
  for (const int32_t token : request.prompt)
    if (token < 0 || token >= vocabulary)
      fail(ErrorKind::bad_request, "prompt: expected token ids from 0 to {}, got {}", vocabulary - 1, token);
  if (request.logprobs > 20)
    fail(ErrorKind::bad_request, "logprobs: expected at most 20 alternatives, got {}", request.logprobs);
  if (request.max_tokens < -1 || request.max_tokens == 0)
    fail(ErrorKind::bad_request, "max_tokens: expected a positive number, got {}", request.max_tokens);
  for (const std::string& stop : request.stop)
    if (stop.empty()) fail(ErrorKind::bad_request, "stop: expected texts that are not empty");
  request.sampling.validate(static_cast<size_t>(vocabulary));
  if (!request.sampling.seed) request.sampling.seed = drawn_seed();
  const int64_t room = context() - prompt;
  const int64_t most = prompt + (request.max_tokens < 0 ? room : std::min(request.max_tokens, room));
  if (most > impl_->options.cache_tokens)
    fail(ErrorKind::full, "prompt and answer: {} tokens do not fit the cache of {}", most, impl_->options.cache_tokens);

  const std::lock_guard lock(impl_->mutex);
  const RequestId id = impl_->next_id++;
  impl_->waiting.push_back(
      std::make_unique<Session>(id, std::move(request), std::move(on_token), std::move(on_finished), model(), most));
  ++impl_->statistics.requests;
  impl_->statistics.waiting = static_cast<int64_t>(impl_->waiting.size());
  impl_->wake.notify_all();
  return id;
}

void Engine::cancel(RequestId request) {
  const std::lock_guard lock(impl_->mutex);
  impl_->cancelled.push_back(request);
  impl_->wake.notify_all();
}

Engine::Answer Engine::generate(GenerationRequest request, const OnToken& on_token) {
  Answer answer;
  std::promise<void> done;
  submit(
      std::move(request),
      [&](const TokenEvent& event) {
        answer.text += event.text;
        answer.tokens.push_back(event);
        if (on_token) on_token(event);
      },
      [&](const Finished& finished) {
        answer.text += finished.text;
        answer.finished = finished;
        done.set_value();
      });
  done.get_future().wait();
  if (const auto& failure = answer.finished.failure)
    throw Error(failure->kind == Failure::Kind::full ? ErrorKind::full : ErrorKind::io, failure->message);
  return answer;
}

EngineStatistics Engine::statistics() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->statistics;
}

}  // namespace glassbox
