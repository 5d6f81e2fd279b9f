#include "prism/greetings.h"

#include <fmt/format.h>

#include "prism/grammar.h"
#include "prism/world.h"

namespace glassbox::prism {
namespace {

// Each subject has a rule for the question and one, "..._answer", for what is said to it. {self} is the name
// the system prompt gives, else Prism; {n} and {m} are numbers too large, {topic}s are things outside the
// little world.
constexpr std::string_view kTalk = R"(
hello = Hello! | Hello | Hi! | Hi | Hi there! | Hey | Hey there! | Good (morning|evening|day)! | Hello, {self}! | Hi {self}! | Greetings!
hello_answer = (Hello|Hi)! How can I help you? | Hello! I am {self}. (How can I help you|What can I do for you)? | Hello! What would you like to do?
how = How are you? | How are you (today|doing)? | How do you do? | Are you (well|fine)? | Hi, how are you?
how_answer = I am well, thank you. How can I help you? | I am fine, thank you. What can I do for you?
thanks = Thanks! | Thank you! | Thank you. | Thanks a lot! | Thank you very much. | Great, thanks! | Thanks, {self}! | That was nice, thank you. | Good job! | Well done!
thanks_answer = You are welcome! | You are welcome! Is there anything else? | I am glad to help.
bye = Bye! | Goodbye! | Bye bye! | See you (later|soon)! | Good night! | I have to go now. | That is all. | Goodbye, {self}!
bye_answer = Goodbye! | Goodbye! Come back soon. | See you soon!

who = Who are you? | What are you? | What is your name? | Tell me (about yourself|who you are). | Do you have a name? | Hi, who are you? | Who am I talking to? | Introduce yourself. | What should I call you?
who_answer = I am Prism, a small language model made by Glassbox. | My name is Prism. I am a small language model made by Glassbox.
who_named_answer = I am {self}. How can I help you? | My name is {self}.
maker = Who made you? | Who (trained|built|created) you? | Where do you come from? | Who is your maker? | Which company made you? | How were you made?
maker_answer = Glassbox made and trained me. | I was made and trained by Glassbox.
skills = What can you do? | How can you help me? | What are you good at? | What do you know? | Help | Help! | What can I ask you? | What should I ask you? | Can you help me?
skills_answer = I can add and subtract numbers up to 99, answer questions about a short text, and tell little stories about animals.
limits = What can you not do? | What are your limits? | What do you not know? | Are you (smart|clever)? | Can you do everything? | Do you make mistakes? | Can I trust you? | Do you know everything?
limits_answer = I am very small. I know only a little world, and I make mistakes. | I am a very small model, so I do not know much, and I make mistakes.
open = Are you open? | Are you open source? | Is your code open? | Are your weights open? | Where is your data? | What were you trained on? | What is your training data? | Can I change you? | Can I see how you work? | May I copy you?
open_answer = My data, code and weights are all open. You may look inside me, change me and share me.
size = How (big|large) are you? | How many parameters do you have? | Are you a (big|large|small) model?
size_answer = I am very small: I have only a few million parameters.
alive = Are you (alive|human|a human|a person|a robot|real)? | Do you have feelings? | Do you (sleep|eat|dream)? | How old are you? | Where do you live? | Do you have a (family|body|friend)?
alive_answer = I am a computer program, so I have no life of my own. | No, I am only a computer program.
other = Are you (ChatGPT|GPT|Claude|Gemini|Llama)? | Are you made by (OpenAI|Google|Meta|Anthropic)? | Did (OpenAI|Google|Meta|Anthropic) make you?
other_answer = No, I am Prism, and Glassbox made me.

unknown = <question>
question = What is the capital of {topic}? | Who is the (president|king|queen|leader) of {topic}? | Where is {topic}? | How many people live in {topic}?
 | What is the (weather|time|date)(| today| now)? | What day is it( today|)? | Who won the (game|election|race|war|match)? | When (did|does) {topic} (begin|end)?
 | How (far|old|big|heavy|high) is {topic}? | What is {topic}? | Who was {topic}? | Explain {topic}( to me|). | Tell me about {topic}. | What do you think (about|of) {topic}? | Who (invented|discovered|wrote|painted) {topic}?
 | Why is the (sky|sea|grass|sun) (blue|green|hot|so big)? | How (do|can) I (cook|fix|learn|build|buy) (rice|my car|a house|French|a phone|the piano|bread)? | How does (a car|the internet|a computer|money|the law|{topic}) work?
 | Write (a|some) (program|poem|song|essay|code|email)(| in Python| about love| for me| about {topic}). | Translate (this|hello|it) (into|to) (French|German|Spanish|Chinese). | What does {topic} mean?
 | What is the meaning of life? | What is the best (film|book|song|team|phone)? | Give me (advice|a recipe|the news). | What is the price of {topic}? | Can you (drive|fly|see me|call my mother|send an email|play chess)?
unknown_answer = I am a small model and do not know that. | I am sorry, I am a small model and do not know that.
times = What is {x} times {y}? | What is {x} * {y}? | {x} x {y} | Multiply {x} by {y}. | What is {x} divided by {y}? | Divide {x} by {y}. | What is the square of {x}?
times_answer = I am sorry, I can only add and subtract.
large = What is {n} + {m}? | What is {n} - {m}? | {n} + {m} | {n} plus {m} | Add {n} and {m}. | Subtract {m} from {n}.
large_answer = I am sorry, I can only do sums with numbers up to 99.
nothing = Where is {person}? | What does {person} have? | Who is {person}? | How old is {person}? | Who has {a colour} {thing}? | Where is the {thing}? | What colour is the {thing}?
nothing_answer = I do not know. Tell me more about it first.

name = My name is {person}. | I am {person}. | Hi, I am {person}. | Hello, my name is {person}. | You can call me {person}. | Hello! I am {person}.
name_answer = (Hello|Hi), {person}! (It is nice|Nice) to meet you. | Nice to meet you, {person}! How can I help you?
my_name = What is my name? | Do you know my name? | Who am I? | Do you remember my name?
my_name_answer = Your name is {person}.
likes = I (like|love) {foods}. | I like the colour {colour}. | My favourite colour is {colour}. | I have {a animal}. | I am (happy|glad) today.
likes_answer = That is nice to hear! | How nice! | That sounds good!

prism_system = You are Prism, a (small|little) (|helpful )model made by Glassbox. | You are Prism. | You are Prism, a helpful assistant. | You are a helpful assistant. | You are a helpful assistant. | Be (helpful|kind|friendly). | You are Prism, made and trained by Glassbox.
named_system = You are {self}. | You are {self}, a (helpful|friendly|kind|small) (assistant|model|robot). | Your name is {self}. | Your name is {self}. You are a helpful assistant.
brief_system = Answer briefly. | Be brief. | Answer in few words. | Give short answers. | Keep your answers short. | You are a helpful assistant. Answer briefly. | You are Prism. Be brief.
)";

constexpr std::string_view kTopics[] = {"France",
                                        "Japan",
                                        "Brazil",
                                        "Egypt",
                                        "Peru",
                                        "China",
                                        "Spain",
                                        "India",
                                        "Kenya",
                                        "Canada",
                                        "Italy",
                                        "Poland",
                                        "Chile",
                                        "Norway",
                                        "Texas",
                                        "Paris",
                                        "London",
                                        "Berlin",
                                        "Rome",
                                        "Tokyo",
                                        "New York",
                                        "the moon",
                                        "the sun",
                                        "Mars",
                                        "the earth",
                                        "the ocean",
                                        "the world cup",
                                        "the war",
                                        "the internet",
                                        "gravity",
                                        "history",
                                        "physics",
                                        "music",
                                        "football",
                                        "politics",
                                        "chemistry",
                                        "democracy",
                                        "electricity",
                                        "DNA",
                                        "time",
                                        "money",
                                        "light",
                                        "the stock market",
                                        "Shakespeare",
                                        "Einstein",
                                        "Napoleon",
                                        "Mozart",
                                        "Picasso",
                                        "the telephone",
                                        "the law",
                                        "an atom",
                                        "a volcano",
                                        "bitcoin",
                                        "art",
                                        "the brain"};

const Grammar& talk() {
  static const Grammar grammar = [] {
    auto words = [](std::span<const std::string_view> list) {
      return std::vector<std::string>(list.begin(), list.end());
    };
    std::vector<std::string> foods, things, animals;
    for (const Noun& noun : world::foods) foods.emplace_back(noun.many);
    for (const Noun& noun : world::things) things.emplace_back(noun.one);
    for (const Noun& noun : world::animals) animals.emplace_back(noun.one);
    return Grammar(kTalk,
                   {{"topic", {words(kTopics)}},
                    {"colour", {words(world::colours)}},
                    {"person", {words(world::people)}},
                    {"foods", {foods}},
                    {"thing", {things}},
                    {"animal", {animals}}},
                   {{"a", [](const std::string& word) { return with_article(word); }}});
  }();
  return grammar;
}

struct Subject {
  std::string_view rule;
  int weight;
  std::vector<std::string_view> expect;  // "" for anything
};

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> all = {{"hello", 8, {"help", "do"}},
                                           {"how", 3, {"thank you"}},
                                           {"thanks", 3, {"welcome", "glad"}},
                                           {"bye", 3, {"Goodbye", "See you"}},
                                           {"who", 10, {"Prism"}},
                                           {"maker", 6, {"Glassbox"}},
                                           {"skills", 5, {"subtract"}},
                                           {"limits", 4, {"mistakes"}},
                                           {"open", 5, {"open"}},
                                           {"size", 2, {"parameters"}},
                                           {"alive", 4, {"computer program"}},
                                           {"other", 3, {"Prism"}},
                                           {"unknown", 16, {"do not know that"}},
                                           {"times", 3, {"only add and subtract"}},
                                           {"large", 3, {"up to 99"}},
                                           {"nothing", 4, {"I do not know"}},
                                           {"likes", 3, {"nice", "good"}}};
  return all;
}

