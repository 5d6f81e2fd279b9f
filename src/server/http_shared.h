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

#include "server/http.h"

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

struct Shared {
  explicit Shared(Options given)
      : options(std::move(given)), workers(static_cast<size_t>(std::max(1, options.workers))) {}

  const Options options;
  Site* site = nullptr;               // set by Server::run(), before anything is accepted
  asio::thread_pool workers;          // where handlers run
  std::atomic<bool> stopping{false};  // set once by Server::stop()
  StreamCount streams;
};

}  // namespace glassbox::http
