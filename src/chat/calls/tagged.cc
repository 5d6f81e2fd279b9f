// Hermes, Qwen, SmolLM3: <tool_call>{"name", "arguments"}</tool_call>; Qwen3-Coder in it, or without it:
// <function=NAME><parameter=KEY>VALUE</parameter></function>
#include "chat/calls/element_call.h"
#include "chat/calls/json_calls.h"
#include "chat/calls/reader.h"

namespace glassbox {
namespace {

constexpr std::string_view kCall = "<tool_call>", kCallEnd = "</tool_call>",
                           kFunction = "<function=", kFunctionEnd = "</function>",
                           kParameter = "<parameter=", kParameterEnd = "</parameter>";

// Marks around Hermes' JSON: its own, and those that Qwen2.5-Coder makes up.
struct Wrapper {
  std::string_view open, close;
};
constexpr Wrapper kWrappers[] = {{kCall, kCallEnd},
                                 {"<tools>", "</tools>"},
                                 {"<function_call>", "</function_call>"},
                                 {"<tool>", "</tool>"},
                                 {"<response>", "</response>"}};

class TaggedReader : public MarkedReader {
 public:
  using MarkedReader::MarkedReader;

  State read(std::string_view text, bool last) override {
    if (!begun())
      if (const State opening = read_opening(text, last); opening != State::read) return opening;
    if (element_) {
      const ElementCall::State state = element_->read(text.substr(body_), last);
      if (state == ElementCall::State::open) return State::open;
      if (state == ElementCall::State::none) return State::none;
      return found(std::vector<ToolCall>{element_->call()}, body_ + element_->end());
    }
    return until(text, {closing_}, {kCall}, last, [&](std::string_view between, bool closed) {
      return read_json_calls(between, tools(), known_, closed);
    });
  }

 private:
  void begin_element(size_t body, bool enclosed) {
    element_.emplace(tools(), enclosed);
    body_ = body;
    begin(body, body);
  }

  State read_opening(std::string_view text, bool last) {
    if (text.starts_with(kFunction)) {
      begin_element(0, false);
      return State::read;
    }
    const auto opens = [&](const Wrapper& one) { return text.starts_with(one.open); };
    const Wrapper* wrapper = std::ranges::find_if(kWrappers, opens);
    if (wrapper == std::end(kWrappers)) return State::none;
    known_ = wrapper->open != kCall;
    closing_ = wrapper->close;
    const size_t body = skip_space(text, wrapper->open.size());
    const std::string_view inner = text.substr(body);
    if (!known_ && inner.starts_with(kFunction)) {
      begin_element(body, true);
      return State::read;
    }
    if (!inner.starts_with('{') && !inner.starts_with('['))
      return kFunction.starts_with(inner) && !last ? State::open : State::none;
    if (known_) {
      const auto could = could_be_json_call(inner, tools());
      if (!could && !last) return State::open;
      if (!could.value_or(false)) return State::none;
    }
    begin(body, body);
    return State::read;
  }

  bool known_ = false;  // only tools of the request
  std::string_view closing_;
  size_t body_ = 0;  // of the element
  std::optional<ElementCall> element_;
};

}  // namespace

CallSyntax tagged_calls() {
  CallSyntax tagged;
  tagged.name = "tagged";
  tagged.taught_by = {kCall};
  tagged.marks = {kCall, kCallEnd, kFunction, kFunctionEnd, kParameter, kParameterEnd};
  tagged.opening = {kFunction, kFence};
  tagged.closing = {kFunctionEnd, kParameterEnd};
  for (const Wrapper& wrapper : kWrappers) {
    tagged.opening.push_back(wrapper.open);
    tagged.closing.push_back(wrapper.close);
  }
  tagged.ends = {kCallEnd};
  tagged.fenced = {kCall, kFunction};
  tagged.bare = true;
  tagged.reader = [](const CallSyntax&, const OrderedJson& tools) -> std::unique_ptr<CallReader> {
    return std::make_unique<TaggedReader>(tools);
  };
  return tagged;
}

}  // namespace glassbox
