// A message that a person types in one or more lines.
#pragma once

#include <string>
#include <string_view>

namespace glassbox {

// A line that ends in \ goes on in the next; what begins with """ goes on until a line ends with """. A pasted text is
// one line here, however many it has.
class MessageReader {
 public:
  // True if the message is whole with this line: it is then in text().
  bool push(std::string_view line);
  const std::string& text() const { return text_; }
  bool begun() const { return begun_; }
  bool quoted() const { return quoted_; }  // between """: no command, whatever it begins with
  void clear() { *this = {}; }

 private:
  std::string text_;
  bool begun_ = false, quoted_ = false, open_ = false;
  bool joins_ = false;  // the next line is not the text's first
};

}  // namespace glassbox
