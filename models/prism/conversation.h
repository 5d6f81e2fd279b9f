// How the world's parts are talked about: each function is a stretch of conversation, user first, assistant
// last.
#pragma once

#include <string>
#include <vector>

#include "prism/document.h"
#include "prism/greetings.h"
#include "prism/passage.h"
#include "prism/random.h"

namespace glassbox::prism {

std::vector<Message> sum_turns(const Setting& setting, Draw& draw, Split split);  // one to four sums
std::vector<Message> passage_turns(const Setting& setting, Draw& draw,
                                   Split split);            // a passage and questions
std::vector<Message> story_turns(Draw& draw, Split split);  // one story, at times two
std::vector<Message> talk_turns(const Setting& setting, Draw& draw);

// A passage and its first question in one message, laid out in one of several ways.
std::string present(const std::string& passage, const std::string& question, Draw& draw);
// As people type: at times without a capital or the final mark.
std::string typed(std::string text, Draw& draw);

}  // namespace glassbox::prism
