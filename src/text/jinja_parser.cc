#include "text/jinja_parser.h"

#include <algorithm>
#include <map>

#include "text/jinja_filters.h"
#include "text/jinja_format.h"
#include "text/jinja_lexer.h"
#include "text/jinja_unicode.h"

namespace glassbox::jinja {
namespace {

// Brackets within brackets, blocks within blocks. A tree is at most this deep, except that a chain of operators
// (a + b + c ...) may be longer.
constexpr int kDeepest = 150;
constexpr int kTallest = 600;

class Parser {
 public:
  Parser(std::string_view source, std::string_view name) : template_(std::make_shared<Template>()) {
    template_->name = name;
    for (Symbol i = 0; i < template_->names.size(); ++i) symbols_[template_->names[i]] = i;
    tokens_ = tokenize(source, template_->name);
  }

  std::shared_ptr<const Template> run() {
    template_->body = body({});
    report_unknown(0);
    return template_;
  }

 private:
  // ---- tokens ----

  [[noreturn]] void error(int line, const std::string& what) const {
    fail(ErrorKind::bad_file, "{}: line {}: {}", template_->name, line, what);
  }
  [[noreturn]] void unsupported(int line, const std::string& what) const {
    fail(ErrorKind::unsupported, "{}: line {}: {}", template_->name, line, what);
  }
  const Token& now() const { return tokens_[at_]; }
  const Token& after() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next() {
    const Token& token = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  static std::string describe(const Token& token) {
    switch (token.kind) {
      case TokenKind::variable_begin: return "'{{'";
      case TokenKind::variable_end: return "'}}'";
      case TokenKind::block_begin: return "'{%'";
      case TokenKind::block_end: return "'%}'";
      case TokenKind::end: return "end of template";
      case TokenKind::data: return "text";
      default: return "'" + token.text.substr(0, 40) + "'";
    }
  }
  bool is_op(std::string_view op) const { return now().kind == TokenKind::op && now().text == op; }
  static bool is_name(const Token& token, std::string_view name) {
    return token.kind == TokenKind::name && token.text == name;
  }
  bool is_name(std::string_view name) const { return is_name(now(), name); }
  bool skip_op(std::string_view op) {
    if (!is_op(op)) return false;
    next();
    return true;
  }
  bool skip_name(std::string_view name) {
    if (!is_name(name)) return false;
    next();
    return true;
  }
  void expect_op(std::string_view op) {
    if (!skip_op(op)) error(now().line, fmt::format("expected '{}', got {}", op, describe(now())));
  }
  void expect_name(std::string_view name) {
    if (!skip_name(name)) error(now().line, fmt::format("expected '{}', got {}", name, describe(now())));
  }
  std::string expect_any_name() {
    if (now().kind != TokenKind::name) error(now().line, "expected a name, got " + describe(now()));
    return next().text;
  }
  void expect(TokenKind kind, const char* what) {
    if (now().kind != kind) error(now().line, fmt::format("expected {}, got {}", what, describe(now())));
    next();
  }
  Symbol symbol(const std::string& name) {
    auto [found, is_new] = symbols_.try_emplace(name, static_cast<Symbol>(template_->names.size()));
    if (is_new) template_->names.push_back(name);
    return found->second;
  }

  // ---- depth ----

  struct Deeper {
    explicit Deeper(Parser& parser) : parser(parser) {
      if (++parser.depth_ > kDeepest) parser.error(parser.now().line, fmt::format("nested deeper than {}", kDeepest));
    }
    ~Deeper() { --parser.depth_; }
    Parser& parser;
  };

  template <class... Children>
  int above(int line, const Children&... children) const {
    int height = 0;
    auto see = [&](const auto& child) {
      if (child) height = std::max(height, child->height);
    };
    (see(children), ...);
    if (++height > kTallest) error(line, fmt::format("an expression of more than {} levels", kTallest));
    return height;
  }
  template <class Node, class... Children>
  std::unique_ptr<Node> grown(std::unique_ptr<Node>&& node, const Children&... children) const {
    node->height = std::max(node->height, above(node->line, children...));
    return std::move(node);
  }
  void grow(Expr& node, const CallArguments& arguments) const {
    auto see = [&](const ExprPtr& child) { node.height = std::max(node.height, above(node.line, child)); };
    for (const auto& argument : arguments.positional) see(argument);
    for (const auto& argument : arguments.keyword) see(argument.second);
    see(arguments.star);
    see(arguments.star_star);
  }

  // ---- filters and tests that do not exist ----
  // Jinja2 refuses them when it compiles, except inside an {% if %} or an inline if, where they fail when they run.

  struct Unknown {
    int line;
    std::string message;
    bool unsupported;
  };
  void report_unknown(size_t from) {
    if (unknown_.size() <= from) return;
    if (unknown_[from].unsupported) unsupported(unknown_[from].line, unknown_[from].message);
    error(unknown_[from].line, unknown_[from].message);
  }

  // ---- statements ----

  using Ends = std::vector<std::string_view>;

  bool at_end_tag(const Ends& ends) const {
    return now().kind == TokenKind::name && std::find(ends.begin(), ends.end(), now().text) != ends.end();
  }

  // Statements up to one of the tags `ends`, whose name is then the current token; or to the template's end.
  Body body(const Ends& ends) {
    Deeper deeper(*this);
    Body statements;
    while (now().kind != TokenKind::end) {
      int line = now().line;
      switch (now().kind) {
        case TokenKind::data: statements.push_back(std::make_unique<Text>(line, next().text)); break;
        case TokenKind::variable_begin: {
          next();
          auto value = tuple_or_expression();
          expect(TokenKind::variable_end, "'}}'");
          statements.push_back(std::make_unique<Print>(line, std::move(value)));
          break;
        }
        default:
          expect(TokenKind::block_begin, "'{%'");
          if (at_end_tag(ends)) return statements;
          statement(statements);
          expect(TokenKind::block_end, "'%}'");
      }
    }
    if (!ends.empty()) error(now().line, fmt::format("unexpected end of template, expected '{}'", ends.back()));
    return statements;
  }

  // The rest of the opening tag, and the statements up to one of `ends`.
  Body block(const Ends& ends) {
    skip_op(":");
    expect(TokenKind::block_end, "'%}'");
    return body(ends);
  }

  // A block with names of its own, in which what does not exist is refused at once.
  Body scope(const Ends& ends) {
    size_t before = unknown_.size();
    Body statements = block(ends);
    report_unknown(before);
    return statements;
  }

  void statement(Body& out) {
    int line = now().line;
    if (now().kind != TokenKind::name) error(line, "expected the name of a tag, got " + describe(now()));
    const std::string tag = next().text;
    if (tag == "if") return out.push_back(branch(line));
    if (tag == "for") return out.push_back(loop(line));
    if (tag == "set") return out.push_back(set(line));
    if (tag == "macro") return out.push_back(macro(line));
    if (tag == "call") return out.push_back(call_block(line));
    if (tag == "filter") return out.push_back(filter_block(line));
    if (tag == "with") return out.push_back(with(line));
    if (tag == "generation") return out.push_back(generation(line));
    if (tag == "print") return print(out, line);
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) error(line, fmt::format("'{}' outside of a loop", tag));
      auto kind = tag == "break" ? StatementKind::break_loop : StatementKind::continue_loop;
      return out.push_back(std::make_unique<Statement>(kind, line));
    }
    for (const char* other : {"block", "extends", "include", "import", "from", "autoescape"})
      if (tag == other) unsupported(line, fmt::format("tag '{}'", tag));
    error(line, fmt::format("unknown tag '{}'", tag));
  }

