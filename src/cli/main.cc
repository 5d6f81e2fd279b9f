// glassbox: one program, one file a command. Exit status 0: fine, 1: failed, 2: used wrongly.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <new>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "cli/command.h"
#include "cli/streams.h"
#include "cli/usage.h"
#include "cli/version.h"

namespace {

// To standard error, which may be closed: fmt would throw, and there is nobody left to tell.
void say(const char* prefix, const char* what) { std::fprintf(stderr, "glassbox: %s%s\n", prefix, what); }

int run_chosen(const glassbox::Commands& commands) {
  try {
    return commands.chosen ? commands.chosen() : 0;
  } catch (const glassbox::Error& error) {
    say("", error.what());
    return error.kind() == glassbox::ErrorKind::bad_request ? 2 : 1;
  } catch (const std::bad_alloc&) {
    say("", "not enough memory");
    return 1;
  } catch (const std::system_error& error) {
    // What fmt throws when it cannot print; finish_output() says it.
    if (glassbox::output_lost())
      glassbox::output_lost_by(error.code().value());
    else
      say("", error.what());
    return 1;
  } catch (const std::exception& error) {
    say("internal error: ", error.what());
    return 1;
  }
}

int run(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("glassbox"));
  glassbox::Program program("Glassbox: run, see inside, change and share open-weight models.",
                            std::string("glassbox ") + glassbox::kVersion,
                            "Begin with\n"
                            "  glassbox run glassbox/prism      talk in the terminal\n"
                            "  glassbox serve glassbox/prism    the page and the API, on http://127.0.0.1:8080\n"
                            "\n"
                            "glassbox COMMAND --help shows a command's options and an example.");
  glassbox::Commands commands(program.root());
  add_run_command(commands);
  add_serve_command(commands);
  add_inspect_command(commands);
  add_trace_command(commands);
  add_text_commands(commands);
  add_bench_command(commands);
  add_train_command(commands);
  add_eval_command(commands);
  add_convert_command(commands);
  add_quantize_command(commands);
  add_store_commands(commands);
  add_people_commands(commands);
  add_pull_command(commands);
  add_push_command(commands);
  add_list_commands(commands);
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  if (words.empty() || (words.size() == 1 && words[0] == "help")) {
    fmt::print("{}", program.help());
    return 0;
  }
  try {
    const bool help_asked = words.size() == 2 && words[0] == "help";
    const char* const asked[] = {argv[0], argv[argc - 1], "--help"};
    if (const auto status = help_asked ? program.parse(3, asked) : program.parse(argc, argv)) return *status;
  } catch (const glassbox::Misuse& misuse) {
    fmt::print(stderr, "{}", glassbox::explain(program.root(), misuse));
    return 2;
  }
  return run_chosen(commands);
}

}  // namespace

int main(int argc, char** argv) {
  glassbox::prepare_streams();
  return glassbox::finish_output(run(argc, argv));
}
