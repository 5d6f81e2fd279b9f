// One request's answer, between whoever gives it (any thread) and the connection that sends it (its strand). Private to
// the transport.
//
// Both sides change one state under one mutex, and neither waits for the other. The answering side adds what there is
// to send and wakes the connection, which takes all of it at once: pieces that come faster than they leave are joined.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "server/http/shared.h"

namespace glassbox::http {

// The answering side is ResponseStream itself. Any thread may call anything.
struct ResponseStream::Exchange : std::enable_shared_from_this<Exchange> {
 public:
  // `head`: of the request. `wake` asks the connection to take() what is new. Called under the mutex, at most once
  // until it does.
  Exchange(Shared& shared, std::shared_ptr<const Request> head, std::function<void()> wake);

  // What is new since the last time.
  struct Output {
    std::optional<Response> head;  // the first time; with its body, unless that is streamed
    std::string pieces;            // of a streamed body
    bool streamed = false;
    bool last = false;    // nothing follows
    bool broken = false;  // the client left, or the answer cannot be completed: there is nothing to send

    bool empty() const { return !head && pieces.empty() && !last && !broken; }
  };
  Output take();

  // A body that streams in: what the answering side makes of it, since the last time.
  struct Intaking {
    bool wanted = false;    // receive() was called, and all that was fed was taken
    bool answered = false;  // there is something to take(): what has not come of the body is not wanted any more
  };
  Intaking intaking();
  void feed(std::string piece);  // REQUIRES: wanted
  void feed_end();

  // A body that streams out: asks its source for at most `most` bytes; what it gave is there once.
  void produce(std::shared_ptr<const std::function<std::string(size_t most)>> source, size_t most);
  std::optional<std::string> produced();

  // The client left, or must: what is written from now on is dropped, and on_gone is called.
  void leave();
  // The connection has done with it: leave(), and no more waking.
  void detach();
  // As ResponseStream::post(). `where`: not on a worker but there.
  void post(std::function<void()> task);
  void post(std::function<void()> task, asio::thread_pool& where);

 private:
  friend class ResponseStream;
  enum class Phase { unanswered, begun, ended };

  // Who takes a body that streams in. One task at a time uses it.
  struct Receiver {
    std::function<void(std::string_view piece)> take;
    std::function<void()> end;
  };

  class Fed;

  void run_next();
  void fail(std::exception_ptr thrown);
  void abandon();  // its ResponseStream was let go
  void notify();   // REQUIRES: mutex_ is held

  Shared& shared_;
  const std::shared_ptr<const Request> request_head_;

  // One at a time, in order, each where it is to run. A strand has one pool.
  struct Task {
    asio::thread_pool* where;
    std::function<void()> work;
  };
  std::mutex tasks_mutex_;
  std::deque<Task> tasks_;  // the first is running, or about to

  mutable std::mutex mutex_;
  std::function<void()> wake_;  // empty once the connection no longer cares
  Phase phase_ = Phase::unanswered;
  std::optional<Response> head_;  // not yet taken
  std::string pending_;           // of a streamed body, not yet taken
  std::optional<std::string> produced_;
  std::shared_ptr<Receiver> receiver_;
  int feeding_ = 0;  // pieces that were not taken yet
  std::function<void()> on_gone_;
  bool streamed_ = false, broken_ = false, gone_ = false, woken_ = false;
};

}  // namespace glassbox::http
