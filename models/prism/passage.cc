#include "prism/passage.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "prism/world.h"

namespace glassbox::prism {
namespace {

constexpr Verb kHold[] = {{"have", "has", "had"},      {"have", "has", "had"},          {"have", "has", "had"},
                          {"want", "wants", "wanted"}, {"carry", "carries", "carried"}, {"hold", "holds", "held"},
                          {"need", "needs", "needed"}, {"see", "sees", "saw"}};
constexpr Verb kGet[] = {{"find", "finds", "found"},
                         {"buy", "buys", "bought"},
                         {"lose", "loses", "lost"},
                         {"make", "makes", "made"},
                         {"sell", "sells", "sold"}};
constexpr Verb kStay[] = {{"live", "lives", "lived"}, {"work", "works", "worked"}, {"play", "plays", "played"},
                          {"sit", "sits", "sat"},     {"wait", "waits", "waited"}, {"sleep", "sleeps", "slept"}};
constexpr Verb kLike[] = {{"like", "likes", "liked"},
                          {"like", "likes", "liked"},
                          {"love", "loves", "loved"},
                          {"eat", "eats", "ate"},
                          {"sell", "sells", "sold"}};

// Draws facts until a passage is full. Two facts never share what would make a question ambiguous: each
// person, thing, place, food, number ... is claimed by the fact that says it; a person may be in two facts if
// these are of different families.
class Writer {
 public:
  Writer(Draw& draw, Split split) : draw_(draw), split_(split) {}

  Passage write(int size) {
    Passage passage;
    // The people come first, fewer than facts in every second passage, so that two facts are about one
    // person.
    int people = draw_.percent(50) ? size : std::max(2, size - draw_.between(1, 2));
    bool invented = draw_.percent(20);
    while (static_cast<int>(people_.size()) < people) {
      std::string name = invented && draw_.percent(60) ? invented_name(draw_) : std::string(draw_.pick(world::people));
      if (claimed_.insert(name).second) people_.push_back(name);
    }
    while (static_cast<int>(passage.facts.size()) < size) {
      auto before = claimed_;
      Fact fact = one();
      if (fact.sentence.empty() || !belongs(fact.key, split_)) {
        claimed_ = std::move(before);
        continue;
      }
      passage.facts.push_back(std::move(fact));
    }
    return passage;
  }

 private:
  bool claim(std::string_view family, std::string_view word) {
    return claimed_.insert(fmt::format("{} {}", family, word)).second;
  }
  const std::string& person() { return draw_.pick(std::span<const std::string>(people_)); }

  // {} where a claim failed: the caller draws again.
  Fact one() {
    switch (draw_.below(15)) {
      case 0:
      case 1:
        return thing(kHold, false);
      case 2:
        return thing(kGet, true);
      case 3:
      case 4:
        return stay();
      case 5:
        return animal_spot();
      case 6:
        return thing_spot();
      case 7:
        return thing_colour();
      case 8:
        return food();
      case 9:
      case 10:
        return count();
      case 11:
        return job();
      case 12:
        return age();
      case 13:
        return draw_.percent(50) ? pet() : gift();
      default:
        return day();
    }
  }

  // The family names the question's form ("What does ... have?"): one fact of a family a person.
  template <size_t N>
  Fact thing(const Verb (&verbs)[N], bool past) {
    const Verb& verb = draw_.pick(std::span<const Verb>(verbs));
    const std::string& p = person();
    const Noun& noun = draw_.pick(world::things);
    std::string_view colour = draw_.pick(world::colours);
    if (!claim(verb.base, p) || !claim("noun", noun.one)) return {};
    std::string what = fmt::format("{} {}", colour, noun.one), says(past ? verb.past : verb.third);
    std::string sentence = fmt::format("{} {} {}.", p, says, with_article(what));
    Fact fact{fmt::format("fact {} {} {}", p, says, what),
              sentence,
              {{fmt::format("What {} {} {}?", past ? "did" : "does", p, verb.base), sentence, what},
               {fmt::format("Who {} {}?", says, with_article(what)), sentence, p},
               {fmt::format("Who {} the {}?", says, noun.one), sentence, p}},
              {what, p}};
    if (says == "has") {
      std::string answer = fmt::format("{}'s {} is {}.", p, noun.one, colour);
      fact.questions.push_back({fmt::format("What {} is {}'s {}?", color(), p, noun.one), answer, std::string(colour)});
      fact.values.emplace_back(colour);
    }
    return fact;
  }

