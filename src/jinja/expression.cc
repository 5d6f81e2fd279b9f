#include "jinja/expression.h"

#include <algorithm>
#include <map>

#include "jinja/filters.h"
#include "jinja/numbers.h"

namespace glassbox::jinja {

bool ExpressionParser::at_tuple_end(std::string_view end) const {
  auto kind = now().kind;
  return kind == TokenKind::variable_end || kind == TokenKind::block_end || is_op(")") ||
         (!end.empty() && is_name(end));
}

ExprPtr ExpressionParser::tuple_or_expression(bool conditional, std::string_view end, bool in_brackets) {
  int line = now().line;
  auto tuple = std::make_unique<Listing>(ExprKind::tuple, line);
  bool has_comma = false;
  for (;;) {
    if (at_tuple_end(end)) break;
    tuple->items.push_back(conditional ? expression() : either());
    tuple->height = std::max(tuple->height, above(line, tuple->items.back()));
    if (!skip_op(",")) break;
    has_comma = true;
  }
  if (has_comma || (tuple->items.empty() && in_brackets)) return tuple;
  if (tuple->items.empty()) error(now().line, "expected an expression, got " + describe(now()));
  return std::move(tuple->items[0]);
}

ExprPtr ExpressionParser::expression() {
  Deeper deeper(*this);
  int line = now().line;
  size_t before = unknown_.size();
  ExprPtr yes = either();
  while (skip_name("if")) {
    ExprPtr test = either(), no;
    if (skip_name("else")) no = expression();
    auto node = std::make_unique<Conditional>(line, std::move(test), std::move(yes), std::move(no));
    yes = grown(std::move(node), node->test, node->yes, node->no);
    line = now().line;
    unknown_.resize(before);
  }
  return yes;
}

ExprPtr ExpressionParser::binary(ExprKind kind, int line, ExprPtr left, ExprPtr right, Operator op) {
  auto node = std::make_unique<Binary>(kind, line, std::move(left), std::move(right), op);
  return grown(std::move(node), node->left, node->right);
}

ExprPtr ExpressionParser::either() {
  int line = now().line;
  ExprPtr left = both();
  while (skip_name("or")) {
    ExprPtr right = both();
    left = binary(ExprKind::either, line, std::move(left), std::move(right));
  }
  return left;
}

ExprPtr ExpressionParser::both() {
  int line = now().line;
  ExprPtr left = inverse();
  while (skip_name("and")) {
    ExprPtr right = inverse();
    left = binary(ExprKind::both, line, std::move(left), std::move(right));
  }
  return left;
}

ExprPtr ExpressionParser::unary(ExprKind kind, int line, ExprPtr operand) {
  auto node = std::make_unique<Unary>(kind, line, std::move(operand));
  return grown(std::move(node), node->operand);
}

ExprPtr ExpressionParser::inverse() {
  int line = now().line;
  if (!skip_name("not")) return comparison();
  Deeper deeper(*this);
  return unary(ExprKind::inverse, line, inverse());
}

ExprPtr ExpressionParser::comparison() {
  static const std::map<std::string_view, Comparison> kOps = {
      {"==", Comparison::equal},  {"!=", Comparison::unequal},    {"<", Comparison::less},
      {">", Comparison::greater}, {"<=", Comparison::less_equal}, {">=", Comparison::greater_equal}};
  int line = now().line;
  ExprPtr first = sum();
  std::unique_ptr<Compare> node;
  for (;;) {
    Comparison op;
    if (auto found = kOps.find(now().kind == TokenKind::op ? now().text : ""); found != kOps.end()) {
      op = found->second;
    } else if (is_name("in")) {
      op = Comparison::in;
    } else if (is_name("not") && is_name(after(), "in")) {
      op = Comparison::not_in;
      next();
    } else {
      break;
    }
    next();
    if (!node) {
      node = std::make_unique<Compare>(line, std::move(first));
      node->height = above(line, node->first);
    }
    node->rest.emplace_back(op, sum());
    node->height = std::max(node->height, above(line, node->rest.back().second));
  }
  return node ? std::move(node) : std::move(first);
}

ExprPtr ExpressionParser::sum() {
  int line = now().line;
  ExprPtr left = concatenation();
  while (is_op("+") || is_op("-")) {
    Operator op = next().text == "+" ? Operator::add : Operator::subtract;
    ExprPtr right = concatenation();
    left = binary(ExprKind::arithmetic, line, std::move(left), std::move(right), op);
  }
  return left;
}

ExprPtr ExpressionParser::concatenation() {
  int line = now().line;
  ExprPtr first = product();
  if (!is_op("~")) return first;
  auto node = std::make_unique<Listing>(ExprKind::concatenation, line);
  node->height = above(line, first);
  node->items.push_back(std::move(first));
  while (skip_op("~")) {
    node->items.push_back(product());
    node->height = std::max(node->height, above(line, node->items.back()));
  }
  return node;
}

ExprPtr ExpressionParser::product() {
  int line = now().line;
  ExprPtr left = power();
  while (is_op("*") || is_op("/") || is_op("//") || is_op("%")) {
    const std::string& text = next().text;
    Operator op = text == "*"    ? Operator::multiply
                  : text == "/"  ? Operator::divide
                  : text == "//" ? Operator::floor_divide
                                 : Operator::modulo;
    ExprPtr right = power();
    left = binary(ExprKind::arithmetic, line, std::move(left), std::move(right), op);
  }
  return left;
}

ExprPtr ExpressionParser::power() {
  int line = now().line;
  ExprPtr left = signed_value(true);
  while (skip_op("**")) {
    ExprPtr right = signed_value(true);
    left = binary(ExprKind::arithmetic, line, std::move(left), std::move(right), Operator::power);
  }
  return left;
}

ExprPtr ExpressionParser::signed_value(bool with_filters) {
  int line = now().line;
  ExprPtr node;
  if (is_op("-") || is_op("+")) {
    Deeper deeper(*this);
    ExprKind kind = next().text == "-" ? ExprKind::negative : ExprKind::positive;
    node = unary(kind, line, signed_value(false));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filters ? filters_and_tests(std::move(node)) : std::move(node);
}

ExprPtr ExpressionParser::constant(int line, Value value) { return std::make_unique<Constant>(line, std::move(value)); }

ExprPtr ExpressionParser::primary() {
  const Token& token = now();
  int line = token.line;
  switch (token.kind) {
    case TokenKind::name: {
      const std::string& name = next().text;
      if (name == "true" || name == "True") return constant(line, Value(true));
      if (name == "false" || name == "False") return constant(line, Value(false));
      if (name == "none" || name == "None") return constant(line, Value());
      Symbol id = symbol(name);
      for (Signature* signature : signatures_) {
        signature->uses_caller |= id == kCaller;
        signature->uses_kwargs |= id == kKwargs;
        signature->uses_varargs |= id == kVarargs;
      }
      return std::make_unique<Name>(line, id);
    }
    case TokenKind::string: {
      std::string text;
      while (now().kind == TokenKind::string) text += next().text;
      note_literal(text);
      const auto in_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-'; };
      if (!text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), in_word))
        template_->words.insert(text);
      return constant(line, Value::ours(std::move(text)));
    }
    case TokenKind::integer:
      return integer(next());
    case TokenKind::floating:
      return constant(line, Value(*parse_float(next().text)));
    default:
      break;
  }
  if (skip_op("(")) {
    ExprPtr inner = tuple_or_expression(true, "", true);
    expect_op(")");
    return inner;
  }
  if (skip_op("[")) {
    auto list = std::make_unique<Listing>(ExprKind::list, line);
    while (!is_op("]")) {
      if (!list->items.empty()) expect_op(",");
      if (is_op("]")) break;
      list->items.push_back(expression());
      list->height = std::max(list->height, above(line, list->items.back()));
    }
    next();
    return list;
  }
  if (skip_op("{")) {
    auto dict = std::make_unique<DictLiteral>(line);
    while (!is_op("}")) {
      if (!dict->entries.empty()) expect_op(",");
      if (is_op("}")) break;
      ExprPtr key = expression();
      expect_op(":");
      ExprPtr value = expression();
      dict->height = std::max(dict->height, above(line, key, value));
      dict->entries.emplace_back(std::move(key), std::move(value));
    }
    next();
    return dict;
  }
  error(line, "unexpected " + describe(token));
}