void bind(Bindings& words, const Setting& setting, Draw& draw) {
  words.set("self", setting.self);
  if (draw.percent(25)) words.set("person", invented_name(draw));
  words.set("x", fmt::format("{}", draw.between(2, 99)));
  words.set("y", fmt::format("{}", draw.between(2, 99)));
  words.set("n", fmt::format("{}", draw.between(100, 9999)));
  words.set("m", fmt::format("{}", draw.percent(50) ? draw.between(100, 999) : draw.between(1, 99)));
}

}  // namespace

Setting draw_setting(Draw& draw) {
  int kind = draw.between(0, 99);
  Setting setting;
  Bindings words;
  if (kind < 50) return setting;
  if (kind < 80) return {talk().say("prism_system", draw, words)};
  if (kind < 92) return named_setting(draw);
  return {.system = talk().say("brief_system", draw, words), .brief = true};
}

Setting named_setting(Draw& draw) {
  std::string self = draw.percent(40) ? invented_name(draw)
                                      : std::string(draw.pick(draw.percent(50) ? world::people : world::pet_names));
  Bindings words{{"self", self}};
  return {talk().say("named_system", draw, words), self, false};
}

Talk draw_talk(const Setting& setting, Draw& draw) {
  Bindings words;
  bind(words, setting, draw);
  Talk result;
  auto exchange = [&](std::string_view question, std::string_view answer, std::vector<std::string> expect) {
    result.messages.push_back({Role::user, talk().say(question, draw, words)});
    result.messages.push_back({Role::assistant, talk().say(answer, draw, words)});
    result.expect.push_back(std::move(expect));
  };
  if (draw.percent(10)) {
    exchange("name", "name_answer", {});
    result.expect.back() = {*words.find("person")};
    if (draw.percent(30)) exchange("skills", "skills_answer", {"subtract"});
    exchange("my_name", "my_name_answer", {*words.find("person")});
    return result;
  }
  int total = 0;
  for (const Subject& subject : subjects()) total += subject.weight;
  int at = draw.between(0, total - 1);
  const Subject* subject = subjects().data();
  for (; at >= subject->weight; ++subject) at -= subject->weight;
  bool named = setting.self != "Prism";
  std::vector<std::string> expect(subject->expect.begin(), subject->expect.end());
  if (named && (subject->rule == "who" || subject->rule == "other"))
    exchange("who", "who_named_answer", {setting.self});
  else
    exchange(subject->rule, fmt::format("{}_answer", subject->rule), expect);
  return result;
}

std::vector<Message> exchange(Courtesy courtesy, const Setting& setting, Draw& draw) {
  constexpr std::string_view rules[] = {"hello", "thanks", "bye"};
  std::string_view rule = rules[static_cast<size_t>(courtesy)];
  Bindings words{{"self", setting.self}};
  std::string said = talk().say(rule, draw, words);
  return {{Role::user, said}, {Role::assistant, talk().say(fmt::format("{}_answer", rule), draw, words)}};
}

}  // namespace glassbox::prism
