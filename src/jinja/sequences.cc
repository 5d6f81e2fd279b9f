// The filters that take sequences. What Python makes a generator is one here: it is worked out as it is gone through,
// errors included, and once.
#include <algorithm>
#include <functional>

#include "jinja/filters.h"
#include "jinja/objects.h"
#include "jinja/operators.h"
#include "jinja/text.h"
#include "unicode/python_text.h"

namespace glassbox::jinja {
namespace {

// A generator over what a function yields: given the place for an item, it fills it or says there are no more.
class Generator final : public Iterator {
 public:
  using Next = std::function<bool(Value&)>;
  Generator(std::initializer_list<const Value*> holds, const Arguments& arguments, Next next)
      : Iterator(sizeof(Generator) + 128), next_(std::move(next)) {
    for (const Value* value : holds) enclose(*value);
    for (const Value& value : arguments.positional) enclose(value);
    for (const auto& [name, value] : arguments.keyword) enclose(value);
  }
  bool next(Value& item) override {
    if (ended_) return false;
    if (running_) raise("generator already executing");
    running_ = true;
    ended_ = true;  // also when it fails
    bool more = next_(item);
    ended_ = !more;
    running_ = false;
    return more;
  }

 private:
  Next next_;
  bool ended_ = false, running_ = false;
};

// 'a.b.0' looks up a, then b, then item 0, each as value[part].
struct Path {
  std::vector<Value> parts;
  std::optional<Value> otherwise;  // for what is undefined on the way

