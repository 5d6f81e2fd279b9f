// Walks a parsed template and writes text.
//
// Names resolve from the innermost scope outwards, then in the context, then among the globals. Loops, macros, calls,
// {% set %} blocks, {% filter %}, {% with %} and {% generation %} have scopes of their own; {% if %} has none.
#pragma once

#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "jinja/ast.h"
#include "jinja/json.h"
#include "jinja/objects.h"
#include "jinja/value.h"

namespace glassbox::jinja {

class LoopState;

// Variables of one block, and through `parent` of those around it. Macros keep the scope they were defined in.
struct Scope final : Object {
  explicit Scope(Ref<Scope> parent) : Object(Type::other, sizeof(Scope)), parent(std::move(parent)) {}
  Value* find(Symbol symbol);
  void set(Symbol symbol, Value value);
  Ref<Scope> parent;
  std::vector<std::pair<Symbol, Value>> names;
};

class Macro final : public Other {
 public:
  Macro(const Signature& signature, Ref<Scope> scope)
      : Other(sizeof(Macro)), signature(signature), scope(std::move(scope)) {}
  const char* type_name() const override { return "Macro"; }
  bool callable() const override { return true; }
  std::string print() const override;
  std::optional<Value> attribute(std::string_view name) const override;
  Value call(Renderer& renderer, Arguments& arguments) const override;
  const Signature& signature;
  Ref<Scope> scope;
};

class Renderer {
 public:
  struct Settings {
    size_t output_bytes, depth;
    std::optional<std::tm> now;
    OwnWords own;  // of the context's messages
  };
  // Everything given must outlive the renderer, as must the meter that is current. `defaults`, the model's own, is
  // looked up where the context lacks a name; a value of the context that equals it is the model's own too.
  Renderer(const Template& source, const nlohmann::ordered_json& context, const nlohmann::ordered_json& defaults,
           const Settings& settings);
  ~Renderer();
  Renderer(const Renderer&) = delete;
  Renderer& operator=(const Renderer&) = delete;

  // The text: what the template writes is trusted, what the context brought is not. Throws Failure. Where
  // {% generation %} blocks wrote at top level goes to `generation`, if given.
  MixedText run(std::vector<std::pair<size_t, size_t>>* generation);
  int line() const { return line_; }  // where it is, or failed

  // ---- for functions, macros and loops ----
  const std::tm& now() const { return now_; }
  void keep(Namespace* space) { spaces_.emplace_back(space); }
  Value invoke(const Macro& macro, Arguments& arguments);
  Value recurse(const LoopState& loop, const Value& iterable);

 private:
  friend class ConditionIterator;
  enum class Flow { next, leave_loop, next_round };
  class Deeper;
  class Within;  // a scope, for as long as it lives
  class Capture;

  Flow run(const Body& body);
  Flow run(const Statement& statement);
  void set_block(const SetBlock& node);
  void filter_block(const FilterBlock& node);
  void with(const With& node);
  void call_block(const CallBlock& node);
  void generation(const Generation& node);
  Flow branch(const Branch& node);
  Flow loop(const Loop& node, const Value& iterable, int64_t depth);
  void assign(const Target& target, const Value& value);
  void write(const MixedText& text);
  void write_ours(std::string_view text);
  void admit(size_t bytes);

  Value eval(const Expr& expr);
  Value eval_inner(const Expr& expr);
  Value eval_name(Symbol symbol);
  Value eval_item(const Item& node);
  Value eval_compare(const Compare& node);
  Value eval_concatenation(const Listing& node);
  Value eval_dict(const DictLiteral& node);
  Value eval_call(const Call& node, const Value* caller);
  Value eval_filter(const FilterCall& node, const Value* block);
  Value eval_test(const TestCall& node);
  Arguments eval_arguments(const CallArguments& given);
  std::vector<Value> eval_all(const std::vector<ExprPtr>& items);
  Value new_macro(const Signature& signature);

  const Template& template_;
  const nlohmann::ordered_json& context_;
  const nlohmann::ordered_json& defaults_;
  Settings settings_;
  Meter& meter_;
  std::tm now_{};
  std::vector<std::optional<std::optional<Value>>> outer_names_;  // by symbol: looked up? there?
  Ref<Scope> scope_;
  MixedText* out_ = nullptr;  // where text goes
  MixedText text_;
  size_t written_ = 0;  // bytes in all open captures
  std::vector<std::pair<size_t, size_t>>* generation_ = nullptr;
  std::vector<Ref<Namespace>> spaces_;
  std::vector<Ref<Scope>> closures_;
  size_t depth_ = 0;
  int line_ = 1;
};

}  // namespace glassbox::jinja
