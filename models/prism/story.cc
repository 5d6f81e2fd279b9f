#include "prism/story.h"

#include <fmt/format.h>

#include <cctype>

#include "prism/grammar.h"
#include "prism/world.h"

namespace glassbox::prism {
namespace {

// A sentence's rule is named after its place in the story. <sentence> lists them all: what is_story_sentence
// accepts.
constexpr std::string_view kStories = R"(
story = <opening>( <setting>|) <trouble_and_help> <ending>
trouble_and_help = <lost>( <feeling>|) <meeting> <lost_help>( <lost_end>|)
 | <missing>( <feeling>|) <meeting> <missing_help>( <missing_end>|)
 | <hungry>( <feeling>|) <meeting> <hungry_help>( <hungry_end>|)
 | <rain>( <feeling>|) <meeting> <rain_help>( <rain_end>|)
 | <hole>( <feeling>|) <meeting> <hole_help>( <hole_end>|)
 | <dark>( <feeling>|) <meeting> <dark_help>( <dark_end>|)
 | <lonely>( <feeling>|) <meeting> <lonely_help>( <lonely_end>|)
 | <thorn>( <feeling>|) <meeting> <thorn_help>( <thorn_end>|)
 | <high>( <feeling>|) <meeting> <high_help>( <high_end>|)

sentence = <opening> | <setting> | <feeling> | <meeting> | <ending>
 | <lost> | <lost_help> | <lost_end> | <missing> | <missing_help> | <missing_end> | <hungry> | <hungry_help> | <hungry_end>
 | <rain> | <rain_help> | <rain_end> | <hole> | <hole_help> | <hole_end> | <dark> | <dark_help> | <dark_end>
 | <lonely> | <lonely_help> | <lonely_end> | <thorn> | <thorn_help> | <thorn_end> | <high> | <high_help> | <high_end>

who = {name} | the {hero}
Who = {name} | The {hero}
one_day = One day | One morning | One evening

opening = (Once upon a time|Long ago), there was {a trait} {hero} named {name} who lived {at place}.
 | (Once upon a time|Long ago), {a trait} {hero} named {name} lived {at place}.
 | {A trait} {hero} named {name} lived {at place}.
setting = Every day, {name} (played|sang|walked|ran|danced) {at place}.
 | {name} (liked|loved) to (play|sing|walk|run|dance) {at place}.
 | {name} knew every (corner|stone|path) of the {place}.
 | The {place} was (quiet|bright|beautiful|big), and {name} was happy there.
 | {name} had {a colour} {thing} and took it everywhere.
feeling = <Who> was very (sad|worried).
 | "What shall I do?" said <who>.
 | <Who> sat down and began to cry.
 | <Who> called for help.
meeting = Then {a friend} came by and asked what was wrong.
 | {A friend} heard {name} and came to help.
 | Soon {a friend} came along and said, "Do not worry, {name}."
 | Just then, {a friend} saw {name} and stopped.
ending = From that day on, <who> and the {friend} were (good|best) friends.
 | <Who> thanked the {friend} and went home (happy|with a smile).
 | "Thank you, my friend," said <who>, and they (laughed|danced|sang) together.
 | That night, <who> slept well and dreamed of the {friend}.

lost = <one_day>, {name} (walked|went|ran) too far and could not find the way home.
 | <one_day>, <who> got lost and did not know the way home.
lost_help = The {friend} knew every path and showed {name} the way home.
 | The {friend} went ahead, and {name} followed all the way home.
lost_end = Soon <who> saw the {place} again.
 | By night, <who> was safe at home.
missing = <one_day>, {name} lost {a colour} {thing}.
 | <one_day>, the {colour} {thing} of {name} was gone.
missing_help = Together they looked everywhere, and the {friend} found the {thing} under a (tree|leaf|stone).
 | The {friend} helped {name} look, and they found the {thing} behind a (tree|wall|stone).
missing_end = <Who> held the {colour} {thing} and jumped for joy.
 | The {colour} {thing} was as good as new.
hungry = <one_day>, there was no food {at place}, and {name} was hungry.
 | <one_day>, <who> was hungry and had nothing to eat.
hungry_help = The {friend} had many {food} and shared them with {name}.
 | The {friend} gave {name} a basket of {food}.
hungry_end = They ate the {food} together until they were full.
 | The {food} tasted very good.
rain = <one_day>, it began to rain, and {name} had no dry place to sleep.
 | <one_day>, a big storm came, and <who> was cold and wet.
rain_help = The {friend} had a warm house and let {name} come in.
 | The {friend} opened a big {colour} umbrella and kept {name} dry.
rain_end = They waited together until the sun came out.
 | Soon the rain stopped, and the sky was blue again.
hole = <one_day>, {name} fell into a deep hole and could not get out.
 | <one_day>, <who> was stuck in a deep hole.
hole_help = The {friend} found a long rope and pulled {name} out.
 | The {friend} put a ladder into the hole, and {name} climbed out.
hole_end = <Who> was dirty but safe.
 | They filled the hole with sand and stones.
dark = <one_day>, all the lights went out, and {name} was afraid of the dark.
 | <one_day>, <who> could not sleep for fear of the dark.
dark_help = The {friend} lit a small lamp and sat beside {name}.
 | The {friend} showed {name} the moon and the bright stars.
dark_end = Now <who> was not afraid of the dark any more.
 | They counted the stars until they fell asleep.
lonely = <one_day>, {name} had nobody to play with.
 | <one_day>, <who> felt lonely and wished for a friend.
lonely_help = The {friend} had a {colour} ball and asked {name} to play.
 | The {friend} taught {name} a new (game|song|dance).
lonely_end = They played together until the sun went down.
 | <Who> had never had so much fun.
thorn = <one_day>, {name} stepped on a thorn and could not walk.
 | <one_day>, <who> had a thorn in one foot, and it hurt.
thorn_help = The {friend} pulled the thorn out and cleaned the foot.
 | The {friend} took the thorn out and gave {name} a hug.
thorn_end = Soon <who> could walk and run again.
 | The foot did not hurt any more.
high = <one_day>, {name} saw {a colour} {thing} high up in a tree but could not reach it.
 | <one_day>, the wind blew the {colour} {thing} of {name} up into a tree.
high_help = The {friend} climbed the tree and brought the {thing} down.
 | The {friend} let {name} stand on its back to reach the {thing}.
high_end = <Who> took the {colour} {thing} and jumped for joy.
 | They played with the {thing} all day long.

ask = (Tell me|Please tell me|Can you tell me|Write|Write me|Please write|I want|I would like|Could you tell me) a <size>story about {a hero}{named} {at place}.
 | Tell me a <size>story about {a hero}{named} {at place}.
 | Tell me a <size>story about {a hero}{named} who lives {at place}.
 | Tell me a <size>story with {a hero}{named} {at place}.
 | A <size>story about {a hero}{named} {at place}, please.
 | Do you know a <size>story about {a hero}{named} {at place}?
 | Tell a story: {a hero}{named}, {at place}.
size = (||short |little )
)";

std::string capitalised(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

const Grammar& stories() {
  static const Grammar grammar = [] {
    auto words = [](std::span<const std::string_view> list) {
      return std::vector<std::string>(list.begin(), list.end());
    };
    auto ones = [](std::span<const Noun> list, bool many) {
      std::vector<std::string> words;
      for (const Noun& noun : list) words.emplace_back(many ? noun.many : noun.one);
      return words;
    };
    std::vector<std::string> places;
    for (const Place& place : world::places) places.emplace_back(place.noun);
    return Grammar(kStories,
                   {{"hero", {ones(world::animals, false), "friend"}},
                    {"friend", {ones(world::animals, false), "hero"}},
                    {"place", {places}},
                    {"name", {}},
                    {"trait", {words(world::traits)}},
                    {"colour", {words(world::colours)}},
                    {"thing", {ones(world::things, false)}},
                    {"food", {ones(world::foods, true)}}},
                   {{"a", [](const std::string& word) { return with_article(word); }},
                    {"A", [](const std::string& word) { return capitalised(with_article(word)); }},
                    {"at", [](const std::string& noun) { return fmt::format("{} {}", find_place(noun)->at, noun); }}});
  }();
  return grammar;
}

Bindings words_of(const Request& request) {
  Bindings words{{"hero", request.animal}, {"place", request.place}};
  if (!request.name.empty()) words.set("name", request.name);
  return words;
}

}  // namespace

std::string key(const Request& request) { return fmt::format("story {} {}", request.animal, request.place); }

Request draw_request(Draw& draw, Split split) {
  Request request;
  do request = {std::string(draw.pick(world::animals).one), std::string(draw.pick(world::places).noun), {}};
  while (!belongs(key(request), split));
  if (draw.percent(20))
    request.name = draw.percent(20) ? invented_name(draw) : std::string(draw.pick(world::pet_names));
  return request;
}

std::string ask_for_story(const Request& request, Draw& draw) {
  Bindings words = words_of(request);
  words.set("named", request.name.empty() ? "" : " named " + request.name);
  return stories().say("ask", draw, words);
}

std::string tell_story(const Request& request, Draw& draw) {
  Bindings words = words_of(request);
  if (request.name.empty()) words.set("name", std::string(draw.pick(world::pet_names)));
  return stories().say("story", draw, words);
}

std::vector<std::string> sentences(std::string_view text) {
  std::vector<std::string> all;
  size_t begin = 0;
  auto add = [&](size_t end) {
    while (begin < end && std::isspace(static_cast<unsigned char>(text[begin]))) ++begin;
    if (begin < end) all.emplace_back(text.substr(begin, end - begin));
    begin = end;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '.' && text[i] != '!' && text[i] != '?') continue;
    size_t end = i + 1;
    if (end < text.size() && text[end] == '"') ++end;
    // "What shall I do?" said the fox. is one sentence: what follows the quote begins small.
    bool goes_on =
        end + 1 < text.size() && text[end - 1] == '"' && std::islower(static_cast<unsigned char>(text[end + 1]));
    if (!goes_on && (end == text.size() || std::isspace(static_cast<unsigned char>(text[end])))) add(end);
  }
  add(text.size());
  return all;
}

bool is_story_sentence(std::string_view sentence) { return stories().accepts("sentence", sentence); }

bool is_story(std::string_view text, const Request& request) {
  Bindings words = words_of(request);
  return find_place(request.place) && stories().accepts("story", text, words);
}

}  // namespace glassbox::prism