  void print(Body& out, int line) {
    bool first = true;
    while (now().kind != TokenKind::block_end) {
      if (!first) expect_op(",");
      first = false;
      out.push_back(std::make_unique<Print>(line, expression()));
    }
  }

  StatementPtr branch(int line) {
    auto node = std::make_unique<Branch>(line);
    size_t before = unknown_.size();
    for (;;) {
      auto test = tuple_or_expression(false);
      auto statements = block({"elif", "else", "endif"});
      node->cases.emplace_back(std::move(test), std::move(statements));
      const std::string tag = next().text;
      if (tag == "elif") continue;
      if (tag == "else") {
        node->otherwise = block({"endif"});
        next();
      }
      break;
    }
    unknown_.resize(before);
    return node;
  }

  StatementPtr loop(int line) {
    auto node = std::make_unique<Loop>(line);
    ++fors_;
    node->target = target(false, "in");
    expect_name("in");
    node->iterable = tuple_or_expression(false, "recursive");
    size_t before = unknown_.size();
    if (skip_name("if")) node->condition = expression();
    report_unknown(before);
    node->recursive = skip_name("recursive");
    ++loops_;
    node->body = scope({"endfor", "else"});
    --loops_;
    if (next().text == "else") {
      node->otherwise = scope({"endfor"});
      next();
    }
    --fors_;
    return node;
  }

