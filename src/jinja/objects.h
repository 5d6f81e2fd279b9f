// The objects of a template that are neither numbers, text, lists nor dicts: namespaces, bound methods, views of
// dicts, functions; and the attributes that Python's types have.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jinja/value.h"

namespace glassbox::jinja {

// What {% set ns.name = ... %} writes to. Belongs to its render, which empties it at the end (it may hold itself).
class Namespace final : public Other {
 public:
  Namespace() : Other(sizeof(Namespace)) {}
  const char* type_name() const override { return "TemplateNamespace"; }
  std::string print() const override;
  std::optional<Value> attribute(std::string_view name) const override;
  void set(const std::string& name, Value value);  // fails on a leading underscore, as transformers does
  void clear() { attributes_.clear(); }

 private:
  std::vector<std::pair<std::string, Value>> attributes_;
};

struct MethodEntry {
  const char* name;
  Value (*apply)(Renderer&, const Value& self, Arguments&);  // null: Python has it, this refuses it
};

class BoundMethod final : public Other {
 public:
  BoundMethod(const Value& self, const MethodEntry* entry) : Other(sizeof(BoundMethod)), self_(self), entry_(entry) {
    enclose(self);
  }
  const char* type_name() const override { return "builtin_function_or_method"; }
  bool callable() const override { return true; }
  Value call(Renderer& renderer, Arguments& arguments) const override;

 private:
  Value self_;
  const MethodEntry* entry_;
};

// What dict.keys(), values() and items() give.
class DictView final : public Other {
 public:
  enum class Kind { keys, values, items };
  DictView(const Value& dict, Kind kind) : Other(sizeof(DictView)), dict_(dict), kind_(kind) { enclose(dict); }
  const char* type_name() const override;
  std::string print() const override;
  std::optional<size_t> length() const override { return dict_.dict().entries.size(); }
  Ref<Iterator> iterate() const override;
  bool equals(const Other& that) const override;
  const Value& dict() const { return dict_; }
  Kind kind() const { return kind_; }

 private:
  Value dict_;
  Kind kind_;
};

// A function that every template can call: range, dict, namespace ...
class Function final : public Other {
 public:
  using Body = Value (*)(Renderer&, Arguments&);
  Function(const char* name, Body body) : Other(sizeof(Function)), name_(name), body_(body) {}
  const char* type_name() const override { return "function"; }
  bool callable() const override { return true; }
  Value call(Renderer& renderer, Arguments& arguments) const override { return body_(renderer, arguments); }
  const char* name() const { return name_; }

 private:
  const char* name_;
  Body body_;
};

// The global of this name, if Jinja2 or transformers defines one. Fails on those that are refused here.
std::optional<Value> find_global(std::string_view name);

// Methods of Python's types by name; null if there is none.
const MethodEntry* find_text_method(std::string_view name, bool markup);
const MethodEntry* find_collection_method(const Value& object, std::string_view name);

// Arguments that Python takes by position only. Fails unless there are `least` to `most` of them.
void need_positional(const char* function, const Arguments& arguments, size_t least, size_t most);

// dict(...) and namespace(...): from a mapping or pairs, then keywords.
Value make_dict(const Arguments& arguments);

}  // namespace glassbox::jinja
