#include "server/http/exchange.h"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "server/http/response.h"

namespace glassbox::http {

ResponseStream::Exchange::Exchange(Shared& shared, std::shared_ptr<const Request> head, std::function<void()> wake)
    : shared_(shared), request_head_(std::move(head)), wake_(std::move(wake)) {}

ResponseStream::Exchange::Output ResponseStream::Exchange::take() {
  std::lock_guard lock(mutex_);
  woken_ = false;
  Output output;
  output.broken = gone_ || broken_;
  if (output.broken) return output;
  output.head = std::exchange(head_, std::nullopt);
  shared_.buffered.remove(pending_.size());
  output.pieces = std::exchange(pending_, {});
  output.streamed = streamed_;
  output.last = phase_ == Phase::ended;
  return output;
}

ResponseStream::Exchange::Intaking ResponseStream::Exchange::intaking() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  return {receiver_ && feeding_ == 0, gone_ || broken_ || phase_ != Phase::unanswered};
}

// A piece that is being taken; it was, though taking it threw.
class ResponseStream::Exchange::Fed {
 public:
  Fed(Exchange& exchange, size_t bytes) : exchange_(exchange), bytes_(bytes) {}
  ~Fed() {
    exchange_.shared_.buffered.remove(bytes_);
    const std::lock_guard lock(exchange_.mutex_);
    --exchange_.feeding_;
    exchange_.notify();
  }
  Fed(const Fed&) = delete;
  Fed& operator=(const Fed&) = delete;

 private:
  Exchange& exchange_;
  const size_t bytes_;
};

void ResponseStream::Exchange::feed(std::string piece) {
  std::shared_ptr<Receiver> receiver;
  {
    const std::lock_guard lock(mutex_);
    if (!receiver_) return;  // it left meanwhile
    receiver = receiver_;
    ++feeding_;
  }
  shared_.buffered.add(piece.size());
  post([this, receiver = std::move(receiver), piece = std::move(piece)] {
    const Fed fed(*this, piece.size());
    receiver->take(piece);
  });
}

void ResponseStream::Exchange::feed_end() {
  std::shared_ptr<Receiver> receiver;
  {
    const std::lock_guard lock(mutex_);
    receiver = std::move(receiver_);
  }
  if (!receiver) return;
  post([receiver = std::move(receiver)] { receiver->end(); });
}

void ResponseStream::Exchange::produce(std::shared_ptr<const std::function<std::string(size_t most)>> source,
                                       size_t most) {
  post([this, source = std::move(source), most] {
    std::optional<std::string> piece;
    try {
      piece = (*source)(most);
    } catch (const std::exception& error) {
      spdlog::error("a body could not be sent to its end: {}", error.what());
    } catch (...) { spdlog::error("a body could not be sent to its end: an error without a name"); }
    const std::lock_guard lock(mutex_);
    if (gone_) return;
    if (piece)
      shared_.buffered.add(piece->size());
    else
      broken_ = true;
    produced_ = std::move(piece);
    notify();
  });
}

std::optional<std::string> ResponseStream::Exchange::produced() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  if (produced_) shared_.buffered.remove(produced_->size());
  return std::exchange(produced_, std::nullopt);
}

void ResponseStream::Exchange::leave() {
  std::function<void()> callback;
  std::shared_ptr<Receiver> receiver;
  {
    std::lock_guard lock(mutex_);
    if (gone_) return;
    gone_ = true;
    shared_.buffered.remove(pending_.size() + (produced_ ? produced_->size() : 0));
    pending_.clear();
    pending_.shrink_to_fit();
    produced_.reset();
    receiver = std::move(receiver_);
    if (phase_ != Phase::ended) callback = std::move(on_gone_);
    on_gone_ = nullptr;
    notify();
  }
  if (callback) post(std::move(callback));
  if (receiver) post([receiver = std::move(receiver)] {});  // let go where it was used: it may hold anything
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
  Response response = shared_.site->thrown(*request_head_, thrown);
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
    head_ = shared_.site->failure(*request_head_, 500, "the request was dropped without an answer");
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

void ResponseStream::receive(std::function<void(std::string_view piece)> take, std::function<void()> end) {
  Exchange& exchange = *exchange_;
  const std::lock_guard lock(exchange.mutex_);
  if (exchange.gone_ || exchange.phase_ == Exchange::Phase::ended) return;
  check(!exchange.receiver_, "a body is received once");
  exchange.receiver_ = std::make_shared<Exchange::Receiver>(Exchange::Receiver{std::move(take), std::move(end)});
  exchange.notify();
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
  if (!exchange.gone_) {
    exchange.pending_ = std::move(head.body);
    exchange.shared_.buffered.add(exchange.pending_.size());
  }
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
    exchange.shared_.buffered.add(piece.size());
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
