#include "text/chat_syntax.h"

#include <algorithm>
#include <utility>

namespace glassbox {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::vector<std::string_view> opening_marks(CallSyntax syntax) {
  switch (syntax) {
    case CallSyntax::tagged:
      return {"<tool_call>", "<function="};
    case CallSyntax::json:
      return {"<|python_tag|>"};
    case CallSyntax::pythonic:
      return {"<|python_start|>"};
    case CallSyntax::deepseek:
      return {"<｜tool▁calls▁begin｜>"};
    case CallSyntax::mistral:
      return {"[TOOL_CALLS]"};
    case CallSyntax::kimi:
      return {"<|tool_calls_section_begin|>"};
    case CallSyntax::gemma:
      return {"```tool_code", "```json"};
    case CallSyntax::listed:
      return {"<function_calls>"};
    default:
      return {};
  }
}

// Brackets that call where an answer begins with them.
std::string_view opening_brackets(CallSyntax syntax) {
  return syntax == CallSyntax::json ? "{" : syntax == CallSyntax::pythonic ? "[{" : "";
}

// Length of the longest end of `text` that begins one of the marks.
size_t beginning_of(const std::vector<std::string_view>& marks, std::string_view text) {
  size_t longest = 0;
  for (std::string_view mark : marks)
    for (size_t n = std::min(mark.size() - 1, text.size()); n > longest; --n)
      if (text.ends_with(mark.substr(0, n))) {
        longest = n;
        break;
      }
  return longest;
}

// The first of the marks in `text`: where, and which.
std::pair<size_t, std::string_view> first_of(const std::vector<std::string_view>& marks, std::string_view text) {
  std::pair<size_t, std::string_view> first = {std::string_view::npos, {}};
  for (std::string_view mark : marks)
    if (const size_t at = text.find(mark); at < first.first) first = {at, mark};
  return first;
}

size_t without_space(std::string_view text) {
  const size_t last = text.find_last_not_of(kSpace);
  return last == std::string_view::npos ? 0 : last + 1;
}

// True if a closing mark at the end of this could stand inside a text of the call's JSON.
bool inside_text(std::string_view call) {
  bool inside = false;
  for (size_t i = 0; i < call.size(); ++i) {
    if (inside && call[i] == '\\')
      ++i;
    else if (call[i] == '"')
      inside = !inside;
  }
  return inside;
}

constexpr std::string_view kMessage = "<|message|>", kChannel = "<|channel|>", kStart = "<|start|>", kEnd = "<|end|>",
                           kCall = "<|call|>", kReturn = "<|return|>";

}  // namespace

ChatSyntax ChatSyntax::of_template(std::string_view source) {
  auto has = [&](std::string_view mark) { return source.find(mark) != std::string_view::npos; };
  ChatSyntax syntax;
  if (has(kChannel) && has(kMessage))
    return {CallSyntax::harmony, Reasoning::channels};
  else if (has("<｜tool▁calls▁begin｜>"))
    syntax.calls = CallSyntax::deepseek;
  else if (has("<|tool_calls_section_begin|>"))
    syntax.calls = CallSyntax::kimi;
  else if (has("[TOOL_CALLS]"))
    syntax.calls = CallSyntax::mistral;
  else if (has("<function_calls>"))
    syntax.calls = CallSyntax::listed;
  else if (has("<tool_call>"))
    syntax.calls = CallSyntax::tagged;
  else if (has("<|python_start|>") || has("<|header_start|>"))
    syntax.calls = CallSyntax::pythonic;
  else if (has("<|python_tag|>") || has("<|start_header_id|>"))
    syntax.calls = CallSyntax::json;
  else if (has("<start_of_turn>"))
    syntax.calls = CallSyntax::gemma;
  if (has("[THINK]")) syntax.reasoning = Reasoning::brackets;
  return syntax;
}

