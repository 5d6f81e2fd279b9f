// Mistral: [TOOL_CALLS][{"name", "arguments", "id"}] or [TOOL_CALLS]NAME[CALL_ID]ID[ARGS]{...}
#include "chat/calls/json_calls.h"
#include "chat/calls/reader.h"
#include "unicode/utf8.h"

namespace glassbox {
namespace {

constexpr std::string_view kCalls = "[TOOL_CALLS]", kId = "[CALL_ID]", kArguments = "[ARGS]";

class MistralReader : public CallReader {
 public:
  using CallReader::CallReader;

  State read(std::string_view text, bool last) override {
    if (!bracket_) {
      const size_t at = skip_space(text, kCalls.size());
      const std::string_view rest = text.substr(at);
      const auto inner = mark_at(rest, {kId, kArguments});
      if (rest.empty() || !inner) return last ? State::none : State::open;
      size_t body = at;
      if (rest[0] != '[' || !inner->empty())
        if (const State head = read_call_head(text, at, last, body); head != State::read) return head;
      body_ = body;
      bracket_.emplace(body);
    }
    if (!bracket_->closed(text)) return last ? State::none : State::open;
    const std::string_view whole = text.substr(body_, bracket_->at() - body_);
    if (!call_) return found(read_json_calls(whole, tools(), false, false), bracket_->at());
    auto arguments = arguments_of_model(whole, call_->name, tools(), false);
    if (!arguments) return State::none;
    call_->arguments = std::move(*arguments);
    return found(std::vector<ToolCall>{std::move(*call_)}, bracket_->at());
  }

 private:
  // NAME[CALL_ID]ID[ARGS], to the brace behind it.
  State read_call_head(std::string_view text, size_t at, bool last, size_t& brace) {
    brace = text.find('{', at);
    std::string_view head = text.substr(at, std::min(brace, text.size()) - at);
    if (head.size() > kLongestHead || !may_be_name(trim(head.substr(0, head.find('['))))) return State::none;
    if (brace == std::string_view::npos) return last ? State::none : State::open;
    take_end_mark(head, kArguments);
    ToolCall call;
    if (const size_t id = head.find(kId); id != std::string_view::npos) {
      call.id = trim(head.substr(id + kId.size()));
      head = head.substr(0, id);
    }
    call.name = trim(head);
    if (!is_tool_name(call.name) || unicode::valid_prefix(call.id) != call.id.size()) return State::none;
    call_ = std::move(call);
    return State::read;
  }

  size_t body_ = 0;
  std::optional<BracketScan> bracket_;
  std::optional<ToolCall> call_;  // the one whose arguments are read; nothing: a list of calls
};

}  // namespace

CallSyntax mistral_calls() {
  CallSyntax mistral;
  mistral.name = "mistral";
  mistral.taught_by = {kCalls};
  mistral.marks = {kCalls, kId, kArguments};
  mistral.opening = {kCalls, kFence};
  mistral.closing = {","};
  mistral.bare = mistral.short_ids = true;
  mistral.reader = [](const CallSyntax&, const OrderedJson& tools) -> std::unique_ptr<CallReader> {
    return std::make_unique<MistralReader>(tools);
  };
  return mistral;
}

}  // namespace glassbox
