#include "chat/calls/element_call.h"

#include <algorithm>

#include "chat/calls/scan.h"
#include "chat/tool_schema.h"
#include "unicode/utf8.h"

namespace glassbox {
namespace {

constexpr std::string_view kFunction = "<function=", kFunctionEnd = "</function>",
                           kParameter = "<parameter=", kParameterEnd = "</parameter>", kCall = "<tool_call>",
                           kCallEnd = "</tool_call>";
constexpr size_t kLongestName = 256;

// One line break after an opening mark and one before a closing one belong to the marks.
std::string_view inside(std::string_view text) {
  if (text.starts_with("\r\n"))
    text.remove_prefix(2);
  else if (text.starts_with('\n'))
    text.remove_prefix(1);
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

bool begins_line(std::string_view text, size_t at) {
  while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\t')) --at;
  return at == 0 || text[at - 1] == '\n';
}

// Whether `rest` begins with `mark`; nothing where it may yet.
std::optional<bool> begins(std::string_view rest, std::string_view mark) {
  if (rest.starts_with(mark)) return true;
  if (mark.starts_with(rest)) return std::nullopt;
  return false;
}

}  // namespace

ToolCall ElementCall::call() const { return {"", name_, dump_ordered_json(arguments_)}; }

ElementCall::State ElementCall::read(std::string_view text, bool last) {
  State state = State::open;
  const auto go = [&] {
    do {
      const Part part = part_;
      const size_t at = at_;
      state = part == Part::head ? head(text) : part == Part::between ? between(text, last) : value(text, last);
      if (state == State::open && part == part_ && at == at_) return;
    } while (state == State::open);
  };
  go();
  if (!last || state == State::read || lenient_) return state == State::open && last ? State::none : state;
  if (part_ == Part::head) return State::none;
  // Closed in a way that only makes sense because nothing follows.
  *this = ElementCall(*tools_, enclosed_);
  lenient_ = true;
  go();
  return state == State::read ? state : State::none;
}

ElementCall::State ElementCall::head(std::string_view text) {
  const size_t close = text.find('>', kFunction.size());
  const std::string_view name = trim(text.substr(kFunction.size(), std::min(close, text.size()) - kFunction.size()));
  if (name.find_first_of("<\n") != std::string_view::npos || name.size() > kLongestName) return State::none;
  if (close == std::string_view::npos) return State::open;
  if (!is_tool_name(name)) return State::none;
  name_ = name;
  tool_ = tool_named(*tools_, name);
  at_ = close + 1;
  part_ = Part::between;
  return State::open;
}

ElementCall::State ElementCall::between(std::string_view text, bool last) {
  switch (after(text, at_, last)) {
    case Next::wait:
      return State::open;
    case Next::parameter: {
      const size_t key = text.find_first_not_of(kSpace, at_) + kParameter.size();
      const size_t close = text.find('>', key);
      if (std::min(close, text.size()) - key > kLongestName) return State::none;
      if (close == std::string_view::npos) return State::open;
      key_ = trim(text.substr(key, close - key));
      if (key_.empty() || key_.size() > kLongestName || arguments_.contains(key_) ||
          unicode::valid_prefix(key_) != key_.size())
        return State::none;
      at_ = value_ = scanned_ = close + 1;
      parameters_ = functions_ = 0;
      part_ = Part::value;
      return State::open;
    }
    case Next::function_end:
      at_ = text.find_first_not_of(kSpace, at_) + kFunctionEnd.size();
      return State::read;
    case Next::call_end:  // </function> left out
      if (!enclosed_) return State::none;
      at_ = text.find_first_not_of(kSpace, at_);
      return State::read;
    default:
      return State::none;
  }
}

ElementCall::Next ElementCall::after(std::string_view text, size_t at, bool last) const {
  at = std::min(text.find_first_not_of(kSpace, at), text.size());
  const std::string_view rest = text.substr(at);
  if (rest.empty()) return last ? Next::end : Next::wait;
  constexpr std::pair<std::string_view, Next> kMarks[] = {
      {kParameter, Next::parameter}, {kFunctionEnd, Next::function_end},
      {kCallEnd, Next::call_end},    {kFunction, Next::function},
      {kCall, Next::call},
  };
  for (const auto& [mark, next] : kMarks) {
    const auto is = begins(rest, mark);
    if (!is) return last ? Next::other : Next::wait;
    if (*is) return next;
  }
  return Next::other;
}

ElementCall::State ElementCall::value(std::string_view text, bool last) {
  if (scanned_ == value_) {
    if (text.size() == value_ && !last) return State::open;
    lines_ = text.substr(value_).starts_with('\n') || text.substr(value_).starts_with("\r\n");
    if (text.substr(value_) == "\r" && !last) return State::open;
  }
  for (;;) {
    const size_t at = text.find('<', scanned_);
    scanned_ = std::min(at, text.size());
    if (at == std::string_view::npos) return State::open;
    const std::string_view rest = text.substr(at);
    Mark mark = Mark::text;
    bool partial = false;
    for (std::string_view one : {kParameterEnd, kParameter, kFunctionEnd, kFunction, kCallEnd}) {
      const auto is = begins(rest, one);
      if (!is) partial = true;
      if (!is || !*is) continue;
      mark = one == kParameterEnd                             ? parameter_end(text, last)
             : one == kParameter                              ? parameter(text, last)
             : one == kFunctionEnd                            ? function_end(text, last)
             : one == kFunction                               ? function(text)
             : lenient_ && enclosed_ && begins_line(text, at) ? Mark::ends
                                                              : Mark::text;
      break;
    }
    if ((partial && !last) || mark == Mark::wait) return State::open;
    if (mark == Mark::text) {
      scanned_ = at + 1;
      continue;
    }
    if (!keep(text.substr(value_, at - value_))) return State::none;
    at_ = at + (rest.starts_with(kParameterEnd) ? kParameterEnd.size() : 0);
    part_ = Part::between;
    return State::open;
  }
}

bool ElementCall::keep(std::string_view value) {
  if (unicode::valid_prefix(value) != value.size()) return false;
  arguments_[key_] = read_parameter(inside(value), tool_, key_);
  return true;
}

ElementCall::Mark ElementCall::parameter_end(std::string_view text, bool last) {
  size_t at = scanned_ + kParameterEnd.size();
  const Next next = after(text, at, last);
  if (next == Next::wait) return Mark::wait;
  // A quoted one's, unless the call goes on behind it.
  if (parameters_ > 0 && (functions_ > 0 || (next != Next::function_end && next != Next::call_end))) {
    --parameters_;
    return Mark::text;
  }
  switch (next) {
    case Next::parameter:
      return Mark::ends;
    case Next::function_end: {
      if (!enclosed_ || lenient_) return Mark::ends;
      at = text.find(kFunctionEnd, at) + kFunctionEnd.size();
      const Next next = after(text, at, last);
      return next == Next::wait                                                                            ? Mark::wait
             : next == Next::call_end || next == Next::function || next == Next::call || next == Next::end ? Mark::ends
                                                                                                           : Mark::text;
    }
    case Next::call_end: {  // </function> left out
      if (!enclosed_) return Mark::text;
      if (lenient_) return Mark::ends;
      const Next next = after(text, text.find(kCallEnd, at) + kCallEnd.size(), last);
      return next == Next::wait ? Mark::wait : next == Next::call || next == Next::end ? Mark::ends : Mark::text;
    }
    default:
      return Mark::text;
  }
}

// Another parameter's beginning within a value that was not closed: a known one that is not given yet, at the beginning
// of a line if the value began on a line of its own.
ElementCall::Mark ElementCall::parameter(std::string_view text, bool last) {
  const size_t begin = scanned_ + kParameter.size();
  const size_t close = text.find_first_of(">\n", begin);
  if (close == std::string_view::npos && !last && text.size() - begin <= kLongestName) return Mark::wait;
  if (close == std::string_view::npos || text[close] == '\n' || close - begin > kLongestName) return Mark::text;
  const std::string key(trim(text.substr(begin, close - begin)));
  const bool line = begins_line(text, scanned_);
  const bool known = lists_parameters(tool_) ? has_parameter(tool_, key) : is_tool_name(key);
  if (functions_ == 0 && known && key != key_ && !arguments_.contains(key) && (line || !lines_)) return Mark::ends;
  if (line && !lenient_) ++parameters_;
  return Mark::text;
}

// The end of the call within a value that was not closed.
ElementCall::Mark ElementCall::function_end(std::string_view text, bool last) {
  if (functions_ > 0) {
    --functions_;
    return Mark::text;
  }
  const bool line = begins_line(text, scanned_);
  if (lenient_) return line || !lines_ ? Mark::ends : Mark::text;
  const size_t at = scanned_ + kFunctionEnd.size();
  const Next next = after(text, at, last);
  if (next == Next::wait) return Mark::wait;
  if (next == Next::call_end && enclosed_) {
    const size_t call_end = text.find(kCallEnd, at);
    if (line && begins_line(text, call_end)) return Mark::ends;
    const Next then = after(text, call_end + kCallEnd.size(), last);
    return then == Next::wait ? Mark::wait : then == Next::call || then == Next::end ? Mark::ends : Mark::text;
  }
  const bool could_end = next == Next::end || next == Next::function || next == Next::call;
  return could_end && (line || !lines_) ? Mark::ends : Mark::text;
}

ElementCall::Mark ElementCall::function(std::string_view text) {
  if (begins_line(text, scanned_) && !lenient_) ++functions_;
  return Mark::text;
}

}  // namespace glassbox
