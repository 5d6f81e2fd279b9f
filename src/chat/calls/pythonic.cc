// Llama 4: [f(a=1), g(b="x")] as the whole answer or after <|python_start|>, or Llama 3's JSON.
#include "chat/calls/python_calls.h"
#include "chat/calls/reader.h"

namespace glassbox {
namespace {

constexpr std::string_view kStart = "<|python_start|>", kEnd = "<|python_end|>";

class PythonicReader : public CallReader {
 public:
  explicit PythonicReader(const OrderedJson& tools) : CallReader(tools), bare_(tools, true) {}

  State read(std::string_view text, bool last) override {
    size_t at = skip_space(text, kStart.size());
    if (text.substr(at).starts_with(kEnd))  // the published template writes what else was said between
      at = skip_space(text, at + kEnd.size());
    else if (kEnd.starts_with(text.substr(at)))
      return last ? State::none : State::open;
    if (at == text.size()) return last ? State::none : State::open;
    if (text[at] == '{') return read_within(bare_, text, at, last);
    if (!bracket_) {
      size_t open = at;
      if (text[at] != '[')  // one call alone
        if (const State name = read_name(text, at, '(', last, open); name != State::read) return name;
      bracket_.emplace(open);
    }
    if (!bracket_->closed(text)) return last ? State::none : State::open;
    std::string_view whole = text.substr(at, bracket_->at() - at);
    if (whole.starts_with('[')) whole = whole.substr(1, whole.size() - 2);
    return found(typed_python_calls(read_python_calls(whole, true), tools()), bracket_->at());
  }

 private:
  BareReader bare_;
  std::optional<BracketScan> bracket_;
};

}  // namespace

CallSyntax pythonic_calls() {
  CallSyntax pythonic;
  pythonic.name = "pythonic";
  pythonic.taught_by = {kStart, "<|header_start|>"};
  pythonic.marks = {kStart, kEnd};
  pythonic.opening = {kStart, kFence};
  pythonic.closing = {kEnd, ";", ",", "<|eom|>", "<|eot|>"};
  pythonic.ends = {kEnd};
  pythonic.bare = pythonic.python = true;
  pythonic.reader = [](const CallSyntax&, const OrderedJson& tools) -> std::unique_ptr<CallReader> {
    return std::make_unique<PythonicReader>(tools);
  };
  return pythonic;
}

}  // namespace glassbox
