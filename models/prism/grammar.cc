#include "prism/grammar.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"

namespace glassbox::prism {
namespace {

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

std::string_view trim(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

}  // namespace

Bindings::Bindings(std::initializer_list<std::pair<std::string_view, std::string>> words) {
  for (const auto& [slot, word] : words) words_.emplace_back(slot, word);
}

const std::string* Bindings::find(std::string_view slot) const {
  for (const auto& [name, word] : words_)
    if (name == slot) return &word;
  return nullptr;
}

void Bindings::set(std::string_view slot, std::string word) {
  for (auto& [name, old] : words_)
    if (name == slot) {
      old = std::move(word);
      return;
    }
  words_.emplace_back(slot, std::move(word));
}

struct Grammar::Node {
  enum class What { text, slot, rule, sequence, choice } what = What::sequence;
  std::string text = {};         // the text itself, or the slot's or rule's name
  std::string form = {};         // of a slot
  std::vector<Node> parts = {};  // of a sequence or choice
};

// Recursive descent over one rule's text.
struct Grammar::Reader {
  std::string_view text;
  size_t at = 0;

  Node choice(bool outermost) {
    Node node{.what = Node::What::choice};
    do node.parts.push_back(sequence(outermost));
    while (at < text.size() && text[at] == '|' && ++at);
    return node.parts.size() == 1 ? std::move(node.parts[0]) : node;
  }

  Node sequence(bool outermost) {
    Node node;
    std::string plain;
    auto flush = [&] {
      if (!plain.empty()) node.parts.push_back({.what = Node::What::text, .text = std::exchange(plain, {})});
    };
    if (outermost)
      while (at < text.size() && text[at] == ' ') ++at;
    while (at < text.size() && text[at] != '|' && text[at] != ')') {
      char c = text[at++];
      if (c == '(') {
        flush();
        node.parts.push_back(choice(false));
        check(at < text.size() && text[at++] == ')', "a grammar's ( has its )");
      } else if (c == '<' || c == '{') {
        flush();
        size_t close = text.find(c == '<' ? '>' : '}', at);
        check(close != std::string_view::npos, "a grammar's < and { have their > and }");
        std::string_view inside = text.substr(at, close - at);
        at = close + 1;
        if (c == '<') {
          node.parts.push_back({.what = Node::What::rule, .text = std::string(inside)});
        } else {
          size_t space = inside.find(' ');
          Node slot{.what = Node::What::slot,
                    .text = std::string(inside.substr(space == std::string_view::npos ? 0 : space + 1))};
          if (space != std::string_view::npos) slot.form = inside.substr(0, space);
          node.parts.push_back(std::move(slot));
        }
      } else {
        plain += c;
      }
    }
    if (outermost)
      while (!plain.empty() && plain.back() == ' ') plain.pop_back();
    flush();
    return node;
  }
};

Grammar::Grammar(std::string_view text, std::map<std::string, Slot, std::less<>> slots,
                 std::map<std::string, Form, std::less<>> forms)
    : slots_(std::move(slots)), forms_(std::move(forms)) {
  std::vector<std::pair<std::string, std::string>> bodies;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (trim(line).empty() || line[0] == '#') continue;
    if (line[0] == ' ') {
      check(!bodies.empty(), "a grammar begins with a rule");
      (bodies.back().second += ' ') += trim(line);
      continue;
    }
    size_t equals = line.find('=');
    check(equals != std::string_view::npos, "a grammar's rule has its =");
    bodies.emplace_back(trim(line.substr(0, equals)), trim(line.substr(equals + 1)));
  }
  for (const auto& [name, body] : bodies) {
    Reader reader{body};
    Node node = reader.choice(true);
    check(reader.at == body.size(), "a grammar's ) has its (");
    check(rules_.emplace(name, std::move(node)).second, "a grammar names each rule once");
  }
  // Names that lead nowhere are found now, not when a rare alternative is drawn.
  std::function<void(const Node&)> resolve = [&](const Node& node) {
    if (node.what == Node::What::rule)
      check(rules_.contains(node.text), ("a grammar defines <" + node.text + ">").c_str());
    if (node.what == Node::What::slot && !node.form.empty())
      check(forms_.contains(node.form), "a grammar's forms are given");
    for (const Node& part : node.parts) resolve(part);
  };
  for (const auto& [name, node] : rules_) resolve(node);
}

Grammar::~Grammar() = default;
Grammar::Grammar(Grammar&&) noexcept = default;

bool Grammar::has(std::string_view name) const { return rules_.contains(name); }

const Grammar::Node& Grammar::rule(std::string_view name) const {
  auto found = rules_.find(name);
  check(found != rules_.end(), "the grammar has the rule asked for");
  return found->second;
}

std::string Grammar::render(const Node& slot, const std::string& word) const {
  return slot.form.empty() ? word : forms_.find(slot.form)->second(word);
}

std::string Grammar::say(std::string_view name, Draw& draw, Bindings& words) const {
  std::string text;
  say(rule(name), draw, words, text);
  return text;
}

void Grammar::say(const Node& node, Draw& draw, Bindings& words, std::string& text) const {
  switch (node.what) {
    case Node::What::text:
      text += node.text;
      return;
    case Node::What::rule:
      return say(rule(node.text), draw, words, text);
    case Node::What::choice:
      return say(node.parts[draw.below(static_cast<uint32_t>(node.parts.size()))], draw, words, text);
    case Node::What::sequence:
      for (const Node& part : node.parts) say(part, draw, words, text);
      return;
    case Node::What::slot: {
      const std::string* word = words.find(node.text);
      if (!word) {
        auto slot = slots_.find(node.text);
        check(slot != slots_.end() && !slot->second.words.empty(), "a slot without a list is bound before it is said");
        const std::string* other = words.find(slot->second.unlike);
        do word = &draw.pick(std::span<const std::string>(slot->second.words));
        while (other && *word == *other);
        words.set(node.text, *word);
      }
      text += render(node, *word);
    }
  }
}

// Backtracking over derivations: match(node, at, rest) asks whether node derives some text from `at` on after
// which `rest` succeeds. Rules do not contain themselves, so it ends.
struct Grammar::Recogniser {
  using Rest = std::function<bool(size_t)>;
  const Grammar& grammar;
  std::string_view text;
  Bindings& words;

