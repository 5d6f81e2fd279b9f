// A client for tests: a blocking socket that can be as slow, rude and wrong as a test needs.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace glassbox::testing {

class TestClient {
 public:
  explicit TestClient(uint16_t port, int receive_buffer = 0) {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    if (receive_buffer) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~TestClient() { close(); }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  // Says that nothing more will be sent, and goes on reading.
  void close_own_side() { ::shutdown(socket_, SHUT_WR); }

  // False if the peer had enough.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  struct Answer {
    int status = 0;                              // 0: the connection ended (or 20 s passed) before a head came
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    bool complete = false;
  };

  // Reads one answer. `head_only`: to a HEAD request.
  Answer receive(bool head_only = false) {
    Answer answer;
    size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
      if (!fill()) return answer;
    std::string head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    answer.status = std::stoi(head.substr(9, 3));
    for (size_t at = head.find("\r\n") + 2; at < head.size();) {
      size_t line = head.find("\r\n", at), colon = head.find(": ", at);
      std::string name = head.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      answer.headers[name] = head.substr(colon + 2, line - colon - 2);
      at = line + 2;
    }
    if (answer.status == 100 || answer.status == 204 || answer.status == 304 || head_only) {
      answer.complete = true;
    } else if (answer.headers.contains("content-length")) {
      size_t size = std::stoul(answer.headers["content-length"]);
      while (buffer_.size() < size && fill()) {}
      answer.complete = buffer_.size() >= size;
      answer.body = buffer_.substr(0, size);
      buffer_.erase(0, size);
    } else if (answer.headers.contains("transfer-encoding")) {
      while (auto piece = chunk()) {
        if (piece->empty()) {
          answer.complete = true;
          break;
        }
        answer.body += *piece;
      }
    } else {
      while (fill()) {}
      answer.complete = true;
      answer.body = std::exchange(buffer_, {});
    }
    return answer;
  }

  // The next chunk of a chunked body, empty for the last; nothing if the connection ends.
  std::optional<std::string> chunk() {
    size_t line;
    while ((line = buffer_.find("\r\n")) == std::string::npos)
      if (!fill()) return std::nullopt;
    size_t size = std::stoul(buffer_.substr(0, line), nullptr, 16);
    while (buffer_.size() < line + 2 + size + 2)
      if (!fill()) return std::nullopt;
    std::string piece = buffer_.substr(line + 2, size);
    buffer_.erase(0, line + 2 + size + 2);
    return piece;
  }

  // Reads the head of an answer and leaves its body to chunk().
  std::string head() {
    size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
      if (!fill()) return {};
    std::string head = buffer_.substr(0, end);
    buffer_.erase(0, end + 4);
    return head;
  }

  // True when the peer closes within the time, whatever it sends before.
  bool closed_within(std::chrono::milliseconds time) {
    auto until = std::chrono::steady_clock::now() + time;
    for (;;) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
      if (!fill(static_cast<int>(left.count()))) return ended_;
    }
  }

  Answer get(std::string_view path, std::string_view headers = "") {
    send("GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) + "\r\n");
    return receive();
  }
  Answer post(std::string_view path, std::string_view body, std::string_view headers = "") {
    send_post(path, body, headers);
    return receive();
  }
  void send_post(std::string_view path, std::string_view body, std::string_view headers = "") {
    send("POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         std::string(headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body));
  }

 private:
  bool fill(int timeout_ms = 20'000) {
    pollfd wait{socket_, POLLIN, 0};
    if (::poll(&wait, 1, timeout_ms) <= 0) return false;
    char bytes[65536];
    ssize_t n = ::recv(socket_, bytes, sizeof bytes, 0);
    if (n <= 0) {
      ended_ = true;
      return false;
    }
    buffer_.append(bytes, static_cast<size_t>(n));
    return true;
  }

  int socket_ = -1;
  bool ended_ = false;
  std::string buffer_;
};

}  // namespace glassbox::testing
