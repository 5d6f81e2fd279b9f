#include "tokenizer/pretokenizer.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/quote.h"
#include "formats/json_fields.h"
#include "unicode/classes.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

using Behavior = PreTokenizer::Behavior;

struct Range {
  size_t begin, end;
  bool match;
};

// Finds matches in `text` and hands on what the behaviour makes of them, in order.
template <class Next>
void split_by(std::string_view text, Behavior behavior, bool invert, Next&& next_match, const auto& emit) {
  std::vector<Range> kept;  // only where pieces are glued together
  const bool glue = behavior != Behavior::removed && behavior != Behavior::isolated;
  auto take = [&](size_t begin, size_t end, bool match) {
    if (begin == end) return;
    if (glue)
      kept.push_back({begin, end, match != invert});
    else if (behavior == Behavior::isolated || match == invert)
      emit(text.substr(begin, end - begin));
  };
  size_t at = 0;
  for (size_t begin = 0, end = 0; next_match(begin, end); at = end) {
    take(at, begin, false);
    take(begin, end, true);
  }
  take(at, text.size(), false);
  if (!glue) return;

  std::vector<Range> glued;
  if (behavior == Behavior::merged_with_next) {
    bool previous = false;
    for (size_t i = kept.size(); i-- > 0; previous = kept[i].match) {
      if (kept[i].match && !previous && !glued.empty())
        glued.back().begin = kept[i].begin;
      else
        glued.push_back(kept[i]);
    }
    std::reverse(glued.begin(), glued.end());
  } else {
    bool previous = false;
    for (const Range& range : kept) {
      const bool join = behavior == Behavior::contiguous ? range.match == previous : range.match && !previous;
      if (join && !glued.empty())
        glued.back().end = range.end;
      else
        glued.push_back(range);
      previous = range.match;
    }
  }
  for (const Range& range : glued) emit(text.substr(range.begin, range.end - range.begin));
}

// Calls `good` with the well-formed stretches and `bad` with those between.
template <class Good, class Bad>
void well_formed_runs(std::string_view text, Good&& good, Bad&& bad) {
  while (!text.empty()) {
    const size_t n = unicode::valid_prefix(text);
    if (n > 0) good(text.substr(0, n));
    text.remove_prefix(n);
    size_t broken = 0;
    while (broken < text.size()) {
      size_t after = broken;
      if (unicode::next(text, after) != unicode::kBroken) break;
      broken = after;
    }
    if (broken > 0) bad(text.substr(0, broken));
    text.remove_prefix(broken);
  }
}

// What a step of this kind does to `text`; broken bytes are like letters.
void split_by_kind(std::string_view text, const PreTokenizer::ByKind& step, const auto& emit) {
  using Kind = PreTokenizer::Kind;
  const unicode::Class* classes = unicode::class_table();
  const uint8_t* traits = unicode::trait_table();
  auto is_space = [&](char32_t c) { return c != unicode::kBroken && classes[c] == unicode::Class::Space; };
  auto is_punctuation = [&](char32_t c) { return c != unicode::kBroken && (traits[c] & unicode::kPunctuation); };
  if (step.kind == Kind::trailing_space) {
    size_t begin = text.size();
    for (size_t at = begin; at > 0 && is_space(unicode::previous(text, at));) begin = at;
    if (begin > 0) emit(text.substr(0, begin));
    if (begin < text.size()) emit(text.substr(begin));
    return;
  }
  if (step.kind == Kind::punctuation) {
    size_t from = 0;
    auto next = [&](size_t& begin, size_t& end) {
      while (from < text.size()) {
        begin = from;
        if (is_punctuation(unicode::next(text, from))) return end = from, true;
      }
      return false;
    };
    return split_by(text, step.behavior, false, next, emit);
  }
  // 0 ends a word and is dropped, 1 ends a word and is one; other kinds go together with their like.
  auto kind_of = [&](char32_t c) {
    if (is_space(c)) return 0;
    if (step.kind == Kind::bert && is_punctuation(c)) return 1;
    return step.kind == Kind::words && !unicode::is_word(c) ? 2 : 3;
  };
  size_t begin = 0;
  int kind = 0;  // of what lies between `begin` and `at`
  for (size_t at = 0; at < text.size();) {
    size_t after = at;
    const int here = kind_of(unicode::next(text, after));
    if (here != kind || here == 1) {
      if (kind != 0) emit(text.substr(begin, at - begin));
      begin = at, kind = here;
    }
    at = after;
  }
  if (kind != 0) emit(text.substr(begin));
}

Behavior behavior_of(const std::string& name, std::string_view source) {
  static const std::pair<std::string_view, Behavior> kNames[] = {{"Removed", Behavior::removed},
                                                                 {"Isolated", Behavior::isolated},
                                                                 {"MergedWithPrevious", Behavior::merged_with_previous},
                                                                 {"MergedWithNext", Behavior::merged_with_next},
                                                                 {"Contiguous", Behavior::contiguous}};
  for (const auto& [known, behavior] : kNames)
    if (name == known) return behavior;
  fail(ErrorKind::unsupported, "{}: pre_tokenizer Split: behavior {} is not supported", source, quote(name));
}

