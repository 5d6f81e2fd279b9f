#include "chat/chat_syntax.h"

#include <algorithm>
#include <utility>

#include "chat/calls/scan.h"

namespace glassbox {
namespace {

size_t without_space(std::string_view text) {
  const size_t last = text.find_last_not_of(kSpace);
  return last == std::string_view::npos ? 0 : last + 1;
}

}  // namespace

ChatSyntax ChatSyntax::of_template(std::string_view source) {
  if (harmony::taught_by(source)) return {call_syntax("harmony"), Reasoning::channels};
  const bool brackets = source.find("[THINK]") != std::string_view::npos;
  return {call_syntax_of_template(source), brackets ? Reasoning::brackets : Reasoning::think};
}

SpecialTokens special_tokens(const Tokenizer& tokenizer) {
  SpecialTokens tokens;
  for (size_t id = 0; id < tokenizer.size(); ++id)
    if (tokenizer.is_special(static_cast<int32_t>(id)))
      tokens.emplace(tokenizer.piece(static_cast<int32_t>(id)), static_cast<int32_t>(id));
  tokens.erase("");
  return tokens;
}

std::vector<std::string> texts_of(const SpecialTokens& tokens, const std::set<int32_t>& ids) {
  std::vector<std::string> texts;
  for (const auto& [text, id] : tokens)
    if (ids.contains(id)) texts.push_back(text);
  return texts;
}

std::set<int32_t> ChatSyntax::special_marks(const SpecialTokens& tokens, bool calls) const {
  std::vector<std::string_view> marks;
  if (reasoning == Reasoning::channels)
    marks = harmony::marks();
  else if (reasoning == Reasoning::brackets)
    marks = {"[THINK]", "[/THINK]"};
  else
    marks = {"<think>", "</think>"};
  if (calls && this->calls) marks.insert(marks.end(), this->calls->marks.begin(), this->calls->marks.end());
  std::set<int32_t> ids;
  for (const auto& [text, id] : tokens)
    if (std::any_of(marks.begin(), marks.end(), [&](std::string_view mark) { return mark.find(text) != mark.npos; }))
      ids.insert(id);
  return ids;
}

AnswerParser::AnswerParser(const ChatSyntax& syntax, OrderedJson tools, std::string_view prompt,
                           std::vector<std::string> silent)
    : syntax_(syntax),
      tools_(std::make_shared<const OrderedJson>(std::move(tools))),
      looks_for_calls_(syntax.calls && tools_->is_array() && !tools_->empty()),
      silent_(std::move(silent)) {
  std::erase(silent_, "");
  if (syntax.reasoning == ChatSyntax::Reasoning::brackets)
    splitter_ = ReasoningSplitter(ReasoningSplitter::opened_by(prompt, "[THINK]"), "[THINK]", "[/THINK]");
  else
    splitter_ = ReasoningSplitter(ReasoningSplitter::opened_by(prompt));
  if (syntax.reasoning == ChatSyntax::Reasoning::channels) harmony_.emplace(*tools_, looks_for_calls_, prompt);
}

AnswerParser::Delta AnswerParser::push(std::string_view piece) {
  if (harmony_) return harmony_->push(piece);
  Delta out;
  ReasoningSplitter::Delta split = splitter_.push(piece);
  out.reasoning = std::move(split.reasoning);
  take_content(split.content, false, out);
  return out;
}

AnswerParser::Delta AnswerParser::finish() {
  if (harmony_) return harmony_->finish();
  Delta out;
  ReasoningSplitter::Delta split = splitter_.finish();
  out.reasoning = std::move(split.reasoning);
  take_content(split.content, true, out);
  return out;
}

bool AnswerParser::speaks() const { return harmony_ ? harmony_->speaks() : splitter_.ended(); }

void AnswerParser::take_content(std::string_view text, bool last, Delta& out) {
  if (!looks_for_calls_ && silent_.empty()) {
    out.content += text;
    return;
  }
  held_ += text;
  find_calls(last, out);
}

// Drops the beginning of what is held, and keeps in mind whether the rest begins a line.
void AnswerParser::let_go(size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    if (held_[i] == '\n')
      line_ = true;
    else if (held_[i] != ' ' && held_[i] != '\t' && held_[i] != '\r')
      line_ = false;
  }
  held_.erase(0, bytes);
}

// The first silent mark that begins before `before`: where, and its length; 0 where it may only become one.
std::pair<size_t, size_t> AnswerParser::silent_mark(size_t before, bool last) const {
  const std::string_view held = held_;
  for (size_t at = 0; at < before; ++at)
    for (const std::string& mark : silent_) {
      if (held[at] != mark[0]) continue;
      const std::string_view rest = held.substr(at);
      if (rest.starts_with(mark)) return {at, mark.size()};
      if (!last && std::string_view(mark).starts_with(rest)) return {at, 0};
    }
  return {before, 0};
}

void AnswerParser::find_calls(bool last, Delta& out) {
  while (true) {
    if (!reader_ && !begin_call(last, out)) return;
    const CallReader::State state = reader_->read(held_, last);
    if (state == CallReader::State::open && !last) return;
    if (state == CallReader::State::read) {
      for (ToolCall& call : reader_->take()) out.add(std::move(call));
      held_.erase(0, reader_->end());
      called_ = line_ = true;
      for (std::string_view mark : syntax_.calls->ends)
        if (std::find(silent_.begin(), silent_.end(), mark) == silent_.end()) silent_.emplace_back(mark);
    } else {
      // Not a call: its first character is text, and what follows may yet hold another mark.
      called_ = false;
      out.content += space_;
      const auto mark =
          std::find_if(silent_.begin(), silent_.end(), [&](const std::string& one) { return held_.starts_with(one); });
      if (mark == silent_.end()) {
        out.content += held_[0];
        let_go(1);
      } else {
        held_.erase(0, mark->size());
      }
    }
    reader_.reset();
    space_.clear();
  }
}

// Looks for a call in the text held; false if there is none, and the text that is certain has been told.
bool AnswerParser::begin_call(bool last, Delta& out) {
  while (true) {
    if (called_) {  // between calls, and after the last, marks and white space go
      const auto rest = after_call(*syntax_.calls, held_, last);
      if (!rest) return false;
      held_.erase(0, *rest);
      line_ = true;
    }
    CallOpening opening{held_.size(), false};
    if (looks_for_calls_) opening = find_call(*syntax_.calls, held_, line_);
    if (last && !opening.whole) opening.at = held_.size();
    const auto [certain, mark] = silent_mark(opening.at, last);
    const bool silent = certain < opening.at && mark > 0;
    // White space before what may be a mark, or the end, waits with it.
    std::string_view text = std::string_view(held_).substr(0, certain);
    if (!silent && (certain < held_.size() || !last)) text = text.substr(0, without_space(text));
    if (!text.empty()) {
      out.content += text;
      called_ = false;
    }
    if (silent) {
      let_go(certain);
      held_.erase(0, mark);
      continue;
    }
    if (certain == opening.at && opening.whole) {
      space_ = held_.substr(text.size(), certain - text.size());
      let_go(certain);
      reader_ = call_reader(*syntax_.calls, *tools_, held_);
      return true;
    }
    let_go(last ? held_.size() : text.size());
    return false;
  }
}

}  // namespace glassbox
