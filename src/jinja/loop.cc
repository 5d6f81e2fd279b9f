#include "jinja/loop.h"

#include <algorithm>

#include "jinja/render.h"

namespace glassbox::jinja {
namespace {

Value cycle(Renderer&, const Value& self, Arguments& arguments) {
  if (!arguments.keyword.empty()) raise("cycle() takes no keyword arguments");
  if (arguments.positional.empty()) raise("no items for cycling given");
  auto at = static_cast<size_t>(self.as<LoopState>()->index()) % arguments.positional.size();
  return arguments.positional[at];
}

Value changed(Renderer&, const Value& self, Arguments& arguments) {
  if (!arguments.keyword.empty()) raise("changed() takes no keyword arguments");
  return Value(self.as<LoopState>()->changed(arguments.positional));
}

constexpr MethodEntry kCycle = {"cycle", cycle}, kChanged = {"changed", changed};

}  // namespace

LoopState::LoopState(const Loop& node, const Value& iterable, Ref<Iterator> source, Ref<Scope> scope, int64_t depth)
    : Other(sizeof(LoopState)),
      node_(node),
      iterable_(iterable),
      source_(std::move(source)),
      scope_(std::move(scope)),
      depth_(depth) {
  enclose(iterable);
}

bool LoopState::next(Value& item) {
  if (after_) {
    item = std::move(*after_);
    after_.reset();
  } else if (!source_->next(item)) {
    return false;
  }
  ++index_;
  before_ = std::move(current_);
  current_ = item;
  return true;
}

bool LoopState::peek() const {
  if (after_) return true;
  Value item;
  if (!source_->next(item)) return false;
  after_ = std::move(item);
  return true;
}

std::optional<size_t> LoopState::length() const {
  if (length_) return length_;
  length_ = node_.condition ? std::nullopt : jinja::length(iterable_);
  if (!length_) {
    // A generator: the rest of it, gone through now.
    std::vector<Value> rest;
    for (Value item; source_->next(item);) rest.push_back(item);
    length_ = rest.size() + static_cast<size_t>(index_ + 1) + (after_ ? 1 : 0);
    source_ = jinja::iterate(Value::list(std::move(rest)));
  }
  return length_;
}

std::string LoopState::print() const { return fmt::format("<LoopContext {}/{}>", index_ + 1, *length()); }

bool LoopState::changed(std::vector<Value> values) const {
  bool same = last_changed_ && last_changed_->size() == values.size() &&
              std::equal(values.begin(), values.end(), last_changed_->begin(), equal);
  if (!same) last_changed_ = std::move(values);
  return !same;
}

std::optional<Value> LoopState::attribute(std::string_view name) const {
  auto left = [&] { return static_cast<int64_t>(*length()) - index_; };
  if (name == "index") return Value(index_ + 1);
  if (name == "index0") return Value(index_);
  if (name == "first") return Value(index_ == 0);
  if (name == "last") return Value(!peek());
  if (name == "length") return Value::size(*length());
  if (name == "revindex") return Value(left());
  if (name == "revindex0") return Value(left() - 1);
  if (name == "previtem") return index_ == 0 ? Value::undefined_hint("there is no previous item") : before_;
  if (name == "nextitem") return peek() ? *after_ : Value::undefined_hint("there is no next item");
  if (name == "depth") return Value(depth_ + 1);
  if (name == "depth0") return Value(depth_);
  Value self = Value::of(const_cast<LoopState*>(this));
  if (name == "cycle") return Value::of(new BoundMethod(self, &kCycle));
  if (name == "changed") return Value::of(new BoundMethod(self, &kChanged));
  return std::nullopt;
}

Value LoopState::call(Renderer& renderer, Arguments& arguments) const {
  need_positional("loop", arguments, 1, 1);
  if (!node_.recursive) raise("the loop must have the 'recursive' marker to be called recursively");
  return renderer.recurse(*this, arguments.positional[0]);
}

}  // namespace glassbox::jinja
