#include "prism/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "prism/arithmetic.h"
#include "prism/conversation.h"
#include "prism/passage.h"

namespace glassbox::prism {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)))
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!word.empty())
      words.push_back(std::exchange(word, {}));
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

void passage_prompt(Prompt& prompt, Draw& draw) {
  Passage passage = draw_passage(draw, Split::held_out);
  const Fact& fact = draw.pick(std::span<const Fact>(passage.facts));
  const Question& question = draw.pick(std::span<const Question>(fact.questions));
  prompt.messages.push_back({Role::user, present(passage.text(), question.text, draw)});
  prompt.any = {question.value};
  for (const Fact& other : passage.facts)
    for (const std::string& value : other.values)
      if (!says(question.answer, value) && std::ranges::find(prompt.none, value) == prompt.none.end())
        prompt.none.push_back(value);
}

void chat_prompt(Prompt& prompt, Draw& draw) {
  Setting setting = draw.percent(25) ? named_setting(draw) : draw_setting(draw);
  while (setting.brief) setting = draw_setting(draw);
  if (!setting.system.empty()) prompt.messages.push_back({Role::system, setting.system});
  Talk talk = draw_talk(setting, draw);
  talk.messages.pop_back();  // the answer that is asked for
  for (Message& message : talk.messages) prompt.messages.push_back(std::move(message));
  prompt.any = talk.expect.back();
}

std::vector<std::string> texts(const Json& json) { return json.get<std::vector<std::string>>(); }

// Whether a passage's reasoning is what was given to read, word for word.
bool is_recital(const Prompt& prompt, std::string_view reasoning) {
  constexpr std::string_view open = "<think>", close = "</think>";
  if (prompt.messages.empty() || !reasoning.starts_with(open) || !reasoning.ends_with(close)) return false;
  reasoning.remove_prefix(open.size());
  reasoning.remove_suffix(close.size());
  return !reasoning.empty() && prompt.messages.back().content.find(reasoning) != std::string::npos;
}

double rate(int part, int whole) { return whole ? static_cast<double>(part) / whole : 0; }

}  // namespace