  static Path of(const Value& attribute) {
    Path path;
    if (attribute.is_none()) return path;
    if (!attribute.is_string()) {
      path.parts.push_back(attribute);
      return path;
    }
    for (auto part : split_at(attribute.text(), ".", -1, false)) {
      bool number = !part.empty() && part.find_first_not_of("0123456789") == part.npos && part.size() < 18;
      path.parts.push_back(number ? Value(int64_t{std::stoll(std::string(part))}) : Value::ours(std::string(part)));
    }
    return path;
  }
  Value look(Renderer& renderer, Value item) const {
    for (const Value& part : parts) {
      item = get_item(renderer, item, part);
      if (otherwise && item.is_undefined()) item = *otherwise;
    }
    return item;
  }
};

Value ignore_case(const Value& value) {
  return value.is_string() ? Value::string(map_runs(value.mixed(), python::to_lower), value.str().markup) : value;
}

bool is_true(const Value* value) { return value && truth(*value); }

// ---- generators ----

Value filter_map(Renderer& renderer, const Value& input, Arguments& given) {
  auto state = [&renderer, input, arguments = given, source = Ref<Iterator>(), path = Path(), by_path = false,
                rest = Arguments(), name = std::string()](Value& item) mutable {
    if (!source) {
      if (!truth(input)) return false;
      by_path = arguments.positional.empty() && !arguments.keyword.empty() &&
                std::any_of(arguments.keyword.begin(), arguments.keyword.end(),
                            [](const auto& argument) { return argument.first == "attribute"; });
      if (by_path) {
        auto bound = bind("map", arguments, {"attribute", "default"});
        path = Path::of(*bound[0]);
        if (bound[1] && !bound[1]->is_none()) path.otherwise = *bound[1];
      } else {
        if (arguments.positional.empty()) raise("map requires a filter argument");
        name = need_text(arguments.positional[0], "map");
        rest.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
        rest.keyword = arguments.keyword;
      }
      source = iterate(input);
    }
    Value each;
    if (!source->next(each)) return false;
    if (by_path) {
      item = path.look(renderer, each);
    } else {
      Arguments passed = rest;
      item = apply_filter(renderer, name, each, passed);
    }
    return true;
  };
  return Value::of(new Generator({&input}, given, std::move(state)));
}

// select, reject, selectattr, rejectattr
template <bool keeps, bool by_attribute>
Value filter_select(Renderer& renderer, const Value& input, Arguments& given) {
  auto state = [&renderer, input, arguments = given, source = Ref<Iterator>(), path = Path(), rest = Arguments(),
                name = std::optional<std::string>()](Value& item) mutable {
    if (!source) {
      if (!truth(input)) return false;
      size_t used = 0;
      if (by_attribute) {
        if (arguments.positional.empty()) raise("missing parameter for attribute name");
        path = Path::of(arguments.positional[used++]);
      }
      if (used < arguments.positional.size()) {
        name = need_text(arguments.positional[used++], "select");
        rest.positional.assign(arguments.positional.begin() + static_cast<long>(used), arguments.positional.end());
        rest.keyword = arguments.keyword;
      }
      source = iterate(input);
    }
    while (source->next(item)) {
      Value looked = path.look(renderer, item);
      Arguments passed = rest;
      if ((name ? apply_test(renderer, *name, looked, passed) : truth(looked)) == keeps) return true;
    }
    return false;
  };
  return Value::of(new Generator({&input}, given, std::move(state)));
}

Value filter_unique(Renderer& renderer, const Value& input, Arguments& given) {
  auto bound = bind("unique", given, {"case_sensitive", "attribute"});
  Value seen = Value::of(new Dict());
  auto state = [&renderer, input, seen, sensitive = is_true(bound[0]), path = Path::of(bound[1] ? *bound[1] : Value()),
                source = Ref<Iterator>()](Value& item) mutable {
    if (!source) source = iterate(input);
    while (source->next(item)) {
      Value key = path.look(renderer, item);
      if (!sensitive) key = ignore_case(key);
      auto& keys = const_cast<Dict&>(seen.dict());
      if (keys.find(key)) continue;
      keys.set(key, Value());
      return true;
    }
    return false;
  };
  return Value::of(new Generator({&input}, given, std::move(state)));
}

Value filter_items(Renderer&, const Value& input, Arguments& given) {
  need_positional("items", given, 0, 0);
  auto state = [input, source = Ref<Iterator>()](Value& item) mutable {
    if (input.is_undefined()) return false;
    if (!input.is(Type::dict)) raise("can only get item pairs from a mapping");
    if (!source) source = iterate(Value::of(new DictView(input, DictView::Kind::items)));
    return source->next(item);
  };
  return Value::of(new Generator({&input}, given, std::move(state)));
}

Value filter_batch(Renderer&, const Value& input, Arguments& given) {
  auto bound = bind("batch", given, {"linecount", "fill_with"}, 1);
  auto state = [input, count = *bound[0], fill = bound[1] ? *bound[1] : Value(), source = Ref<Iterator>(),
                carried = std::vector<Value>()](Value& item) mutable {
    if (!source) source = iterate(input);
    std::vector<Value> line = std::move(carried);
    carried.clear();
    for (Value each; source->next(each);) {
      if (equal(Value::size(line.size()), count)) {
        carried.push_back(each);
        item = Value::list(std::move(line));
        return true;
      }
      line.push_back(each);
    }
    if (line.empty()) return false;
    if (!fill.is_none()) {
      int64_t missing = need_integer(count, "batch") - static_cast<int64_t>(line.size());
      if (missing > 0) spend_items(static_cast<size_t>(missing));
      for (; missing > 0; --missing) line.push_back(fill);
    }
    item = Value::list(std::move(line));
    return true;
  };
  return Value::of(new Generator({&input}, given, std::move(state)));
}

Value filter_slice(Renderer&, const Value& input, Arguments& given) {
  auto bound = bind("slice", given, {"slices", "fill_with"}, 1);
  auto state = [input, count = *bound[0], fill = bound[1] ? *bound[1] : Value(), items = std::vector<Value>(),
                started = false, number = int64_t{0}, at = size_t{0}](Value& item) mutable {
    int64_t slices = need_integer(count, "slice");
    if (!started) {
      items = collect(input);
      if (slices == 0) raise("integer division or modulo by zero");
      started = true;
    }
    if (number >= slices) return false;
    spend_items(1);
    auto size = static_cast<int64_t>(items.size());
    bool extra = number < size % slices;
    size_t end = at + static_cast<size_t>(size / slices) + (extra ? 1 : 0);
    std::vector<Value> part(items.begin() + static_cast<long>(at), items.begin() + static_cast<long>(end));
    if (!fill.is_none() && !extra) part.push_back(fill);
    at = end;
    ++number;
    item = Value::list(std::move(part));
    return true;
  };
  return Value::of(new Generator({&input}, given, std::move(state)));
}

// What Python's reversed() goes through; nothing where it fails.
std::optional<std::vector<Value>> reversed(const Value& value) {
  bool can = value.is_sequence() || value.is_string() || value.is(Type::dict) || value.is(Type::range) ||
             value.is_undefined() || value.as<DictView>();
  if (!can) return std::nullopt;
  auto items = collect(value);
  std::reverse(items.begin(), items.end());
  return items;
}

Value filter_reverse(Renderer&, const Value& input, Arguments& given) {
  need_positional("reverse", given, 0, 0);
  if (input.is_string()) return get_slice(input, Value(), Value(), Value(int64_t{-1}));
  auto items = reversed(input);
  if (!items) {
    auto all = collect(input);
    std::reverse(all.begin(), all.end());
    return Value::list(std::move(all));
  }
  Value list = Value::list(std::move(*items));
  auto state = [list, at = size_t{0}](Value& item) mutable {
    if (at >= list.items().size()) return false;
    item = list.items()[at++];
    return true;
  };
  return Value::of(new Generator({&list}, given, std::move(state)));
}

// ---- values ----

Value filter_length(Renderer&, const Value& input, Arguments& given) {
  need_positional("length", given, 0, 0);
  return Value::size(need_length(input));
}

Value filter_list(Renderer&, const Value& input, Arguments& given) {
  need_positional("list", given, 0, 0);
  return Value::list(collect(input));
}

Value filter_first(Renderer&, const Value& input, Arguments& given) {
  need_positional("first", given, 0, 0);
  Value item;
  if (iterate(input)->next(item)) return item;
  return Value::undefined_hint("No first item, sequence was empty.");
}

Value filter_last(Renderer&, const Value& input, Arguments& given) {
  need_positional("last", given, 0, 0);
  auto items = reversed(input);
  if (!items) raise("'{}' object is not reversible", type_name(input));
  return items->empty() ? Value::undefined_hint("No last item, sequence was empty.") : items->front();
}

Value filter_join(Renderer& renderer, const Value& input, Arguments& given) {
  auto bound = bind("join", given, {"d", "attribute"});
  const MixedText separator = bound[0] ? to_mixed(*bound[0]) : MixedText();
  MixedText out;
  Path path = Path::of(bound[1] ? *bound[1] : Value());
  auto iterator = iterate(input);
  bool first = true;
  for (Value item; iterator->next(item);) {
    if (!first) out.append(separator);
    first = false;
    out.append(to_mixed(path.look(renderer, item)));
    check_string_size(out.size());
  }
  return Value::string(std::move(out));
}

// Stable, also in reverse.
void sort_by(std::vector<std::pair<Value, Value>>& keyed, bool reverse) {
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    spend_items(1);
    return reverse ? order(b.first, a.first, "<") < 0 : order(a.first, b.first, "<") < 0;
  });
}