ExprPtr ExpressionParser::integer(const Token& token) {
  try {
    auto value = parse_integer(token.text, 0);
    if (!value) error(token.line, fmt::format("not an integer: {}", token.text));
    return constant(token.line, Value(*value));
  } catch (const Failure& failure) { unsupported(token.line, failure.what()); }
}

ExprPtr ExpressionParser::postfix(ExprPtr node) {
  for (;;) {
    if (is_op(".") || is_op("["))
      node = subscript(std::move(node));
    else if (is_op("("))
      node = call(std::move(node));
    else
      return node;
  }
}

ExprPtr ExpressionParser::filters_and_tests(ExprPtr node) {
  for (;;) {
    if (is_op("|"))
      node = filters(std::move(node), false);
    else if (is_name("is"))
      node = test(std::move(node));
    else if (is_op("("))
      node = call(std::move(node));
    else
      return node;
  }
}

ExprPtr ExpressionParser::subscript(ExprPtr object) {
  int line = now().line;
  if (skip_op(".")) {
    if (now().kind == TokenKind::name) {
      auto node = std::make_unique<Attribute>(line, std::move(object), next().text);
      return grown(std::move(node), node->object);
    }
    if (now().kind != TokenKind::integer) error(now().line, "expected a name or number after '.'");
    auto node = std::make_unique<Item>(line, std::move(object), integer(next()));
    return grown(std::move(node), node->object);
  }
  next();
  std::vector<ExprPtr> keys;
  while (!is_op("]")) {
    if (!keys.empty()) expect_op(",");
    keys.push_back(key());
  }
  next();
  ExprPtr only;
  if (keys.size() == 1) {
    only = std::move(keys[0]);
  } else {
    auto tuple = std::make_unique<Listing>(ExprKind::tuple, line);
    for (auto& each : keys) {
      if (each->kind == ExprKind::slice) error(line, "a slice among several keys");
      tuple->height = std::max(tuple->height, above(line, each));
      tuple->items.push_back(std::move(each));
    }
    only = std::move(tuple);
  }
  auto node = std::make_unique<Item>(line, std::move(object), std::move(only));
  return grown(std::move(node), node->object, node->key);
}