  StatementPtr set(int line) {
    Target to = target(true, "");
    if (skip_op("=")) {
      auto node = std::make_unique<Set>(line);
      node->target = std::move(to);
      node->value = tuple_or_expression();
      return node;
    }
    auto node = std::make_unique<SetBlock>(line);
    node->target = std::move(to);
    size_t before = unknown_.size();
    node->filter = filters(nullptr, false);
    node->body = block({"endset"});
    report_unknown(before);
    next();
    return node;
  }

  // Parameters in brackets, if a macro's; the body is parsed by the caller of this.
  void parameters(Signature& signature) {
    expect_op("(");
    while (!is_op(")")) {
      if (!signature.parameters.empty()) expect_op(",");
      int line = now().line;
      std::string name = expect_any_name();
      need_assignable(name, line);
      if (skip_op("="))
        signature.defaults.push_back(expression());
      else if (!signature.defaults.empty())
        error(line, "a parameter without default follows one with default");
      signature.parameters.emplace_back(symbol(name), name);
    }
    expect_op(")");
  }

  void macro_body(Signature& signature, const char* end, int line) {
    auto declares = [&](Symbol name) {
      return std::any_of(signature.parameters.begin(), signature.parameters.end(),
                         [&](const auto& parameter) { return parameter.first == name; });
    };
    signatures_.push_back(&signature);
    int loops = std::exchange(loops_, 0);
    signature.body = scope({end});
    loops_ = loops;
    signatures_.pop_back();
    signature.declares_caller = declares(kCaller);
    if (declares(kKwargs)) signature.uses_kwargs = false;
    if (declares(kVarargs)) signature.uses_varargs = false;
    if (signature.uses_caller && signature.declares_caller) {
      size_t required = signature.parameters.size() - signature.defaults.size();
      for (size_t i = 0; i < required; ++i)
        if (signature.parameters[i].first == kCaller)
          error(line, "the special parameter 'caller' must be omitted or be given a default");
    }
    next();
  }

  StatementPtr macro(int line) {
    auto node = std::make_unique<MacroDefinition>(line);
    node->signature.name = expect_any_name();
    need_assignable(node->signature.name, line);
    node->symbol = symbol(node->signature.name);
    size_t before = unknown_.size();
    parameters(node->signature);
    report_unknown(before);
    macro_body(node->signature, "endmacro", line);
    return node;
  }

  StatementPtr call_block(int line) {
    auto node = std::make_unique<CallBlock>(line);
    size_t before = unknown_.size();
    if (is_op("(")) parameters(node->signature);
    report_unknown(before);
    node->call = expression();
    if (node->call->kind != ExprKind::call) error(line, "expected a call");
    macro_body(node->signature, "endcall", line);
    return node;
  }

