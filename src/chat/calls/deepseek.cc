// DeepSeek V3, R1, V3.1: <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{...}<｜tool▁call▁end｜> ...
// <｜tool▁calls▁end｜>. V3 writes function<｜tool▁sep｜>NAME and the arguments in a fence.
#include <algorithm>

#include "chat/calls/json_calls.h"
#include "chat/calls/reader.h"

namespace glassbox {
namespace {

constexpr std::string_view kSection = "<｜tool▁calls▁begin｜>", kSectionEnd = "<｜tool▁calls▁end｜>",
                           kCall = "<｜tool▁call▁begin｜>", kCallEnd = "<｜tool▁call▁end｜>",
                           kSeparator = "<｜tool▁sep｜>";

class DeepseekReader : public MarkedReader {
 public:
  using MarkedReader::MarkedReader;

  State read(std::string_view text, bool last) override {
    if (!begun()) {
      const size_t at = text.starts_with(kSection) ? skip_space(text, kSection.size()) : 0;
      const std::string_view rest = text.substr(at);
      if (!rest.starts_with(kCall)) return kCall.starts_with(rest) && !last ? State::open : State::none;
      size_t separator = 0;
      if (const State head = read_head(text, at + kCall.size(), kSeparator, last, separator); head != State::read)
        return head;
      begin(at + kCall.size(), separator + kSeparator.size());
    }
    return until(text, {kCallEnd}, {kSectionEnd, kCall}, last,
                 [&](std::string_view call, bool closed) { return parse(call, closed); });
  }

 private:
  Calls parse(std::string_view call, bool closed) const {
    const size_t separator = call.find(kSeparator);
    std::string_view name = trim(call.substr(0, separator)), rest = call.substr(separator + kSeparator.size());
    if (name == "function") {
      const size_t line = std::min(rest.find_first_of("\n`{"), rest.size());
      name = trim(rest.substr(0, line));
      rest = rest.substr(line);
    }
    rest = trim(rest);
    if (take_mark(rest, kFence)) {
      take_mark(rest, "json");
      // A fence may stand inside the arguments: the last one closes.
      if (const size_t close = rest.rfind(kFence);
          close != std::string_view::npos && only_brackets(rest.substr(close + kFence.size())))
        rest = rest.substr(0, close);
    }
    if (!is_tool_name(name)) return std::nullopt;
    auto arguments = arguments_of_model(rest, name, tools(), closed);
    if (!arguments) return std::nullopt;
    return std::vector<ToolCall>{{"", std::string(name), std::move(*arguments)}};
  }
};

}  // namespace

CallSyntax deepseek_calls() {
  CallSyntax deepseek;
  deepseek.name = "deepseek";
  deepseek.taught_by = {kSection};
  deepseek.marks = {kSection, kSectionEnd, kCall, kCallEnd, kSeparator};
  deepseek.opening = {kSection, kCall};
  deepseek.closing = deepseek.ends = {kSectionEnd, kCallEnd};
  deepseek.reader = [](const CallSyntax&, const OrderedJson& tools) -> std::unique_ptr<CallReader> {
    return std::make_unique<DeepseekReader>(tools);
  };
  return deepseek;
}

}  // namespace glassbox
