// A parsed template: plain data, immutable, shared by the threads that render it.
//
// Names are numbered (Template::names), so that scopes compare integers. The parser bounds how deep a tree is, and
// with it every recursion over trees.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "jinja/value.h"

namespace glassbox::jinja {

using Symbol = uint32_t;  // index into Template::names
struct FilterEntry;       // filters.h
struct TestEntry;

enum class Operator { add, subtract, multiply, divide, floor_divide, modulo, power };
enum class Comparison { equal, unequal, less, less_equal, greater, greater_equal, in, not_in };

enum class ExprKind {
  constant,
  name,
  attribute,
  item,
  slice,
  call,
  filter,
  test,
  negative,
  positive,
  inverse,
  arithmetic,
  both,
  either,
  comparison,
  concatenation,
  conditional,
  list,
  tuple,
  dict
};

struct Expr {
  Expr(ExprKind kind, int line) : kind(kind), line(line) {}
  virtual ~Expr() = default;
  const ExprKind kind;
  const int line;
  int height = 1;
};
using ExprPtr = std::unique_ptr<Expr>;

struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> keyword;
  ExprPtr star;       // *list
  ExprPtr star_star;  // **dict
};

struct Constant : Expr {
  Constant(int line, Value value) : Expr(ExprKind::constant, line), value(std::move(value)) {}
  Value value;
};
struct Name : Expr {
  Name(int line, Symbol symbol) : Expr(ExprKind::name, line), symbol(symbol) {}
  Symbol symbol;
};
struct Attribute : Expr {  // object.name
  Attribute(int line, ExprPtr object, std::string name)
      : Expr(ExprKind::attribute, line), object(std::move(object)), name(std::move(name)) {}
  ExprPtr object;
  std::string name;
};
struct Item : Expr {  // object[key]
  Item(int line, ExprPtr object, ExprPtr key)
      : Expr(ExprKind::item, line), object(std::move(object)), key(std::move(key)) {}
  ExprPtr object, key;
};
struct Slice : Expr {  // start:stop:step, only as the key of an Item; what is left out is null
  explicit Slice(int line) : Expr(ExprKind::slice, line) {}
  ExprPtr start, stop, step;
};
struct Call : Expr {
  Call(int line, ExprPtr function) : Expr(ExprKind::call, line), function(std::move(function)) {}
  ExprPtr function;
  CallArguments arguments;
};
// Where `entry` is null, there is no such filter or test: Jinja2 complains only if the branch it is in runs.
struct FilterCall : Expr {  // input is null where a {% filter %} or {% set %} block is the input
  FilterCall(int line, ExprPtr input, std::string name)
      : Expr(ExprKind::filter, line), input(std::move(input)), name(std::move(name)) {}
  ExprPtr input;
  std::string name;
  const FilterEntry* entry = nullptr;
  CallArguments arguments;
};
struct TestCall : Expr {
  TestCall(int line, ExprPtr input, std::string name)
      : Expr(ExprKind::test, line), input(std::move(input)), name(std::move(name)) {}
  ExprPtr input;
  std::string name;
  const TestEntry* entry = nullptr;
  CallArguments arguments;
};
struct Unary : Expr {  // negative, positive, inverse (not)
  Unary(ExprKind kind, int line, ExprPtr operand) : Expr(kind, line), operand(std::move(operand)) {}
  ExprPtr operand;
};
struct Binary : Expr {  // arithmetic, both (and), either (or)
  Binary(ExprKind kind, int line, ExprPtr left, ExprPtr right, Operator op = {})
      : Expr(kind, line), left(std::move(left)), right(std::move(right)), op(op) {}
  ExprPtr left, right;
  Operator op;
};
struct Compare : Expr {  // first op second op third ...
  Compare(int line, ExprPtr first) : Expr(ExprKind::comparison, line), first(std::move(first)) {}
  ExprPtr first;
  std::vector<std::pair<Comparison, ExprPtr>> rest;
};
struct Conditional : Expr {  // yes if test else no; no may be null
  Conditional(int line, ExprPtr test, ExprPtr yes, ExprPtr no)
      : Expr(ExprKind::conditional, line), test(std::move(test)), yes(std::move(yes)), no(std::move(no)) {}
  ExprPtr test, yes, no;
};
struct Listing : Expr {  // list, tuple, concatenation (~)
  Listing(ExprKind kind, int line) : Expr(kind, line) {}
  std::vector<ExprPtr> items;
};
struct DictLiteral : Expr {
  explicit DictLiteral(int line) : Expr(ExprKind::dict, line) {}
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
};

