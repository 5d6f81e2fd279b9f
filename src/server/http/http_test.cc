#include "server/http/http.h"

#include <gmock/gmock.h>

#include <signal.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "server/http/testing.h"

namespace glassbox::http {
namespace {

using namespace std::chrono_literals;
using glassbox::testing::TestClient;
using ::testing::HasSubstr;
using ::testing::Not;

// Answers with what it was asked.
void echo(const Request& request, const std::shared_ptr<ResponseStream>& stream) {
  stream->respond(Response{200,
                           {{"Content-Type", "text/plain"}},
                           request.method + " " + request.path + "?" + request.query + " " + request.body});
}

TEST(Http, AnswersAndKeepsTheConnection) {
  Running server(echo);
  TestClient client(server.port());
  auto answer = client.get("/a/b?c=d");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "GET /a/b?c=d ");
  EXPECT_EQ(answer.headers["connection"], "keep-alive");
  EXPECT_EQ(answer.headers["content-type"], "text/plain");
  EXPECT_TRUE(answer.headers.contains("date"));
  EXPECT_EQ(client.post("/p", "body").body, "POST /p? body");
  EXPECT_EQ(client.get("/last", "Connection: close\r\n").headers["connection"], "close");
  EXPECT_TRUE(client.closed_within(2s));
  auto served = server.served_so_far(3);
  ASSERT_EQ(served.size(), 3u);
  EXPECT_EQ(served[1].method, "POST");
  EXPECT_EQ(served[1].path, "/p");
  EXPECT_EQ(served[1].status, 200);
  EXPECT_EQ(served[1].received, 4u);
  EXPECT_FALSE(served[1].gone);
}

TEST(Http, HeadHasTheLengthAndNoBody) {
  Running server(echo);
  TestClient client(server.port());
  client.send("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\nGET /y HTTP/1.1\r\nHost: h\r\n\r\n");
  auto answer = client.receive(true);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers["content-length"], "9");
  EXPECT_EQ(client.receive().body, "GET /y? ");
}

TEST(Http, PipelinedRequestsAreAnsweredInOrder) {
  Running server([](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
    if (request.path == "/0") std::this_thread::sleep_for(50ms);
    echo(request, stream);
  });
  TestClient client(server.port());
  std::string requests;
  for (int i = 0; i < 20; ++i)
    requests += fmt::format("POST /{} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab", i);
  client.send(requests);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.receive().body, fmt::format("POST /{}? ab", i));
}