AnswerParser::AnswerParser(const ChatSyntax& syntax, OrderedJson tools, std::string_view prompt)
    : syntax_(syntax),
      tools_(std::move(tools)),
      looks_for_calls_(syntax.calls != CallSyntax::none && tools_.is_array() && !tools_.empty()),
      end_(syntax.calls) {
  if (syntax.reasoning == ChatSyntax::Reasoning::brackets)
    splitter_ = ReasoningSplitter(ReasoningSplitter::opened_by(prompt, "[THINK]"), "[THINK]", "[/THINK]");
  else
    splitter_ = ReasoningSplitter(ReasoningSplitter::opened_by(prompt));
  if (syntax.reasoning != ChatSyntax::Reasoning::channels) return;
  // A prompt ends with "<|start|>assistant", or has begun the message.
  mode_ = Mode::head;
  const size_t start = prompt.rfind(kStart);
  if (start != std::string_view::npos) {
    std::string_view begun = prompt.substr(start + kStart.size());
    if (begun.starts_with("assistant")) begun.remove_prefix(9);
    held_ = begun;
    Delta nothing;
    channels(false, nothing);
  }
}

AnswerParser::Delta AnswerParser::push(std::string_view piece) {
  Delta out;
  if (syntax_.reasoning == ChatSyntax::Reasoning::channels) {
    held_ += piece;
    channels(false, out);
    return out;
  }
  ReasoningSplitter::Delta split = splitter_.push(piece);
  out.reasoning = std::move(split.reasoning);
  take_content(split.content, false, out);
  return out;
}

AnswerParser::Delta AnswerParser::finish() {
  Delta out;
  if (syntax_.reasoning == ChatSyntax::Reasoning::channels) {
    channels(true, out);
    return out;
  }
  ReasoningSplitter::Delta split = splitter_.finish();
  out.reasoning = std::move(split.reasoning);
  take_content(split.content, true, out);
  return out;
}

bool AnswerParser::speaks() const {
  return syntax_.reasoning == ChatSyntax::Reasoning::channels ? spoke_ : splitter_.ended();
}

void AnswerParser::take_content(std::string_view text, bool last, Delta& out) {
  if (!looks_for_calls_) {
    out.content += text;
    return;
  }
  held_ += text;
  find_calls(last, out);
}

void AnswerParser::find_calls(bool last, Delta& out) {
  while (true) {
    if (mode_ == Mode::text && !begin_call(last, out)) return;
    const CallEnd::State state = end_.scan(held_);
    if (state == CallEnd::State::open && !last) return;
    const size_t end = state == CallEnd::State::ended ? end_.end() : held_.size();
    std::string_view whole = std::string_view(held_).substr(0, end);
    auto calls = state == CallEnd::State::hopeless ? std::nullopt : parse_calls(syntax_.calls, whole, tools_);
    if (!calls && state == CallEnd::State::ended && syntax_.calls == CallSyntax::tagged) {
      const std::string_view close = whole.ends_with("</tool_call>") ? "</tool_call>" : "</function>";
      if (inside_text(whole.substr(0, whole.size() - close.size())) && !(last && end == held_.size())) {
        end_.go_on();
        continue;
      }
    }
    if (calls) {
      for (ToolCall& call : *calls) out.calls.push_back(std::move(call));
      held_.erase(0, end);
      called_ = true;
    } else {
      // Not a call: its first character is text, and what follows may yet hold another mark.
      at_start_ = called_ = false;
      out.content += space_ + held_[0];
      held_.erase(0, 1);
    }
    mode_ = Mode::text;
    space_.clear();
  }
}