// What {% set %} and {% for %} store to: a name, a namespace's attribute, or a tuple of targets.
struct Target {
  enum class Kind { name, attribute, tuple };
  Kind kind = Kind::name;
  int line = 0;
  Symbol symbol = 0;      // the name; or the namespace's name
  std::string attribute;  // of the namespace
  std::vector<Target> parts;
};

enum class StatementKind {
  text,
  print,
  set,
  set_block,
  loop,
  branch,
  macro,
  call_block,
  filter_block,
  with,
  generation,
  break_loop,
  continue_loop
};

struct Statement {
  Statement(StatementKind kind, int line) : kind(kind), line(line) {}
  virtual ~Statement() = default;
  const StatementKind kind;
  const int line;
};
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

struct Text : Statement {
  Text(int line, std::string text) : Statement(StatementKind::text, line), text(std::move(text)) {}
  std::string text;
};
struct Print : Statement {
  Print(int line, ExprPtr value) : Statement(StatementKind::print, line), value(std::move(value)) {}
  ExprPtr value;
};
struct Set : Statement {
  explicit Set(int line) : Statement(StatementKind::set, line) {}
  Target target;
  ExprPtr value;
};
struct SetBlock : Statement {
  explicit SetBlock(int line) : Statement(StatementKind::set_block, line) {}
  Target target;
  ExprPtr filter;  // a chain of FilterCalls whose innermost has no input; or null
  Body body;
};
struct Loop : Statement {
  explicit Loop(int line) : Statement(StatementKind::loop, line) {}
  Target target;
  ExprPtr iterable, condition;
  bool recursive = false;
  Body body, otherwise;
};
struct Branch : Statement {
  explicit Branch(int line) : Statement(StatementKind::branch, line) {}
  std::vector<std::pair<ExprPtr, Body>> cases;  // if, elif ...
  Body otherwise;
};
// What a macro and the body of a {% call %} are.
struct Signature {
  std::string name;  // empty for a call's body
  std::vector<std::pair<Symbol, std::string>> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
  bool declares_caller = false;  // as a parameter
  Body body;
};
struct MacroDefinition : Statement {
  explicit MacroDefinition(int line) : Statement(StatementKind::macro, line) {}
  Symbol symbol = 0;
  Signature signature;
};
struct CallBlock : Statement {
  explicit CallBlock(int line) : Statement(StatementKind::call_block, line) {}
  Signature signature;
  ExprPtr call;  // a Call
};
struct FilterBlock : Statement {
  explicit FilterBlock(int line) : Statement(StatementKind::filter_block, line) {}
  ExprPtr filter;
  Body body;
};
struct With : Statement {
  explicit With(int line) : Statement(StatementKind::with, line) {}
  std::vector<std::pair<Target, ExprPtr>> values;
  Body body;
};
struct Generation : Statement {
  explicit Generation(int line) : Statement(StatementKind::generation, line) {}
  Body body;
};

// Names the renderer itself gives meaning to have fixed numbers.
inline constexpr Symbol kLoop = 0, kCaller = 1, kKwargs = 2, kVarargs = 3;

struct Template {
  std::string name;
  std::vector<std::string> names = {"loop", "caller", "kwargs", "varargs"};
  Body body;
  std::string literals;                      // the text it writes and its constants, a NUL after each
  std::set<std::string, std::less<>> words;  // the constants that are one short word: roles are among them
};

}  // namespace glassbox::jinja