TEST(Http, BodiesInChunksAndAfterContinue) {
  Running server(echo);
  TestClient client(server.port());
  client.send("POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  std::this_thread::sleep_for(20ms);
  client.send("2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.receive().body, "POST /c? abcde");
  client.send("POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send("ok");
  EXPECT_EQ(client.receive().body, "POST /e? ok");
}

TEST(Http, StreamsInPiecesAsTheyCome) {
  std::promise<void> seen;
  Running server([&](const Request&, const std::shared_ptr<ResponseStream>& stream) {
    stream->begin(Response{200, {{"Content-Type", "text/event-stream"}}, ""});
    EXPECT_TRUE(stream->write("one"));
    seen.get_future().wait();
    EXPECT_TRUE(stream->write("two"));
    EXPECT_TRUE(stream->write("three"));
    stream->end();
  });
  TestClient client(server.port());
  client.send("GET /s HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_THAT(client.head(), HasSubstr("Transfer-Encoding: chunked"));
  EXPECT_EQ(client.chunk(), "one");  // before "two" was written
  seen.set_value();
  std::string rest;
  while (auto piece = client.chunk()) {
    if (piece->empty()) break;
    rest += *piece;
  }
  EXPECT_EQ(rest, "twothree");
}

TEST(Http, StreamsToHttp10UntilTheConnectionCloses) {
  Running server([](const Request&, const std::shared_ptr<ResponseStream>& stream) {
    stream->begin({});
    stream->write("a");
    stream->write("b");
    stream->end();
  });
  TestClient client(server.port());
  client.send("GET / HTTP/1.0\r\n\r\n");
  auto answer = client.receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.headers.contains("transfer-encoding"));
  EXPECT_EQ(answer.body, "ab");
}

TEST(Http, ALeavingClientIsNoticedBeforeAndDuringTheAnswer) {
  for (bool streaming : {false, true}) {
    std::promise<void> gone;
    std::shared_ptr<ResponseStream> kept;  // as an engine keeps it while it works
    std::promise<void> began;
    Running server([&](const Request&, const std::shared_ptr<ResponseStream>& stream) {
      kept = stream;
      stream->on_gone([&] {
        EXPECT_TRUE(kept->gone());
        EXPECT_FALSE(streaming && kept->write("late"));
        kept.reset();
        gone.set_value();
      });
      if (streaming) {
        Response head;
        head.filler = "-";
        stream->begin(std::move(head));
        stream->write("first");
      }
      began.set_value();
    });
    {
      TestClient client(server.port());
      client.send("GET /s HTTP/1.1\r\nHost: h\r\n\r\n");
      began.get_future().wait();
      if (streaming) {
        client.head();
        client.chunk();
      }
    }
    EXPECT_EQ(gone.get_future().wait_for(5s), std::future_status::ready);
    auto served = server.served_so_far(1);
    ASSERT_EQ(served.size(), 1u);
    EXPECT_TRUE(served[0].gone);
    EXPECT_EQ(served[0].status, streaming ? 200 : 499);
  }
}

TEST(Http, AReaderTooSlowIsLetGo) {
  Options options;
  options.unread_limit = 100'000;
  std::promise<size_t> wrote;
  Running server(
      [&](const Request&, const std::shared_ptr<ResponseStream>& stream) {
        stream->begin({});
        std::string piece(10'000, 'x');
        size_t written = 0;
        while (written < 200'000'000 && stream->write(piece)) {
          written += piece.size();
          std::this_thread::sleep_for(50us);
        }
        wrote.set_value(written);
      },
      options);
  TestClient client(server.port(), 4096);
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto future = wrote.get_future();
  ASSERT_EQ(future.wait_for(20s), std::future_status::ready);
  EXPECT_LT(future.get(), 20'000'000u);  // the socket's own buffers and the limit
  EXPECT_TRUE(client.closed_within(5s));
}

TEST(Http, AStalledReaderIsLetGoInTime) {
  Options options;
  options.stall_timeout = 200ms;
  std::promise<void> gone;
  std::shared_ptr<ResponseStream> kept;
  Running server(
      [&](const Request&, const std::shared_ptr<ResponseStream>& stream) {
        kept = stream;
        stream->on_gone([&] {
          kept.reset();
          gone.set_value();
        });
        stream->begin(Response{200, {}, std::string(50'000'000, 'x')});
      },
      options);
  TestClient client(server.port(), 4096);
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(gone.get_future().wait_for(10s), std::future_status::ready);
}

TEST(Http, SlowClientsAreToldAndIdleOnesClosed) {
  Options options;
  options.idle_timeout = 300ms;
  options.header_timeout = 300ms;
  options.stall_timeout = 300ms;
  Running server(echo, options);
  TestClient idle(server.port()), slow_head(server.port()), slow_body(server.port()), dripping(server.port());
  slow_head.send("GET / HT");
  slow_body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  std::jthread drip([&] {
    for (char c : std::string("GET / HTTP/1.1\r\nHost: hhhhhhhhhhhhh")) {  // never idle for long, never done
      if (!dripping.send(std::string(1, c))) break;
      std::this_thread::sleep_for(30ms);
    }
  });
  EXPECT_EQ(slow_head.receive().status, 408);
  EXPECT_EQ(slow_body.receive().status, 408);
  EXPECT_TRUE(idle.closed_within(3s));
  drip.join();
  EXPECT_EQ(dripping.receive().status, 408);
}

TEST(Http, WhatIsNotHttpIsRefused) {
  Running server(echo);
  auto status = [&](std::string_view bytes) {
    TestClient client(server.port());
    client.send(bytes);
    auto answer = client.receive();
    EXPECT_TRUE(client.closed_within(3s)) << bytes;
    return answer.status;
  };
  EXPECT_EQ(status("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n"), 400);
  EXPECT_EQ(status("GET\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/3.7\r\n\r\n"), 400);
  EXPECT_EQ(status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\n\r\n"), 400);                        // no Host
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);  // two
  EXPECT_EQ(status("GET x HTTP/1.1\r\nHost: a\r\n\r\n"), 400);             // no path
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"), 400);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), 400);
  // Two ways to say where a body ends let two readers disagree.
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 400);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(status("GET /" + std::string(100'000, 'x') + " HTTP/1.1\r\n"), 431);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(100'000, 'x')),
            400);
  TestClient proxy(server.port());
  EXPECT_EQ(proxy.get("http://localhost:80/p?q").body, "GET /p?q ");
}

TEST(Http, BodiesOverTheLimitAreRefusedAndTheClientLivesToReadIt) {
  Options options;
  options.body_limit = 1000;
  std::atomic<int> handled = 0;
  Running server(
      [&](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
        ++handled;
        echo(request, stream);
      },
      options);
  {
    TestClient client(server.port());
    EXPECT_EQ(client.post("/", std::string(1000, 'x')).status, 200);
  }
  {
    TestClient client(server.port());
    client.send_post("/", std::string(100'000'000, 'x'));  // all of it is sent before the answer is read
    auto answer = client.receive();
    EXPECT_EQ(answer.status, 413);
    EXPECT_THAT(answer.body, HasSubstr("larger than 1000 bytes"));
  }
  {
    TestClient client(server.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 20; ++i) client.send("64\r\n" + std::string(100, 'x') + "\r\n");
    EXPECT_EQ(client.receive().status, 413);
  }
  EXPECT_EQ(handled, 1);
}

TEST(Http, AdmissionComesBeforeTheBody) {
  Running server(echo);
  TestClient client(server.port());
  EXPECT_EQ(client.get("/no").status, 401);
  EXPECT_EQ(client.get("/yes").status, 200);  // no body was left unread: the connection goes on
  client.send("POST /no HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  auto answer = client.receive();
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.headers["connection"], "close");
  EXPECT_EQ(answer.headers["www-authenticate"], "Bearer");
}

TEST(Http, WhatHandlersThrowBecomesAnAnswer) {
  Running server([&](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
    if (request.path == "/dropped") return;
    if (request.path == "/posted") return stream->post([stream] { fail(ErrorKind::io, "later"); });
    if (request.path == "/ours") check(false, "our own fault");
    if (request.path == "/midway") {
      stream->begin({});
      stream->write("half");
    }
    fail(ErrorKind::io, "the disk");
  });
  TestClient client(server.port());
  EXPECT_EQ(client.get("/dropped").status, 500);
  EXPECT_EQ(client.get("/posted").body, "later");
  EXPECT_EQ(client.get("/thrown").body, "the disk");
  EXPECT_EQ(client.get("/thrown").status, 418);
  EXPECT_EQ(client.get("/ours").status, 500);
  auto half = client.get("/midway");
  EXPECT_FALSE(half.complete);
  EXPECT_TRUE(client.closed_within(2s));
}

TEST(Http, AHeaderCannotBeSmuggledIntoAnAnswer) {
  Running server([](const Request&, const std::shared_ptr<ResponseStream>& stream) {
    stream->respond(Response{200, {{"X", "a\r\nSet-Cookie: b"}}, ""});
  });
  TestClient client(server.port());
  auto answer = client.get("/");
  EXPECT_EQ(answer.status, 500);
  EXPECT_FALSE(answer.headers.contains("set-cookie"));
}

TEST(Http, FiftyStreamsAtOnce) {
  Options options;
  options.io_threads = 2;
  std::mutex mutex;
  std::vector<std::shared_ptr<ResponseStream>> streams;
  std::promise<void> all;
  Running server(
      [&](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
        stream->begin(Response{200, {}, request.body});
        std::lock_guard lock(mutex);
        streams.push_back(stream);
        if (streams.size() == 50) all.set_value();
      },
      options);
  std::vector<std::jthread> clients;
  std::atomic<int> right = 0;
  for (int i = 0; i < 50; ++i)
    clients.emplace_back([&, i] {
      TestClient client(server.port());
      std::string expected = fmt::format("[{}]", i);
      auto answer = client.post("/", expected);
      for (int t = 0; t < 200; ++t) expected += fmt::format("{} ", t);
      if (answer.complete && answer.body == expected) ++right;
    });
  ASSERT_EQ(all.get_future().wait_for(20s), std::future_status::ready);
  for (int t = 0; t < 200; ++t)
    for (auto& stream : streams) stream->write(fmt::format("{} ", t));
  for (auto& stream : streams) stream->end();
  streams.clear();
  clients.clear();
  EXPECT_EQ(right, 50);
}

TEST(Http, AHalfClosedClientGetsItsAnswer) {
  std::mutex mutex;
  std::vector<std::shared_ptr<ResponseStream>> streams;
  std::shared_ptr<ResponseStream> begun;
  Running server([&](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
    if (request.path == "/at-once") return echo(request, stream);
    if (request.path == "/streamed") {
      Response head;
      head.filler = "-";
      stream->begin(std::move(head));
      stream->write("begun ");
    }
    std::lock_guard lock(mutex);
    if (request.path == "/streamed") begun = stream;
    streams.push_back(stream);
  });
  TestClient at_once(server.port()), later(server.port()), streamed(server.port()), old(server.port());
  at_once.send("GET /at-once HTTP/1.1\r\nHost: h\r\n\r\n");
  later.send("GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
  streamed.send("GET /streamed HTTP/1.1\r\nHost: h\r\n\r\n");
  old.send("GET /old HTTP/1.0\r\n\r\n");
  for (TestClient* client : {&at_once, &later, &streamed, &old}) client->close_own_side();
  EXPECT_EQ(at_once.receive().body, "GET /at-once? ");
  EXPECT_TRUE(at_once.closed_within(2s));
  EXPECT_EQ(later.receive().status, 100);  // whether anybody is there was asked
  streamed.head();
  EXPECT_EQ(streamed.chunk(), "begun ");
  EXPECT_EQ(streamed.chunk(), "-");
  std::this_thread::sleep_for(50ms);
  {
    std::lock_guard lock(mutex);
    ASSERT_EQ(streams.size(), 3u);
    for (auto& stream : streams) {
      EXPECT_FALSE(stream->gone());
      if (stream == begun) {
        stream->write("whole");
        stream->end();
      } else {
        stream->respond(Response{200, {}, "whole"});
      }
    }
    streams.clear();
    begun.reset();
  }
  EXPECT_EQ(later.receive().body, "whole");
  EXPECT_EQ(streamed.chunk(), "whole");
  EXPECT_EQ(streamed.chunk(), "");
  EXPECT_EQ(old.receive().body, "whole");  // HTTP/1.0 has no interim answers
}

TEST(Http, StrangersWhoWaitGiveWay) {
  Options options;
  options.connection_limit = 8;
  options.stranger_limit = 4;
  Running server(echo, options);
  TestClient known(server.port());
  EXPECT_EQ(known.get("/").status, 200);
  std::vector<std::unique_ptr<TestClient>> idle;
  for (int i = 0; i < 30; ++i) {
    idle.push_back(std::make_unique<TestClient>(server.port()));
    if (i % 3 == 1) idle.back()->send("GET / HT");  // a head that does not go on
    if (i % 3 == 2) idle.back()->get("/no");        // refused, and kept alive
    if (i % 10 == 9) { EXPECT_EQ(TestClient(server.port()).get("/").status, 200) << i; }
  }
  EXPECT_EQ(known.get("/").status, 200);  // who was admitted keeps its seat
  for (int i = 0; i < 26; ++i) EXPECT_TRUE(idle[static_cast<size_t>(i)]->closed_within(2s)) << i;
  EXPECT_EQ(idle[29]->get("/no").status, 401);  // the last ones sit
}

TEST(Http, BodiesThatTrickleGiveWayAndBusyOnesDoNot) {
  Options options;
  options.connection_limit = 3;
  std::mutex mutex;
  std::vector<std::shared_ptr<ResponseStream>> kept;
  std::promise<void> busy_now;
  Running server(
      [&](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
        if (request.path != "/busy") return echo(request, stream);
        std::lock_guard lock(mutex);
        kept.push_back(stream);
        if (kept.size() == 3) busy_now.set_value();
      },
      options);
  TestClient slow(server.port());
  slow.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
  std::this_thread::sleep_for(50ms);
  TestClient a(server.port()), b(server.port());
  for (TestClient* client : {&a, &b}) client->send("GET /busy HTTP/1.1\r\nHost: h\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  TestClient c(server.port());
  c.send("GET /busy HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(slow.closed_within(2s));
  ASSERT_EQ(busy_now.get_future().wait_for(5s), std::future_status::ready);
  EXPECT_EQ(TestClient(server.port()).receive().status,
            503);  // all that sit are being answered
  {
    std::lock_guard lock(mutex);
    for (auto& stream : kept) stream->respond(Response{200, {}, "done"});
    kept.clear();
  }
  for (TestClient* client : {&a, &b, &c}) EXPECT_EQ(client->receive().body, "done");
  for (int i = 0; TestClient(server.port()).get("/").status != 200; ++i) {  // once the server has noticed
    ASSERT_LT(i, 100);
    std::this_thread::sleep_for(20ms);
  }
}

TEST(Http, StrangersHaveLessTime) {
  Options options;
  options.stranger_timeout = 200ms;
  Running server(echo, options);
  TestClient silent(server.port()), refused(server.port()), known(server.port());
  EXPECT_EQ(refused.get("/no").status, 401);
  EXPECT_EQ(known.get("/").status, 200);
  EXPECT_TRUE(silent.closed_within(3s));
  EXPECT_TRUE(refused.closed_within(3s));
  EXPECT_EQ(known.get("/").status, 200);
}

TEST(Http, ABodyMustKeepItsPace) {
  Options options;
  options.stall_timeout = 300ms;
  options.slowest_body = 1000;
  Running server(echo, options);
  TestClient slow(server.port()), steady(server.port());
  for (TestClient* client : {&slow, &steady})
    client->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n");
  const auto before = std::chrono::steady_clock::now();
  bool sent = true;
  for (int i = 0; i < 30 && sent; ++i) {
    steady.send(std::string(100, 'x'));
    sent = slow.send("x");  // a byte now and then never stalls
    std::this_thread::sleep_for(40ms);
  }
  EXPECT_EQ(slow.receive().status, 408);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
  EXPECT_EQ(steady.receive().status, 200);
}

TEST(Http, LargeBodiesShareARoomAndSmallOnesDoNotNeedIt) {
  Options options;
  options.large_body = 1000;
  options.body_memory = 25'000;
  std::promise<void> release;
  auto released = release.get_future().share();
  Running server(
      [&, released](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
        if (request.path == "/hold") released.wait();
        stream->respond(Response{200, {}, std::to_string(request.body.size())});
      },
      options);
  TestClient first(server.port()), second(server.port()), third(server.port());
  first.send_post("/hold", std::string(20'000, 'x'));
  std::this_thread::sleep_for(50ms);
  second.send_post("/", std::string(20'000, 'x'));
  auto full = second.receive();
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.body, "too many large requests at once: try again soon\n");
  EXPECT_EQ(third.post("/", std::string(1000, 'x')).body,
            "1000");  // small: always
  release.set_value();
  EXPECT_EQ(first.receive().body, "20000");
  TestClient again(server.port());
  EXPECT_EQ(again.post("/", std::string(20'000, 'x')).body,
            "20000");  // given back
}

// Everything that can be busy is: quick requests are answered all the same, and so are small ones beside large ones.
TEST(Http, QuickRequestsWaitForNobody) {
  Options options;
  options.workers = 2;
  options.large_body = 1000;
  std::promise<void> release;
  auto released = release.get_future().share();
  std::atomic<int> held = 0;
  Running server(
      [&, released](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
        if (request.path == "/hold") {
          ++held;
          released.wait();
        }
        echo(request, stream);
      },
      options);
  std::vector<std::unique_ptr<TestClient>> large, small;
  for (int i = 0; i < 4; ++i) {
    large.push_back(std::make_unique<TestClient>(server.port()));
    large.back()->send_post("/hold", std::string(2000, 'x'));
  }
  TestClient client(server.port());
  while (held < 1) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(client.get("/small").body,
            "GET /small? ");  // large bodies hold one thread, not the workers
  for (int i = 0; i < 2; ++i) {
    small.push_back(std::make_unique<TestClient>(server.port()));
    small.back()->send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  while (held < 3) std::this_thread::sleep_for(1ms);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.get("/quick").body, "GET /quick? ");
  EXPECT_EQ(held, 3);
  release.set_value();
  for (auto& one : large) EXPECT_EQ(one->receive().status, 200);
  for (auto& one : small) EXPECT_EQ(one->receive().status, 200);
}

TEST(Http, WhatIsPostedRunsInOrderWhereverTheHandlerRan) {
  Options options;
  options.large_body = 10;
  std::string order;  // no lock: one at a time is the promise
  Running server(
      [&](const Request&, const std::shared_ptr<ResponseStream>& stream) {
        for (char c : std::string("bcdef")) stream->post([&, c] { order += c; });
        std::this_thread::sleep_for(30ms);
        order += 'a';
        stream->post([&, stream] { stream->respond(Response{200, {}, order}); });
      },
      options);
  TestClient client(server.port());
  EXPECT_EQ(client.post("/", std::string(100, 'x')).body, "abcdef");
}

TEST(Http, RefusalsMayComeLateWithoutHoldingAnybody) {
  Options options;
  options.workers = 1;
  Running server(echo, options);
  std::vector<std::unique_ptr<TestClient>> refused;
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    refused.push_back(std::make_unique<TestClient>(server.port()));
    refused.back()->send("GET /slow-no HTTP/1.1\r\nHost: h\r\n\r\n");
  }
  EXPECT_EQ(TestClient(server.port()).get("/").status, 200);
  for (auto& one : refused) EXPECT_EQ(one->receive().status, 401);
  const auto took = std::chrono::steady_clock::now() - before;
  EXPECT_GE(took, 200ms);
  EXPECT_LT(took, 2s);  // together, not one after another
}

TEST(Http, StoppingLetsAnswersFinish) {
  std::promise<void> began;
  std::shared_ptr<ResponseStream> kept;
  Running server([&](const Request&, const std::shared_ptr<ResponseStream>& stream) {
    stream->begin({});
    stream->write("half ");
    kept = stream;
    began.set_value();
  });
  TestClient idle(server.port()), busy(server.port());
  busy.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  began.get_future().wait();
  server.server().stop();
  EXPECT_TRUE(idle.closed_within(2s));
  kept->write("whole");
  kept->end();
  kept.reset();
  auto answer = busy.receive();
  EXPECT_TRUE(answer.complete);
  EXPECT_EQ(answer.body, "half whole");
  auto before = std::chrono::steady_clock::now();
  server.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
}

TEST(Http, StoppingDropsWhatDoesNotFinish) {
  Options options;
  options.grace = 100ms;
  std::promise<void> began, gone;
  std::shared_ptr<ResponseStream> kept;
  Running server(
      [&](const Request&, const std::shared_ptr<ResponseStream>& stream) {
        kept = stream;
        stream->on_gone([&] {
          kept.reset();
          gone.set_value();
        });
        began.set_value();
      },
      options);
  TestClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  began.get_future().wait();
  server.stop();
  EXPECT_EQ(gone.get_future().wait_for(0s), std::future_status::ready);
  EXPECT_EQ(client.receive().status, 0);
}

TEST(Http, ASignalStopsIt) {
  Options options;
  options.stop_on_signals = true;
  for (bool connected : {false, true}) {
    Running server(echo, options);
    // Until it serves, its signals are not caught yet and would end the test itself.
    auto client = std::make_unique<TestClient>(server.port());
    EXPECT_EQ(client->get("/").status, 200);
    if (!connected) {
      client.reset();
      std::this_thread::sleep_for(50ms);
    }
    ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
    ASSERT_TRUE(server.ends_within(5s)) << connected;
  }
}

TEST(Http, ASecondSignalEndsTheGrace) {
  Options options;
  options.stop_on_signals = true;
  options.grace = 60s;
  std::promise<std::shared_ptr<ResponseStream>> asked;
  Running server([&](const Request&, const std::shared_ptr<ResponseStream>& stream) { asked.set_value(stream); },
                 options);
  TestClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  auto stream = asked.get_future().get();
  ASSERT_EQ(::kill(::getpid(), SIGINT), 0);
  EXPECT_FALSE(server.ends_within(200ms));
  ASSERT_EQ(::kill(::getpid(), SIGINT), 0);
  EXPECT_EQ(client.receive().status, 0);
  stream.reset();
  ASSERT_TRUE(server.ends_within(5s));
}

TEST(Http, StoppedBeforeItRuns) {
  Options options;
  options.port = 0;
  options.stop_on_signals = true;
  Server server(options);
  server.stop();
  Running site(echo);
  auto ended = std::async(std::launch::async, [&] { server.run(site); });
  ASSERT_EQ(ended.wait_for(5s), std::future_status::ready);
}

TEST(Http, AddressesThatCannotBeHad) {
  Running server(echo);
  Options options;
  options.port = server.port();
  try {
    Server second(options);
    FAIL() << "two servers on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    EXPECT_EQ(error.what(), fmt::format("cannot listen on 127.0.0.1 port {}: already in use", server.port()));
  }
  options.address = "example";
  EXPECT_THROW(Server{options}, Error);
}

}  // namespace
}  // namespace glassbox::http
