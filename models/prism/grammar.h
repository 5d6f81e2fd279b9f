// A grammar of phrases: it says sentences, and it recognises them. One text defines both, so whatever it says
// it accepts, and what it accepts it could have said.
//
//   greeting = (Hello|Hi), {name}! | Good (morning|evening), {name}!
//   meeting  = <greeting> It is nice to meet {a animal}.
//
// A rule is alternatives of text. (x|y) chooses, also nothing: (very |). <rule> stands for a rule. {slot} is
// a word from the slot's list, the same word wherever the slot comes again; {form slot} is that word in a
// form: {a hero} "an owl". A line that begins with a space continues the one before; # begins a comment line.
// No rule may contain itself.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "prism/random.h"

namespace glassbox::prism {

// The words that slots stand for, so far. Small: looked up one by one.
class Bindings {
 public:
  Bindings() = default;
  Bindings(std::initializer_list<std::pair<std::string_view, std::string>> words);
  const std::string* find(std::string_view slot) const;
  void set(std::string_view slot, std::string word);  // replaces
  size_t size() const { return words_.size(); }
  void shrink(size_t size) { words_.resize(size); }  // forgets the latest

 private:
  std::vector<std::pair<std::string, std::string>> words_;
};

struct Slot {
  std::vector<std::string>
      words;                // empty: any one capitalised word (a name); such a slot must be bound before it is said
  std::string unlike = {};  // another slot, whose word this one may not take
};

class Grammar {
 public:
  using Form = std::function<std::string(const std::string& word)>;

  // Throws std::logic_error where the text is malformed: it is ours.
  Grammar(std::string_view rules, std::map<std::string, Slot, std::less<>> slots = {},
          std::map<std::string, Form, std::less<>> forms = {});
  ~Grammar();
  Grammar(Grammar&&) noexcept;

  bool has(std::string_view rule) const;
  // Slots that are not bound yet are drawn and stay bound.
  std::string say(std::string_view rule, Draw& draw, Bindings& words) const;
  // Whether the rule derives exactly `text` with these words; on success binds the slots it met (the first
  // derivation's).
  bool accepts(std::string_view rule, std::string_view text, Bindings& words) const;
  bool accepts(std::string_view rule, std::string_view text) const;

 private:
  struct Node;
  struct Reader;
  struct Recogniser;
  const Node& rule(std::string_view name) const;
  std::string render(const Node& slot, const std::string& word) const;
  void say(const Node& node, Draw& draw, Bindings& words, std::string& text) const;

  std::map<std::string, Node, std::less<>> rules_;
  std::map<std::string, Slot, std::less<>> slots_;
  std::map<std::string, Form, std::less<>> forms_;
};

}  // namespace glassbox::prism
