#include "engine/engine.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
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
#include "base/memory.h"
#include "base/random.h"
#include "engine/session.h"
#include "tensor/distribution.h"

namespace glassbox {
namespace {

using Clock = Session::Clock;

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

// What a pass takes for its values beside what sequences remember, roughly: they come and go, so a few of each width.
int64_t intermediates(const ModelShape& shape, const EngineOptions& options) {
  const int64_t tokens = options.prefill_chunk + options.max_batch, rows = std::min(options.max_batch, 16);
  const int64_t experts = std::max<int64_t>(1, shape.experts_per_token);
  const int64_t width = 6 * shape.hidden + 4 * shape.heads * shape.head_dim + 3 * experts * shape.intermediate;
  return static_cast<int64_t>(sizeof(float)) * (tokens * width + 2 * rows * shape.vocabulary);
}

// Keeps so many bytes of a budget free for what does not ask.
class Promise {
 public:
  explicit Promise(std::shared_ptr<MemoryBudget> budget) : budget_(std::move(budget)) {}
  ~Promise() { set(0); }
  Promise(const Promise&) = delete;
  Promise& operator=(const Promise&) = delete;
  void set(int64_t bytes) {
    if (bytes != bytes_) budget_->promise(bytes - bytes_);
    bytes_ = bytes;
  }

 private:
  const std::shared_ptr<MemoryBudget> budget_;
  int64_t bytes_ = 0;
};

std::string mebibytes(int64_t bytes) { return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20)); }

Error failure_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    return Error(ErrorKind::full, "memory", "the system has no more of it for this request");
  } catch (const Error& error) { return error; } catch (const std::exception& error) {
    return Error(ErrorKind::internal, error.what());
  } catch (...) { return Error(ErrorKind::internal, "an error without a name"); }
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

std::atomic<unsigned> engines_made = 0;

constexpr size_t kMostRemembered = 32;
constexpr int64_t kBlock = 64;                    // positions, in which memories grow
constexpr int64_t kTurn = 16;                     // tokens at a prompt's end that the next may have otherwise
constexpr int64_t kMostKept = int64_t{64} << 20;  // bytes of intermediates beyond what was expected
constexpr std::chrono::milliseconds kStall{20};   // between two tries to get memory that others hold
constexpr std::chrono::milliseconds kYield{50};   // until an engine gives up memory that another may be waiting for
constexpr std::chrono::seconds kIdle{1};          // until memory goes back to the system

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

}  // namespace

struct Engine::Impl {
  const std::shared_ptr<const Model> model;
  EngineOptions options;
  Workspace workspace;
  std::shared_ptr<MemoryBudget> budget;  // of keys and values: this engine's part of what there is
  Promise room;                          // for intermediates that the arena does not hold yet
  int64_t intermediate_bytes = 0;
  const unsigned serial = engines_made.fetch_add(1);
  std::string context_limit;  // what bounds the context, for errors: empty for the model itself and for who asked

  mutable std::mutex mutex;  // guards what follows, up to the thread's own
  std::condition_variable wake;
  std::deque<std::unique_ptr<Session>> waiting;  // by age
  std::vector<RequestId> cancelled;
  EngineStatistics statistics;
  RequestId next_id = 1;
  bool stopping = false;

  std::atomic<bool> asked_for_memory = false;  // by another engine
  std::atomic<std::thread::id> owner;

  // The engine thread's own.
  std::list<std::unique_ptr<Session>> running;  // by age
  std::list<Remembered> remembered;             // most recent first
  std::optional<Clock::time_point> stalled;     // since when nothing goes on, for want of memory that others hold
  bool tidy = true;                             // nothing has run since memory went back to the system

  std::once_flag places_found;
  std::vector<std::string> places;  // of the model's taps

  std::shared_ptr<void> listening;  // these two last: they use all of the above
  std::thread thread;

  static std::shared_ptr<MemoryBudget> memory_of(const EngineOptions& options) {
    return options.memory ? options.memory : MemoryBudget::process();
  }

