// Kimi K2: <|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>{...}
// <|tool_call_end|> ... <|tool_calls_section_end|>
#include "chat/calls/json_calls.h"
#include "chat/calls/reader.h"

namespace glassbox {
namespace {

constexpr std::string_view kSection = "<|tool_calls_section_begin|>", kSectionEnd = "<|tool_calls_section_end|>",
                           kCall = "<|tool_call_begin|>", kCallEnd = "<|tool_call_end|>",
                           kArguments = "<|tool_call_argument_begin|>";

class KimiReader : public MarkedReader {
 public:
  using MarkedReader::MarkedReader;

  State read(std::string_view text, bool last) override {
    if (!begun()) {
      const size_t at = text.starts_with(kSection) ? skip_space(text, kSection.size()) : 0;
      const std::string_view rest = text.substr(at);
      if (!rest.starts_with(kCall)) return kCall.starts_with(rest) && !last ? State::open : State::none;
      const size_t id = at + kCall.size();
      size_t arguments = 0;
      if (const State head = read_head(text, id, kArguments, last, arguments); head != State::read) return head;
      call_.id = trim(text.substr(id, arguments - id));
      std::string_view name = call_.id;
      take_mark(name, "functions.");
      name = name.substr(0, name.rfind(':'));
      if (!is_tool_name(name)) return State::none;
      call_.name = name;
      begin(arguments + kArguments.size(), arguments + kArguments.size());
    }
    return until(text, {kCallEnd}, {kSectionEnd, kCall}, last, [&](std::string_view arguments, bool closed) -> Calls {
      auto made = arguments_of_model(arguments, call_.name, tools(), closed);
      if (!made) return std::nullopt;
      return std::vector<ToolCall>{{call_.id, call_.name, std::move(*made)}};
    });
  }

 private:
  ToolCall call_;
};

}  // namespace

CallSyntax kimi_calls() {
  CallSyntax kimi;
  kimi.name = "kimi";
  kimi.taught_by = {kSection};
  kimi.marks = {kSection, kSectionEnd, kCall, kArguments, kCallEnd};
  kimi.opening = {kSection, kCall};
  kimi.closing = kimi.ends = {kCallEnd, kSectionEnd};
  kimi.reader = [](const CallSyntax&, const OrderedJson& tools) -> std::unique_ptr<CallReader> {
    return std::make_unique<KimiReader>(tools);
  };
  return kimi;
}

}  // namespace glassbox