  Fact stay() {
    const std::string& p = person();
    const Place& place = draw_.pick(world::places);
    bool is = draw_.percent(50);
    Verb verb = is ? Verb{"", "is", "was"} : draw_.pick(std::span<const Verb>(kStay));
    if (!claim("where", p) || !claim("noun", place.noun)) return {};
    std::string at = fmt::format("{} {}", place.at, place.noun);
    std::string sentence = fmt::format("{} {} {}.", p, verb.third, at);
    return {fmt::format("fact {} {} {}", p, verb.third, place.noun),
            sentence,
            {{is ? fmt::format("Where is {}?", p) : fmt::format("Where does {} {}?", p, verb.base), sentence, at},
             {fmt::format("Who {} {}?", verb.third, at), sentence, p}},
            {at, p}};
  }

  Fact animal_spot() {
    const Noun& animal = draw_.pick(world::animals);
    return at_spot(animal.one, std::string(draw_.pick(std::span<const Verb>(kStay).subspan(3)).third));
  }
  Fact thing_spot() { return at_spot(draw_.pick(world::things).one, "is"); }

  Fact at_spot(std::string_view noun, std::string says) {
    std::string spot(draw_.pick(world::spots));
    if (draw_.percent(60)) says = "is";
    if (!claim("noun", noun) || !claim("noun", spot.substr(spot.rfind(' ') + 1))) return {};
    std::string sentence = fmt::format("The {} {} {}.", noun, says, spot);
    std::string_view base = says == "is" ? "" : std::string_view(says).substr(0, says.size() - 1);
    return {fmt::format("fact {} {} {}", noun, says, spot),
            sentence,
            {{says == "is" ? fmt::format("Where is the {}?", noun) : fmt::format("Where does the {} {}?", noun, base),
              sentence, spot},
             {fmt::format("What {} {}?", says, spot), sentence, std::string(noun)}},
            {spot, std::string(noun)}};
  }

  Fact thing_colour() {
    const Noun& noun = draw_.percent(30) ? draw_.pick(world::animals) : draw_.pick(world::things);
    std::string colour(draw_.pick(world::colours));
    if (!claim("noun", noun.one)) return {};
    std::string sentence = fmt::format("The {} is {}.", noun.one, colour);
    return {fmt::format("fact {} is {}", noun.one, colour),
            sentence,
            {{fmt::format("What {} is the {}?", color(), noun.one), sentence, colour}},
            {colour}};
  }

  Fact food() {
    const std::string& p = person();
    const Verb& verb = draw_.pick(std::span<const Verb>(kLike));
    const Noun& noun = draw_.pick(world::foods);
    if (!claim(verb.base, p) || !claim("noun", noun.one)) return {};
    std::string what(noun.many), sentence = fmt::format("{} {} {}.", p, verb.third, what);
    return {fmt::format("fact {} {} {}", p, verb.third, what),
            sentence,
            {{fmt::format("What does {} {}?", p, verb.base), sentence, what},
             {fmt::format("Who {} {}?", verb.third, what), sentence, p}},
            {what, p}};
  }

  Fact count() {
    const std::string& p = person();
    const Noun& noun = draw_.pick(draw_.percent(60) ? world::things : world::foods);
    const Verb& verb = draw_.percent(60) ? kHold[0] : draw_.pick(std::span<const Verb>(kHold));
    int n = draw_.percent(60) ? draw_.between(2, 12) : draw_.between(13, 99);
    if (!claim(verb.base, p) || !claim("noun", noun.one) || !claim("number", fmt::format("{}", n))) return {};
    std::string what = counted(n, noun), sentence = fmt::format("{} {} {}.", p, verb.third, what);
    return {fmt::format("fact {} {} {}", p, verb.third, what),
            sentence,
            {{fmt::format("How many {} does {} {}?", noun.many, p, verb.base), sentence, fmt::format("{}", n)},
             {fmt::format("What does {} {}?", p, verb.base), sentence, what},
             {fmt::format("Who {} {}?", verb.third, what), sentence, p}},
            {what, p}};
  }