  Impl(std::shared_ptr<const Model> of, const EngineOptions& asked)
      : model(std::move(of)), options(asked), workspace(asked.threads), room(memory_of(asked)) {
    check(options.max_batch > 0 && options.prefill_chunk > 0, "Engine: batch and chunk must be positive");
    find_room();
    listening = memory_of(options)->listen([this] {
      if (std::this_thread::get_id() == owner.load()) return;
      asked_for_memory = true;
      wake.notify_all();
    });
    thread = std::thread([this] { run(); });
    owner = thread.get_id();
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    wake.notify_all();
    thread.join();
  }

  // Settles the context and the budget.
  void find_room() {
    const ModelShape& shape = model->network->shape();
    if (options.context > shape.context)
      fail(ErrorKind::bad_request, "context: the model was made for at most {} tokens, got {}", shape.context,
           options.context);
    const auto all = memory_of(options);
    intermediate_bytes = intermediates(shape, options);
    room.set(intermediate_bytes);
    budget = std::make_shared<MemoryBudget>(
        options.cache_tokens > 0 ? cache_bytes() : std::numeric_limits<int64_t>::max(), all);
    const int64_t there = bytes_in_all();
    const int64_t positions = memory_shape().longest(there, options.prefill_chunk, shape.context);
    if (positions < options.context)
      fail(ErrorKind::bad_request, "context: {} tokens take {} for keys and values, there are {}", options.context,
           mebibytes(bytes_of(options.context)), mebibytes(there));
    if (positions < std::min(kBlock, shape.context))
      fail(ErrorKind::full, "{}: of {} of memory {} are left, expected {} at least for keys and values", model->name,
           mebibytes(all->limit()), mebibytes(there), mebibytes(bytes_of(kBlock)));
    if (options.context > 0) return;
    options.context = positions;
    if (positions < shape.context)
      context_limit = fmt::format(" (the model's is {}, but only {} are there for keys and values)", shape.context,
                                  mebibytes(there));
  }

  const MemoryShape& memory_shape() const { return model->network->memory_shape(); }
  // What a sequence remembers at most on its way to so many positions.
  int64_t bytes_of(int64_t positions) const { return memory_shape().bytes(positions, options.prefill_chunk); }
  // Of options.cache_tokens, as if no layer forgot.
  int64_t cache_bytes() const { return (options.cache_tokens + kBlock - 1) / kBlock * memory_shape().block_bytes(); }
  // What there is for them if all who have some gave it back.
  int64_t bytes_in_all() const {
    const auto all = memory_of(options);
    const int64_t own = options.cache_tokens > 0 ? cache_bytes() : std::numeric_limits<int64_t>::max();
    return std::min(own, all->left_in_all());
  }

  // Throws Error(bad_request) naming a place that the model does not have.
  void check_places(const Watch& watch) {
    if (watch.places.empty()) fail_at(ErrorKind::bad_request, "watch", "expected places, got none");
    if (watch.max_bytes <= 0)
      fail_at(ErrorKind::bad_request, "watch", "expected a positive number of bytes, got {}", watch.max_bytes);
    std::call_once(places_found, [this] {
      Workspace own(1);
      places = model->network->tap_names(own);
    });
    for (const std::string& place : watch.places) {
      const bool known = std::ranges::any_of(places, [&](const auto& name) { return glob_matches(place, name); });
      // Which experts a token meets nobody knows beforehand.
      if (!known && place.find("experts.") == std::string::npos)
        fail_at(ErrorKind::bad_request, "watch", "no place is named {}", place);
    }
  }

  SequenceMemory empty_memory() const { return SequenceMemory(memory_shape(), budget); }

  void run() {
    for (;;) {
      if (!take_orders()) return;
      drop_ended();
      admit();
      drop_ended();
      if (running.empty()) continue;
      step();
      drop_ended();
    }
  }

