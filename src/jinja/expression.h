// The parser's lower half: tokens, and expressions with Jinja2's precedences.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "jinja/ast.h"
#include "jinja/lexer.h"
#include "jinja/text.h"

namespace glassbox::jinja {

// Brackets within brackets, blocks within blocks. A tree is at most this deep, except that a chain of operators
// (a + b + c ...) may be longer.
inline constexpr int kDeepest = 150;
inline constexpr int kTallest = 600;

class ExpressionParser {
 protected:
  ExpressionParser(std::string_view source, std::string_view name) : template_(std::make_shared<Template>()) {
    template_->name = name;
    for (Symbol i = 0; i < template_->names.size(); ++i) symbols_[template_->names[i]] = i;
    tokens_ = tokenize(source, template_->name);
  }

  // ---- tokens ----

  [[noreturn]] void error(int line, const std::string& what) const {
    fail(ErrorKind::bad_file, "{}: line {}: {}", template_->name, line, one_line(what));
  }
  [[noreturn]] void unsupported(int line, const std::string& what) const {
    fail(ErrorKind::unsupported, "{}: line {}: {}", template_->name, line, one_line(what));
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
      case TokenKind::variable_begin:
        return "'{{'";
      case TokenKind::variable_end:
        return "'}}'";
      case TokenKind::block_begin:
        return "'{%'";
      case TokenKind::block_end:
        return "'%}'";
      case TokenKind::end:
        return "end of template";
      case TokenKind::data:
        return "text";
      default:
        return "'" + token.text + "'";
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
    explicit Deeper(ExpressionParser& parser) : parser(parser) {
      if (++parser.depth_ > kDeepest) parser.error(parser.now().line, fmt::format("nested deeper than {}", kDeepest));
    }
    ~Deeper() { --parser.depth_; }
    ExpressionParser& parser;
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

  void note_literal(std::string_view text) { (template_->literals += text) += '\0'; }

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

  // ---- expressions ----

  // One expression, or several with commas: a tuple. It ends before the name `end`, if given.
  ExprPtr tuple_or_expression(bool conditional = true, std::string_view end = "", bool in_brackets = false);
  ExprPtr expression();
  bool at_tuple_end(std::string_view end) const;
  // |a|b(c) ..., from the current token; `inline_start`: the first without its bar. `input` may be null.
  ExprPtr filters(ExprPtr input, bool inline_start);

  std::shared_ptr<Template> template_;
  std::vector<Signature*> signatures_;  // of the macros and calls whose bodies are being read
  std::vector<Unknown> unknown_;
  int depth_ = 0;

 private:
  ExprPtr either();
  ExprPtr binary(ExprKind kind, int line, ExprPtr left, ExprPtr right, Operator op = {});
  ExprPtr both();
  ExprPtr unary(ExprKind kind, int line, ExprPtr operand);
  ExprPtr inverse();
  ExprPtr comparison();
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr signed_value(bool with_filters);
  ExprPtr constant(int line, Value value);
  ExprPtr primary();
  ExprPtr integer(const Token& token);
  ExprPtr postfix(ExprPtr node);
  ExprPtr filters_and_tests(ExprPtr node);
  ExprPtr subscript(ExprPtr object);
  ExprPtr key();
  CallArguments arguments();
  ExprPtr call(ExprPtr function);
  std::string dotted_name();
  ExprPtr test(ExprPtr input);

  std::map<std::string, Symbol, std::less<>> symbols_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
};

}  // namespace glassbox::jinja
