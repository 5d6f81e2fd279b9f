// Any bytes typed on a terminal, and any text that a model says there: keys are the same however they are cut, what is
// edited stays UTF-8, and an answer on the screen has every character and no control but our own. The first byte says
// where to cut, the second how wide the terminal is.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "cli/columns.h"
#include "cli/edit_buffer.h"
#include "cli/keys.h"
#include "cli/message_reader.h"
#include "cli/word_wrap.h"
#include "fuzz/require.h"
#include "unicode/utf8.h"

namespace {

using namespace glassbox;

bool is_text(std::string_view text) { return unicode::valid_prefix(text) == text.size(); }

bool has_controls(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return (c >= 0 && c < ' ' && c != '\n' && c != '\t') || c == '\x7f'; });
}

// What was typed is joined: how much of it comes at a time depends on the cut.
std::vector<Key> keys(std::string_view bytes, size_t piece) {
  KeyReader reader;
  std::vector<Key> all;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    reader.push(bytes.substr(at, piece));
    while (auto key = reader.next()) {
      if (key->kind == Key::text && !all.empty() && all.back().kind == Key::text)
        all.back().text_typed += key->text_typed;
      else
        all.push_back(*std::move(key));
    }
  }
  return all;
}

void edit(const std::vector<Key>& typed, int columns) {
  EditBuffer buffer;
  MessageReader message;
  for (const Key& key : typed) {
    require(is_text(key.text_typed) && !has_controls(key.text_typed));  // what is typed is text
    buffer.apply(key);
    require(buffer.cursor() <= buffer.text().size());  // the cursor is in the text
    require(is_text(buffer.text()) &&
            is_text(std::string_view(buffer.text()).substr(buffer.cursor())));  // the cursor is between characters
    if (key.kind != Key::enter) continue;
    const Layout layout = lay_out("> ", buffer.text(), buffer.cursor(), columns);
    require(layout.cursor_row < layout.rows.size() && layout.cursor_column <= columns);  // the cursor is on the screen
    if (message.push(buffer.text())) message.clear();
    buffer.set("");
  }
}

std::string without_space(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' && c != '\t' && c != '\n') out += c;
  return out;
}

// What is on the screen after "\033[nD\033[K" took n columns back.
std::string seen(std::string_view written) {
  std::string text;
  for (size_t at = 0; at < written.size(); ++at) {
    if (written[at] != '\033') {
      text += written[at];
      continue;
    }
    const size_t end = written.find("D\033[K", at);
    require(end != std::string_view::npos);  // only cursors that go back
    int back = std::atoi(std::string(written.substr(at + 2, end - at - 2)).c_str());
    while (back > 0 && !text.empty()) {
      const size_t begin = cluster_begin(text, text.size());
      back -= cluster_columns(std::string_view(text).substr(begin));
      text.resize(begin);
    }
    at = end + 3;
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 4096) return 0;
  const size_t piece = 1 + data[0] % 16;
  const int columns = 20 + data[1] % 80;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);

  const std::vector<Key> whole = keys(bytes, bytes.size() + 1), cut = keys(bytes, piece);
  require(std::ranges::equal(whole, cut, [](const Key& a, const Key& b) {
    return a.kind == b.kind && a.text_typed == b.text_typed;
  }));  // the same keys however they are cut
  edit(whole, columns);

  std::string said = without_controls(bytes);
  require(is_text(said) && !has_controls(said));  // no control is left
  std::ranges::replace(said, '\t', ' ');          // how many columns one takes back depends on where it was
  WordWrap wrap(columns);
  require(without_space(seen(wrap.push(said))) == without_space(said));  // every character is on the screen
  return 0;
}
