// Evaluation: held-out prompts with what a right answer must have, and the judge of answers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "prism/document.h"
#include "prism/story.h"

namespace glassbox::prism {

// One conversation that ends with the user. Which of the expectations is used depends on the kind.
struct Prompt {
  int id = 0;
  Kind kind = Kind::sum;
  std::vector<Message> messages = {};
  int number = 0;                      // sum: the number the answer ends with
  std::vector<std::string> any = {};   // passage, chat: whole words of which the answer says at least one ...
  std::vector<std::string> none = {};  // ... and of these none
  Request story = {};                  // story: the animal and the place asked for
};

// Kinds in turn: sum, passage, story, chat. All but chat are held out from training.
std::vector<Prompt> make_prompts(int count, uint64_t seed);

// {"id":0,"kind":"sum","messages":[...],"expect":{"number":42}}
Json to_json(const Prompt& prompt);
// Throws Error(bad_file) naming `source`.
Prompt prompt_from(const Json& json, std::string_view source);

struct Verdict {
  bool right = false;     // a story: five to eight sentences that name the animal and the place
  bool reasoned = true;   // a sum: every step of its reasoning holds; a passage: it was read again word for word
  int sentences = 0;      // a story's
  int accepted = 0;       // those that the grammar derives
  bool coherent = false;  // a story: the grammar derives the whole
};
Verdict judge(const Prompt& prompt, std::string_view answer);

// Rates by kind, counts, and the ids of wrong answers. An answer that is missing is wrong.
Json report(const std::vector<Prompt>& prompts, const std::map<int, std::string>& answers);

// Whether `words` occur in `text` as whole words, in this order and side by side, in any case.
bool says(std::string_view text, std::string_view words);

}  // namespace glassbox::prism