std::vector<Prompt> make_prompts(int count, uint64_t seed) {
  constexpr std::array kinds = {Kind::sum, Kind::passage, Kind::story, Kind::chat};
  std::vector<Prompt> prompts;
  for (int id = 0; id < count; ++id) {
    Draw draw(hash("prompts") ^ seed, static_cast<uint64_t>(id));
    Prompt prompt{.id = id, .kind = kinds[static_cast<size_t>(id) % kinds.size()]};
    switch (prompt.kind) {
      case Kind::sum: {
        Sum sum = draw_sum(draw, Split::held_out);
        prompt.messages = {{Role::user, ask(sum, draw, false).question}};
        prompt.number = sum.result();
        break;
      }
      case Kind::passage:
        passage_prompt(prompt, draw);
        break;
      case Kind::story:
        prompt.story = draw_request(draw, Split::held_out);
        prompt.messages = {{Role::user, ask_for_story(prompt.story, draw)}};
        break;
      default:
        chat_prompt(prompt, draw);
    }
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

Json to_json(const Prompt& prompt) {
  Json expect = Json::object();
  if (prompt.kind == Kind::sum)
    expect["number"] = prompt.number;
  else if (prompt.kind == Kind::story)
    expect = {{"animal", prompt.story.animal}, {"place", prompt.story.place}, {"name", prompt.story.name}};
  else
    expect = {{"any", prompt.any}, {"none", prompt.none}};
  return {{"id", prompt.id}, {"kind", name(prompt.kind)}, {"messages", to_json(prompt.messages)}, {"expect", expect}};
}

Prompt prompt_from(const Json& json, std::string_view source) {
  try {
    Prompt prompt{.id = json.at("id").get<int>()};
    std::string kind = json.at("kind").get<std::string>();
    prompt.messages = messages_from(json.at("messages"), source);
    const Json& expect = json.at("expect");
    if (kind == "sum") {
      prompt.kind = Kind::sum;
      prompt.number = expect.at("number").get<int>();
    } else if (kind == "story") {
      prompt.kind = Kind::story;
      prompt.story = {expect.at("animal").get<std::string>(), expect.at("place").get<std::string>(),
                      expect.at("name").get<std::string>()};
    } else if (kind == "passage" || kind == "chat") {
      prompt.kind = kind == "chat" ? Kind::chat : Kind::passage;
      prompt.any = texts(expect.at("any"));
      prompt.none = texts(expect.at("none"));
    } else {
      fail(ErrorKind::bad_file, "{}: kind \"{}\", expected sum, passage, story or chat", source, kind);
    }
    return prompt;
  } catch (const Json::exception& error) { fail(ErrorKind::bad_file, "{}: not a prompt: {}", source, error.what()); }
}

bool says(std::string_view text, std::string_view words) {
  std::vector<std::string> all = words_of(text), some = words_of(words);
  return !some.empty() && !std::ranges::search(all, some).empty();
}

Verdict judge(const Prompt& prompt, std::string_view answer) {
  Verdict verdict;
  std::string_view said = without_reasoning(answer);
  switch (prompt.kind) {
    case Kind::sum: {
      verdict.right = final_number(answer) == prompt.number;
      verdict.reasoned = !wrong_step(answer.substr(0, answer.size() - said.size()));
      break;
    }
    case Kind::story: {
      std::vector<std::string> parts = sentences(said);
      verdict.sentences = static_cast<int>(parts.size());
      verdict.accepted =
          static_cast<int>(std::ranges::count_if(parts, [](const std::string& s) { return is_story_sentence(s); }));
      bool named = prompt.story.name.empty() || says(said, prompt.story.name);
      verdict.right = parts.size() >= 5 && parts.size() <= 8 && says(said, prompt.story.animal) &&
                      says(said, prompt.story.place) && named;
      verdict.coherent = is_story(said, prompt.story);
      break;
    }
    case Kind::passage:
      verdict.reasoned = is_recital(prompt, answer.substr(0, answer.size() - said.size()));
      [[fallthrough]];
    default: {
      auto said_it = [&](const std::string& words) { return says(said, words); };
      verdict.right = std::ranges::any_of(prompt.any, said_it) && std::ranges::none_of(prompt.none, said_it);
    }
  }
  return verdict;
}

Json report(const std::vector<Prompt>& prompts, const std::map<int, std::string>& answers) {
  struct Tally {
    int prompts = 0, right = 0, reasoned = 0, sentences = 0, accepted = 0, coherent = 0;
    std::vector<int> wrong;
  };
  std::map<Kind, Tally> tallies;
  int answered = 0;
  for (const Prompt& prompt : prompts) {
    Tally& tally = tallies[prompt.kind];
    auto answer = answers.find(prompt.id);
    answered += answer != answers.end();
    Verdict verdict = answer == answers.end() ? Verdict{.reasoned = false} : judge(prompt, answer->second);
    ++tally.prompts;
    tally.right += verdict.right, tally.reasoned += verdict.reasoned, tally.coherent += verdict.coherent;
    tally.sentences += verdict.sentences, tally.accepted += verdict.accepted;
    if (!verdict.right) tally.wrong.push_back(prompt.id);
  }
  Json result = {{"prompts", prompts.size()}, {"answered", answered}};
  for (const auto& [kind, tally] : tallies) {
    Json& entry = result[std::string(name(kind))];
    entry = {{"prompts", tally.prompts},
             {"right", tally.right},
             {"rate", rate(tally.right, tally.prompts)},
             {"wrong", tally.wrong}};
    if (kind == Kind::sum || kind == Kind::passage)
      entry["reasoned"] = tally.reasoned, entry["reasoned_rate"] = rate(tally.reasoned, tally.prompts);
    if (kind == Kind::story) {
      entry["sentences"] = tally.sentences, entry["accepted"] = tally.accepted;
      entry["accepted_rate"] = rate(tally.accepted, tally.sentences);
      entry["coherent"] = tally.coherent, entry["coherent_rate"] = rate(tally.coherent, tally.prompts);
    }
  }
  return result;
}

}  // namespace glassbox::prism
