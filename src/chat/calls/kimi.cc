// Kimi K2: <|tool_calls_section_begin|><|tool_call_begin|>functions.NAME:INDEX<|tool_call_argument_begin|>{...}
// <|tool_call_end|> ... <|tool_calls_section_end|>
#include "chat/calls/json_calls.h"
#include "chat/calls/reader.h"

namespace glassbox {
namespace {

constexpr SectionMarks kKimiMarks = {.section = "<|tool_calls_section_begin|>",
                                     .section_end = "<|tool_calls_section_end|>",
                                     .call = "<|tool_call_begin|>",
                                     .call_end = "<|tool_call_end|>",
                                     .arguments = "<|tool_call_argument_begin|>"};

class KimiReader : public SectionReader {
 public:
  explicit KimiReader(const OrderedJson& tools) : SectionReader(kKimiMarks, tools) {}

 private:
  bool take_head(std::string_view id) override {
    std::string_view name = id;
    take_mark(name, "functions.");
    name = name.substr(0, name.rfind(':'));
    call_.id = id;
    call_.name = name;
    return is_tool_name(name);
  }
  Calls parse(std::string_view arguments, bool closed) const override {
    auto made = arguments_of_model(arguments, call_.name, tools(), closed);
    if (!made) return std::nullopt;
    return std::vector<ToolCall>{{call_.id, call_.name, std::move(*made)}};
  }

  ToolCall call_;
};

}  // namespace

CallSyntax kimi_calls() {
  CallSyntax kimi = section_syntax("kimi", kKimiMarks);
  kimi.reader = [](const CallSyntax&, const OrderedJson& tools) -> std::unique_ptr<CallReader> {
    return std::make_unique<KimiReader>(tools);
  };
  return kimi;
}

}  // namespace glassbox
