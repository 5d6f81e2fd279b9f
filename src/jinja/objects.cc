#include "jinja/objects.h"

#include <algorithm>

#include "jinja/filters.h"
#include "jinja/format.h"
#include "jinja/operators.h"
#include "jinja/render.h"
#include "jinja/text.h"
#include "unicode/python_text.h"

namespace glassbox::jinja {
namespace {

class DictViewIterator final : public Iterator {
 public:
  DictViewIterator(const Value& dict, DictView::Kind kind)
      : Iterator(sizeof(DictViewIterator)), dict_(dict), kind_(kind) {
    enclose(dict);
  }
  bool next(Value& item) override {
    spend_items(1);
    const auto& entries = dict_.dict().entries;
    if (at_ >= entries.size()) return false;
    const auto& [key, value] = entries[at_++];
    switch (kind_) {
      case DictView::Kind::keys:
        item = key;
        break;
      case DictView::Kind::values:
        item = value;
        break;
      case DictView::Kind::items:
        item = Value::tuple({key, value});
        break;
    }
    return true;
  }

 private:
  Value dict_;
  DictView::Kind kind_;
  size_t at_ = 0;
};

// cycler('odd', 'even'): next() goes round.
class Cycler final : public Other {
 public:
  explicit Cycler(std::vector<Value> items) : Other(sizeof(Cycler)), items_(std::move(items)) {
    for (const Value& item : items_) enclose(item);
  }
  const char* type_name() const override { return "Cycler"; }
  std::optional<Value> attribute(std::string_view name) const override {
    static constexpr MethodEntry kNext = {"next", [](Renderer&, const Value& self, Arguments& arguments) {
                                            need_positional("next", arguments, 0, 0);
                                            auto* cycler = self.as<Cycler>();
                                            Value item = cycler->items_[cycler->at_];
                                            cycler->at_ = (cycler->at_ + 1) % cycler->items_.size();
                                            return item;
                                          }};
    static constexpr MethodEntry kReset = {"reset", [](Renderer&, const Value& self, Arguments& arguments) {
                                             need_positional("reset", arguments, 0, 0);
                                             self.as<Cycler>()->at_ = 0;
                                             return Value();
                                           }};
    Value self = Value::of(const_cast<Cycler*>(this));
    if (name == "next") return Value::of(new BoundMethod(self, &kNext));
    if (name == "reset") return Value::of(new BoundMethod(self, &kReset));
    if (name == "current") return items_[at_];
    if (name == "pos") return Value::size(at_);
    if (name == "items") return Value::tuple(items_);
    return std::nullopt;
  }

 private:
  std::vector<Value> items_;
  size_t at_ = 0;
};

// joiner(', '): empty when first called, then its text.
class Joiner final : public Other {
 public:
  explicit Joiner(Value separator) : Other(sizeof(Joiner)), separator_(std::move(separator)) { enclose(separator_); }
  const char* type_name() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Value call(Renderer&, Arguments& arguments) const override {
    need_positional("joiner", arguments, 0, 0);
    return std::exchange(used_, true) ? separator_ : Value::ours("");
  }
  std::optional<Value> attribute(std::string_view name) const override {
    if (name == "sep") return separator_;
    if (name == "used") return Value(used_);
    return std::nullopt;
  }