  // Waits for work; cancels. False when the engine stops and nothing is left.
  bool take_orders() {
    std::vector<std::unique_ptr<Session>> ended;
    {
      std::unique_lock lock(mutex);
      const auto called = [&] {
        return stopping || !waiting.empty() || !running.empty() || !cancelled.empty() || asked_for_memory;
      };
      if (stalled) {
        wake.wait_for(lock, kStall);
      } else if (!tidy && !wake.wait_for(lock, kIdle, called)) {
        lock.unlock();
        tidy_up();
        lock.lock();
      }
      if (!stalled) wake.wait(lock, called);
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
      if (waiting.empty() && running.empty()) stalled.reset();
      if (stopping && running.empty() && ended.empty()) return false;
    }
    if (asked_for_memory.exchange(false)) {
      remembered.clear();
      if (running.empty()) tidy_up();
    }
    for (auto& session : ended) {
      session->finished.reason = FinishReason::cancelled;
      end(*session);
    }
    return true;
  }

  // What nobody needs goes back to the system.
  void tidy_up() {
    workspace.arena.trim();
    room.set(intermediate_bytes);
    ::malloc_trim(0);
    tidy = true;
  }

  // From those that wait to those that run, the oldest first, as long as there is room for their tokens so far.
  void admit() {
    for (;;) {
      std::unique_ptr<Session> next;
      {
        const std::lock_guard lock(mutex);
        if (waiting.empty() || static_cast<int>(running.size()) >= options.max_batch) break;
        next = std::move(waiting.front());
        waiting.pop_front();
      }
      bool begins = false;
      try {
        begins = begin(*next);
      } catch (...) {
        end_with(*next, failure_of(std::current_exception()));
        begins = true;  // to be dropped as others are
      }
      if (!begins) {
        next->memory = empty_memory();
        if (running.empty()) stall(*next);
        begins = next->over;
      }
      const bool over = next->over;
      if (begins) {
        const auto younger = [&](const auto& other) { return other->id > next->id; };
        next->waits = false;
        running.insert(std::ranges::find_if(running, younger), std::move(next));
      } else {
        const std::lock_guard lock(mutex);
        waiting.push_front(std::move(next));
        break;
      }
      if (!over) stalled.reset();
    }
    const std::lock_guard lock(mutex);
    statistics.running = static_cast<int64_t>(running.size());
    statistics.waiting = static_cast<int64_t>(waiting.size());
  }

  // False if there is no room for the session now.
  bool begin(Session& session) {
    if (!session.begun) session.started = Clock::now();
    session.finished.reason = FinishReason::cancelled;  // until it ends otherwise
    // The last token always runs: its logits are what is asked for.
    const std::span<const int32_t> known(session.tokens.data(), session.tokens.size() - 1);
    int64_t longest = 0, parts = 0;
    const Remembered* best = nullptr;
    for (const Remembered& past : remembered) {
      if (past.adapter != session.request.adapter || session.watcher) continue;
      const int64_t common = common_prefix(known, past.tokens), resumable = past.memory.resumable(common);
      parts = std::max(parts, common);
      if (resumable > longest) longest = resumable, best = &past;
    }
    if (best) {
      session.memory = best->memory;
      session.memory.resize(longest);
      session.memory.checkpoint();
    }
    // Layers that forget can be gone back to where they were told to. The next turn will part from this one near the
    // prompt's end; and where two prompts parted, a third will.
    session.checkpoints.clear();
    if (memory_shape().forgets()) {
      const auto turn = (static_cast<int64_t>(session.request.prompt.size()) - kTurn) / kBlock * kBlock;
      for (const int64_t at : {std::min(parts, turn), std::max(parts, turn)})
        if (at > longest && at <= static_cast<int64_t>(known.size())) session.checkpoints.push_back(at);
    }
    // For all of its tokens, and for one block more of each that runs: or the next pass would take it away again.
    const auto length = static_cast<int64_t>(session.tokens.size());
    const int64_t spare = static_cast<int64_t>(running.size()) * memory_shape().block_bytes();
    const int64_t needed = session.memory.missing(length, options.prefill_chunk) + spare;
    int64_t forgettable = 0;
    for (const Remembered& past : remembered) forgettable += past.memory.bytes();
    if (needed > budget->left() + forgettable) {
      if (!budget->take(needed - forgettable)) return false;  // by which others are asked to forget, too
      budget->touched(needed - forgettable);
      budget->give(needed - forgettable);
    }
    while (!session.memory.reserve(length, options.prefill_chunk) || budget->left() < spare)
      if (!forget_oldest() && !session.memory.forget_checkpoints()) return false;
    if (!session.begun) {
      const std::lock_guard lock(mutex);
      session.finished.cached_tokens = longest;
      statistics.cached_tokens += longest;
    }
    session.begun = true;
    return true;
  }