ExprPtr ExpressionParser::key() {
  int line = now().line;
  ExprPtr start;
  if (!is_op(":")) {
    start = expression();
    if (!is_op(":")) return start;
  }
  next();
  auto slice = std::make_unique<Slice>(line);
  slice->start = std::move(start);
  auto at_edge = [&] { return is_op("]") || is_op(","); };
  if (!is_op(":") && !at_edge()) slice->stop = expression();
  if (skip_op(":") && !at_edge()) slice->step = expression();
  return grown(std::move(slice), slice->start, slice->stop, slice->step);
}

CallArguments ExpressionParser::arguments() {
  CallArguments all;
  int line = now().line;
  auto ensure = [&](bool holds) {
    if (!holds) error(line, "invalid syntax for the arguments of a call");
  };
  expect_op("(");
  bool first = true;
  while (!is_op(")")) {
    if (!first) {
      expect_op(",");
      if (is_op(")")) break;
    }
    first = false;
    if (skip_op("*")) {
      ensure(!all.star && !all.star_star);
      all.star = expression();
    } else if (skip_op("**")) {
      ensure(!all.star_star);
      all.star_star = expression();
    } else if (now().kind == TokenKind::name && after().kind == TokenKind::op && after().text == "=") {
      ensure(!all.star_star);
      std::string name = next().text;
      next();
      for (const auto& given : all.keyword)
        if (given.first == name) error(line, fmt::format("keyword argument '{}' given twice", name));
      all.keyword.emplace_back(std::move(name), expression());
    } else {
      ensure(!all.star && !all.star_star && all.keyword.empty());
      all.positional.push_back(expression());
    }
  }
  next();
  return all;
}

ExprPtr ExpressionParser::call(ExprPtr function) {
  int line = now().line;
  auto node = std::make_unique<Call>(line, std::move(function));
  node->arguments = arguments();
  grow(*node, node->arguments);
  return grown(std::move(node), node->function);
}

std::string ExpressionParser::dotted_name() {
  std::string name = expect_any_name();
  while (skip_op(".")) name += "." + expect_any_name();
  return name;
}

// |a|b(c) ..., from the current token; `inline_start`: the first without its bar.
ExprPtr ExpressionParser::filters(ExprPtr input, bool inline_start) {
  while (inline_start || is_op("|")) {
    if (!inline_start) next();
    inline_start = false;
    int line = now().line;
    auto node = std::make_unique<FilterCall>(line, std::move(input), dotted_name());
    node->entry = find_filter(node->name);
    if (!node->entry) {
      bool exists = filter_exists_in_jinja(node->name);
      unknown_.push_back({line, (exists ? "filter '" : "no filter named '") + node->name + "'", exists});
    }
    if (is_op("(")) node->arguments = arguments();
    grow(*node, node->arguments);
    input = grown(std::move(node), node->input);
  }
  return input;
}

ExprPtr ExpressionParser::test(ExprPtr input) {
  int line = next().line;
  bool negated = skip_name("not");
  auto node = std::make_unique<TestCall>(line, std::move(input), dotted_name());
  node->entry = find_test(node->name);
  if (!node->entry) unknown_.push_back({line, fmt::format("no test named '{}'", node->name), false});
  auto starts_argument = [&] {
    switch (now().kind) {
      case TokenKind::name:
        return !is_name("else") && !is_name("or") && !is_name("and");
      case TokenKind::string:
      case TokenKind::integer:
      case TokenKind::floating:
        return true;
      default:
        return is_op("[") || is_op("{");
    }
  };
  if (is_op("(")) {
    node->arguments = arguments();
  } else if (starts_argument()) {
    if (is_name("is")) error(now().line, "tests cannot be chained with 'is'");
    Deeper deeper(*this);
    node->arguments.positional.push_back(postfix(primary()));
  }
  grow(*node, node->arguments);
  ExprPtr done = grown(std::move(node), node->input);
  return negated ? unary(ExprKind::inverse, line, std::move(done)) : std::move(done);
}

}  // namespace glassbox::jinja
