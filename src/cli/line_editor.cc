#include "cli/line_editor.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include "cli/columns.h"
#include "cli/terminal.h"
#include "unicode/utf8.h"

namespace glassbox {
namespace {

// While it lives, these signals end a wait for bytes instead of what they would do. They come by a counter that is
// waited for beside the bytes, so that one that falls before the wait, or on another thread, is not lost.
class CaughtSignals {
 public:
  CaughtSignals() {
    last_ = 0;
    counter_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct sigaction action{};
    action.sa_handler = [](int signal) {
      const int before = errno;
      last_ = signal;
      eventfd_write(counter_, 1);
      errno = before;
    };
    action.sa_flags = SA_RESTART;
    for (size_t i = 0; i < std::size(kCaught); ++i) sigaction(kCaught[i], &action, &before_[i]);
  }
  ~CaughtSignals() {
    for (size_t i = 0; i < std::size(kCaught); ++i) sigaction(kCaught[i], &before_[i], nullptr);
    close(counter_);
  }
  CaughtSignals(const CaughtSignals&) = delete;
  CaughtSignals& operator=(const CaughtSignals&) = delete;

  // Waits for a signal or for something to read: the signal, or 0.
  int wait_beside(int fd) {
    pollfd waited[] = {{fd, POLLIN, 0}, {counter_, POLLIN, 0}};
    while (poll(waited, std::size(waited), -1) < 0 && errno == EINTR) {}
    eventfd_t count = 0;
    return eventfd_read(counter_, &count) == 0 ? last_.exchange(0) : 0;
  }

 private:
  static constexpr int kCaught[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT};
  static inline std::atomic<int> last_ = 0, counter_ = -1;
  struct sigaction before_[std::size(kCaught)];
};

// Where the first line of `bytes` ends, the line ends of pastes not counted; npos while it is not whole.
size_t end_of_line(std::string_view bytes) {
  size_t at = 0;
  for (;;) {
    const size_t line = bytes.find('\n', at), paste = bytes.find(kPasteBegins, at);
    if (line == std::string_view::npos || paste == std::string_view::npos || line < paste) return line;
    const size_t end = bytes.find(kPasteEnds, paste);
    if (end == std::string_view::npos) return end;
    at = end + kPasteEnds.size();
  }
}

std::string without_paste_marks(std::string text) {
  for (const std::string_view mark : {kPasteBegins, kPasteEnds})
    for (size_t at; (at = text.find(mark)) != std::string::npos;) text.erase(at, mark.size());
  return text;
}

}  // namespace

// Keys come one by one and unechoed, pastes in their marks; what was before is put back.
class LineEditor::RawMode {
 public:
  explicit RawMode(int out) : out_(out) { enter(); }
  ~RawMode() { leave(); }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;

  void enter() {
    tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_iflag &= ~static_cast<tcflag_t>(BRKINT | ICRNL | INLCR | IGNCR | INPCK | ISTRIP | IXON);
    raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    tell("\033[?2004h");
  }
  void leave() {
    tell("\033[?2004l");
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }

 private:
  void tell(std::string_view mark) const {
    [[maybe_unused]] const ssize_t written = ::write(out_, mark.data(), mark.size());
  }
  int out_;
  termios before_{};
};

LineEditor::LineEditor(History history)
    : history_(std::move(history)), out_(isatty(STDOUT_FILENO) ? STDOUT_FILENO : STDERR_FILENO) {}

void LineEditor::write(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = ::write(out_, text.data(), text.size());
    if (written < 0 && errno != EINTR) return;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
}

Line LineEditor::read(const std::string& prompt) {
  if (!is_smart_terminal(out_) || !isatty(STDIN_FILENO)) return read_plain(prompt);
  CaughtSignals signals;
  RawMode raw(out_);
  prompt_ = prompt;
  buffer_.set("");
  draft_.clear();
  entry_ = history_.entries().size();
  query_.reset();
  drawn_ = {};
  drawn_row_ = 0;
  draw();
  for (;;) {
    while (const auto key = keys_.next()) {
      if (key->kind == Key::suspend) {
        raw.leave();
        raise(SIGTSTP);
        raw.enter();
        drawn_ = {};
        drawn_row_ = 0;
      } else if (auto line = act(*key)) {
        return *std::move(line);
      }
    }
    draw();
    switch (const int signal = signals.wait_beside(STDIN_FILENO)) {
      case 0: {
        char bytes[4096];
        const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
        if (count <= 0) return {Line::end, ""};
        keys_.push({bytes, static_cast<size_t>(count)});
        break;
      }
      case SIGTERM:
      case SIGHUP: {
        raw.leave();
        struct sigaction usual{};
        usual.sa_handler = SIG_DFL;
        sigaction(signal, &usual, nullptr);
        raise(signal);
        break;
      }
      case SIGINT:
        keys_.push("\x03");
        break;
      default:
        break;  // another size, or continued: drawn anew
    }
  }
}

// What a key means to the line as a whole; the line, if it is over.
std::optional<Line> LineEditor::act(const Key& key) {
  if (query_) {
    search_for(key);
    if (query_ || key.kind != Key::enter) return std::nullopt;
  }
  switch (key.kind) {
    case Key::enter:
      draw(true);
      write("\n");
      return Line{Line::text, buffer_.text()};
    case Key::interrupt:
      draw(true);
      write("^C\n");
      return Line{Line::interrupted, buffer_.text()};
    case Key::search:
      query_ = "";
      found_ = history_.entries().size();
      return std::nullopt;
    case Key::clear_screen:
      write("\033[H\033[2J");
      drawn_ = {};
      drawn_row_ = 0;
      return std::nullopt;
    case Key::older:
    case Key::newer:
      browse(key.kind == Key::older);
      return std::nullopt;
    default:
      break;
  }
  if (buffer_.apply(key)) return std::nullopt;
  if (key.kind == Key::up || key.kind == Key::down) browse(key.kind == Key::up);
  if (key.kind != Key::end_or_erase) return std::nullopt;
  write("\n");
  return Line{Line::end, ""};
}

void LineEditor::browse(bool older) {
  const auto& entries = history_.entries();
  if (older ? entry_ == 0 : entry_ == entries.size()) return;
  if (entry_ == entries.size()) draft_ = buffer_.text();
  entry_ += older ? size_t(-1) : 1;
  buffer_.set(entry_ == entries.size() ? draft_ : entries[entry_]);
}

void LineEditor::search_for(const Key& key) {
  switch (key.kind) {
    case Key::text:
      *query_ += key.text_typed;
      found_ = history_.entries().size();
      return find_older();
    case Key::erase_back:
      if (!query_->empty()) query_->resize(cluster_begin(*query_, query_->size()));
      found_ = history_.entries().size();
      return find_older();
    case Key::search:
      return find_older();
    case Key::interrupt:
      query_.reset();
      return;
    default:
      query_.reset();
      if (key.kind != Key::enter) buffer_.apply(key);
  }
}

void LineEditor::find_older() {
  for (size_t at = found_; at-- > 0;) {
    if (history_.entries()[at].find(*query_) == std::string::npos) continue;
    found_ = entry_ = at;
    return buffer_.set(history_.entries()[at]);
  }
}

std::string LineEditor::shown_prompt() const { return query_ ? fmt::format("(search: {}) ", *query_) : prompt_; }

// Puts the text on the screen as it is now, and the cursor where it is, or at the end.
void LineEditor::draw(bool at_end) {
  const auto [columns, rows] = terminal_size(out_);
  const size_t cursor = at_end ? buffer_.text().size() : buffer_.cursor();
  Layout next = lay_out(shown_prompt(), buffer_.text(), cursor, columns);
  // What is only longer at its end is written at its end.
  const bool longer = whole_ && !drawn_.rows.empty() && next.rows.size() == drawn_.rows.size() &&
                      next.cursor_row + 1 == next.rows.size() && drawn_.cursor_row == next.cursor_row &&
                      std::equal(next.rows.begin(), next.rows.end() - 1, drawn_.rows.begin()) &&
                      next.rows.back().starts_with(drawn_.rows.back()) && cursor == buffer_.text().size() &&
                      drawn_.cursor_column == glassbox::columns(drawn_.rows.back());
  if (longer) {
    write(std::string_view(next.rows.back()).substr(drawn_.rows.back().size()));
    drawn_ = std::move(next);
    return;
  }
  // The rows that fit, the cursor's among them.
  const size_t fit = std::min(static_cast<size_t>(rows), next.rows.size());
  const size_t first = std::min(next.cursor_row, next.rows.size() - fit);
  std::string out = "\r";
  if (drawn_row_ > 0) out += fmt::format("\033[{}A", drawn_row_);
  out += "\033[J";
  for (size_t row = first; row < first + fit; ++row) {
    if (row > first) out += "\r\n";
    out += next.rows[row];
  }
  drawn_row_ = next.cursor_row - first;
  if (const size_t below = fit - 1 - drawn_row_; below > 0) out += fmt::format("\033[{}A", below);
  out += "\r";
  if (next.cursor_column > 0) out += fmt::format("\033[{}C", next.cursor_column);
  write(out);
  whole_ = fit == next.rows.size();
  drawn_ = std::move(next);
}

Line LineEditor::read_plain(const std::string& prompt) {
  CaughtSignals signals;
  write(prompt);
  for (;;) {
    if (const size_t end = end_of_line(pending_); end != std::string::npos) {
      Line line{Line::text, unicode::replace_broken(without_paste_marks(pending_.substr(0, end)))};
      pending_.erase(0, end + 1);
      return line;
    }
    const int signal = signals.wait_beside(STDIN_FILENO);
    if (signal == SIGINT) {
      write("\n");
      return {Line::interrupted, std::exchange(pending_, "")};
    }
    if (signal == SIGTERM || signal == SIGHUP) return {Line::end, ""};
    if (signal != 0) continue;
    char bytes[4096];
    const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (count > 0) {
      pending_.append(bytes, static_cast<size_t>(count));
      continue;
    }
    if (!pending_.empty()) return {Line::text, unicode::replace_broken(std::exchange(pending_, ""))};
    write("\n");
    return {Line::end, ""};
  }
}

}  // namespace glassbox