  Fact job() {
    const std::string& p = person();
    std::string what(draw_.pick(world::jobs));
    if (!claim("job", p) || !claim("noun", what)) return {};
    std::string sentence = fmt::format("{} is {}.", p, with_article(what));
    return {fmt::format("fact {} is {}", p, what),
            sentence,
            {{fmt::format("What is {}'s job?", p), sentence, what},
             {fmt::format("Who is {}?", with_article(what)), sentence, p},
             {fmt::format("Who is the {}?", what), sentence, p}},
            {what, p}};
  }

  Fact age() {
    const std::string& p = person();
    std::string n = fmt::format("{}", draw_.between(2, 99));
    if (!claim("age", p) || !claim("number", n)) return {};
    std::string sentence = fmt::format("{} is {} years old.", p, n);
    return {fmt::format("fact {} age {}", p, n),
            sentence,
            {{fmt::format("How old is {}?", p), sentence, n}, {fmt::format("Who is {} years old?", n), sentence, p}},
            {n, p}};
  }

  Fact pet() {
    const std::string& p = person();
    std::string_view animal = draw_.pick(world::animals).one, called = draw_.pick(world::pet_names);
    if (!claim("have", p) || !claim("noun", animal) || !claimed_.insert(std::string(called)).second) return {};
    std::string sentence = fmt::format("{} has {} named {}.", p, with_article(animal), called);
    return {fmt::format("fact {} has {} {}", p, animal, called),
            sentence,
            {{fmt::format("What is the name of {}'s {}?", p, animal), sentence, std::string(called)},
             {fmt::format("Who has {}?", with_article(animal)), sentence, p},
             {fmt::format("What animal does {} have?", p), sentence, std::string(animal)}},
            {std::string(called), p, std::string(animal)}};
  }

  Fact gift() {
    const std::string &p = person(), &q = person();
    const Noun& noun = draw_.pick(world::things);
    std::string what = fmt::format("{} {}", draw_.pick(world::colours), noun.one);
    if (p == q || !claim("give", p) || !claim("get", q) || !claim("noun", noun.one)) return {};
    std::string sentence = fmt::format("{} gave {} {}.", p, q, with_article(what));
    return {fmt::format("fact {} gave {} {}", p, q, what),
            sentence,
            {{fmt::format("What did {} give {}?", p, q), sentence, what},
             {fmt::format("Who gave {} {}?", q, with_article(what)), sentence, p},
             {fmt::format("Who gave {} the {}?", q, noun.one), sentence, p}},
            {what, p}};
  }

  Fact day() {
    const std::string& p = person();
    const Verb& verb = draw_.pick(world::activities);
    std::string on(draw_.pick(world::days));
    if (!claim("day", p) || !claim("noun", on) || !claim("noun", verb.base)) return {};
    std::string sentence = fmt::format("{} {} on {}.", p, verb.third, on);
    return {fmt::format("fact {} {} {}", p, verb.third, on),
            sentence,
            {{fmt::format("When does {} {}?", p, verb.base), sentence, on},
             {fmt::format("Who {} on {}?", verb.third, on), sentence, p},
             {fmt::format("What does {} do on {}?", p, on), sentence, std::string(verb.third)}},
            {on, p, std::string(verb.third)}};
  }

  std::string_view color() { return draw_.percent(75) ? "colour" : "color"; }

  Draw& draw_;
  Split split_;
  std::vector<std::string> people_;
  std::set<std::string, std::less<>> claimed_;
};

}  // namespace

std::string Passage::text() const {
  std::string text;
  for (const Fact& fact : facts) (text += text.empty() ? "" : " ") += fact.sentence;
  return text;
}

Passage draw_passage(Draw& draw, Split split) {
  constexpr int sizes[] = {3, 3, 3, 4, 4, 4, 4, 5, 5, 6};
  return Writer(draw, split).write(draw.pick(std::span<const int>(sizes)));
}

}  // namespace glassbox::prism
