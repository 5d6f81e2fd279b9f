// What `is` can ask.
#include <cmath>

#include "jinja/filters.h"
#include "jinja/numbers.h"
#include "jinja/objects.h"
#include "jinja/operators.h"

namespace glassbox::jinja {
namespace {

template <bool (*holds)(const Value&)>
bool plain(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("test", arguments, 0, 0);
  return holds(input);
}

const Value& only(const Arguments& arguments) {
  need_positional("test", arguments, 1, 1);
  return arguments.positional[0];
}

template <Comparison op>
bool compared(Renderer&, const Value& input, Arguments& arguments) {
  return compare(op, input, only(arguments));
}

bool remainder_is(const Value& value, const Value& by, int64_t rest) {
  return equal(arithmetic(Operator::modulo, value, by), Value(rest));
}

bool is_sequence(const Value& value) {
  // What has a length and can be subscripted.
  return value.is(Type::undefined) || value.is_string() || value.is_sequence() || value.is(Type::dict) ||
         value.is(Type::range);
}

template <const char* method>
bool asks_method(Renderer& renderer, const Value& input, Arguments& arguments) {
  need_positional("test", arguments, 0, 0);
  Arguments none;
  Value text = Value::string(to_mixed(input));
  return truth(find_text_method(method, false)->apply(renderer, text, none));
}
constexpr char kIsLower[] = "islower", kIsUpper[] = "isupper";

bool divisible_by(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("divisibleby", arguments, {"num"}, 1);
  return remainder_is(input, *given[0], 0);
}

bool same_as(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("sameas", arguments, {"other"}, 1);
  return input.same(*given[0]);
}

bool is_in(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("in", arguments, {"seq"}, 1);
  return contains(*given[0], input);
}

bool is_callable(const Value& value) {
  return value.is_undefined() || (value.is(Type::other) && value.other().callable());
}

}  // namespace

const std::vector<TestEntry> kTests = {
    {"defined", plain<[](const Value& v) { return !v.is_undefined(); }>},
    {"undefined", plain<[](const Value& v) { return v.is_undefined(); }>},
    {"none", plain<[](const Value& v) { return v.is_none(); }>},
    {"boolean", plain<[](const Value& v) { return v.is(Type::boolean); }>},
    {"true", plain<[](const Value& v) { return v.is(Type::boolean) && v.boolean(); }>},
    {"false", plain<[](const Value& v) { return v.is(Type::boolean) && !v.boolean(); }>},
    {"integer", plain<[](const Value& v) { return v.is(Type::integer) || large_integer(v); }>},
    {"float", plain<[](const Value& v) { return v.is(Type::floating); }>},
    {"number", plain<[](const Value& v) { return v.is_number() || large_integer(v); }>},
    {"string", plain<[](const Value& v) { return v.is_string(); }>},
    {"mapping", plain<[](const Value& v) { return v.is(Type::dict); }>},
    {"sequence", plain<is_sequence>},
    {"iterable", plain<[](const Value& v) { return static_cast<bool>(try_iterate(v)); }>},
    {"callable", plain<is_callable>},
    {"escaped", plain<[](const Value& v) { return v.is_string() && v.str().markup; }>},
    {"odd", plain<[](const Value& v) { return remainder_is(v, Value(int64_t{2}), 1); }>},
    {"even", plain<[](const Value& v) { return remainder_is(v, Value(int64_t{2}), 0); }>},
    {"lower", asks_method<kIsLower>},
    {"upper", asks_method<kIsUpper>},
    {"filter", plain<[](const Value& v) {
       need_hashable(v);
       return v.is_string() && filter_exists_in_jinja(v.text());
     }>},
    {"test", plain<[](const Value& v) {
       need_hashable(v);
       return v.is_string() && find_test(v.text()) != nullptr;
     }>},
    {"divisibleby", divisible_by},
    {"sameas", same_as},
    {"in", is_in},
    {"==", compared<Comparison::equal>},
    {"eq", compared<Comparison::equal>},
    {"equalto", compared<Comparison::equal>},
    {"!=", compared<Comparison::unequal>},
    {"ne", compared<Comparison::unequal>},
    {">", compared<Comparison::greater>},
    {"gt", compared<Comparison::greater>},
    {"greaterthan", compared<Comparison::greater>},
    {">=", compared<Comparison::greater_equal>},
    {"ge", compared<Comparison::greater_equal>},
    {"<", compared<Comparison::less>},
    {"lt", compared<Comparison::less>},
    {"lessthan", compared<Comparison::less>},
    {"<=", compared<Comparison::less_equal>},
    {"le", compared<Comparison::less_equal>}};

}  // namespace glassbox::jinja
