// Llama 3: {"name", "parameters"} as the whole answer, or after <|python_tag|>, where built-in tools' calls may stand
// too: brave_search.call(query="...").
#include "chat/calls/python_calls.h"
#include "chat/calls/reader.h"

namespace glassbox {
namespace {

constexpr std::string_view kPythonTag = "<|python_tag|>";

class JsonReader : public CallReader {
 public:
  explicit JsonReader(const OrderedJson& tools) : CallReader(tools), bare_(tools, true) {}

  State read(std::string_view text, bool last) override {
    const size_t at = skip_space(text, kPythonTag.size());
    if (at == text.size()) return last ? State::none : State::open;
    if (text[at] == '{' || text[at] == '[') return read_within(bare_, text, at, last);
    if (!bracket_) {
      size_t open = 0;
      if (const State name = read_name(text, at, '(', last, open); name != State::read) return name;
      bracket_.emplace(open);
    }
    if (!bracket_->closed(text)) return last ? State::none : State::open;
    auto calls = read_python_calls(text.substr(at, bracket_->at() - at), false);
    if (calls)
      for (ToolCall& call : *calls) {
        std::string_view name = call.name;
        if (take_end_mark(name, ".call")) call.name.resize(name.size());
      }
    return found(std::move(calls), bracket_->at());
  }

 private:
  BareReader bare_;
  std::optional<BracketScan> bracket_;
};

}  // namespace

CallSyntax json_calls() {
  CallSyntax json;
  json.name = "json";
  json.taught_by = {kPythonTag, "<|start_header_id|>"};
  json.marks = {kPythonTag};
  json.opening = {kPythonTag, kFence};
  json.closing = {";", ",", "<|eom_id|>", "<|eot_id|>"};
  json.bare = json.python = true;
  json.reader = [](const CallSyntax&, const OrderedJson& tools) -> std::unique_ptr<CallReader> {
    return std::make_unique<JsonReader>(tools);
  };
  return json;
}

}  // namespace glassbox