// Looks for a mark in the text held; false if there is none, and the text that is certain has been told.
bool AnswerParser::begin_call(bool last, Delta& out) {
  const std::vector<std::string_view> marks = opening_marks(syntax_.calls);
  const size_t space = held_.find_first_not_of(called_ ? " \t\r\n;" : kSpace);
  if (at_start_ && space != std::string::npos &&
      opening_brackets(syntax_.calls).find(held_[space]) != std::string_view::npos) {
    space_ = held_.substr(0, space);
    held_.erase(0, space);
    mode_ = Mode::call;
    end_ = CallEnd(syntax_.calls);
    return true;
  }
  const auto [at, mark] = first_of(marks, held_);
  size_t certain = at;
  if (at == std::string::npos) { certain = last ? held_.size() : held_.size() - beginning_of(marks, held_); }
  // White space before what may be a mark, or the end, waits with it; between calls, and after the last, it goes.
  const bool waits = at != std::string::npos || !last || called_;
  std::string_view text = std::string_view(held_).substr(0, certain);
  if (waits) text = text.substr(0, without_space(text));
  if (called_ && syntax_.calls == CallSyntax::json && text.find_first_not_of(" \t\r\n;") == std::string_view::npos)
    text = {};
  if (!text.empty()) {
    out.content += text;
    at_start_ = called_ = false;
  }
  if (at != std::string::npos) {
    space_ = held_.substr(text.size(), at - text.size());
    held_.erase(0, at);
    mode_ = Mode::call;
    end_ = CallEnd(syntax_.calls);
    return true;
  }
  if (last)
    held_.clear();
  else
    held_.erase(0, text.size());
  return false;
}

// Harmony: messages one after another, each a head up to <|message|> and a body up to a mark that ends it.
void AnswerParser::channels(bool last, Delta& out) {
  static const std::vector<std::string_view> kEnds = {kEnd, kCall, kReturn, kStart, kChannel};
  while (true) {
    if (mode_ == Mode::head) {
      const size_t at = held_.find(kMessage);
      if (at == std::string::npos) {
        if (last && !held_.empty()) {  // a head that never became a message
          const size_t text = held_.find_first_not_of(kSpace);
          if (text != std::string::npos && !held_.starts_with(kStart)) out.content += held_;
          held_.clear();
        }
        return;
      }
      head_ = held_.substr(0, at);
      held_.erase(0, at + kMessage.size());
      mode_ = Mode::body;
      std::string_view head = head_;
      recipient_.clear();
      if (const size_t to = head.find("to="); to != std::string_view::npos) {
        std::string_view name = head.substr(to + 3);
        name = name.substr(0, std::min(name.find_first_of(" \t\r\n<"), name.size()));
        if (name.starts_with("functions.")) name.remove_prefix(10);
        recipient_ = name;
      }
      std::string_view channel;
      if (const size_t mark = head.find(kChannel); mark != std::string_view::npos) {
        channel = head.substr(mark + kChannel.size());
        channel = channel.substr(0, std::min(channel.find_first_of(" \t\r\n<"), channel.size()));
      }
      if (!recipient_.empty() && looks_for_calls_)
        channel_ = Channel::call;
      else
        channel_ = channel == "analysis" ? Channel::reasoning : Channel::content;
    }
    spoke_ = spoke_ || channel_ != Channel::reasoning;
    const auto [at, mark] = first_of(kEnds, held_);
    if (channel_ == Channel::call) {
      if (at == std::string::npos && !last) return;
      const std::string body = held_.substr(0, at);
      auto calls = parse_calls(CallSyntax::harmony, body, tools_);
      if (calls) {
        calls->front().name = recipient_;
        out.calls.push_back(std::move(calls->front()));
      } else {
        out.content += head_ + std::string(kMessage) + body;
      }
    } else {
      size_t certain = at;
      if (at == std::string::npos) certain = last ? held_.size() : held_.size() - beginning_of(kEnds, held_);
      (channel_ == Channel::reasoning ? out.reasoning : out.content) += held_.substr(0, certain);
      if (at == std::string::npos) {
        held_.erase(0, certain);
        return;
      }
    }
    if (at == std::string::npos) {
      held_.clear();
      return;
    }
    // A new head begins: with the mark itself where it belongs to the head.
    held_.erase(0, at + (mark == kChannel ? 0 : mark.size()));
    mode_ = Mode::head;
  }
}

}  // namespace glassbox
