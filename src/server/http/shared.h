// What a server, its connections and its exchanges share. Private to the transport.
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <utility>

#include "server/http/http.h"
#include "server/http/seats.h"

namespace glassbox::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

inline constexpr auto kResult = asio::as_tuple(asio::use_awaitable);  // co_await gives an error, throws none

// How many ResponseStreams there are: whoever answers may outlive every connection, and must not outlive the server.
class StreamCount {
 public:
  void add() {
    std::lock_guard lock(mutex_);
    ++count_;
  }
  // The last that a stream does: what it belongs to may end at once.
  void remove() {
    std::lock_guard lock(mutex_);
    --count_;
    removed_.notify_all();
  }
  void wait_for_none() {
    std::unique_lock lock(mutex_);
    removed_.wait(lock, [&] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable removed_;
  int64_t count_ = 0;
};

// Bytes of the large bodies that are in memory. Nobody waits for room, so nobody can wait for ever.
class BodyRoom {
 public:
  explicit BodyRoom(size_t limit) : limit_(limit) {}
  bool add(size_t bytes) {
    if (used_.fetch_add(bytes) + bytes <= limit_) return true;
    used_.fetch_sub(bytes);
    return false;
  }
  void remove(size_t bytes) { used_.fetch_sub(bytes); }

 private:
  const size_t limit_;
  std::atomic<size_t> used_{0};
};

// What one body takes of it, given back at the end.
class BodyShare {
 public:
  BodyShare(BodyRoom& room, size_t free) : room_(room), free_(free) {}
  ~BodyShare() { room_.remove(taken_); }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;
  // True if there is room for a body of `bytes`.
  bool grow_to(size_t bytes) {
    if (bytes <= free_ || bytes <= taken_) return true;
    if (!room_.add(bytes - taken_)) return false;
    taken_ = bytes;
    return true;
  }

 private:
  BodyRoom& room_;
  const size_t free_;
  size_t taken_ = 0;
};

// Bytes held, now and at most so far.
class HeldBytes {
 public:
  void add(size_t bytes) {
    const size_t now = now_.fetch_add(bytes) + bytes;
    for (size_t most = most_; most < now && !most_.compare_exchange_weak(most, now);) {}
  }
  void remove(size_t bytes) { now_.fetch_sub(bytes); }
  Buffered value() const { return {now_, most_}; }

  // So many, while it lives.
  class Hold {
   public:
    Hold(HeldBytes& held, size_t bytes) : held_(held), bytes_(bytes) { held_.add(bytes_); }
    ~Hold() { held_.remove(bytes_); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    HeldBytes& held_;
    const size_t bytes_;
  };

 private:
  std::atomic<size_t> now_{0}, most_{0};
};

struct Shared {
  explicit Shared(Options given)
      : options(std::move(given)),
        workers(static_cast<size_t>(std::max(1, options.workers))),
        seats(options.connection_limit, std::min(options.stranger_limit, options.connection_limit)),
        bodies(options.body_memory) {}

  const Options options;
  Site* site = nullptr;        // set by Server::run(), before anything is accepted
  asio::thread_pool workers;   // where handlers run, and all that is posted later
  asio::thread_pool quick{1};  // where Site::quick() requests are handled
  asio::thread_pool large{1};  // where requests with large bodies are handled
  Seats seats;
  BodyRoom bodies;
  HeldBytes buffered;
  std::atomic<bool> stopping{false};  // set once by Server::stop()
  StreamCount streams;
};

}  // namespace glassbox::http
