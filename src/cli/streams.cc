#include "cli/streams.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>

namespace glassbox {
namespace {

int lost_by = 0;  // errno of the first failure that is known

// What writing fails with now, for what was lost where nobody looked; 0 if it would not.
int why_now() {
  if (::write(STDOUT_FILENO, "", 0) < 0) return errno;
  pollfd output{STDOUT_FILENO, 0, 0};
  return ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) ? EPIPE : 0;
}

}  // namespace

void prepare_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest number that is free is this one. Standard output stays one that cannot be written: its loss is told.
    if (::open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) < 0) return;
  }
}

bool put(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written && !lost_by) lost_by = errno;
  return !output_lost();
}

std::string read_standard_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

bool output_lost() { return std::ferror(stdout) != 0; }

void output_lost_by(int error) {
  if (!lost_by) lost_by = error;
}

int finish_output(int status) {
  const bool flushed = std::fflush(stdout) == 0;
  if (!flushed && !lost_by) lost_by = errno;
  if (flushed && !output_lost()) return status;
  if (!lost_by) lost_by = why_now();
  std::fprintf(stderr, "glassbox: standard output: cannot write: %s\n",
               lost_by ? std::strerror(lost_by) : "not everything that was printed could be written");
  return 1;
}

}  // namespace glassbox
