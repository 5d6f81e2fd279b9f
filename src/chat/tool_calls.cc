#include "chat/tool_calls.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/error.h"
#include "chat/calls/reader.h"
#include "chat/calls/scan.h"
#include "unicode/utf8.h"

namespace glassbox {

const std::vector<CallSyntax>& call_syntaxes() {
  static const std::vector<CallSyntax> all = {
      harmony_calls(), deepseek_calls(), kimi_calls(), mistral_calls(), listed_calls(),
      tagged_calls(),  pythonic_calls(), json_calls(), gemma_calls(),
  };
  return all;
}

const CallSyntax* call_syntax(std::string_view name) {
  const auto at = std::ranges::find(call_syntaxes(), name, &CallSyntax::name);
  check(at != call_syntaxes().end(), "a syntax of calls that the table lacks");
  return &*at;
}

const CallSyntax* call_syntax_of_template(std::string_view text) {
  const auto has = [&](std::string_view mark) { return text.find(mark) != std::string_view::npos; };
  const auto teaches = [&](const CallSyntax& syntax) { return std::ranges::any_of(syntax.taught_by, has); };
  const auto at = std::ranges::find_if(call_syntaxes(), teaches);
  return at == call_syntaxes().end() ? nullptr : &*at;
}

bool is_tool_name(std::string_view name) {
  if (name.empty() || name.size() > 256) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) {
                       return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.' ||
                              c == ':' || c == '/' || static_cast<unsigned char>(c) >= 0x80;
                     }) &&
         unicode::valid_prefix(name) == name.size();
}

CallReader::State CallReader::found(std::optional<std::vector<ToolCall>> calls, size_t end) {
  if (!calls) return State::none;
  calls_ = std::move(*calls);
  end_ = end;
  return State::read;
}

CallReader::State CallReader::read_within(CallReader& reader, std::string_view text, size_t at, bool last) {
  const State state = reader.read(text.substr(at), last);
  return state == State::read ? found(reader.take(), at + reader.end()) : state;
}

CallOpening find_call(const CallSyntax& syntax, std::string_view text, bool line) {
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '<' || c == '[' || c == '`') {
      const auto mark = mark_at(text.substr(at), syntax.opening);
      if (!mark) return {at, false};
      if (!mark->empty()) return {at, true};
    }
    if (syntax.bare && line && (c == '{' || c == '[')) return {at, true};
    if (c == '\n')
      line = true;
    else if (c != ' ' && c != '\t' && c != '\r')
      line = false;
  }
  return {text.size(), false};
}

std::unique_ptr<CallReader> call_reader(const CallSyntax& syntax, const OrderedJson& tools, std::string_view text) {
  if (text.starts_with(kFence)) return std::make_unique<FenceReader>(syntax, tools);
  if (const auto mark = mark_at(text, syntax.opening); mark && !mark->empty()) return syntax.reader(syntax, tools);
  return std::make_unique<BareReader>(tools, syntax.python);
}

std::optional<size_t> after_call(const CallSyntax& syntax, std::string_view text, bool last) {
  size_t at = 0;
  // Brackets too many, right at the end.
  if (syntax.bare) at = std::min(text.find_first_not_of("]})"), text.size());
  for (;;) {
    const size_t next = skip_space(text, at);
    if (next == text.size()) return last ? std::optional(next) : std::nullopt;
    const auto mark = mark_at(text.substr(next), syntax.closing);
    if (!mark) return last ? std::optional(text.size()) : std::nullopt;
    if (mark->empty()) return next;
    at = next + mark->size();
  }
}

}  // namespace glassbox