Value values_of(std::vector<std::pair<Value, Value>> keyed) {
  std::vector<Value> items;
  items.reserve(keyed.size());
  for (auto& [key, value] : keyed) items.push_back(std::move(value));
  return Value::list(std::move(items));
}

Value filter_sort(Renderer& renderer, const Value& input, Arguments& given) {
  auto bound = bind("sort", given, {"reverse", "case_sensitive", "attribute"});
  std::vector<Path> paths;
  if (bound[2] && bound[2]->is_string()) {
    for (auto part : split_at(bound[2]->text(), ",", -1, false))
      paths.push_back(Path::of(Value::ours(std::string(part))));
  } else {
    paths.push_back(Path::of(bound[2] ? *bound[2] : Value()));
  }
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : collect(input)) {
    std::vector<Value> keys;
    for (const Path& path : paths) {
      keys.push_back(path.look(renderer, item));
      if (!is_true(bound[1])) keys.back() = ignore_case(keys.back());
    }
    keyed.emplace_back(Value::list(std::move(keys)), item);
  }
  sort_by(keyed, is_true(bound[0]));
  return values_of(std::move(keyed));
}

Value filter_group_by(Renderer& renderer, const Value& input, Arguments& given) {
  auto bound = bind("groupby", given, {"attribute", "default", "case_sensitive"}, 1);
  Path path = Path::of(*bound[0]);
  if (bound[1] && !bound[1]->is_none()) path.otherwise = *bound[1];
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : collect(input)) {
    Value key = path.look(renderer, item);
    keyed.emplace_back(is_true(bound[2]) ? key : ignore_case(key), item);
  }
  sort_by(keyed, false);
  std::vector<Value> groups;
  for (size_t at = 0; at < keyed.size();) {
    const Value key = keyed[at].first;
    std::vector<Value> members;
    while (at < keyed.size() && equal(keyed[at].first, key)) members.push_back(keyed[at++].second);
    // A group is named as its first member is, not as they were compared.
    Value name = path.look(renderer, members[0]);
    auto* group = new Sequence(Type::tuple, {std::move(name), Value::list(std::move(members))});
    group->group = true;
    groups.push_back(Value::of(group));
  }
  return Value::list(std::move(groups));
}

