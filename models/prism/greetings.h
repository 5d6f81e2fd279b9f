// Talk: greetings and thanks, questions about Prism itself, names to remember, and questions that a small
// model should say it cannot answer. Also the system prompts that set the scene.
#pragma once

#include <string>
#include <vector>

#include "prism/document.h"
#include "prism/random.h"

namespace glassbox::prism {

// What a system prompt asks for; most conversations have none.
struct Setting {
  std::string system;          // empty: no system message
  std::string self = "Prism";  // "You are Luna, ..." makes it Luna
  bool brief = false;          // "Answer briefly.": the number or the fact's own words, nothing around them
};
Setting draw_setting(Draw& draw);
Setting named_setting(Draw& draw);

// One exchange or more, user first. `expect` holds, for each answer, words of which a right one contains at
// least one.
struct Talk {
  std::vector<Message> messages;
  std::vector<std::vector<std::string>> expect;
};
Talk draw_talk(const Setting& setting, Draw& draw);

enum class Courtesy { hello, thanks, bye };
std::vector<Message> exchange(Courtesy courtesy, const Setting& setting, Draw& draw);

}  // namespace glassbox::prism