void add_steps(const Json& spec, std::string_view source, std::vector<PreTokenizer::Step>& steps, bool& byte_level) {
  const std::string type = json_string(spec, "type", source, "pre_tokenizer");
  const std::string place = "pre_tokenizer " + type;
  // After ByteLevel the reference splits characters that stand for bytes: no published tokenizer means that.
  if (byte_level)
    fail(ErrorKind::unsupported, "{}: pre_tokenizer {} after ByteLevel is not supported", source, quote(type));
  if (type == "Sequence") {
    for (const Json& one : json_array(spec, "pretokenizers", source, place)) add_steps(one, source, steps, byte_level);
  } else if (type == "ByteLevel") {
    if (json_bool(spec, "add_prefix_space", true, source, place)) steps.emplace_back(PreTokenizer::PrefixSpace{});
    if (json_bool(spec, "use_regex", true, source, place)) steps.emplace_back(PreTokenizer::Known{KnownPattern::gpt2});
    byte_level = true;
  } else if (type == "Split") {
    PreTokenizer::Split split;
    split.behavior = behavior_of(json_string(spec, "behavior", source, place), source);
    split.invert = json_bool(spec, "invert", false, source, place);
    const Json& pattern = json_object(spec, "pattern", source, place);
    if (pattern.contains("String")) {
      split.literal = json_string(pattern, "String", source, place);
      if (split.literal.empty())
        fail(ErrorKind::unsupported, "{}: {} at an empty string is not supported", source, place);
    } else {
      const std::string expression = json_string(pattern, "Regex", source, place);
      const auto known = known_pattern(expression);
      // These match at every character, so keeping matches apart and dropping what does not match are the same.
      if (known && (split.behavior == Behavior::isolated || (split.behavior == Behavior::removed && split.invert))) {
        steps.emplace_back(PreTokenizer::Known{*known});
        return;
      }
      // DeepSeek's: the engines differ on ends of lines, but lines have been taken apart before.
      const bool lines_apart = std::any_of(steps.begin(), steps.end(), [](const PreTokenizer::Step& step) {
        const auto* before = std::get_if<PreTokenizer::Split>(&step);
        return before && before->regex && before->regex->expression() == "[\\r\\n]" &&
               before->behavior == Behavior::isolated;
      });
      if (expression == "\\s+$" && split.behavior == Behavior::isolated && !split.invert && lines_apart) {
        steps.emplace_back(PreTokenizer::ByKind{PreTokenizer::Kind::trailing_space});
        return;
      }
      split.regex = Regex::compile(expression, source);
    }
    steps.emplace_back(std::move(split));
  } else if (type == "Digits") {
    steps.emplace_back(PreTokenizer::Digits{json_bool(spec, "individual_digits", false, source, place)});
  } else if (type == "Metaspace") {
    PreTokenizer::Metaspace step;
    step.mark = json_string(spec, "replacement", source, place);
    size_t one = 0;
    if (step.mark.empty() || unicode::next(step.mark, one) == unicode::kBroken || one != step.mark.size())
      fail(ErrorKind::bad_file, "{}: {}: \"replacement\" is expected to be one character, got {}", source, place,
           quote(step.mark));
    // Older files have add_prefix_space, which means always or never.
    const bool prefix_space = json_bool(spec, "add_prefix_space", true, source, place);
    const std::string scheme = json_string_or(spec, "prepend_scheme", prefix_space ? "always" : "never", source, place);
    if (scheme == "always")
      step.prefix = PreTokenizer::Prefix::always;
    else if (scheme == "first")
      step.prefix = PreTokenizer::Prefix::first;
    else if (scheme == "never")
      step.prefix = PreTokenizer::Prefix::never;
    else
      fail(ErrorKind::unsupported, "{}: {}: prepend_scheme {} is not supported", source, place, quote(scheme));
    step.split = json_bool(spec, "split", true, source, place);
    steps.emplace_back(std::move(step));
  } else if (type == "WhitespaceSplit") {
    steps.emplace_back(PreTokenizer::ByKind{PreTokenizer::Kind::white_space});
  } else if (type == "Whitespace") {
    steps.emplace_back(PreTokenizer::ByKind{PreTokenizer::Kind::words});
  } else if (type == "BertPreTokenizer") {
    steps.emplace_back(PreTokenizer::ByKind{PreTokenizer::Kind::bert});
  } else if (type == "Punctuation") {
    steps.emplace_back(
        PreTokenizer::ByKind{PreTokenizer::Kind::punctuation,
                             behavior_of(json_string_or(spec, "behavior", "Isolated", source, place), source)});
  } else {
    fail(ErrorKind::unsupported, "{}: pre_tokenizer {} is not supported", source, quote(type));
  }
}