  bool begins(size_t at, std::string_view piece) const { return text.substr(at, piece.size()) == piece; }

  bool match(const Node& node, size_t at, const Rest& rest) {
    switch (node.what) {
      case Node::What::text:
        return begins(at, node.text) && rest(at + node.text.size());
      case Node::What::rule:
        return match(grammar.rule(node.text), at, rest);
      case Node::What::choice:
        return std::ranges::any_of(node.parts, [&](const Node& part) { return match(part, at, rest); });
      case Node::What::sequence:
        return sequence(node.parts, 0, at, rest);
      case Node::What::slot:
        return slot(node, at, rest);
    }
    return false;
  }

  bool sequence(const std::vector<Node>& parts, size_t first, size_t at, const Rest& rest) {
    if (first == parts.size()) return rest(at);
    return match(parts[first], at, [&](size_t next) { return sequence(parts, first + 1, next, rest); });
  }

  bool slot(const Node& node, size_t at, const Rest& rest) {
    if (const std::string* word = words.find(node.text)) {
      std::string piece = grammar.render(node, *word);
      return begins(at, piece) && rest(at + piece.size());
    }
    auto found = grammar.slots_.find(node.text);
    if (found == grammar.slots_.end()) return false;
    const Slot& slot = found->second;
    auto take = [&](const std::string& word) {
      const std::string* other = words.find(slot.unlike);
      std::string piece = grammar.render(node, word);
      size_t end = at + piece.size();
      if ((other && *other == word) || !begins(at, piece) || (end < text.size() && is_letter(text[end]))) return false;
      size_t before = words.size();
      words.set(node.text, word);
      if (rest(end)) return true;
      words.shrink(before);
      return false;
    };
    if (!slot.words.empty()) return std::ranges::any_of(slot.words, take);
    size_t end = at;
    while (end < text.size() && is_letter(text[end])) ++end;
    return end > at && std::isupper(static_cast<unsigned char>(text[at])) &&
           take(std::string(text.substr(at, end - at)));
  }
};

bool Grammar::accepts(std::string_view name, std::string_view text, Bindings& words) const {
  size_t before = words.size();
  Recogniser recogniser{*this, text, words};
  if (recogniser.match(rule(name), 0, [&](size_t at) { return at == text.size(); })) return true;
  words.shrink(before);
  return false;
}

bool Grammar::accepts(std::string_view name, std::string_view text) const {
  Bindings words;
  return accepts(name, text, words);
}

}  // namespace glassbox::prism
