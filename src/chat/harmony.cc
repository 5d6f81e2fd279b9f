#include "chat/harmony.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "chat/calls/json_calls.h"
#include "chat/calls/scan.h"

namespace glassbox {
namespace {

constexpr std::string_view kMessage = "<|message|>", kChannel = "<|channel|>", kStart = "<|start|>", kEnd = "<|end|>",
                           kCall = "<|call|>", kReturn = "<|return|>";
constexpr int kMostTries = 8;  // to read arguments up to a mark that seems to be in their quotes

const Marks& message_ends() {
  static const Marks ends = {kEnd, kCall, kReturn, kStart, kChannel};
  return ends;
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

// The word that `text` begins with: up to white space or a mark.
std::string_view first_word(std::string_view text) { return text.substr(0, text.find_first_of(" \t\r\n<")); }

}  // namespace

bool harmony::taught_by(std::string_view chat_template) {
  const auto has = [&](std::string_view mark) { return chat_template.find(mark) != std::string_view::npos; };
  return has(kChannel) && has(kMessage);
}

std::vector<std::string_view> harmony::marks() {
  return {kMessage, kChannel, kStart, kEnd, kCall, kReturn, "<|constrain|>"};
}

CallSyntax harmony_calls() {
  CallSyntax harmony;  // which has no marks but its channels'
  harmony.name = "harmony";
  return harmony;
}

HarmonyParser::HarmonyParser(const OrderedJson& tools, bool calls, std::string_view prompt)
    : tools_(&tools), looks_for_calls_(calls) {
  const size_t start = prompt.rfind(kStart);
  if (start == std::string_view::npos) return;
  std::string_view begun = prompt.substr(start + kStart.size());
  take_mark(begun, "assistant");
  held_ = begun;
  AnswerDelta nothing;
  read(false, nothing);
}

AnswerDelta HarmonyParser::push(std::string_view piece) {
  AnswerDelta out;
  held_ += piece;
  read(false, out);
  return out;
}

AnswerDelta HarmonyParser::finish() {
  AnswerDelta out;
  read(true, out);
  return out;
}

// Messages one after another, each a head up to <|message|> and a body up to a mark that ends it.
void HarmonyParser::read(bool last, AnswerDelta& out) {
  while (true) {
    if (in_head_ && !read_head(last, out)) return;
    spoke_ = spoke_ || channel_ != Channel::reasoning;
    if (!(channel_ == Channel::call ? read_call(last, out) : read_text(last, out))) return;
  }
}

// The body of a message to a tool; false if it has not all come. A mark within the arguments' quotes is text, unless
// they are broken: then the first one counts that makes sense.
bool HarmonyParser::read_call(bool last, AnswerDelta& out) {
  const Marks& ends = message_ends();
  size_t end = std::string::npos, size = 0;
  std::optional<std::string> arguments;
  while (body_ < held_.size()) {
    const std::string_view rest = std::string_view(held_).substr(body_);
    const auto mark = std::find_if(ends.begin(), ends.end(), [&](auto one) { return rest.starts_with(one); });
    if (mark != ends.end()) {
      if (!quoted_ || tries_++ < kMostTries)
        arguments = arguments_of_model(std::string_view(held_).substr(0, body_), recipient_, *tools_, true);
      if (arguments || !quoted_) {
        end = body_;
        size = *mark == kChannel ? 0 : mark->size();  // a new head begins: with the mark where it belongs to it
        break;
      }
    } else if (!last && rest[0] == '<' && beginning_of(ends, rest) == rest.size()) {
      return false;
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
    if (!last) return false;
    end = held_.size();
    arguments = arguments_of_model(held_, recipient_, *tools_, false);
  }
  if (arguments)
    out.add(ToolCall{"", recipient_, std::move(*arguments)});
  else
    out.content += std::string_view(held_).substr(0, end);
  held_.erase(0, end + size);
  in_head_ = true;
  return !last || !held_.empty();
}

// The body of any other message; false if it has not all come.
bool HarmonyParser::read_text(bool last, AnswerDelta& out) {
  const auto [at, mark] = first_of(message_ends(), held_);
  size_t certain = at;
  if (at == std::string::npos) certain = last ? held_.size() : held_.size() - beginning_of(message_ends(), held_);
  (channel_ == Channel::reasoning ? out.reasoning : out.content) += held_.substr(0, certain);
  if (at == std::string::npos) {
    held_.erase(0, certain);
    return false;
  }
  held_.erase(0, at + (mark == kChannel ? 0 : mark.size()));
  in_head_ = true;
  return true;
}

// What comes before <|message|>; false if it has not all come. A model that writes no head speaks plainly.
bool HarmonyParser::read_head(bool last, AnswerDelta& out) {
  constexpr size_t kLongest = 400;
  constexpr std::string_view kTo = "to=";
  constexpr std::string_view kBeginnings[] = {"<|", kTo, "assistant", "analysis", "commentary", "final"};
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
    in_head_ = false;
    return true;
  }
  if (at == std::string::npos) {
    if (last) {
      // A head that never became a message says nothing; words that only might have been one do.
      if (held_.find("<|") == std::string::npos && !text.starts_with(kTo)) out.content += text;
      held_.clear();
    }
    return false;
  }
  std::string_view head = std::string_view(held_).substr(0, at);
  if (const size_t to = head.find(kTo); to != std::string_view::npos) {
    std::string_view name = first_word(head.substr(to + kTo.size()));
    take_mark(name, "functions.");
    recipient_ = name;
  }
  std::string_view channel;
  if (const size_t mark = head.find(kChannel); mark != std::string_view::npos)
    channel = first_word(head.substr(mark + kChannel.size()));
  if (is_tool_name(recipient_) && looks_for_calls_)
    channel_ = Channel::call;
  else
    channel_ = channel == "analysis" ? Channel::reasoning : Channel::content;
  held_.erase(0, at + kMessage.size());
  in_head_ = false;
  return true;
}

}  // namespace glassbox
