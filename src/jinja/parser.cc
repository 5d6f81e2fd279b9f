#include "jinja/parser.h"

#include <algorithm>

#include "jinja/expression.h"

namespace glassbox::jinja {
namespace {

class Parser : private ExpressionParser {
 public:
  Parser(std::string_view source, std::string_view name) : ExpressionParser(source, name) {}

  std::shared_ptr<const Template> run() {
    template_->body = body({});
    report_unknown(0);
    return template_;
  }

 private:
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
        case TokenKind::data:
          note_literal(now().text);
          statements.push_back(std::make_unique<Text>(line, next().text));
          break;
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

  int loops_ = 0;  // that `break` could leave
  int fors_ = 0;   // around, whatever is between
};

}  // namespace

std::shared_ptr<const Template> parse(std::string_view source, std::string_view name) {
  return Parser(source, name).run();
}

}  // namespace glassbox::jinja