 private:
  Value separator_;
  mutable bool used_ = false;
};

Value call_range(Renderer&, Arguments& arguments) {
  need_positional("range", arguments, 1, 3);
  auto number = [&](size_t i) { return need_integer(arguments.positional[i], "range"); };
  size_t given = arguments.positional.size();
  int64_t start = given > 1 ? number(0) : 0, stop = number(given > 1 ? 1 : 0), step = given > 2 ? number(2) : 1;
  if (step == 0) raise("range() arg 3 must not be zero");
  // In 128 bits: the distance of two ints may need 65.
  __int128 distance = step > 0 ? static_cast<__int128>(stop) - start : static_cast<__int128>(start) - stop;
  __int128 by = step > 0 ? static_cast<__int128>(step) : -static_cast<__int128>(step);
  __int128 length = distance > 0 ? (distance - 1) / by + 1 : 0;
  if (length > 100000) raise("range too big: the sandbox blocks ranges of more than 100000 items");
  return Value::of(new Range(start, stop, step, static_cast<int64_t>(length)));
}

Value call_namespace(Renderer& renderer, Arguments& arguments) {
  Value all = make_dict(arguments);
  auto* space = new Namespace();
  Value value = Value::of(space);
  renderer.keep(space);
  for (const auto& [key, item] : all.dict().entries) space->set(need_text(key, "namespace"), item);
  return value;
}

Value call_dict(Renderer&, Arguments& arguments) { return make_dict(arguments); }

Value call_raise_exception(Renderer&, Arguments& arguments) {
  auto message = bind("raise_exception", arguments, {"message"}, 1);
  throw Failure(ErrorKind::bad_request, to_text(*message[0]));
}

Value call_strftime_now(Renderer& renderer, Arguments& arguments) {
  auto format = bind("strftime_now", arguments, {"format"}, 1);
  const std::string& wanted = need_text(*format[0], "strftime_now");
  return Value::string(made_of(format[0]->mixed(), format_time(renderer.now(), wanted)));
}

Value call_cycler(Renderer&, Arguments& arguments) {
  if (!arguments.keyword.empty()) raise("cycler() takes no keyword arguments");
  if (arguments.positional.empty()) raise("at least one item has to be provided");
  return Value::of(new Cycler(arguments.positional));
}

Value call_joiner(Renderer&, Arguments& arguments) {
  auto given = bind("joiner", arguments, {"sep"});
  return Value::of(new Joiner(given[0] ? *given[0] : Value::ours(", ")));
}

}  // namespace

std::string Namespace::print() const {
  std::string out = "<Namespace {";
  for (const auto& [name, value] : attributes_) {
    if (out.back() != '{') out += ", ";
    out += python::repr(name) + ": " + repr(value);
    check_string_size(out.size());
    spend_items(1);
  }
  return out + "}>";
}

std::optional<Value> Namespace::attribute(std::string_view name) const {
  for (const auto& [key, value] : attributes_)
    if (key == name) return value;
  return std::nullopt;
}

void Namespace::set(const std::string& name, Value value) {
  if (name.starts_with("_"))
    raise("Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}", python::repr(name));
  spend_items(1 + attributes_.size() / 8);
  for (auto& [key, held] : attributes_) {
    if (key == name) {
      held = std::move(value);
      return;
    }
  }
  charge(sizeof(std::pair<std::string, Value>) + name.size());
  attributes_.emplace_back(name, std::move(value));
}

Value BoundMethod::call(Renderer& renderer, Arguments& arguments) const {
  if (!entry_->apply) refuse("{}.{}()", jinja::type_name(self_), entry_->name);
  return entry_->apply(renderer, self_, arguments);
}

const char* DictView::type_name() const {
  return kind_ == Kind::keys ? "dict_keys" : kind_ == Kind::values ? "dict_values" : "dict_items";
}

std::string DictView::print() const {
  return fmt::format("{}({})", type_name(), repr(Value::list(collect(Value::of(const_cast<DictView*>(this))))));
}

Ref<Iterator> DictView::iterate() const { return Ref<Iterator>(new DictViewIterator(dict_, kind_)); }

bool DictView::equals(const Other& that) const {
  if (this == &that) return true;
  auto* view = dynamic_cast<const DictView*>(&that);
  if (!view || kind_ == Kind::values || view->kind_ != kind_ || *view->length() != *length()) return false;
  // Views of keys and items compare as sets.
  for (const auto& [key, value] : dict_.dict().entries) {
    const Value* there = view->dict_.dict().find(key);
    if (!there || (kind_ == Kind::items && !equal(*there, value))) return false;
  }
  return true;
}

void need_positional(const char* function, const Arguments& arguments, size_t least, size_t most) {
  if (!arguments.keyword.empty()) raise("{}() takes no keyword arguments", function);
  size_t given = arguments.positional.size();
  if (given < least) raise("{}() takes at least {} argument(s) ({} given)", function, least, given);
  if (given > most) raise("{}() takes at most {} argument(s) ({} given)", function, most, given);
}

Value make_dict(const Arguments& arguments) {
  if (arguments.positional.size() > 1) raise("dict expected at most 1 argument, got {}", arguments.positional.size());
  auto* dict = new Dict();
  Value result = Value::of(dict);
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional[0];
    if (from.is(Type::dict)) {
      for (const auto& [key, value] : from.dict().entries) dict->set(key, value);
    } else {
      auto iterator = iterate(from);
      for (Value pair; iterator->next(pair);) {
        auto parts = collect(pair);
        if (parts.size() != 2) raise("dictionary update sequence element has length {}; 2 is required", parts.size());
        dict->set(parts[0], parts[1]);
      }
    }
  }
  // A name may be a key that **dict gave.
  for (const auto& [name, value] : arguments.keyword) dict->set(Value::string({name, false}), value);
  return result;
}

std::optional<Value> find_global(std::string_view name) {
  static const std::vector<Value> kGlobals = [] {
    Unmetered outlives_the_render;
    std::vector<Value> all;
    auto add = [&](const char* called, Function::Body body) { all.push_back(Value::of(new Function(called, body))); };
    add("range", call_range);
    add("dict", call_dict);
    add("namespace", call_namespace);
    add("raise_exception", call_raise_exception);
    add("strftime_now", call_strftime_now);
    add("cycler", call_cycler);
    add("joiner", call_joiner);
    return all;
  }();
  for (const Value& function : kGlobals)
    if (function.as<Function>()->name() == name) return function;
  if (name == "lipsum") refuse("lipsum(): a template whose text is random");
  return std::nullopt;
}

std::optional<Value> find_attribute(const Value& object, std::string_view name) {
  switch (object.type()) {
    case Type::undefined:
      fail_undefined(object);
    case Type::string:
      if (auto* entry = find_text_method(name, object.str().markup)) return Value::of(new BoundMethod(object, entry));
      return std::nullopt;
    case Type::other:
      return object.other().attribute(name);
    case Type::range:
      if (name == "start") return Value(object.range().start);
      if (name == "stop") return Value(object.range().stop);
      if (name == "step") return Value(object.range().step);
      break;
    case Type::boolean:
    case Type::integer:
      if (name == "real" || name == "numerator") return Value(object.integer());
      if (name == "imag") return Value(int64_t{0});
      if (name == "denominator") return Value(int64_t{1});
      break;
    case Type::floating:
      if (name == "real") return object;
      if (name == "imag") return Value(0.0);
      break;
    case Type::tuple:
      if (static_cast<const Sequence*>(object.object())->group) {
        if (name == "grouper") return object.items()[0];
        if (name == "list") return object.items()[1];
      }
      break;
    default:
      break;
  }
  if (auto* entry = find_collection_method(object, name)) return Value::of(new BoundMethod(object, entry));
  return std::nullopt;
}

}  // namespace glassbox::jinja
