// What the transport's tests share: a server with a handler of their own.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "server/http/http.h"
#include "server/http/test_client.h"

namespace glassbox::http {

using Handler = std::function<void(Request, std::shared_ptr<ResponseStream>)>;

// A server on a port of its own, in a thread of its own.
class Running : public Site {
 public:
  explicit Running(Handler handler, Options options = {}) : handler_(std::move(handler)) {
    options.port = 0;
    server_ = std::make_unique<Server>(std::move(options));
    ended_ = std::async(std::launch::async, [this] { server_->run(*this); });
  }
  ~Running() override { stop(); }
  void stop() {
    server_->stop();
    ended_.wait();
  }
  // True once it ends without being told by stop().
  bool ends_within(std::chrono::milliseconds time) { return ended_.wait_for(time) == std::future_status::ready; }
  Server& server() { return *server_; }
  uint16_t port() const { return server_->port(); }
  std::vector<Served> served_so_far(size_t at_least) {
    for (int i = 0; i < 1000; ++i) {
      {
        std::lock_guard lock(mutex_);
        if (served_.size() >= at_least) return served_;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    std::lock_guard lock(mutex_);
    return served_;
  }

  void handle(Request request, std::shared_ptr<ResponseStream> stream) override {
    handler_(std::move(request), std::move(stream));
  }
  std::optional<Response> admit(const Request& head) override {
    if (head.path == "/no") return Response{401, {{"WWW-Authenticate", "Bearer"}}, "who?"};
    if (head.path == "/slow-no") {
      Response response{401, {}, "who?"};
      response.delay = std::chrono::milliseconds(200);
      return response;
    }
    return std::nullopt;
  }
  // A body sent with PUT streams.
  Intake intake(const Request& head) override {
    if (head.method != "PUT") return {};
    return {true, head.path == "/small" ? std::optional<uint64_t>(100) : uint64_t{1} << 40};
  }
  bool quick(const Request& head) override { return head.path == "/quick"; }
  Response thrown(const Request& head, std::exception_ptr what) override {
    try {
      std::rethrow_exception(what);
    } catch (const Error& error) { return Response{418, {}, error.what()}; } catch (...) {
      return Site::thrown(head, what);
    }
  }
  void served(const Served& served) override {
    std::lock_guard lock(mutex_);
    served_.push_back(served);
  }

 private:
  const Handler handler_;
  std::mutex mutex_;
  std::vector<Served> served_;
  std::unique_ptr<Server> server_;
  std::future<void> ended_;
};

}  // namespace glassbox::http