// DeepSeek-V3's three expressions, which its tokenizer.json writes with breaks of lines as they are.
bool is_deepseek_v3(const PreTokenizer::Step* steps) {
  for (int i = 0; i < 3; ++i) {
    const auto* split = std::get_if<PreTokenizer::Split>(&steps[i]);
    if (!split || !split->regex || split->behavior != Behavior::isolated || split->invert) return false;
    std::string expression;
    for (const char c : split->regex->expression()) {
      if (c == '\r')
        expression += "\\r";
      else if (c == '\n')
        expression += "\\n";
      else
        expression += c;
    }
    if (expression != kDeepSeekV3[i]) return false;
  }
  return true;
}

}  // namespace

PreTokenizer PreTokenizer::from_json(const Json& spec, std::string_view source) {
  std::vector<Step> steps;
  bool byte_level = false;
  if (!spec.is_null()) add_steps(spec, source, steps, byte_level);
  for (size_t i = 0; i + 3 <= steps.size(); ++i) {
    if (!is_deepseek_v3(&steps[i])) continue;
    steps[i] = Known{KnownPattern::deepseek_v3};
    steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(i) + 1, steps.begin() + static_cast<std::ptrdiff_t>(i) + 3);
  }
  return PreTokenizer(std::move(steps), byte_level);
}

void PreTokenizer::run(size_t at, std::string_view text, bool first, bool well_formed, const Sink& sink) const {
  if (text.empty()) return;
  if (at == steps_.size()) return sink(text);
  const char* begin = text.data();
  auto onward = [&](std::string_view piece) { run(at + 1, piece, first && piece.data() == begin, well_formed, sink); };
  auto each_run = [&](auto&& split_well_formed) {
    if (well_formed) return split_well_formed(text);
    well_formed_runs(text, split_well_formed, onward);
  };

  const Step& step = steps_[at];
  if (const auto* known = std::get_if<Known>(&step)) {
    each_run([&](std::string_view part) {
      for (size_t from = 0; from < part.size();) {
        const size_t end = match_end(known->pattern, part, from);
        onward(part.substr(from, end - from));
        from = end;
      }
    });
  } else if (const auto* split = std::get_if<Split>(&step)) {
    if (split->regex) {
      each_run([&](std::string_view part) {
        Regex::Matcher matcher(*split->regex, part);
        split_by(
            part, split->behavior, split->invert, [&](size_t& b, size_t& e) { return matcher.next(b, e); }, onward);
      });
    } else {
      size_t from = 0;
      auto next = [&](size_t& b, size_t& e) {
        b = text.find(split->literal, from);
        if (b == std::string_view::npos) return false;
        from = e = b + split->literal.size();
        return true;
      };
      split_by(text, split->behavior, split->invert, next, onward);
    }
  } else if (const auto* by_kind = std::get_if<ByKind>(&step)) {
    split_by_kind(text, *by_kind, onward);
  } else if (std::holds_alternative<PrefixSpace>(step)) {
    if (text[0] == ' ') return onward(text);
    std::string prefixed(" ");
    prefixed += text;
    run(at + 1, prefixed, first, well_formed, sink);
  } else if (const auto* digits = std::get_if<Digits>(&step)) {
    const unicode::Class* table = unicode::class_table();
    size_t from = 0;
    auto next = [&](size_t& b, size_t& e) {
      bool any = false;
      for (size_t i = from; i < text.size();) {
        size_t after = i;
        const char32_t c = unicode::next(text, after);
        const bool number = c != unicode::kBroken && table[c] == unicode::Class::N;
        if (number && !any) b = i, any = true;
        if (number) e = after;
        if (any && (!number || digits->individual)) break;
        i = after;
      }
      from = e;
      return any;
    };
    split_by(text, Behavior::isolated, false, next, onward);
  } else {
    const auto& meta = std::get<Metaspace>(step);
    std::string marked;
    marked.reserve(text.size() * 3 / 2 + meta.mark.size());
    for (char c : text) {
      if (c == ' ')
        marked += meta.mark;
      else
        marked += c;
    }
    if (marked.compare(0, meta.mark.size(), meta.mark) != 0 &&
        (meta.prefix == Prefix::always || (meta.prefix == Prefix::first && first)))
      marked.insert(0, meta.mark);
    const std::string_view all = marked;
    if (!meta.split) return run(at + 1, all, first, well_formed, sink);
    for (size_t from = 0; from < all.size();) {
      size_t end = all.find(meta.mark, from + 1);
      if (end == std::string_view::npos) end = all.size();
      run(at + 1, all.substr(from, end - from), first && from == 0, well_formed, sink);
      from = end;
    }
  }
}

}  // namespace glassbox
