#include "chat/calls/reader.h"

#include <algorithm>
#include <utility>

#include "chat/calls/json_calls.h"
#include "chat/calls/python_calls.h"

namespace glassbox {
namespace {

using State = CallReader::State;

constexpr int kMostTries = 8;  // to read a call up to a mark that seems to be in its quotes

}  // namespace

bool may_be_name(std::string_view name) {
  while (!name.empty() && static_cast<unsigned char>(name.back()) >= 0x80) name.remove_suffix(1);
  return name.empty() || is_tool_name(name);
}

State read_name(std::string_view text, size_t at, char mark, bool last, size_t& end) {
  end = text.find(mark, at);
  const std::string_view head = text.substr(at, std::min(end, text.size()) - at);
  if (trim(head).size() > kLongestHead || !may_be_name(trim(head))) return State::none;
  if (end == std::string_view::npos) return last ? State::none : State::open;
  return State::read;
}

State read_head(std::string_view text, size_t at, std::string_view mark, bool last, size_t& end) {
  end = text.find(mark, at);
  const bool whole = end != std::string_view::npos;
  const std::string_view head = text.substr(at, std::min(end, text.size()) - at);
  if (head.size() > kLongestHead + (whole ? 0 : mark.size())) return State::none;
  if (head.find_first_of("{\"`") != std::string_view::npos) return State::none;
  if (!whole) return last ? State::none : State::open;
  return State::read;
}

State BareReader::read(std::string_view text, bool last) {
  if (form_ == Form::unknown) {
    auto could = could_be_json_call(text, tools());
    Form form = Form::json;
    if (could == false && python_ && text.starts_with('[')) {
      could = could_be_python_call(text, tools());
      form = Form::python;
    }
    if (!could && !last) return State::open;
    if (!could.value_or(false)) return State::none;
    form_ = form;
  }
  if (!bracket_.closed(text)) return last ? State::none : State::open;
  const std::string_view whole = text.substr(0, bracket_.at());
  return found(form_ == Form::python ? read_python_code(whole, tools()) : read_json_calls(whole, tools(), true, false),
               bracket_.at());
}

void MarkedReader::begin(size_t body, size_t marks) {
  begun_ = true;
  body_ = body;
  marks_ = MarkScan(marks);
}

State MarkedReader::until(std::string_view text, const Marks& ends, const Marks& stops, bool last, const Parse& parse) {
  Marks all = ends;
  all.insert(all.end(), stops.begin(), stops.end());
  while (marks_.next(text, all, last)) {
    const std::string_view mark = marks_.found();
    const bool ending = std::ranges::find(ends, mark) != ends.end();
    if (!marks_.quoted() || (ending && tries_++ < kMostTries)) {
      if (auto made = parse(text.substr(body_, marks_.at() - body_), true))
        return found(std::move(made), marks_.at() + (ending ? mark.size() : 0));
      if (!marks_.quoted()) return State::none;
    }
    marks_.pass();
  }
  if (!last) return State::open;
  return found(parse(text.substr(body_), false), text.size());
}

State SectionReader::read(std::string_view text, bool last) {
  if (!begun()) {
    const size_t at = text.starts_with(marks_.section) ? skip_space(text, marks_.section.size()) : 0;
    const std::string_view rest = text.substr(at);
    if (!rest.starts_with(marks_.call)) return marks_.call.starts_with(rest) && !last ? State::open : State::none;
    const size_t head = at + marks_.call.size();
    size_t end = 0;
    if (const State state = read_head(text, head, marks_.arguments, last, end); state != State::read) return state;
    if (!take_head(trim(text.substr(head, end - head)))) return State::none;
    const size_t arguments = end + marks_.arguments.size();
    begin(arguments, arguments);
  }
  return until(text, {marks_.call_end}, {marks_.section_end, marks_.call}, last,
               [&](std::string_view arguments, bool closed) { return parse(arguments, closed); });
}

CallSyntax section_syntax(std::string_view name, const SectionMarks& marks) {
  CallSyntax syntax;
  syntax.name = name;
  syntax.taught_by = {marks.section};
  syntax.marks = {marks.section, marks.section_end, marks.call, marks.call_end, marks.arguments};
  syntax.opening = {marks.section, marks.call};
  syntax.closing = syntax.ends = {marks.section_end, marks.call_end};
  return syntax;
}

State FenceReader::read(std::string_view text, bool last) {
  constexpr std::string_view kJson[] = {"", "json", "JSON", "xml", "tool_call", "tool_calls"};
  constexpr std::string_view kCode[] = {"tool_code", "python"};
  if (!begun()) {
    const std::string_view after = text.substr(kFence.size());
    const bool at_once = after.starts_with('{') || after.starts_with('[');  // ```{...}```
    const size_t line = text.find('\n');
    const std::string_view named = trim(after.substr(0, after.find('\n')));
    const auto fits = [&](std::string_view one) {
      return line == std::string_view::npos ? one.starts_with(named) : one == named;
    };
    const bool code = syntax_.python && std::ranges::any_of(kCode, fits);
    if (!at_once && !code && std::ranges::none_of(kJson, fits)) return State::none;
    if (!at_once && line == std::string_view::npos) return last ? State::none : State::open;
    const size_t body = at_once ? kFence.size() : skip_space(text, line);
    const std::string_view inner = text.substr(body);
    if (inner.empty()) return last ? State::none : State::open;
    if (!syntax_.fenced.empty() && inner[0] == '<') return read_marked(text, body, last);
    code_ = code && !at_once;
    const auto could = code_ ? could_be_python_code(inner, tools()) : could_be_json_call(inner, tools());
    if (!could && !last) return State::open;
    if (!could.value_or(false)) return State::none;
    begin(body, body);
  }
  return until(text, {kFence}, {}, last, [&](std::string_view between, bool closed) {
    return code_ ? read_python_code(between, tools()) : read_json_calls(between, tools(), true, closed);
  });
}

// A call with its marks, what closes it, and the fence.
State FenceReader::read_marked(std::string_view text, size_t at, bool last) {
  const auto mark = mark_at(text.substr(at), syntax_.fenced);
  if (!mark) return last ? State::none : State::open;
  if (mark->empty()) return State::none;
  if (!inner_) inner_ = syntax_.reader(syntax_, tools());
  if (!inner_end_) {
    if (const State state = inner_->read(text.substr(at), last); state != State::read) return state;
    inner_end_ = at + inner_->end();
  }
  Marks closing = syntax_.ends;
  closing.push_back(kFence);
  size_t end = *inner_end_;
  while (true) {
    const size_t next = skip_space(text, end);
    const auto close = mark_at(text.substr(next), closing);
    if (next == text.size() || !close) {
      if (!last) return State::open;
      break;
    }
    if (close->empty()) break;
    end = next + close->size();
    if (*close == kFence) break;
  }
  return found(inner_->take(), end);
}

}  // namespace glassbox
