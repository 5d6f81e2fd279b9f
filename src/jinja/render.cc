#include "jinja/render.h"

#include <algorithm>

#include "jinja/filters.h"
#include "jinja/json.h"
#include "jinja/loop.h"
#include "jinja/operators.h"
#include "unicode/python_text.h"

namespace glassbox::jinja {

class Renderer::Deeper {
 public:
  explicit Deeper(Renderer& renderer) : renderer_(renderer) {
    if (renderer.depth_ >= renderer.settings_.depth)
      raise("nested deeper than {} calls and blocks", renderer.settings_.depth);
    ++renderer.depth_;
  }
  ~Deeper() { --renderer_.depth_; }

 private:
  Renderer& renderer_;
};

class Renderer::Within {
 public:
  Within(Renderer& renderer, Ref<Scope> scope)
      : renderer_(renderer), outer_(std::exchange(renderer.scope_, std::move(scope))) {}
  ~Within() { renderer_.scope_ = std::move(outer_); }

 private:
  Renderer& renderer_;
  Ref<Scope> outer_;
};

// Text written while it lives goes to its own buffer.
class Renderer::Capture {
 public:
  explicit Capture(Renderer& renderer) : renderer_(renderer), outer_(std::exchange(renderer.out_, &text_)) {}
  ~Capture() { close(); }
  MixedText take() {
    close();
    return std::move(text_);
  }

 private:
  void close() {
    if (!outer_) return;
    renderer_.written_ -= text_.size();
    renderer_.out_ = std::exchange(outer_, nullptr);
  }
  Renderer& renderer_;
  MixedText text_;
  MixedText* outer_;
};

// `for target in iterable if condition`: the items for which the condition holds when they are reached.
class ConditionIterator final : public Iterator {
 public:
  ConditionIterator(Renderer& renderer, const Loop& node, Ref<Iterator> source, Ref<Scope> scope)
      : Iterator(sizeof(ConditionIterator)),
        renderer_(renderer),
        node_(node),
        source_(std::move(source)),
        scope_(std::move(scope)) {}
  bool next(Value& item) override {
    while (source_->next(item)) {
      Renderer::Within within(renderer_, Ref<Scope>(new Scope(scope_)));
      if (node_.target.kind == Target::Kind::tuple) item = Value::tuple(collect(item));
      renderer_.assign(node_.target, item);
      if (truth(renderer_.eval(*node_.condition))) return true;
    }
    return false;
  }

