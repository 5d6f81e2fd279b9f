// What was wrong with a command line, for the person who typed it.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace glassbox {

// One line: the command, what was expected and what came, what it is most like, and where help is.
std::string explain(const CLI::App& app, const CLI::ParseError& error);

}  // namespace glassbox
