// Template source to tokens, whitespace control included: Jinja2's lexer with trim_blocks and lstrip_blocks on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace glassbox::jinja {

enum class TokenKind {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  floating,
  op,
  end
};

struct Token {
  TokenKind kind;
  int line;
  std::string text;  // of a string: what its escapes stand for; of a number: its digits without underscores
};

// Always ends with a token of kind `end`. Throws Error(bad_file | unsupported) with `name` and the line.
std::vector<Token> tokenize(std::string_view source, std::string_view name);

}  // namespace glassbox::jinja