 private:
  Renderer& renderer_;
  const Loop& node_;
  Ref<Iterator> source_;
  Ref<Scope> scope_;
};

// ---- scopes and macros ----

Value* Scope::find(Symbol symbol) {
  for (auto& [name, value] : names)
    if (name == symbol) return &value;
  return nullptr;
}

void Scope::set(Symbol symbol, Value value) {
  if (Value* there = find(symbol))
    *there = std::move(value);
  else
    names.emplace_back(symbol, std::move(value));
}

std::string Macro::print() const {
  return signature.name.empty() ? "<Macro anonymous>" : fmt::format("<Macro {}>", python::repr(signature.name));
}

std::optional<Value> Macro::attribute(std::string_view name) const {
  if (name == "name") return signature.name.empty() ? Value() : Value::ours(signature.name);
  if (name == "arguments") {
    std::vector<Value> names;
    for (const auto& parameter : signature.parameters) names.push_back(Value::ours(parameter.second));
    return Value::tuple(std::move(names));
  }
  if (name == "caller") return Value(signature.uses_caller);
  if (name == "catch_kwargs") return Value(signature.uses_kwargs);
  if (name == "catch_varargs") return Value(signature.uses_varargs);
  if (name == "explicit_caller") return Value(signature.declares_caller);
  return std::nullopt;
}

Value Macro::call(Renderer& renderer, Arguments& arguments) const { return renderer.invoke(*this, arguments); }

// ---- the renderer ----

Renderer::Renderer(const Template& source, const nlohmann::ordered_json& context,
                   const nlohmann::ordered_json& defaults, const Settings& settings)
    : template_(source),
      context_(context),
      defaults_(defaults),
      settings_(settings),
      meter_(*Meter::current()),
      outer_names_(source.names.size()) {
  if (settings.now) {
    now_ = *settings.now;
  } else {
    std::time_t clock = std::time(nullptr);
    ::localtime_r(&clock, &now_);
  }
}

Renderer::~Renderer() {
  // A namespace may hold itself, a macro the scope it is named in: opened here, all of it goes.
  for (auto& space : spaces_) space->clear();
  for (auto& scope : closures_) scope->names.clear();
}

MixedText Renderer::run(std::vector<std::pair<size_t, size_t>>* generation) {
  generation_ = generation;
  out_ = &text_;
  scope_ = Ref<Scope>(new Scope({}));
  run(template_.body);
  return std::move(text_);
}

void Renderer::admit(size_t bytes) {
  if (bytes > settings_.output_bytes - written_)
    raise("the template writes more than {} bytes", settings_.output_bytes);
  written_ += bytes;
  spend_bytes(bytes);
}

void Renderer::write(const MixedText& text) {
  admit(text.size());
  out_->append(text);
}

void Renderer::write_ours(std::string_view text) {
  admit(text.size());
  out_->append(text, true);
}

// ---- statements ----

Renderer::Flow Renderer::run(const Body& body) {
  Deeper deeper(*this);
  for (const auto& statement : body) {
    Flow flow = run(*statement);
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

Renderer::Flow Renderer::run(const Statement& statement) {
  meter_.spend(1);
  line_ = statement.line;
  switch (statement.kind) {
    case StatementKind::text:
      write_ours(static_cast<const Text&>(statement).text);
      break;
    case StatementKind::print: {
      Value value = eval(*static_cast<const Print&>(statement).value);
      if (value.is_string())
        write(value.mixed());
      else
        write(to_mixed(value));
      break;
    }
    case StatementKind::set: {
      const auto& node = static_cast<const Set&>(statement);
      Value value = eval(*node.value);
      line_ = node.line;
      assign(node.target, value);
      break;
    }
    case StatementKind::set_block:
      set_block(static_cast<const SetBlock&>(statement));
      break;
    case StatementKind::branch:
      return branch(static_cast<const Branch&>(statement));
    case StatementKind::loop: {
      const auto& node = static_cast<const Loop&>(statement);
      return loop(node, eval(*node.iterable), 0);
    }
    case StatementKind::macro: {
      const auto& node = static_cast<const MacroDefinition&>(statement);
      scope_->set(node.symbol, new_macro(node.signature));
      break;
    }
    case StatementKind::call_block:
      call_block(static_cast<const CallBlock&>(statement));
      break;
    case StatementKind::filter_block:
      filter_block(static_cast<const FilterBlock&>(statement));
      break;
    case StatementKind::with:
      with(static_cast<const With&>(statement));
      break;
    case StatementKind::generation:
      generation(static_cast<const Generation&>(statement));
      break;
    case StatementKind::break_loop:
      return Flow::leave_loop;
    case StatementKind::continue_loop:
      return Flow::next_round;
  }
  return Flow::next;
}

Renderer::Flow Renderer::branch(const Branch& node) {
  for (const auto& [test, body] : node.cases)
    if (truth(eval(*test))) return run(body);
  return run(node.otherwise);
}

Renderer::Flow Renderer::loop(const Loop& node, const Value& iterable, int64_t depth) {
  line_ = node.line;
  Ref<Iterator> source = iterate(iterable);
  if (node.condition) source = Ref<Iterator>(new ConditionIterator(*this, node, std::move(source), scope_));
  // A loop names itself: its state holds the scope around it, and the scope within holds the state.
  Value state = Value::of(new LoopState(node, iterable, std::move(source), scope_, depth));
  auto* items = state.as<LoopState>();
  bool completed = false;
  {
    Within within(*this, Ref<Scope>(new Scope(scope_)));
    Ref<Scope> around = scope_->parent;
    for (Value item; items->next(item);) {
      line_ = node.line;
      if (scope_.alone())
        scope_->names.clear();
      else
        scope_ = Ref<Scope>(new Scope(around));  // a macro of the last round keeps that one
      scope_->set(kLoop, state);
      assign(node.target, item);
      Flow left = run(node.body);
      completed |= left == Flow::next;
      if (left == Flow::leave_loop) break;
    }
  }
  // As Jinja2 does it, {% else %} runs unless some round reached the end of the body.
  if (completed) return Flow::next;
  Within within(*this, Ref<Scope>(new Scope(scope_)));
  return run(node.otherwise);
}

Value Renderer::recurse(const LoopState& state, const Value& iterable) {
  Deeper deeper(*this);
  Within within(*this, state.scope());
  Capture capture(*this);
  loop(state.node(), iterable, state.depth() + 1);
  return Value::string(capture.take());
}

void Renderer::assign(const Target& target, const Value& value) {
  switch (target.kind) {
    case Target::Kind::name:
      scope_->set(target.symbol, value);
      break;
    case Target::Kind::attribute: {
      auto* space = eval_name(target.symbol).as<Namespace>();
      if (!space) raise("cannot assign attribute on non-namespace object");
      space->set(target.attribute, value);
      break;
    }
    case Target::Kind::tuple: {
      auto parts = collect(value);
      size_t wanted = target.parts.size();
      if (parts.size() > wanted) raise("too many values to unpack (expected {})", wanted);
      if (parts.size() < wanted) raise("not enough values to unpack (expected {}, got {})", wanted, parts.size());
      for (size_t i = 0; i < wanted; ++i) assign(target.parts[i], parts[i]);
      break;
    }
  }
}

void Renderer::set_block(const SetBlock& node) {
  Value value;
  {
    Within within(*this, Ref<Scope>(new Scope(scope_)));
    Capture capture(*this);
    run(node.body);
    value = Value::string(capture.take());
    if (node.filter) value = eval_filter(static_cast<const FilterCall&>(*node.filter), &value);
  }
  line_ = node.line;
  assign(node.target, value);
}

void Renderer::filter_block(const FilterBlock& node) {
  Within within(*this, Ref<Scope>(new Scope(scope_)));
  Value text;
  {
    Capture capture(*this);
    run(node.body);
    text = Value::string(capture.take());
  }
  write(to_mixed(eval_filter(static_cast<const FilterCall&>(*node.filter), &text)));
}

void Renderer::with(const With& node) {
  std::vector<Value> values;
  for (const auto& [target, value] : node.values) values.push_back(eval(*value));
  Within within(*this, Ref<Scope>(new Scope(scope_)));
  for (size_t i = 0; i < values.size(); ++i) assign(node.values[i].first, values[i]);
  run(node.body);
}

void Renderer::call_block(const CallBlock& node) {
  Value caller = new_macro(node.signature);
  write(to_mixed(eval_call(static_cast<const Call&>(*node.call), &caller)));
}

void Renderer::generation(const Generation& node) {
  Within within(*this, Ref<Scope>(new Scope(scope_)));
  size_t start = out_->size();
  run(node.body);
  if (generation_ && out_ == &text_) generation_->emplace_back(start, out_->size());
}

Value Renderer::new_macro(const Signature& signature) {
  if (closures_.empty() || closures_.back().get() != scope_.get()) closures_.push_back(scope_);
  return Value::of(new Macro(signature, scope_));
}

Value Renderer::invoke(const Macro& macro, Arguments& arguments) {
  Deeper deeper(*this);
  const Signature& signature = macro.signature;
  const auto& parameters = signature.parameters;
  Ref<Scope> inside(new Scope(macro.scope));
  auto keyword = std::move(arguments.keyword);
  auto take = [&](const std::string& name) -> std::optional<Value> {
    auto found = std::find_if(keyword.begin(), keyword.end(), [&](const auto& given) { return given.first == name; });
    if (found == keyword.end()) return std::nullopt;
    Value value = std::move(found->second);
    keyword.erase(found);
    return value;
  };

  size_t given = std::min(arguments.positional.size(), parameters.size());
  std::vector<size_t> missing;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& [symbol, name] = parameters[i];
    if (i < given) {
      inside->set(symbol, arguments.positional[i]);
    } else if (auto value = take(name)) {
      inside->set(symbol, *value);
    } else {
      inside->set(symbol, Value::undefined(name));
      missing.push_back(i);
    }
  }
  if (signature.uses_caller && !signature.declares_caller) {
    auto caller = take("caller");
    bool none = !caller || caller->is_none();
    inside->set(kCaller, none ? Value::undefined_hint("No caller defined") : *caller);
  }
  std::string called = signature.name.empty() ? "None" : python::repr(signature.name);
  if (signature.uses_kwargs) {
    Arguments rest;
    rest.keyword = std::move(keyword);
    inside->set(kKwargs, make_dict(rest));
  } else if (!keyword.empty()) {
    raise("macro {} takes no keyword argument {}", called, python::repr(keyword[0].first));
  }
  if (signature.uses_varargs) {
    auto rest = arguments.positional.begin() + static_cast<long>(given);
    inside->set(kVarargs, Value::tuple({rest, arguments.positional.end()}));
  } else if (arguments.positional.size() > parameters.size()) {
    raise("macro {} takes not more than {} argument(s)", called, parameters.size());
  }

  Within within(*this, inside);
  size_t required = parameters.size() - signature.defaults.size();
  for (size_t i : missing) {
    const auto& [symbol, name] = parameters[i];
    inside->set(symbol, i < required
                            ? Value::undefined_hint(fmt::format("parameter {} was not provided", python::repr(name)))
                            : eval(*signature.defaults[i - required]));
  }
  Capture capture(*this);
  run(signature.body);
  return Value::string(capture.take());
}

// ---- expressions ----

Value Renderer::eval(const Expr& expr) {
  Deeper deeper(*this);
  meter_.spend(1);
  line_ = expr.line;
  return eval_inner(expr);
}

Value Renderer::eval_inner(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::constant:
      return static_cast<const Constant&>(expr).value;
    case ExprKind::name:
      return eval_name(static_cast<const Name&>(expr).symbol);
    case ExprKind::attribute: {
      const auto& node = static_cast<const Attribute&>(expr);
      Value object = eval(*node.object);
      line_ = expr.line;
      return get_attribute(*this, object, node.name);
    }
    case ExprKind::item:
      return eval_item(static_cast<const Item&>(expr));
    case ExprKind::call:
      return eval_call(static_cast<const Call&>(expr), nullptr);
    case ExprKind::filter:
      return eval_filter(static_cast<const FilterCall&>(expr), nullptr);
    case ExprKind::test:
      return eval_test(static_cast<const TestCall&>(expr));
    case ExprKind::negative:
    case ExprKind::positive:
    case ExprKind::inverse: {
      Value operand = eval(*static_cast<const Unary&>(expr).operand);
      line_ = expr.line;
      if (expr.kind == ExprKind::inverse) return Value(!truth(operand));
      return expr.kind == ExprKind::negative ? negate(operand) : positive(operand);
    }
    case ExprKind::arithmetic: {
      const auto& node = static_cast<const Binary&>(expr);
      Value left = eval(*node.left), right = eval(*node.right);
      line_ = expr.line;
      return arithmetic(node.op, left, right);
    }
    case ExprKind::both:
    case ExprKind::either: {
      const auto& node = static_cast<const Binary&>(expr);
      Value left = eval(*node.left);
      return truth(left) == (expr.kind == ExprKind::both) ? eval(*node.right) : left;
    }
    case ExprKind::comparison:
      return eval_compare(static_cast<const Compare&>(expr));
    case ExprKind::concatenation:
      return eval_concatenation(static_cast<const Listing&>(expr));
    case ExprKind::conditional: {
      const auto& node = static_cast<const Conditional&>(expr);
      if (truth(eval(*node.test))) return eval(*node.yes);
      if (node.no) return eval(*node.no);
      return Value::undefined_hint("the inline if-expression evaluated to false and no else section was defined.");
    }
    case ExprKind::list:
      return Value::list(eval_all(static_cast<const Listing&>(expr).items));
    case ExprKind::tuple:
      return Value::tuple(eval_all(static_cast<const Listing&>(expr).items));
    case ExprKind::dict:
      return eval_dict(static_cast<const DictLiteral&>(expr));
    case ExprKind::slice:
      break;  // only within an item
  }
  return Value();
}

Value Renderer::eval_name(Symbol symbol) {
  for (Scope* scope = scope_.get(); scope; scope = scope->parent.get())
    if (Value* found = scope->find(symbol)) return *found;
  auto& outer = outer_names_[symbol];
  const std::string& name = template_.names[symbol];
  if (!outer) {
    outer.emplace();
    for (const auto* variables : {&context_, &defaults_}) {
      if (!variables->is_object()) continue;
      auto found = variables->find(name);
      if (found == variables->end()) continue;
      const bool role = name.find("role") != name.npos && found->is_string() &&
                        settings_.own.is_role(found->get_ref<const std::string&>());
      const bool ours = variables == &defaults_ || role || (defaults_.contains(name) && defaults_[name] == *found);
      *outer = name == "messages" ? from_messages(*found, settings_.own) : from_json(*found, ours);
      break;
    }
    if (!*outer) *outer = find_global(name);
  }
  return *outer ? **outer : Value::undefined(name);
}

Value Renderer::eval_item(const Item& node) {
  Value object = eval(*node.object);
  if (node.key->kind != ExprKind::slice) {
    Value key = eval(*node.key);
    line_ = node.line;
    return get_item(*this, object, key);
  }
  const auto& slice = static_cast<const Slice&>(*node.key);
  auto part = [&](const ExprPtr& expr) { return expr ? eval(*expr) : Value(); };
  Value start = part(slice.start), stop = part(slice.stop), step = part(slice.step);
  line_ = node.line;
  return get_slice(object, start, stop, step);
}

Value Renderer::eval_compare(const Compare& node) {
  Value left = eval(*node.first);
  for (const auto& [op, expr] : node.rest) {
    Value right = eval(*expr);
    line_ = node.line;
    if (!compare(op, left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Renderer::eval_concatenation(const Listing& node) {
  MixedText out;
  for (const Value& item : eval_all(node.items)) {
    if (item.is_string())
      out.append(item.mixed());
    else
      out.append(to_mixed(item));
    check_string_size(out.size());
  }
  return Value::string(std::move(out));
}

Value Renderer::eval_dict(const DictLiteral& node) {
  auto* dict = new Dict();
  Value value = Value::of(dict);
  for (const auto& [key, item] : node.entries) {
    Value name = eval(*key);
    dict->set(name, eval(*item));
  }
  return value;
}

std::vector<Value> Renderer::eval_all(const std::vector<ExprPtr>& items) {
  std::vector<Value> values;
  values.reserve(items.size());
  for (const auto& item : items) values.push_back(eval(*item));
  return values;
}

Arguments Renderer::eval_arguments(const CallArguments& given) {
  Arguments arguments;
  arguments.positional = eval_all(given.positional);
  for (const auto& [name, value] : given.keyword) arguments.keyword.emplace_back(name, eval(*value));
  if (given.star)
    for (Value& value : collect(eval(*given.star))) arguments.positional.push_back(std::move(value));
  if (given.star_star) {
    Value more = eval(*given.star_star);
    if (!more.is(Type::dict)) raise("argument after ** must be a mapping, not {}", type_name(more));
    for (const auto& [key, value] : more.dict().entries) {
      const std::string& name = need_text(key, "keyword arguments");
      for (const auto& argument : arguments.keyword)
        if (argument.first == name) raise("multiple values for keyword argument {}", python::repr(name));
      arguments.keyword.emplace_back(name, value);
    }
  }
  return arguments;
}

Value Renderer::eval_call(const Call& node, const Value* caller) {
  Value function = eval(*node.function);
  Arguments arguments = eval_arguments(node.arguments);
  if (caller) arguments.keyword.emplace_back("caller", *caller);
  line_ = node.line;
  need_defined(function);
  if (!function.is(Type::other)) raise("'{}' object is not callable", type_name(function));
  return function.other().call(*this, arguments);
}

Value Renderer::eval_filter(const FilterCall& node, const Value* block) {
  Value input;
  if (!node.input)
    input = *block;
  else if (block)
    input = eval_filter(static_cast<const FilterCall&>(*node.input), block);
  else
    input = eval(*node.input);
  Arguments arguments = eval_arguments(node.arguments);
  line_ = node.line;
  if (!node.entry) return apply_filter(*this, node.name, input, arguments);  // which says what is wrong
  return node.entry->apply(*this, input, arguments);
}

Value Renderer::eval_test(const TestCall& node) {
  Value input = eval(*node.input);
  Arguments arguments = eval_arguments(node.arguments);
  line_ = node.line;
  if (!node.entry) return Value(apply_test(*this, node.name, input, arguments));
  return Value(node.entry->apply(*this, input, arguments));
}

}  // namespace glassbox::jinja
