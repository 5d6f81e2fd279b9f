#include "prism/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <span>

#include "prism/arithmetic.h"
#include "prism/story.h"

namespace glassbox::prism {
namespace {

void say(std::vector<Message>& to, std::string question, std::string answer) {
  to.push_back({Role::user, std::move(question)});
  to.push_back({Role::assistant, std::move(answer)});
}

struct Asked {
  size_t fact;
  const Question* question;
};

// Every question of every fact, in random order.
std::vector<Asked> shuffled(const Passage& passage, Draw& draw) {
  std::vector<Asked> all;
  for (size_t fact = 0; fact < passage.facts.size(); ++fact)
    for (const Question& question : passage.facts[fact].questions) all.push_back({fact, &question});
  for (size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[draw.below(static_cast<uint32_t>(i))]);
  return all;
}

// The passage read again up to the fact that answers. To find who has a thing, a model must look from the thing back to
// its owner; a small one learns this late or never. Reading on until a sentence fits the question needs only copying
// and a comparison of that sentence, and the answer is then the latest thing read.
std::string read_until(const Passage& passage, size_t fact) {
  std::string text;
  for (size_t i = 0; i <= fact; ++i) (text += i ? " " : "") += passage.facts[i].sentence;
  return text;
}

}  // namespace

std::vector<Message> sum_turns(const Setting& setting, Draw& draw, Split split) {
  std::vector<Message> all;
  int sums = draw.percent(50) ? 1 : draw.between(2, 4);
  for (int i = 0; i < sums; ++i) {
    Sum sum = draw_sum(draw, split);
    SumTurn turn = i > 0 && draw.percent(50) ? ask_next(sum, draw, setting.brief) : ask(sum, draw, setting.brief);
    say(all, typed(turn.question, draw), turn.answer);
  }
  return all;
}

std::vector<Message> passage_turns(const Setting& setting, Draw& draw, Split split) {
  std::vector<Message> all;
  Passage passage = draw_passage(draw, split);
  std::vector<Asked> questions = shuffled(passage, draw);
  questions.resize(std::min<size_t>(questions.size(), static_cast<size_t>(draw.between(2, 5))));
  bool read_first = draw.percent(12);
  if (read_first) say(all, passage.text(), "I have read it. What would you like to know?");
  for (const auto& [fact, question] : questions) {
    std::string text = typed(question->text, draw);
    if (!read_first && all.empty()) text = present(passage.text(), text, draw);
    const std::string& answer = setting.brief ? question->value : question->answer;
    say(all, std::move(text), fmt::format("<think>{}</think>{}", read_until(passage, fact), answer));
  }
  return all;
}

std::vector<Message> story_turns(Draw& draw, Split split) {
  std::vector<Message> all;
  for (int stories = draw.percent(90) ? 1 : 2; stories > 0; --stories) {
    Request request = draw_request(draw, split);
    std::string question = typed(ask_for_story(request, draw), draw);
    say(all, std::move(question), tell_story(request, draw));
  }
  return all;
}

std::vector<Message> talk_turns(const Setting& setting, Draw& draw) {
  std::vector<Message> all;
  if (draw.percent(25)) all = exchange(Courtesy::hello, setting, draw);
  for (int talks = draw.between(1, 3); talks > 0; --talks)
    for (Message& message : draw_talk(setting, draw).messages) {
      if (message.role == Role::user) message.content = typed(std::move(message.content), draw);
      all.push_back(std::move(message));
    }
  return all;
}

std::string present(const std::string& passage, const std::string& question, Draw& draw) {
  switch (draw.below(8)) {
    case 0:
      return fmt::format("{} {}", passage, question);
    case 1:
      return fmt::format("Read this: {}\n{}", passage, question);
    case 2:
      return fmt::format("{}\nQuestion: {}", passage, question);
    case 3:
    case 4:
      return fmt::format("{}\n\n{}", passage, question);
    default:
      return fmt::format("{}\n{}", passage, question);
  }
}

std::string typed(std::string text, Draw& draw) {
  // Names keep their capital, so only these words lose theirs.
  constexpr std::string_view starts[] = {"What",   "Who",    "Where", "When",     "Why",  "How",   "Can",
                                         "Could",  "Do",     "Does",  "Did",      "Are",  "Is",    "Tell",
                                         "Write",  "Please", "Add",   "Subtract", "Take", "Hello", "Hi",
                                         "Thanks", "Thank",  "And",   "Now",      "A",    "I"};
  if (!draw.percent(15)) return text;
  bool lower = draw.percent(70), bare = draw.percent(60);
  std::string_view first = std::string_view(text).substr(0, text.find_first_of(" ,!?."));
  if (lower && std::ranges::find(starts, first) != std::end(starts))
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  if (bare && text.size() > 1 && std::string_view("?.!").find(text.back()) != std::string_view::npos) text.pop_back();
  return text;
}

}  // namespace glassbox::prism
