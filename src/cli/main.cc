// glassbox: one program, one file a command. Exit status 0: fine, 1: failed, 2: used wrongly.
#include <langinfo.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <clocale>
#include <cstdio>
#include <new>

#include "base/error.h"
#include "cli/command.h"
#include "cli/version.h"

namespace {

// Text is UTF-8 here whatever the machine says (LANG=C, a locale that is not installed): in any other encoding the
// line editor drops what is typed beyond ASCII.
void speak_utf8() {
  if (std::setlocale(LC_CTYPE, "") && std::string_view(nl_langinfo(CODESET)) == "UTF-8") return;
  std::setlocale(LC_CTYPE, "C.UTF-8");
}

int run_chosen(const glassbox::Commands& commands) {
  try {
    return commands.chosen ? commands.chosen() : 0;
  } catch (const glassbox::Error& error) {
    fmt::print(stderr, "glassbox: {}\n", error.what());
    return error.kind() == glassbox::ErrorKind::bad_request ? 2 : 1;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "glassbox: not enough memory\n");
    return 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "glassbox: internal error: {}\n", error.what());
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  speak_utf8();
  spdlog::set_default_logger(spdlog::stderr_color_mt("glassbox"));
  CLI::App app("Glassbox: run, see inside, change and share open-weight models.");
  app.set_version_flag("--version", std::string("glassbox ") + glassbox::kVersion);
  app.require_subcommand(1);
  app.footer("glassbox COMMAND --help shows a command's options and an example.");
  glassbox::Commands commands{app, {}};
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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) { return app.exit(error) == 0 ? 0 : 2; }
  return run_chosen(commands);
}