  bool forget_oldest() {
    if (remembered.empty()) return false;
    remembered.pop_back();
    return true;
  }

  // Of those that run: what may be of use later gives way to what is needed now.
  bool forget_checkpoints() {
    bool any = false;
    for (const auto& session : running) any |= session->memory.forget_checkpoints();
    return any;
  }

  void remember(Session& session) {
    session.memory.resize(session.memory.length());  // nothing beyond
    session.tokens.resize(static_cast<size_t>(session.memory.length()));
    std::erase_if(remembered, [&](const Remembered& past) {
      return past.adapter == session.request.adapter &&
             common_prefix(past.tokens, session.tokens) == static_cast<int64_t>(past.tokens.size());
    });
    remembered.push_front({std::move(session.tokens), std::move(session.memory), session.request.adapter});
    // It is a guess what will be of use: half of the memory is enough for guesses.
    int64_t bytes = 0;
    size_t count = 0;
    const int64_t most = budget->limit() / 2;
    std::erase_if(remembered, [&](const Remembered& past) {
      bytes += past.memory.bytes();
      return bytes > most || ++count > kMostRemembered;
    });
  }

  void drop_ended() {
    for (auto at = running.begin(); at != running.end();) {
      if (!(*at)->over) {
        ++at;
        continue;
      }
      const std::unique_ptr<Session> session = std::move(*at);
      at = running.erase(at);
      {
        const std::lock_guard lock(mutex);
        statistics.running = static_cast<int64_t>(running.size());
      }
      end(*session);
    }
  }

  // The last anyone hears of it.
  void end(Session& session) {
    if (session.begun) {
      session.finished.text +=
          session.stop.stopped() ? "" : session.stop.push(session.decoder.finish()) + session.stop.finish();
      const auto now = Clock::now();
      session.finished.prefill_s = seconds((session.prefilling() ? now : session.first_token) - session.started);
      session.finished.decode_s = session.prefilling() ? 0 : seconds(now - session.first_token);
    }
    if (session.watcher && session.begun)
      session.finished.evidence = std::make_shared<const Evidence>(session.watcher->take());
    if (!session.finished.failure && session.memory.length() > 0) remember(session);
    session.memory = empty_memory();
    session.on_finished(session.finished);
  }

  // What one pass takes of a sequence: its next `count` tokens.
  struct Part {
    Session* session;
    int64_t count;
  };

  // One pass: the next token of every sequence that speaks, and a share of the prompts that are still being read. If it
  // fails, each goes through alone, so that only those end to whom it happens again.
  void step() {
    tidy = false;
    const std::vector<Part> parts = with_room(shares());
    if (parts.empty()) {
      if (!running.empty()) stall(*running.back());
      return;
    }
    stalled.reset();
    try {
      walk(parts);
    } catch (...) {
      remembered.clear();  // it may have been for want of memory
      workspace.arena.trim();
      for (const Part& part : with_room(parts)) try {
          walk({&part, 1});
        } catch (...) { end_with(*part.session, failure_of(std::current_exception())); }
    }
    const auto held = static_cast<int64_t>(workspace.arena.bytes());
    if (held > 2 * intermediate_bytes + kMostKept) workspace.arena.trim();
    // What the arena holds is seen where one looks: there only the rest need be kept free.
    const bool looks = memory_of(options) == MemoryBudget::process();
    const int64_t seen = looks ? static_cast<int64_t>(workspace.arena.bytes()) : 0;
    room.set(std::max<int64_t>(0, intermediate_bytes - seen));
  }

