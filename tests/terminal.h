// A program on a terminal of its own: what a person would type into it and see.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::testing {

class Terminal {
 public:
  using Environment = std::map<std::string, std::string>;

  // Starts `arguments` (a program and its arguments) with `environment` over our own; an empty value unsets.
  explicit Terminal(const std::vector<std::string>& arguments, const Environment& environment = {},
                    unsigned short columns = 80, unsigned short rows = 24) {
    const winsize size{rows, columns, 0, 0};
    child_ = forkpty(&side_, nullptr, nullptr, &size);
    if (child_ == 0) {
      for (const auto& [name, value] : environment)
        value.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), value.c_str(), 1);
      std::vector<char*> argv;
      for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
      argv.push_back(nullptr);
      execv(argv[0], argv.data());
      _exit(127);
    }
  }
  ~Terminal() {
    if (child_ > 0 && !over_) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close(side_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = write(side_, text.data(), text.size());
      if (written <= 0) return;
      text.remove_prefix(static_cast<size_t>(written));
    }
  }

  // What came since the last call, up to and with `end`; fails the test, and gives all there is, where it does not
  // come.
  std::string until(std::string_view end) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (;;) {
      if (const size_t at = fresh_.find(end); at != std::string::npos) {
        const std::string out = fresh_.substr(0, at + end.size());
        fresh_.erase(0, out.size());
        return out;
      }
      if (!read_some(deadline)) break;
    }
    ADD_FAILURE() << "the terminal never showed \"" << end << "\"; it showed:\n" << fresh_;
    return std::exchange(fresh_, "");
  }

  // Waits for the program's end: its exit status, or 128 and its signal. What it still showed is in rest().
  int status() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (read_some(deadline)) {}
    int status = 0;
    for (;;) {
      if (waitpid(child_, &status, WNOHANG) == child_) break;
      if (std::chrono::steady_clock::now() > deadline) {
        ADD_FAILURE() << "the program did not end";
        return -1;
      }
      usleep(10'000);
    }
    over_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string rest() { return std::exchange(fresh_, ""); }

  pid_t process() const { return child_; }

  void resize(unsigned short columns, unsigned short rows) {
    const winsize size{rows, columns, 0, 0};
    ioctl(side_, TIOCSWINSZ, &size);
  }

 private:
  bool read_some(std::chrono::steady_clock::time_point deadline) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waiting{side_, POLLIN, 0};
    if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) <= 0) return false;
    char buffer[4096];
    const ssize_t count = read(side_, buffer, sizeof buffer);
    if (count <= 0) return false;  // EIO: the program's side is closed
    fresh_.append(buffer, static_cast<size_t>(count));
    return true;
  }

  int side_ = -1;
  pid_t child_ = -1;
  bool over_ = false;
  std::string fresh_;
};

}  // namespace glassbox::testing
