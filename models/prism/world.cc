#include "prism/world.h"

#include <fmt/format.h>
#include <algorithm>

namespace glassbox::prism {
namespace {

constexpr std::string_view kPeople[] = {
    "Mia",   "Tom",   "Anna", "Ben",   "Lily",   "Sam",   "Emma",  "Max",    "Nora",   "Leo",   "Zoe",   "Jack",
    "Ruby",  "Paul",  "Ella", "Adam",  "Lucy",   "Hugo",  "Rosa",  "Oscar",  "Nina",   "Peter", "Clara", "David",
    "Sara",  "Omar",  "Maya", "Ivan",  "Eva",    "Felix", "Grace", "Henry",  "Ida",    "James", "Kate",  "Liam",
    "Mona",  "Noah",  "Olga", "Ravi",  "Sofia",  "Theo",  "Uma",   "Victor", "Wendy",  "Yuki",  "Amir",  "Bella",
    "Carl",  "Dora",  "Eric", "Fiona", "George", "Hana",  "Ines",  "John",   "Kira",   "Lars",  "Mary",  "Nico",
    "Alice", "Bob",   "Chen", "Diana", "Emil",   "Frida", "Greta", "Hassan", "Iris",   "Jonas", "Karl",  "Laura",
    "Marco", "Nadia", "Otto", "Priya", "Rita",   "Simon", "Tina",  "Vera",   "Walter", "Yara",  "Zara",  "Luis"};

constexpr std::string_view kPetNames[] = {"Rusty", "Pip",    "Luna",   "Coco",   "Max",   "Bella", "Tiny",  "Milo",
                                          "Daisy", "Nutty",  "Sunny",  "Misty",  "Bruno", "Poppy", "Ziggy", "Teddy",
                                          "Honey", "Pepper", "Oliver", "Ginger", "Rex",   "Fern",  "Benny", "Dot",
                                          "Hazel", "Kiko",   "Momo",   "Nala",   "Toby",  "Willow"};

constexpr std::string_view kColours[] = {"red",   "blue",   "green",  "yellow", "black", "white",
                                         "brown", "orange", "purple", "pink",   "grey",  "silver"};

constexpr std::string_view kTraits[] = {"little", "small", "young",  "kind", "brave",   "shy",
                                        "clever", "happy", "gentle", "old",  "curious", "quiet"};

constexpr std::string_view kDays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

constexpr std::string_view kJobs[] = {"baker",   "teacher", "doctor", "farmer",  "painter", "singer", "sailor",
                                      "pilot",   "cook",    "nurse",  "driver",  "writer",  "dancer", "gardener",
                                      "builder", "judge",   "tailor", "dentist", "miner",   "guard"};

constexpr std::string_view kSpots[] = {
    "under the table", "behind the door", "on the chair",    "in the box",      "on the shelf",     "under the bed",
    "in the basket",   "on the roof",     "near the window", "behind the tree", "under the bridge", "on the wall",
    "in the bag",      "beside the lamp", "on the stairs",   "near the fire",   "in the drawer",    "under the bench",
    "on the desk",     "beside the well", "behind the sofa", "near the gate",   "in the bucket",    "on the bridge"};

constexpr Noun kThings[] = {
    {"kite", "kites"},         {"ball", "balls"},       {"book", "books"},         {"hat", "hats"},
    {"cup", "cups"},           {"coin", "coins"},       {"pen", "pens"},           {"key", "keys"},
    {"bell", "bells"},         {"drum", "drums"},       {"lamp", "lamps"},         {"ring", "rings"},
    {"stone", "stones"},       {"shell", "shells"},     {"scarf", "scarves"},      {"coat", "coats"},
    {"boat", "boats"},         {"bike", "bikes"},       {"spoon", "spoons"},       {"plate", "plates"},
    {"box", "boxes"},          {"button", "buttons"},   {"card", "cards"},         {"chair", "chairs"},
    {"candle", "candles"},     {"flag", "flags"},       {"flute", "flutes"},       {"glass", "glasses"},
    {"glove", "gloves"},       {"marble", "marbles"},   {"mask", "masks"},         {"map", "maps"},
    {"pot", "pots"},           {"puppet", "puppets"},   {"ribbon", "ribbons"},     {"robot", "robots"},
    {"rope", "ropes"},         {"shirt", "shirts"},     {"shoe", "shoes"},         {"sock", "socks"},
    {"stamp", "stamps"},       {"sticker", "stickers"}, {"towel", "towels"},       {"toy", "toys"},
    {"train", "trains"},       {"truck", "trucks"},     {"wagon", "wagons"},       {"watch", "watches"},
    {"balloon", "balloons"},   {"basket", "baskets"},   {"blanket", "blankets"},   {"bottle", "bottles"},
    {"bracelet", "bracelets"}, {"brush", "brushes"},    {"feather", "feathers"},   {"hammer", "hammers"},
    {"jacket", "jackets"},     {"letter", "letters"},   {"mirror", "mirrors"},     {"pencil", "pencils"},
    {"pillow", "pillows"},     {"sweater", "sweaters"}, {"umbrella", "umbrellas"}, {"whistle", "whistles"}};

constexpr Noun kFoods[] = {
    {"apple", "apples"},       {"pear", "pears"},      {"plum", "plums"},       {"berry", "berries"},
    {"cherry", "cherries"},    {"grape", "grapes"},    {"lemon", "lemons"},     {"peach", "peaches"},
    {"carrot", "carrots"},     {"potato", "potatoes"}, {"tomato", "tomatoes"},  {"bean", "beans"},
    {"egg", "eggs"},           {"nut", "nuts"},        {"cookie", "cookies"},   {"cake", "cakes"},
    {"banana", "bananas"},     {"melon", "melons"},    {"pancake", "pancakes"}, {"sandwich", "sandwiches"},
    {"mushroom", "mushrooms"}, {"onion", "onions"},    {"muffin", "muffins"},   {"pie", "pies"}};

constexpr Noun kAnimals[] = {
    {"fox", "foxes"},          {"owl", "owls"},           {"bear", "bears"},         {"rabbit", "rabbits"},
    {"mouse", "mice"},         {"cat", "cats"},           {"dog", "dogs"},           {"horse", "horses"},
    {"cow", "cows"},           {"pig", "pigs"},           {"sheep", "sheep"},        {"goat", "goats"},
    {"duck", "ducks"},         {"hen", "hens"},           {"goose", "geese"},        {"frog", "frogs"},
    {"turtle", "turtles"},     {"lizard", "lizards"},     {"squirrel", "squirrels"}, {"badger", "badgers"},
    {"hedgehog", "hedgehogs"}, {"wolf", "wolves"},        {"deer", "deer"},          {"lion", "lions"},
    {"tiger", "tigers"},       {"elephant", "elephants"}, {"monkey", "monkeys"},     {"giraffe", "giraffes"},
    {"zebra", "zebras"},       {"camel", "camels"},       {"donkey", "donkeys"},     {"parrot", "parrots"},
    {"crow", "crows"},         {"penguin", "penguins"},   {"beaver", "beavers"},     {"otter", "otters"},
    {"panda", "pandas"},       {"koala", "koalas"},       {"kitten", "kittens"},     {"puppy", "puppies"},
    {"dragon", "dragons"},     {"swan", "swans"}};

constexpr Place kPlaces[] = {
    {"in the", "forest"},  {"in the", "garden"},  {"in the", "meadow"}, {"in the", "desert"},    {"in the", "jungle"},
    {"in the", "village"}, {"in the", "city"},    {"in the", "cave"},   {"in the", "barn"},      {"in the", "valley"},
    {"in the", "park"},    {"in the", "field"},   {"in the", "castle"}, {"in the", "mountains"}, {"on the", "farm"},
    {"on the", "hill"},    {"on the", "island"},  {"on the", "beach"},  {"by the", "river"},     {"by the", "lake"},
    {"by the", "sea"},     {"by the", "pond"},    {"at the", "market"}, {"at the", "harbour"},   {"at the", "school"},
    {"at the", "zoo"},     {"in the", "kitchen"}, {"in the", "library"}};

constexpr Verb kActivities[] = {
    {"swim", "swims", "swam"},          {"read", "reads", "read"},    {"paint", "paints", "painted"},
    {"dance", "dances", "danced"},      {"cook", "cooks", "cooked"},  {"run", "runs", "ran"},
    {"sing", "sings", "sang"},          {"fish", "fishes", "fished"}, {"draw", "draws", "drew"},
    {"climb", "climbs", "climbed"},     {"work", "works", "worked"},  {"rest", "rests", "rested"},
    {"travel", "travels", "travelled"}, {"write", "writes", "wrote"}};

}  // namespace

namespace world {
const std::span<const std::string_view> people = kPeople, pet_names = kPetNames, colours = kColours, traits = kTraits,
                                        days = kDays, jobs = kJobs, spots = kSpots;
const std::span<const Noun> things = kThings, foods = kFoods, animals = kAnimals;
const std::span<const Place> places = kPlaces;
const std::span<const Verb> activities = kActivities;
}  // namespace world

std::string invented_name(Draw& draw) {
  constexpr std::string_view first[] = {"B", "D", "F", "G", "K", "L",  "M",  "N", "P",
                                        "R", "S", "T", "V", "Z", "Br", "Kr", "Tr"};
  constexpr std::string_view inner[] = {"b", "d", "f", "g", "k", "l",  "m",  "n", "p",
                                        "r", "s", "t", "v", "z", "nd", "rl", "st"};
  constexpr std::string_view vowel[] = {"a", "e", "i", "o", "u"};
  constexpr std::string_view last[] = {"", "", "", "n", "x", "l", "m", "k"};
  // One draw a statement: C++ leaves the order within an expression open, and compilers differ.
  std::string name;
  auto add = [&](const auto& list) { name += draw.pick(std::span<const std::string_view>(list)); };
  add(first);
  add(vowel);
  for (int more = draw.between(1, 2); more > 0; --more) {
    add(inner);
    add(vowel);
  }
  add(last);
  return name;
}

std::string with_article(std::string_view word) {
  return fmt::format("{} {}", std::string_view("aeiou").find(word[0]) == std::string_view::npos ? "a" : "an", word);
}

std::string counted(int n, const Noun& noun) { return fmt::format("{} {}", n, n == 1 ? noun.one : noun.many); }

const Place* find_place(std::string_view noun) {
  auto found = std::ranges::find(kPlaces, noun, &Place::noun);
  return found == std::end(kPlaces) ? nullptr : found;
}

}  // namespace glassbox::prism