Value filter_dict_sort(Renderer&, const Value& input, Arguments& given) {
  auto bound = bind("dictsort", given, {"case_sensitive", "by", "reverse"});
  std::string by = bound[1] ? to_text(*bound[1]) : "key";
  if (by != "key" && by != "value") raise("dictsort: you can only sort by either \"key\" or \"value\"");
  need_defined(input);
  if (!input.is(Type::dict)) raise("'{}' object has no attribute 'items'", type_name(input));
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : input.dict().entries) {
    Value sorted_by = by == "key" ? key : value;
    if (!is_true(bound[0])) sorted_by = ignore_case(sorted_by);
    keyed.emplace_back(sorted_by, Value::tuple({key, value}));
  }
  sort_by(keyed, is_true(bound[2]));
  return values_of(std::move(keyed));
}

template <bool greatest>
Value filter_extreme(Renderer& renderer, const Value& input, Arguments& given) {
  auto bound = bind(greatest ? "max" : "min", given, {"case_sensitive", "attribute"});
  Path path = Path::of(bound[1] ? *bound[1] : Value());
  auto iterator = iterate(input);
  Value best, best_key;
  bool any = false;
  for (Value item; iterator->next(item);) {
    Value key = path.look(renderer, item);
    if (!is_true(bound[0])) key = ignore_case(key);
    if (!any || compare(greatest ? Comparison::greater : Comparison::less, key, best_key)) best = item, best_key = key;
    any = true;
  }
  return any ? best : Value::undefined_hint("No aggregated item, sequence was empty.");
}

Value filter_sum(Renderer& renderer, const Value& input, Arguments& given) {
  auto bound = bind("sum", given, {"attribute", "start"});
  Path path = Path::of(bound[0] ? *bound[0] : Value());
  Value total = bound[1] ? *bound[1] : Value(int64_t{0});
  if (total.is_string()) raise("sum() can't sum strings [use ''.join(seq) instead]");
  auto iterator = iterate(input);
  for (Value item; iterator->next(item);) total = arithmetic(Operator::add, total, path.look(renderer, item));
  return total;
}

Value filter_attr(Renderer& renderer, const Value& input, Arguments& given) {
  auto bound = bind("attr", given, {"name"}, 1);
  const std::string& name = need_text(*bound[0], "attr");
  if (!name.starts_with("__") && !find_attribute(input, name)) return Value::missing(input, *bound[0]);
  return get_attribute(renderer, input, name);
}

}  // namespace

const std::vector<FilterEntry> kSequenceFilters = {{"length", filter_length},
                                                   {"count", filter_length},
                                                   {"first", filter_first},
                                                   {"last", filter_last},
                                                   {"join", filter_join},
                                                   {"list", filter_list},
                                                   {"map", filter_map},
                                                   {"select", filter_select<true, false>},
                                                   {"reject", filter_select<false, false>},
                                                   {"selectattr", filter_select<true, true>},
                                                   {"rejectattr", filter_select<false, true>},
                                                   {"sort", filter_sort},
                                                   {"unique", filter_unique},
                                                   {"reverse", filter_reverse},
                                                   {"min", filter_extreme<false>},
                                                   {"max", filter_extreme<true>},
                                                   {"sum", filter_sum},
                                                   {"items", filter_items},
                                                   {"groupby", filter_group_by},
                                                   {"dictsort", filter_dict_sort},
                                                   {"batch", filter_batch},
                                                   {"slice", filter_slice},
                                                   {"attr", filter_attr}};

}  // namespace glassbox::jinja