  std::vector<Part> shares() const {
    std::vector<int64_t> unread;
    for (const auto& session : running)
      if (session->reading()) unread.push_back(session->pending());
    const int64_t chunk = running.size() == 1 ? options.prefill_chunk : std::max<int64_t>(1, options.prefill_chunk / 4);
    const std::vector<int64_t> shares = share_prefill(unread, chunk);
    std::vector<Part> parts;
    size_t next = 0;
    for (const auto& session : running) {
      int64_t count = session->reading() ? shares[next++] : session->pending();
      const int64_t from = session->memory.length();
      for (const int64_t at : session->checkpoints)
        if (at > from) count = std::min(count, at - from);
      parts.push_back({session.get(), count});
    }
    std::erase_if(parts, [](const Part& part) { return part.count == 0; });
    return parts;
  }

  // Those of the parts for which there is memory, which they now have. Where it runs out the youngest gives way.
  std::vector<Part> with_room(const std::vector<Part>& parts) {
    std::vector<Part> ready;
    for (const Part& part : parts) {
      Session& session = *part.session;
      const auto has_room = [&] {
        try {
          return session.memory.reserve(session.memory.length() + part.count);
        } catch (const std::bad_alloc&) { return false; }  // the system has less than was thought
      };
      bool room_is_there = has_room();
      while (!session.waits && !room_is_there) {
        if (!forget_oldest() && !forget_checkpoints()) {
          if (running.size() == 1) break;  // there is nobody but other engines to wait for
          give_way(std::prev(running.end()));
        }
        room_is_there = !session.waits && has_room();
      }
      if (room_is_there) ready.push_back(part);
    }
    return ready;
  }

  // Its tokens are kept, and read again when there is room. Draws are keyed by position, so what follows is what would
  // have followed.
  void give_way(std::list<std::unique_ptr<Session>>::iterator at) {
    std::unique_ptr<Session> session = std::move(*at);
    running.erase(at);
    session->memory = empty_memory();
    session->waits = true;
    const std::lock_guard lock(mutex);
    const auto younger = [&](const auto& other) { return other->id > session->id; };
    waiting.insert(std::ranges::find_if(waiting, younger), std::move(session));
    ++statistics.gave_way;
    statistics.running = static_cast<int64_t>(running.size());
    statistics.waiting = static_cast<int64_t>(waiting.size());
  }

  // Nothing goes on, for want of memory. Other engines may have it: then this one waits, and so that two do not wait
  // for each other, gives up what it has itself, each after a time of its own. If nobody has it who gives it back, a
  // request that has waited long enough fails.
  void stall(Session& session) {
    const auto now = Clock::now();
    if (!stalled) stalled = now;
    if (!tidy) tidy_up();  // what is free here may be all it needs
    if (memory_of(options)->taken() > budget->taken()) {
      if (!session.waits && now - *stalled > kYield * (1 + serial % 8)) give_way(std::prev(running.end()));
      return;
    }
    if (now - *stalled < options.patience) return;
    const auto length = static_cast<int64_t>(session.tokens.size());
    end_with(session,
             Error(ErrorKind::full, "memory",
                   fmt::format("keys and values of {} tokens take {}, and {} of {} are left", length,
                               mebibytes(bytes_of(length)), mebibytes(budget->left()), mebibytes(budget->limit()))));
    stalled = now;
  }

  // Throws what the pass throws; then every memory is as it was.
  void walk(std::span<const Part> parts) {
    std::vector<int64_t> before;
    for (const Part& part : parts) before.push_back(part.session->memory.length());
    std::vector<Session*> speaking;  // whose logits come, in the order of their rows
    int64_t read = 0;
    try {
      Pass pass(workspace);
      for (const auto& [session, count] : parts) {
        const bool whole = count == session->pending();
        if (session->reading()) read += count;
        if (whole) speaking.push_back(session);
        Watcher* watcher = session->watcher.get();
        if (watcher) watcher->begin_pass();
        pass.add(std::span(session->tokens)
                     .subspan(static_cast<size_t>(session->memory.length()), static_cast<size_t>(count)),
                 &session->memory, whole ? Logits::last : Logits::none, session->request.adapter.get(),
                 watcher ? &watcher->taps() : nullptr);
      }
      const Tensor logits = (*model->network)(pass);
      model->check_whole();
      for (const auto& [session, count] : parts) {
        if (std::ranges::count(session->checkpoints, session->memory.length()) > 0) session->memory.checkpoint();
        if (session->watcher) session->watcher->end_pass(session->memory.length());
      }
      const auto width = static_cast<size_t>(logits.width());
      for (size_t row = 0; row < speaking.size(); ++row) try {
          speak(*speaking[row], logits.values().subspan(row * width, width));
        } catch (...) { end_with(*speaking[row], failure_of(std::current_exception())); }
    } catch (...) {
      for (size_t i = 0; i < parts.size(); ++i) parts[i].session->memory.resize(before[i]);
      throw;
    }
    const std::lock_guard lock(mutex);
    ++statistics.passes;
    statistics.prompt_tokens += read;
    statistics.completion_tokens += static_cast<int64_t>(speaking.size());
  }

