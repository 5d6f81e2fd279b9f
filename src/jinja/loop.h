// The `loop` of a {% for %}, and the items it goes through.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "jinja/ast.h"
#include "jinja/objects.h"
#include "jinja/value.h"

namespace glassbox::jinja {

struct Scope;

class LoopState final : public Other {
 public:
  // `scope` is what is around the loop, for loops that are `recursive`.
  LoopState(const Loop& node, const Value& iterable, Ref<Iterator> source, Ref<Scope> scope, int64_t depth);

  bool next(Value& item);
  const Loop& node() const { return node_; }
  const Ref<Scope>& scope() const { return scope_; }
  int64_t depth() const { return depth_; }

  const char* type_name() const override { return "LoopContext"; }
  std::string print() const override;
  bool callable() const override { return true; }
  Value call(Renderer& renderer, Arguments& arguments) const override;
  std::optional<Value> attribute(std::string_view name) const override;
  std::optional<size_t> length() const override;
  bool changed(std::vector<Value> values) const;
  int64_t index() const { return index_; }

 private:
  bool peek() const;  // whether there is a next item, which is then in after_

  const Loop& node_;
  Value iterable_;
  mutable Ref<Iterator> source_;
  Ref<Scope> scope_;
  int64_t depth_;       // of recursion, from 0
  int64_t index_ = -1;  // from 0
  mutable std::optional<size_t> length_;
  mutable std::optional<Value> after_;
  Value before_, current_;
  mutable std::optional<std::vector<Value>> last_changed_;
};

}  // namespace glassbox::jinja
