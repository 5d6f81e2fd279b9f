#include "chat/chat_syntax.h"

#include <algorithm>
#include <utility>

namespace glassbox {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

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

constexpr int kMostTries = 8;  // to read arguments up to a mark that seems to be in their quotes

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
    marks = {kMessage, kChannel, kStart, kEnd, kCall, kReturn, "<|constrain|>"};
  else if (reasoning == Reasoning::brackets)
    marks = {"[THINK]", "[/THINK]"};
  else
    marks = {"<think>", "</think>"};
  if (calls) {
    const std::vector<std::string_view> more = call_marks(this->calls);
    marks.insert(marks.end(), more.begin(), more.end());
  }
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
      looks_for_calls_(syntax.calls != CallSyntax::none && tools_->is_array() && !tools_->empty()),
      silent_(std::move(silent)) {
  std::erase(silent_, "");
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
    if (mode_ == Mode::text && !begin_call(last, out)) return;
    const CallReader::State state = reader_->read(held_, last);
    if (state == CallReader::State::open && !last) return;
    if (state == CallReader::State::read) {
      for (ToolCall& call : reader_->take()) out.add(std::move(call));
      held_.erase(0, reader_->end());
      called_ = line_ = true;
      for (std::string_view mark : end_marks(syntax_.calls))
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
    mode_ = Mode::text;
    space_.clear();
  }
}

// Looks for a call in the text held; false if there is none, and the text that is certain has been told.
bool AnswerParser::begin_call(bool last, Delta& out) {
  while (true) {
    if (called_) {  // between calls, and after the last, marks and white space go
      const auto rest = after_call(syntax_.calls, held_, last);
      if (!rest) return false;
      held_.erase(0, *rest);
      line_ = true;
    }
    CallOpening opening{held_.size(), false};
    if (looks_for_calls_) opening = find_call(syntax_.calls, held_, line_);
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
      mode_ = Mode::call;
      reader_ = std::make_shared<CallReader>(syntax_.calls, *tools_);
      return true;
    }
    let_go(last ? held_.size() : text.size());
    return false;
  }
}

// Harmony: messages one after another, each a head up to <|message|> and a body up to a mark that ends it.
void AnswerParser::channels(bool last, Delta& out) {
  static const std::vector<std::string_view> kEnds = {kEnd, kCall, kReturn, kStart, kChannel};
  while (true) {
    if (mode_ == Mode::head && !read_head(last, out)) return;
    spoke_ = spoke_ || channel_ != Channel::reasoning;
    if (channel_ == Channel::call) {
      // A mark within the arguments' quotes is text, unless they are broken: then the first one counts that makes
      // sense.
      size_t end = std::string::npos, size = 0;
      std::optional<std::string> arguments;
      while (body_ < held_.size()) {
        const std::string_view rest = std::string_view(held_).substr(body_);
        const auto mark = std::find_if(kEnds.begin(), kEnds.end(), [&](auto one) { return rest.starts_with(one); });
        if (mark != kEnds.end()) {
          if (!quoted_ || tries_++ < kMostTries)
            arguments = arguments_of_model(std::string_view(held_).substr(0, body_), recipient_, *tools_, true);
          if (arguments || !quoted_) {
            end = body_;
            size = *mark == kChannel ? 0 : mark->size();  // a new head begins: with the mark where it belongs to it
            break;
          }
        } else if (!last && rest[0] == '<' && beginning_of(kEnds, rest) == rest.size()) {
          return;
        }
        const char c = held_[body_++];
        if (escaped_)
          escaped_ = false;
        else if (quoted_ && c == '\\')
          escaped_ = true;
        else if (c == '"')
          quoted_ = !quoted_;
      }
      if (end == std::string::npos) {
        if (!last) return;
        end = held_.size();
        arguments = arguments_of_model(held_, recipient_, *tools_, false);
      }
      if (arguments)
        out.add(ToolCall{"", recipient_, std::move(*arguments)});
      else
        out.content += std::string_view(held_).substr(0, end);
      held_.erase(0, end + size);
      mode_ = Mode::head;
      if (last && held_.empty()) return;
      continue;
    }
    const auto [at, mark] = first_of(kEnds, held_);
    size_t certain = at;
    if (at == std::string::npos) certain = last ? held_.size() : held_.size() - beginning_of(kEnds, held_);
    (channel_ == Channel::reasoning ? out.reasoning : out.content) += held_.substr(0, certain);
    if (at == std::string::npos) {
      held_.erase(0, certain);
      return;
    }
    held_.erase(0, at + (mark == kChannel ? 0 : mark.size()));
    mode_ = Mode::head;
  }
}

// Harmony: what comes before <|message|>; false if it has not all come. A model that writes no head speaks plainly.
bool AnswerParser::read_head(bool last, Delta& out) {
  constexpr size_t kLongest = 400;
  constexpr std::string_view kBeginnings[] = {"<|", "to=", "assistant", "analysis", "commentary", "final"};
  recipient_.clear();
  body_ = 0;
  tries_ = 0;
  quoted_ = escaped_ = false;
  const size_t begin = std::min(held_.find_first_not_of(kSpace), held_.size());
  const std::string_view text = std::string_view(held_).substr(begin);
  const bool may_be_head = std::any_of(std::begin(kBeginnings), std::end(kBeginnings), [&](std::string_view one) {
    return text.starts_with(one) || (!last && one.starts_with(text));
  });
  const size_t at = held_.substr(0, kLongest + kMessage.size()).find(kMessage);
  const bool too_long = at == std::string::npos && held_.size() >= kLongest + kMessage.size();
  if (!text.empty() && (!may_be_head || too_long)) {
    channel_ = Channel::content;
    mode_ = Mode::body;
    return true;
  }
  if (at == std::string::npos) {
    if (last) {
      // A head that never became a message says nothing; words that only might have been one do.
      if (held_.find("<|") == std::string::npos && !text.starts_with("to=")) out.content += text;
      held_.clear();
    }
    return false;
  }
  std::string_view head = std::string_view(held_).substr(0, at);
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
  if (is_tool_name(recipient_) && looks_for_calls_)
    channel_ = Channel::call;
  else
    channel_ = channel == "analysis" ? Channel::reasoning : Channel::content;
  held_.erase(0, at + kMessage.size());
  mode_ = Mode::body;
  return true;
}

}  // namespace glassbox