  StatementPtr filter_block(int line) {
    auto node = std::make_unique<FilterBlock>(line);
    size_t before = unknown_.size();
    node->filter = filters(nullptr, true);
    node->body = block({"endfilter"});
    report_unknown(before);
    next();
    return node;
  }

  StatementPtr with(int line) {
    auto node = std::make_unique<With>(line);
    while (now().kind != TokenKind::block_end) {
      if (!node->values.empty()) expect_op(",");
      Target to = target(false, "");
      expect_op("=");
      node->values.emplace_back(std::move(to), expression());
    }
    node->body = scope({"endwith"});
    next();
    return node;
  }

  // transformers renders the block as the body of a {% call %}: names set inside stay inside.
  StatementPtr generation(int line) {
    auto node = std::make_unique<Generation>(line);
    Signature unnamed;
    signatures_.push_back(&unnamed);
    int loops = std::exchange(loops_, 0);
    node->body = scope({"endgeneration"});
    loops_ = loops;
    signatures_.pop_back();
    next();
    return node;
  }

  // ---- targets ----

  void need_assignable(const std::string& name, int line) const {
    for (const char* constant : {"true", "false", "none", "True", "False", "None"})
      if (name == constant) error(line, fmt::format("can't assign to '{}'", name));
  }

  Target name_target(const std::string& name, int line) {
    need_assignable(name, line);
    Target to;
    to.line = line;
    to.symbol = symbol(name);
    if (fors_ > 0 && to.symbol == kLoop) error(line, "can't assign to the special variable 'loop' in a for loop");
    return to;
  }

  Target one_target(bool with_namespace) {
    int line = now().line;
    if (now().kind == TokenKind::name) {
      std::string name = next().text;
      if (with_namespace && is_op(".")) {
        next();
        Target to;
        to.kind = Target::Kind::attribute;
        to.line = line;
        to.symbol = symbol(name);
        to.attribute = expect_any_name();
        return to;
      }
      return name_target(name, line);
    }
    if (!skip_op("(")) error(line, "can't assign to " + describe(now()));
    Deeper deeper(*this);
    Target inner = target(false, "");
    expect_op(")");
    return inner;
  }

  // One target, or several with commas: up to the name `end`, or the end of the tag or bracket.
  Target target(bool with_namespace, std::string_view end) {
    Target all;
    all.kind = Target::Kind::tuple;
    all.line = now().line;
    bool tuple = false;
    for (;;) {
      if (at_tuple_end(end)) break;
      all.parts.push_back(one_target(with_namespace));
      if (!skip_op(",")) break;
      tuple = true;
    }
    if (tuple) return all;
    if (all.parts.empty()) error(now().line, "expected a name to assign to, got " + describe(now()));
    Target only = std::move(all.parts[0]);
    return only;
  }

  // ---- expressions ----

  bool at_tuple_end(std::string_view end) const {
    auto kind = now().kind;
    return kind == TokenKind::variable_end || kind == TokenKind::block_end || is_op(")") ||
           (!end.empty() && is_name(end));
  }

