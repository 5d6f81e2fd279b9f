// Passages: a few facts of the little world, and questions about them whose answers are the facts' own words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "prism/document.h"
#include "prism/random.h"

namespace glassbox::prism {

struct Question {
  std::string text;    // "Who has a red kite?"
  std::string answer;  // "Mia has a red kite.": a whole sentence
  std::string value;   // "Mia": what the answer must say; also the brief answer
};

struct Fact {
  std::string key;       // what is held out, wording aside: "fact Mia has red kite"
  std::string sentence;  // "Mia has a red kite."
  std::vector<Question> questions;
  std::vector<std::string>
      values;  // what this fact's questions ask for: an answer naming another fact's value is wrong
};

struct Passage {
  std::vector<Fact> facts;  // 3 to 6 whose questions cannot be mistaken for each other's
  std::string text() const;
};

// Every fact is of the split asked for.
Passage draw_passage(Draw& draw, Split split);

}  // namespace glassbox::prism
