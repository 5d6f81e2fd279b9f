// Stories of five to eight sentences, told and recognised by one grammar: a beginning, a trouble, a helper,
// an ending.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "prism/document.h"
#include "prism/random.h"

namespace glassbox::prism {

// What is asked for. The pair (animal, place) is what is held out: "story fox forest".
struct Request {
  std::string animal;  // "fox"
  std::string place;   // the noun: "forest"
  std::string name;    // empty: the story chooses
};

std::string key(const Request& request);
Request draw_request(Draw& draw, Split split);
std::string ask_for_story(const Request& request, Draw& draw);
std::string tell_story(const Request& request, Draw& draw);

// Text cut after each . ! or ? (with a closing quote if there is one) that a space or the end follows.
std::vector<std::string> sentences(std::string_view text);

// Whether the grammar derives this sentence, whatever its animal, place, name and things.
bool is_story_sentence(std::string_view sentence);
// Whether the grammar derives the whole text as one story of this animal at this place: every sentence, in an
// order that makes sense, with the same name, friend and things throughout.
bool is_story(std::string_view text, const Request& request);

}  // namespace glassbox::prism