  ExprPtr tuple_or_expression(bool conditional = true, std::string_view end = "", bool in_brackets = false) {
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

  ExprPtr expression() {
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

  ExprPtr binary(ExprKind kind, int line, ExprPtr left, ExprPtr right, Operator op = {}) {
    auto node = std::make_unique<Binary>(kind, line, std::move(left), std::move(right), op);
    return grown(std::move(node), node->left, node->right);
  }

  ExprPtr either() {
    int line = now().line;
    ExprPtr left = both();
    while (skip_name("or")) {
      ExprPtr right = both();
      left = binary(ExprKind::either, line, std::move(left), std::move(right));
    }
    return left;
  }

  ExprPtr both() {
    int line = now().line;
    ExprPtr left = inverse();
    while (skip_name("and")) {
      ExprPtr right = inverse();
      left = binary(ExprKind::both, line, std::move(left), std::move(right));
    }
    return left;
  }

  ExprPtr unary(ExprKind kind, int line, ExprPtr operand) {
    auto node = std::make_unique<Unary>(kind, line, std::move(operand));
    return grown(std::move(node), node->operand);
  }

  ExprPtr inverse() {
    int line = now().line;
    if (!skip_name("not")) return comparison();
    Deeper deeper(*this);
    return unary(ExprKind::inverse, line, inverse());
  }

  ExprPtr comparison() {
    static const std::map<std::string_view, Comparison> kOps = {
        {"==", Comparison::equal}, {"!=", Comparison::unequal},    {"<", Comparison::less},
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

  ExprPtr sum() {
    int line = now().line;
    ExprPtr left = concatenation();
    while (is_op("+") || is_op("-")) {
      Operator op = next().text == "+" ? Operator::add : Operator::subtract;
      ExprPtr right = concatenation();
      left = binary(ExprKind::arithmetic, line, std::move(left), std::move(right), op);
    }
    return left;
  }

  ExprPtr concatenation() {
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

  ExprPtr product() {
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

  ExprPtr power() {
    int line = now().line;
    ExprPtr left = signed_value(true);
    while (skip_op("**")) {
      ExprPtr right = signed_value(true);
      left = binary(ExprKind::arithmetic, line, std::move(left), std::move(right), Operator::power);
    }
    return left;
  }

  ExprPtr signed_value(bool with_filters) {
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

  ExprPtr constant(int line, Value value) { return std::make_unique<Constant>(line, std::move(value)); }

  ExprPtr primary() {
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
        return constant(line, Value::string(std::move(text)));
      }
      case TokenKind::integer: return integer(next());
      case TokenKind::floating: return constant(line, Value(*parse_float(next().text)));
      default: break;
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

  ExprPtr integer(const Token& token) {
    try {
      auto value = parse_integer(token.text, 0);
      if (!value) error(token.line, fmt::format("not an integer: {}", token.text));
      return constant(token.line, Value(*value));
    } catch (const Failure& failure) {
      unsupported(token.line, failure.what());
    }
  }

  ExprPtr postfix(ExprPtr node) {
    for (;;) {
      if (is_op(".") || is_op("["))
        node = subscript(std::move(node));
      else if (is_op("("))
        node = call(std::move(node));
      else
        return node;
    }
  }

  ExprPtr filters_and_tests(ExprPtr node) {
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

  ExprPtr subscript(ExprPtr object) {
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

  ExprPtr key() {
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

  CallArguments arguments() {
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

  ExprPtr call(ExprPtr function) {
    int line = now().line;
    auto node = std::make_unique<Call>(line, std::move(function));
    node->arguments = arguments();
    grow(*node, node->arguments);
    return grown(std::move(node), node->function);
  }

  std::string dotted_name() {
    std::string name = expect_any_name();
    while (skip_op(".")) name += "." + expect_any_name();
    return name;
  }

  // |a|b(c) ..., from the current token; `inline_start`: the first without its bar.
  ExprPtr filters(ExprPtr input, bool inline_start) {
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

  ExprPtr test(ExprPtr input) {
    int line = next().line;
    bool negated = skip_name("not");
    auto node = std::make_unique<TestCall>(line, std::move(input), dotted_name());
    node->entry = find_test(node->name);
    if (!node->entry) unknown_.push_back({line, fmt::format("no test named '{}'", node->name), false});
    auto starts_argument = [&] {
      switch (now().kind) {
        case TokenKind::name: return !is_name("else") && !is_name("or") && !is_name("and");
        case TokenKind::string:
        case TokenKind::integer:
        case TokenKind::floating: return true;
        default: return is_op("[") || is_op("{");
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

  std::shared_ptr<Template> template_;
  std::map<std::string, Symbol, std::less<>> symbols_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;  // that `break` could leave
  int fors_ = 0;   // around, whatever is between
  std::vector<Signature*> signatures_;
  std::vector<Unknown> unknown_;
};

}  // namespace

std::shared_ptr<const Template> parse(std::string_view source, std::string_view name) {
  return Parser(source, name).run();
}

}  // namespace glassbox::jinja
