// The little world that every document speaks of: its people, animals, places and things. Plain tables; words
// are common English, one token each once the vocabulary has been learnt, so that a small model can spend
// itself on grammar.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "prism/random.h"

namespace glassbox::prism {

struct Noun {
  std::string_view one, many;
};

struct Place {
  std::string_view at;    // "in the", "on the", "by the", "at the"
  std::string_view noun;  // "forest"
};

// A verb in the three forms that statements and questions need: "Mia holds", "does Mia hold", "Mia found".
struct Verb {
  std::string_view base, third, past;
};

namespace world {
extern const std::span<const std::string_view> people, pet_names, colours, traits, days, jobs, spots;
extern const std::span<const Noun> things, foods, animals;
extern const std::span<const Place> places;
extern const std::span<const Verb> activities;  // what one does: swim, read, paint
}  // namespace world

// A name of syllables that is nobody's in particular ("Zilo", "Maven"): what is said of it can only be
// copied.
std::string invented_name(Draw& draw);

// "a fox", "an owl".
std::string with_article(std::string_view word);
// "7 apples", "1 apple".
std::string counted(int n, const Noun& noun);
// Nothing if no place has this noun.
const Place* find_place(std::string_view noun);

}  // namespace glassbox::prism