  static void end_with(Session& session, Error failure) {
    session.finished.failure = std::move(failure);
    session.over = true;
  }

  bool leaves_out(const Session& session, int32_t token) const {
    const GenerationRequest& request = session.request;
    return request.skip_special && model->tokenizer.is_special(token) && !request.kept_special.contains(token);
  }

  void speak(Session& session, std::span<const float> logits) {
    if (session.request.adapter) session.request.adapter->check_whole();
    if (session.prefilling()) session.first_token = Clock::now();
    if (const auto at = first_not_finite(logits)) {
      return end_with(session,
                      Error(ErrorKind::not_finite, "logits",
                            fmt::format("expected numbers, got {} for token {} at position {}: weights of the model{} "
                                        "are not finite, or too large",
                                        logits[*at], *at, session.tokens.size(),
                                        session.request.adapter ? " or its adapter" : "")));
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
  model().check_whole();
  if (request.adapter) request.adapter->check_whole();
  const int64_t vocabulary = model().network->shape().vocabulary;
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  if (prompt == 0) fail_at(ErrorKind::bad_request, "prompt", "expected at least one token, got none");
  if (prompt >= context())
    fail_at(ErrorKind::full, "prompt", "{} tokens leave no room for an answer in a context of {}{}", prompt, context(),
            impl_->context_limit);
  for (const int32_t token : request.prompt)
    if (token < 0 || token >= vocabulary)
      fail_at(ErrorKind::bad_request, "prompt", "{}", model().beyond_the_table(token));
  if (request.logprobs > 20)
    fail_at(ErrorKind::bad_request, "logprobs", "expected at most 20 alternatives, got {}", request.logprobs);
  if (request.max_tokens < -1 || request.max_tokens == 0)
    fail_at(ErrorKind::bad_request, "max_tokens", "expected a positive number, got {}", request.max_tokens);
  for (const std::string& stop : request.stop)
    if (stop.empty()) fail_at(ErrorKind::bad_request, "stop", "expected texts that are not empty");
  if (request.watch) impl_->check_places(*request.watch);
  request.sampling.validate(static_cast<size_t>(vocabulary));
  if (!request.sampling.seed) request.sampling.seed = drawn_seed();
  if (const int64_t needed = impl_->bytes_of(prompt + 1), there = impl_->bytes_in_all(); needed > there)
    fail_at(ErrorKind::full, "prompt", "{} tokens take {} for keys and values, and there are {}", prompt,
            mebibytes(needed), mebibytes(there));
  const int64_t room = context() - prompt;
  const int64_t most = prompt + (request.max_tokens < 0 ? room : std::min(request.max_tokens, room));
  const std::lock_guard lock(impl_->mutex);
  const RequestId id = impl_->next_id++;
  impl_->waiting.push_back(std::make_unique<Session>(id, std::move(request), std::move(on_token),
                                                     std::move(on_finished), model(), impl_->empty_memory(), most));
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
  if (answer.finished.failure) throw *answer.finished.failure;
  return answer;
}

EngineStatistics Engine::statistics() const {
  EngineStatistics statistics;
  {
    const std::lock_guard lock(impl_->mutex);
    statistics = impl_->statistics;
  }
  const auto all = Impl::memory_of(impl_->options);
  statistics.cache_bytes = impl_->budget->taken();
  statistics.memory_limit = all->limit();
  statistics.memory_left = all->left();
  return statistics;
}

}  // namespace glassbox
