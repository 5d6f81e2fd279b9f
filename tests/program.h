// The program as scripts run it: its exit status, what it prints and what it says.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "tests/testing.h"

namespace glassbox::testing {

inline const std::string kProgram = GLASSBOX_PROGRAM;

struct Ran {
  int status;
  std::string out, err;
};

// A shell's command line; `in` is its standard input. What the program keeps of its own goes when it ended, unless the
// test says where it is kept (GLASSBOX_HOME).
inline Ran shell(const std::string& line, const std::string& in = "") {
  TemporaryFolder folder;
  write_file(folder / "in", in);
  const std::string home = "export GLASSBOX_HOME=${GLASSBOX_HOME:-" + (folder / "home").string() + "}; ";
  const std::string command = home + "{ " + line + " ; } < " + (folder / "in").string() + " > " +
                              (folder / "out").string() + " 2> " + (folder / "err").string();
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(folder / "out"),
          read_file(folder / "err")};
}

inline Ran glassbox(const std::string& arguments, const std::string& in = "") {
  return shell(kProgram + " " + arguments, in);
}

// Of a command with --json.
inline Json answer_of(const Ran& ran) {
  EXPECT_EQ(ran.status, 0) << ran.err;
  return parse_json(ran.out, "standard output");
}

}  // namespace glassbox::testing
