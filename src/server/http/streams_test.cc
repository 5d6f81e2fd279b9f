// Bodies that stream, both ways.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "server/http/testing.h"
#include "tests/testing.h"

namespace glassbox::http {
namespace {

using namespace std::chrono_literals;
using glassbox::testing::TemporaryFolder;
using glassbox::testing::TestClient;
using ::testing::HasSubstr;

constexpr size_t kLarge = size_t{64} << 20;
constexpr size_t kHeld = size_t{2} << 20;  // of a large body, both ways together, at most

// Bytes that are others at every place.
char byte_at(size_t at) { return static_cast<char>((at * 2654435761u) >> 13); }
std::string bytes(size_t begin, size_t end) {
  std::string text(end - begin, '\0');
  for (size_t i = begin; i < end; ++i) text[i - begin] = byte_at(i);
  return text;
}

// What became of the uploads.
struct Uploads {
  std::atomic<size_t> taken{0};
  std::atomic<int> ended{0}, gone{0}, wrong{0};
  std::chrono::microseconds pause{0};  // for each piece

  // Counts what comes, and answers with how much it was.
  void receive(const std::shared_ptr<ResponseStream>& stream) {
    stream->on_gone([this] { ++gone; });
    stream->receive(
        [this](std::string_view piece) {
          if (piece != bytes(taken, taken + piece.size())) ++wrong;
          taken += piece.size();
          if (pause.count() > 0) std::this_thread::sleep_for(pause);
        },
        [this, stream] {
          ++ended;
          stream->respond(Response{200, {}, std::to_string(taken)});
        });
  }
  Handler handler() {
    return [this](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
      EXPECT_EQ(request.body, "");
      receive(stream);
    };
  }
};

bool eventually(auto condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

std::string put(std::string_view path, size_t size, std::string_view headers = "") {
  return fmt::format("PUT {} HTTP/1.1\r\nHost: h\r\n{}Content-Length: {}\r\n\r\n", path, headers, size);
}

TEST(HttpStreams, ALargeUploadHoldsLittleHoweverSlowlyItIsTaken) {
  for (const auto pause : {0us, 500us}) {
    Uploads uploads;
    uploads.pause = pause;
    Running server(uploads.handler());
    TestClient client(server.port());
    client.send(put("/", kLarge));
    const std::string some = bytes(0, kLarge);
    EXPECT_TRUE(client.send(some));
    EXPECT_EQ(client.receive().body, std::to_string(kLarge));
    EXPECT_EQ(uploads.wrong, 0);
    EXPECT_EQ(uploads.ended, 1);
    EXPECT_EQ(uploads.gone, 0);
    EXPECT_GT(server.server().buffered().most, 0u);
    EXPECT_LE(server.server().buffered().most, kHeld);
    EXPECT_TRUE(eventually([&] { return server.server().buffered().now == 0; }));
    EXPECT_EQ(client.get("/no").status, 401);  // the connection goes on
    EXPECT_EQ(server.served_so_far(1)[0].received, kLarge);
  }
}

TEST(HttpStreams, UploadsInChunksAndOfNothing) {
  Uploads uploads;
  Running server(uploads.handler());
  TestClient client(server.port());
  client.send("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  size_t sent = 0;
  for (const size_t size : {1, 65535, 65536, 65537, 3, 200'000}) {
    client.send(fmt::format("{:x}\r\n", size) + bytes(sent, sent + size) + "\r\n");
    sent += size;
  }
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(uploads.ended, 0);
  client.send("0\r\n\r\n");
  EXPECT_EQ(client.receive().body, std::to_string(sent));
  EXPECT_EQ(uploads.wrong, 0);
  uploads.taken = 0;
  client.send(put("/", 0));
  EXPECT_EQ(client.receive().body, "0");
  client.send("PUT / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.receive().body, "0");
  EXPECT_EQ(uploads.ended, 3);
}

TEST(HttpStreams, AClientIsToldToGoOnOnceItsBodyIsWanted) {
  Uploads uploads;
  std::promise<void> wanted;
  auto want = wanted.get_future().share();
  Running server([&](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
    if (request.path == "/refused") return stream->respond(Response{409, {}, "there is one"});
    want.wait();
    uploads.receive(stream);
  });
  TestClient client(server.port()), refused(server.port());
  client.send(put("/", 5, "Expect: 100-continue\r\n"));
  refused.send(put("/refused", 5, "Expect: 100-continue\r\n"));
  auto answer = refused.receive();  // and no 100 before it
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.headers["connection"], "close");
  EXPECT_FALSE(client.closed_within(50ms));
  wanted.set_value();
  EXPECT_EQ(client.receive().status, 100);
  client.send(bytes(0, 5));
  EXPECT_EQ(client.receive().body, "5");
}

TEST(HttpStreams, AnAnswerBeforeTheBodyIsWholeEndsTheConnection) {
  Running server([](const Request&, const std::shared_ptr<ResponseStream>& stream) {
    stream->receive([stream](std::string_view) { stream->respond(Response{422, {}, "that is enough"}); }, [] {});
  });
  TestClient waits(server.port()), sends(server.port());
  waits.send(put("/", 1000) + "abc");  // and no more, until there is an answer
  auto answer = waits.receive();
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(answer.headers["connection"], "close");
  sends.send(put("/", kLarge));
  EXPECT_TRUE(sends.send(std::string(kLarge, 'x')));  // lives to read the answer
  EXPECT_EQ(sends.receive().body, "that is enough");
  EXPECT_LE(server.server().buffered().most, kHeld);
}

TEST(HttpStreams, WhatTakingThrowsIsAnswered) {
  Running server([](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
    const auto nothing = [](std::string_view) {};
    if (request.path == "/dropped") return stream->receive(nothing, [] {});  // nobody is left who could answer
    if (request.path == "/end") return stream->receive(nothing, [stream] { fail(ErrorKind::io, "at the end"); });
    stream->receive([stream](std::string_view) { fail(ErrorKind::io, "the disk is full"); }, [stream] {});
  });
  TestClient client(server.port());
  client.send(put("/end", 3) + "abc");
  auto end = client.receive();
  EXPECT_EQ(end.status, 418);
  EXPECT_EQ(end.body, "at the end");
  client.send(put("/", 3000) + "abc");
  EXPECT_EQ(client.receive().body, "the disk is full");
  TestClient dropped(server.port());
  dropped.send(put("/dropped", 3) + "abc");
  EXPECT_EQ(dropped.receive().status, 500);
  EXPECT_TRUE(eventually([&] { return server.server().buffered().now == 0; }));
}

TEST(HttpStreams, ABodyThatDoesNotComeWholeHasNoEnd) {
  Uploads uploads;
  Options options;
  options.stall_timeout = 300ms;
  Running server(uploads.handler(), options);
  {
    TestClient leaves(server.port());
    leaves.send(put("/", kLarge) + bytes(0, 1000));
    ASSERT_TRUE(eventually([&] { return uploads.taken == 1000; }));
  }
  EXPECT_TRUE(eventually([&] { return uploads.gone == 1; }));
  uploads.taken = 0;
  TestClient shorter(server.port());  // than it said: it closes its side
  shorter.send(put("/", 1000) + bytes(0, 999));
  shorter.close_own_side();
  EXPECT_TRUE(shorter.closed_within(2s));
  EXPECT_TRUE(eventually([&] { return uploads.gone == 2; }));
  uploads.taken = 0;
  TestClient stalls(server.port());
  stalls.send(put("/", 1000) + bytes(0, 10));
  EXPECT_EQ(stalls.receive().status, 408);
  uploads.taken = 0;
  TestClient malformed(server.port());
  malformed.send("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n" + bytes(0, 3) + "\r\nzz\r\n");
  EXPECT_EQ(malformed.receive().status, 400);
  EXPECT_TRUE(eventually([&] { return uploads.gone == 4; }));
  EXPECT_EQ(uploads.ended, 0);
  auto served = server.served_so_far(4);
  ASSERT_EQ(served.size(), 4u);
  EXPECT_EQ(served[0].status, 499);
  EXPECT_TRUE(served[0].gone);
  EXPECT_EQ(served[0].received, 1000u);
  EXPECT_TRUE(eventually([&] { return server.server().buffered().now == 0; }));
}

TEST(HttpStreams, LimitsAreEachRoutesOwn) {
  Uploads uploads;
  Options options;
  options.body_limit = 1000;  // of those that do not stream
  Running server(uploads.handler(), options);
  TestClient fits(server.port()), counted(server.port()), chunked(server.port()), longer(server.port());
  fits.send(put("/small", 100) + bytes(0, 100));
  EXPECT_EQ(fits.receive().status, 200);
  counted.send(put("/small", 101));
  EXPECT_EQ(counted.receive().status, 413);
  EXPECT_EQ(uploads.ended, 1);
  uploads.taken = 0;
  chunked.send("PUT /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  chunked.send("64\r\n" + bytes(0, 100) + "\r\n1\r\n.\r\n0\r\n\r\n");
  auto answer = chunked.receive();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, "the request's body is larger than 100 bytes\n");
  EXPECT_EQ(uploads.ended, 1);
  uploads.taken = 0;
  longer.send(put("/", 5000) + bytes(0, 5000) + "GET /no HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(longer.receive().body, "5000");
  EXPECT_EQ(longer.receive().status, 401);  // what came beyond the body is the next request
}

TEST(HttpStreams, ASourceIsAskedAsItsReaderReads) {
  std::atomic<size_t> given = 0;
  Running server([&](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
    Response response;
    if (request.path == "/counted") response.size = kLarge;
    response.source = [&](size_t most) {
      std::string piece = bytes(given, std::min(kLarge, given + most));
      given += piece.size();
      return piece;
    };
    stream->respond(std::move(response));
  });
  for (const char* path : {"/counted", "/chunked"}) {
    given = 0;
    TestClient client(server.port(), 4096);
    client.send(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", path));
    std::this_thread::sleep_for(300ms);
    EXPECT_LT(given, kLarge / 2) << path;  // the sockets' own buffers, and a piece
    auto answer = client.receive();
    EXPECT_TRUE(answer.complete) << path;
    EXPECT_TRUE(answer.body == bytes(0, kLarge)) << path;
    EXPECT_EQ(answer.headers.contains("content-length"), path == std::string("/counted"));
    EXPECT_EQ(client.get("/no").status, 401);
  }
  EXPECT_LE(server.server().buffered().most, kHeld);
  EXPECT_TRUE(eventually([&] { return server.server().buffered().now == 0; }));
  given = 0;
  TestClient old(server.port()), head(server.port());
  old.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.receive().body.size(), kLarge);
  given = 0;
  head.send("HEAD /counted HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(head.receive(true).headers["content-length"], std::to_string(kLarge));
  EXPECT_EQ(given, 0u);
}

TEST(HttpStreams, ASourceThatFailsLetsNobodyTakeHalfForAll) {
  Running server([&](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
    Response response;
    if (request.path != "/chunked") response.size = 100;
    response.source = [path = request.path, calls = 0](size_t) mutable -> std::string {
      if (calls++ == 0) return std::string(path == "/more" ? 101 : 50, 'x');
      if (path == "/fewer") return "";
      fail(ErrorKind::io, "the disk");
    };
    stream->respond(std::move(response));
  });
  for (const char* path : {"/throws", "/fewer", "/more", "/chunked"}) {
    TestClient client(server.port());
    auto answer = client.get(path);
    EXPECT_EQ(answer.status, 200) << path;
    EXPECT_FALSE(answer.complete) << path;
    EXPECT_TRUE(client.closed_within(2s)) << path;
  }
  for (const Served& served : server.served_so_far(4)) EXPECT_TRUE(served.gone) << served.path;
}

TEST(HttpStreams, ASourceIsLetGoWhenItsReaderLeaves) {
  auto held = std::make_shared<int>(0);
  Running server([&](const Request&, const std::shared_ptr<ResponseStream>& stream) {
    Response response;
    response.source = [held](size_t most) { return std::string(most, 'x'); };
    stream->respond(std::move(response));
  });
  {
    TestClient client(server.port(), 4096);
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.head();
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_TRUE(eventually([&] { return held.use_count() == 1; }));
  EXPECT_TRUE(eventually([&] { return server.server().buffered().now == 0; }));
}

// A server of one file.
class FileTest : public ::testing::Test {
 protected:
  void write(std::string_view text) { write_file(path(), text); }
  std::filesystem::path path() const { return folder_ / "file.bin"; }
  Running& server() { return server_; }

 private:
  TemporaryFolder folder_;
  Running server_{[this](const Request& request, const std::shared_ptr<ResponseStream>& stream) {
    stream->respond(
        Response::file(path(), request, "application/octet-stream", request.path == "/tagged" ? "\"tag\"" : ""));
  }};
};

using HttpFile = FileTest;

TEST_F(HttpFile, ALargeFileHoldsLittleHoweverSlowlyItIsRead) {
  write(bytes(0, kLarge));
  TestClient client(server().port(), 4096);
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  std::this_thread::sleep_for(100ms);
  auto answer = client.receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers["content-length"], std::to_string(kLarge));
  EXPECT_EQ(answer.headers["accept-ranges"], "bytes");
  EXPECT_EQ(answer.headers["content-type"], "application/octet-stream");
  EXPECT_TRUE(answer.complete);
  EXPECT_TRUE(answer.body == bytes(0, kLarge));
  EXPECT_GT(server().server().buffered().most, 0u);
  EXPECT_LE(server().server().buffered().most, kHeld);
  EXPECT_TRUE(eventually([&] { return server().server().buffered().now == 0; }));
}

TEST_F(HttpFile, RangesAtEveryEdge) {
  constexpr size_t kSize = 700'000;  // several pieces
  write(bytes(0, kSize));
  TestClient client(server().port());
  const auto expect = [&](const std::string& range, size_t begin, size_t end) {
    auto answer = client.get("/", "Range: " + range + "\r\n");
    EXPECT_EQ(answer.status, 206) << range;
    EXPECT_EQ(answer.headers["content-range"], fmt::format("bytes {}-{}/{}", begin, end - 1, kSize));
    EXPECT_EQ(answer.headers["content-length"], std::to_string(end - begin)) << range;
    EXPECT_TRUE(answer.body == bytes(begin, end)) << range;
  };
  expect("bytes=0-0", 0, 1);
  expect("bytes=0-", 0, kSize);
  expect("bytes=1-", 1, kSize);
  expect("Bytes=5-262148", 5, 262149);
  expect("bytes=262143-262144", 262143, 262145);
  expect("bytes=699999-699999", kSize - 1, kSize);
  expect("bytes=699999-", kSize - 1, kSize);
  expect("bytes=699999-700000", kSize - 1, kSize);
  expect("bytes=10-99999999999999999999999999", 10, kSize);
  expect("bytes=-1", kSize - 1, kSize);
  expect("bytes=-700000", 0, kSize);
  expect("bytes=-99999999999999999999999999", 0, kSize);
  for (const char* nothing : {"bytes=700000-", "bytes=700000-700001", "bytes=-0", "bytes=99999999999999999999999-"}) {
    auto answer = client.get("/", fmt::format("Range: {}\r\n", nothing));
    EXPECT_EQ(answer.status, 416) << nothing;
    EXPECT_EQ(answer.headers["content-range"], "bytes */700000");
    EXPECT_EQ(answer.body, "");
  }
  for (const char* whole : {"bytes=2-1", "bytes=a-b", "bytes=", "bytes=-", "bytes=0-1,5-6", "lines=0-1", "0-1", "-",
                            "bytes=0x1-2", "bytes=+1-2", "bytes=1"}) {
    auto answer = client.get("/", fmt::format("Range: {}\r\n", whole));
    EXPECT_EQ(answer.status, 200) << whole;
    EXPECT_EQ(answer.body.size(), kSize) << whole;
  }
  client.send("HEAD / HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n");
  auto head = client.receive(true);
  EXPECT_EQ(head.status, 200);  // a range is GET's alone
  EXPECT_EQ(head.headers["content-length"], std::to_string(kSize));
}

TEST_F(HttpFile, AnEmptyFile) {
  write("");
  TestClient client(server().port());
  auto whole = client.get("/");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.headers["content-length"], "0");
  EXPECT_EQ(client.get("/", "Range: bytes=0-\r\n").status, 416);
  EXPECT_EQ(client.get("/", "Range: bytes=-1\r\n").status, 416);
}

TEST_F(HttpFile, Conditions) {
  write("some text");
  TestClient client(server().port());
  const std::string etag = client.get("/").headers["etag"];
  EXPECT_TRUE(etag.starts_with('"') && etag.ends_with('"')) << etag;
  EXPECT_EQ(client.get("/tagged").headers["etag"], "\"tag\"");
  for (const std::string& known : {etag, "W/" + etag, "\"x\", " + etag, std::string("*")}) {
    auto answer = client.get("/", "If-None-Match: " + known + "\r\n");
    EXPECT_EQ(answer.status, 304) << known;
    EXPECT_EQ(answer.headers["etag"], etag);
    EXPECT_EQ(answer.body, "");
  }
  EXPECT_EQ(client.get("/", "If-None-Match: \"x\"\r\n").status, 200);
  EXPECT_EQ(client.get("/", "Range: bytes=0-1\r\nIf-None-Match: " + etag + "\r\n").status, 304);

  EXPECT_EQ(client.get("/", "Range: bytes=0-3\r\nIf-Range: " + etag + "\r\n").body, "some");
  for (const std::string& other : {std::string("\"x\""), "W/" + etag, std::string("Tue, 15 Nov 1994 12:45:26 GMT")})
    EXPECT_EQ(client.get("/", "Range: bytes=0-3\r\nIf-Range: " + other + "\r\n").body, "some text") << other;
  write("other text");
  EXPECT_NE(client.get("/").headers["etag"], etag);
  EXPECT_EQ(client.get("/", "Range: bytes=0-3\r\nIf-Range: " + etag + "\r\n").body, "other text");
}

TEST_F(HttpFile, AFileThatChangesInTheMiddleEndsTheConnection) {
  for (const bool cut : {true, false}) {
    write(bytes(0, kLarge));
    TestClient client(server().port(), 4096);
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    std::this_thread::sleep_for(50ms);
    if (cut) {
      std::filesystem::resize_file(path(), kLarge / 2);
    } else {
      std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(kLarge - 10);
      file << "changed";
    }
    auto answer = client.receive();
    EXPECT_EQ(answer.headers["content-length"], std::to_string(kLarge));
    EXPECT_FALSE(answer.complete);
    EXPECT_LT(answer.body.size(), kLarge);
    EXPECT_TRUE(client.closed_within(2s));
  }
}

TEST_F(HttpFile, AFileThatIsReplacedIsSentAsItWas) {
  write(bytes(0, kLarge));
  TestClient client(server().port(), 4096);
  client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  write("another");
  auto answer = client.receive();
  EXPECT_TRUE(answer.complete);
  EXPECT_TRUE(answer.body == bytes(0, kLarge));
}

TEST_F(HttpFile, WhatIsNoFileIsAnError) {
  TestClient client(server().port());
  auto answer = client.get("/");
  EXPECT_EQ(answer.status, 418);
  EXPECT_THAT(answer.body, HasSubstr("file.bin"));
}

}  // namespace
}  // namespace glassbox::http
