// A server for tests of clients: says what a function tells it to, and remembers what it was asked.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace glassbox::testing {

struct Asked {
  std::string method, target;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct Said {
  int status = 200;
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  size_t cut_after = std::string::npos;  // bytes of the body, then the connection ends
};

class HttpServer {
 public:
  explicit HttpServer(std::function<Said(const Asked&)> answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0)
      throw std::runtime_error("no port to listen on");
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] {
      for (int connection; (connection = ::accept(listener_, nullptr, nullptr)) >= 0;) {
        const std::lock_guard hold(mutex_);
        open_.push_back(connection);
        serving_.emplace_back([this, connection] { serve(connection); });
      }
    });
  }
  ~HttpServer() {
    ::shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    ::close(listener_);
    {
      const std::lock_guard hold(mutex_);
      for (const int connection : open_) ::shutdown(connection, SHUT_RDWR);
    }
    for (std::thread& thread : serving_) thread.join();
    for (const int connection : open_) ::close(connection);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<Asked> asked() const {
    const std::lock_guard hold(mutex_);
    return asked_;
  }

 private:
  void serve(int connection) {
    std::string in;
    for (;;) {
      size_t end;
      while ((end = in.find("\r\n\r\n")) == std::string::npos)
        if (!receive(connection, in)) return;
      Asked asked;
      const std::string head = in.substr(0, end + 2);
      in.erase(0, end + 4);
      const size_t space = head.find(' ');
      asked.method = head.substr(0, space);
      asked.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
      for (size_t at = head.find("\r\n") + 2; at < head.size();) {
        const size_t line_end = head.find("\r\n", at), colon = head.find(':', at);
        std::string name = head.substr(at, colon - at);
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
        asked.headers[name] = head.substr(colon + 2, line_end - colon - 2);
        at = line_end + 2;
      }
      const size_t length = asked.headers.contains("content-length") ? std::stoul(asked.headers["content-length"]) : 0;
      while (in.size() < length)
        if (!receive(connection, in)) return;
      asked.body = in.substr(0, length);
      in.erase(0, length);
      {
        const std::lock_guard hold(mutex_);
        asked_.push_back(asked);
      }
      const Said said = answer_(asked);
      std::string out = "HTTP/1.1 " + std::to_string(said.status) +
                        " x\r\nContent-Length: " + std::to_string(said.body.size()) + "\r\n";
      for (const auto& [name, value] : said.headers) out += name + ": " + value + "\r\n";
      out += "\r\n";
      if (asked.method != "HEAD") out += said.body.substr(0, said.cut_after);
      for (size_t sent = 0; sent < out.size();) {
        const ssize_t n = ::send(connection, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += static_cast<size_t>(n);
      }
      if (said.cut_after < said.body.size()) {
        ::shutdown(connection, SHUT_RDWR);
        return;
      }
    }
  }
  static bool receive(int connection, std::string& in) {
    char piece[16384];
    const ssize_t n = ::recv(connection, piece, sizeof piece, 0);
    if (n > 0) in.append(piece, static_cast<size_t>(n));
    return n > 0;
  }

  std::function<Said(const Asked&)> answer_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread accepting_;
  mutable std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> serving_;
  std::vector<Asked> asked_;
};

}  // namespace glassbox::testing
