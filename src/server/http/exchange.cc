#include "server/http/exchange.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "server/http/response.h"

namespace glassbox::http {

ResponseStream::Exchange::Exchange(Shared& shared, std::function<void()> wake)
    : shared_(shared), wake_(std::move(wake)) {}

ResponseStream::Exchange::Output ResponseStream::Exchange::take() {
  std::lock_guard lock(mutex_);
  woken_ = false;
  Output output;
  output.broken = gone_ || broken_;
  if (output.broken) return output;
  output.head = std::exchange(head_, std::nullopt);
  output.pieces = std::exchange(pending_, {});
  output.streamed = streamed_;
  output.last = phase_ == Phase::ended;
  return output;
}

void ResponseStream::Exchange::leave() {
  std::function<void()> callback;
  {
    std::lock_guard lock(mutex_);
    if (gone_) return;
    gone_ = true;
    pending_.clear();
    pending_.shrink_to_fit();
    if (phase_ != Phase::ended) callback = std::move(on_gone_);
    on_gone_ = nullptr;
    notify();
  }
  if (callback) post(std::move(callback));
}

void ResponseStream::Exchange::detach() {
  leave();
  std::lock_guard lock(mutex_);
  wake_ = nullptr;
}

void ResponseStream::Exchange::post(std::function<void()> task) { post(std::move(task), shared_.workers); }

void ResponseStream::Exchange::post(std::function<void()> task, asio::thread_pool& where) {
  const std::lock_guard lock(tasks_mutex_);
  tasks_.push_back({&where, std::move(task)});
  if (tasks_.size() == 1) asio::post(where, [self = shared_from_this()] { self->run_next(); });
}

void ResponseStream::Exchange::run_next() {
  std::function<void()> work;
  {
    const std::lock_guard lock(tasks_mutex_);
    work = std::move(tasks_.front().work);  // its place stays taken: what is posted meanwhile waits
  }
  try {
    work();
  } catch (...) { fail(std::current_exception()); }
  work = nullptr;  // what it holds may post, or be the last to hold a stream
  const std::lock_guard lock(tasks_mutex_);
  tasks_.pop_front();
  if (!tasks_.empty()) asio::post(*tasks_.front().where, [self = shared_from_this()] { self->run_next(); });
}

void ResponseStream::Exchange::fail(std::exception_ptr thrown) {
  Response response = shared_.site->thrown(thrown);
  std::lock_guard lock(mutex_);
  if (phase_ == Phase::ended) return;
  if (phase_ == Phase::unanswered)
    head_ = std::move(response);
  else
    broken_ = true;
  phase_ = Phase::ended;
  on_gone_ = nullptr;
  notify();
}

void ResponseStream::Exchange::abandon() {
  std::lock_guard lock(mutex_);
  if (phase_ == Phase::ended) return;
  if (phase_ == Phase::begun)
    broken_ = true;
  else if (!gone_)
    head_ = shared_.site->failure(500, "the request was dropped without an answer");
  phase_ = Phase::ended;
  notify();
}

void ResponseStream::Exchange::notify() {
  if (!wake_ || woken_) return;
  woken_ = true;
  wake_();
}

ResponseStream::ResponseStream(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {
  exchange_->shared_.streams.add();
}

ResponseStream::~ResponseStream() {
  Shared& shared = exchange_->shared_;
  exchange_->abandon();
  exchange_.reset();
  shared.streams.remove();
}

void ResponseStream::respond(Response response) {
  check_headers(response);
  Exchange& exchange = *exchange_;
  std::lock_guard lock(exchange.mutex_);
  if (exchange.phase_ == Exchange::Phase::ended) return;  // by what other work of this request threw
  check(exchange.phase_ == Exchange::Phase::unanswered, "a request is answered once");
  exchange.head_ = std::move(response);
  exchange.phase_ = Exchange::Phase::ended;
  exchange.on_gone_ = nullptr;
  exchange.notify();
}

void ResponseStream::begin(Response head) {
  check_headers(head);
  Exchange& exchange = *exchange_;
  std::lock_guard lock(exchange.mutex_);
  if (exchange.phase_ == Exchange::Phase::ended) return;
  check(exchange.phase_ == Exchange::Phase::unanswered, "a request is answered once");
  if (!exchange.gone_) exchange.pending_ = std::move(head.body);
  head.body.clear();
  exchange.head_ = std::move(head);
  exchange.streamed_ = true;
  exchange.phase_ = Exchange::Phase::begun;
  exchange.notify();
}

bool ResponseStream::write(std::string_view piece) {
  Exchange& exchange = *exchange_;
  {
    std::lock_guard lock(exchange.mutex_);
    if (exchange.gone_ || exchange.phase_ == Exchange::Phase::ended) return false;
    check(exchange.phase_ == Exchange::Phase::begun, "write() comes after begin()");
    exchange.pending_ += piece;
    if (exchange.pending_.size() <= exchange.shared_.options.unread_limit) {
      exchange.notify();
      return true;
    }
  }
  exchange.leave();
  return false;
}

void ResponseStream::end() {
  Exchange& exchange = *exchange_;
  std::lock_guard lock(exchange.mutex_);
  if (exchange.phase_ == Exchange::Phase::ended) return;
  check(exchange.phase_ == Exchange::Phase::begun, "end() comes after begin()");
  exchange.phase_ = Exchange::Phase::ended;
  exchange.on_gone_ = nullptr;
  exchange.notify();
}

void ResponseStream::post(std::function<void()> work) { exchange_->post(std::move(work)); }

void ResponseStream::on_gone(std::function<void()> callback) {
  {
    std::lock_guard lock(exchange_->mutex_);
    if (exchange_->phase_ == Exchange::Phase::ended) return;
    if (!exchange_->gone_) {
      exchange_->on_gone_ = std::move(callback);
      return;
    }
  }
  exchange_->post(std::move(callback));
}

bool ResponseStream::gone() const {
  std::lock_guard lock(exchange_->mutex_);
  return exchange_->gone_;
}

}  // namespace glassbox::http
