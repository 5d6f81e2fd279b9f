// DeepSeek V3, R1, V3.1: <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{...}<｜tool▁call▁end｜> ...
// <｜tool▁calls▁end｜>. V3 writes function<｜tool▁sep｜>NAME and the arguments in a fence.
#include <algorithm>

#include "chat/calls/json_calls.h"
#include "chat/calls/reader.h"

namespace glassbox {
namespace {

constexpr SectionMarks kDeepseekMarks = {.section = "<｜tool▁calls▁begin｜>",
                                         .section_end = "<｜tool▁calls▁end｜>",
                                         .call = "<｜tool▁call▁begin｜>",
                                         .call_end = "<｜tool▁call▁end｜>",
                                         .arguments = "<｜tool▁sep｜>"};

class DeepseekReader : public SectionReader {
 public:
  explicit DeepseekReader(const OrderedJson& tools) : SectionReader(kDeepseekMarks, tools) {}

 private:
  bool take_head(std::string_view head) override {
    head_ = head;
    return true;
  }
  Calls parse(std::string_view rest, bool closed) const override {
    std::string_view name = head_;
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

  std::string head_;
};

}  // namespace

CallSyntax deepseek_calls() {
  CallSyntax deepseek = section_syntax("deepseek", kDeepseekMarks);
  deepseek.reader = [](const CallSyntax&, const OrderedJson& tools) -> std::unique_ptr<CallReader> {
    return std::make_unique<DeepseekReader>(tools);
  };
  return deepseek;
}

}  // namespace glassbox
