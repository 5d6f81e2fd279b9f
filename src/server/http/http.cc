#include "server/http/http.h"

#include <spdlog/spdlog.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <csignal>
#include <thread>

#include "server/http/connection.h"
#include "server/http/shared.h"

namespace glassbox::http {
namespace {

constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // after EMFILE and the like

}  // namespace

std::optional<Response> Site::admit(const Request&) { return std::nullopt; }
Intake Site::intake(const Request&) { return {}; }
bool Site::quick(const Request&) { return false; }
void Site::served(const Served&) {}

Response Site::failure(const Request&, int status, std::string_view message) {
  return Response{status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::string(message) + "\n"};
}

Response Site::thrown(const Request& head, std::exception_ptr what) {
  try {
    std::rethrow_exception(what);
  } catch (const std::exception& error) { return failure(head, 500, error.what()); } catch (...) {
    return failure(head, 500, "unknown exception");
  }
}

// Everything but run() and what others post runs on one strand, the acceptor's.
struct Server::State {
  explicit State(Options given)
      : shared(std::move(given)),
        io(std::max(1, shared.options.io_threads)),
        acceptor(asio::make_strand(io)),
        grace(acceptor.get_executor()),
        signals(acceptor.get_executor()) {}

  Shared shared;
  asio::io_context io;
  tcp::acceptor acceptor;
  asio::steady_timer grace;
  asio::signal_set signals;
  uint16_t port = 0;
  bool finished = false;  // stopped, and every connection has ended

  void listen();
  void run(Site& site);
  asio::awaitable<void> accept();
  asio::awaitable<void> wait_for_signals();
  asio::awaitable<void> finish();
  void stop();
};

void Server::State::listen() {
  auto refuse = [&](std::string_view why) {
    glassbox::fail(ErrorKind::io, "cannot listen on {} port {}: {}", shared.options.address, shared.options.port, why);
  };
  error_code ec;
  auto address =
      asio::ip::make_address(shared.options.address == "localhost" ? "127.0.0.1" : shared.options.address, ec);
  if (ec) refuse("not an IP address");
  tcp::endpoint endpoint(address, shared.options.port);
  acceptor.open(endpoint.protocol(), ec);
  if (ec) refuse(ec.message());
  acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (acceptor.bind(endpoint, ec); ec) refuse(ec == asio::error::address_in_use ? "already in use" : ec.message());
  if (acceptor.listen(asio::socket_base::max_listen_connections, ec); ec) refuse(ec.message());
  port = acceptor.local_endpoint().port();
}

void Server::State::run(Site& site) {
  shared.site = &site;
  if (shared.options.stop_on_signals) {
    signals.add(SIGINT);
    signals.add(SIGTERM);
    asio::co_spawn(acceptor.get_executor(), wait_for_signals(), asio::detached);
  }
  asio::co_spawn(acceptor.get_executor(), accept(), asio::detached);
  {
    std::vector<std::jthread> threads;
    for (int i = 1; i < shared.options.io_threads; ++i) threads.emplace_back([&] { io.run(); });
    io.run();
  }
  shared.streams.wait_for_none();
  for (asio::thread_pool* pool : {&shared.quick, &shared.large, &shared.workers}) pool->join();
}

asio::awaitable<void> Server::State::accept() {
  while (!shared.stopping) {
    auto [ec, socket] = co_await acceptor.async_accept(asio::make_strand(io), kResult);
    if (ec == asio::error::operation_aborted) co_return;
    if (ec) {
      spdlog::warn("accepting a connection failed: {}", ec.message());
      if (ec == asio::error::no_descriptors) shared.seats.make_room();
      asio::steady_timer pause(acceptor.get_executor(), kAcceptPause);
      co_await pause.async_wait(kResult);
      continue;
    }
    auto connection = std::make_shared<Connection>(shared, std::move(socket));
    const bool room = shared.seats.take(connection);
    asio::co_spawn(connection->executor(), room ? connection->run() : connection->refuse_connection(),
                   [this, connection](std::exception_ptr thrown) {
                     shared.seats.leave(connection.get());
                     if (!thrown) return;
                     try {
                       std::rethrow_exception(thrown);
                     } catch (const std::exception& error) { spdlog::error("a connection ended by {}", error.what()); }
                   });
  }
}

asio::awaitable<void> Server::State::wait_for_signals() {
  // With no connection open stop() finishes at once, and what it cancels is a wait that has not begun.
  while (!finished) {
    auto [ec, number] = co_await signals.async_wait(kResult);
    if (ec) co_return;
    stop();
  }
}

void Server::State::stop() {
  if (shared.stopping.exchange(true)) return shared.seats.post_to_all(&Connection::drop);
  error_code ignored;
  acceptor.close(ignored);
  shared.seats.post_to_all(&Connection::stop);
  grace.expires_after(shared.options.grace);
  grace.async_wait([this](error_code ec) {
    if (!ec) shared.seats.post_to_all(&Connection::drop);
  });
  asio::co_spawn(acceptor.get_executor(), finish(), asio::detached);
}

// Waits for the last connection, then ends every wait: neither grace nor signals may hold up a server with nothing left
// to do.
asio::awaitable<void> Server::State::finish() {
  asio::steady_timer look(acceptor.get_executor());
  while (!shared.seats.empty()) {
    look.expires_after(std::chrono::milliseconds(10));
    co_await look.async_wait(kResult);
  }
  finished = true;
  grace.cancel();
  signals.cancel();
}

Server::Server(Options options) : state_(std::make_unique<State>(std::move(options))) { state_->listen(); }

Server::~Server() = default;

uint16_t Server::port() const { return state_->port; }

Buffered Server::buffered() const { return state_->shared.buffered.value(); }

void Server::run(Site& site) { state_->run(site); }

void Server::stop() {
  asio::post(state_->acceptor.get_executor(), [state = state_.get()] { state->stop(); });
}

}  // namespace glassbox::http
