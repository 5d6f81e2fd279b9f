// Conversations on a real terminal: what is typed arrives, whatever its script and whatever the machine's locale.
#include "tests/terminal.h"

#include <gmock/gmock.h>
#include <sys/syscall.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "cli/columns.h"
#include "tests/program.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::kProgram;
using ::testing::Not;
using testing::Ran;
using testing::TemporaryFolder;
using testing::Terminal;

std::vector<std::string> run_prism(const std::vector<std::string>& options = {"--max-tokens", "4"}) {
  std::vector<std::string> arguments = {kProgram, "run", "glassbox/prism"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  return arguments;
}

// What a terminal shows as text: without its sequences, lines ended by \n, and what was taken back not there.
std::string plain(std::string_view shown) {
  std::string text;
  for (size_t at = 0; at < shown.size(); ++at) {
    if (shown[at] == '\r') continue;
    if (!shown.substr(at).starts_with("\033[")) {
      text += shown[at];
      continue;
    }
    const size_t end = shown.find_first_of("ABCDHJKhlmu", at);
    if (end == std::string_view::npos) break;
    if (shown[end] == 'D')  // n columns back
      for (size_t n = std::stoul(std::string(shown.substr(at + 2))), gone = 0; gone < n && !text.empty();) {
        const size_t begin = cluster_begin(text, text.size());
        gone += static_cast<size_t>(cluster_columns(std::string_view(text).substr(begin)));
        text.resize(begin);
      }
    at = end;
  }
  return text;
}

Terminal::Environment environment(const TemporaryFolder& home, const std::string& term = "xterm") {
  return {{"GLASSBOX_HOME", home.path()}, {"TERM", term}, {"NO_COLOR", ""}};
}

// A conversation that has begun, and what it shows for each line.
struct Session {
  explicit Session(const std::vector<std::string>& options = {"--max-tokens", "4"}, const std::string& term = "xterm",
                   unsigned short columns = 80)
      : prompt(term == "dumb" ? "\n> " : "\033[J> "), terminal(run_prism(options), environment(home, term), columns) {
    terminal.until(prompt);
  }
  std::string say(const std::string& line) {
    terminal.type(line + "\r");
    terminal.until("\n");  // the echo
    return plain(terminal.until(prompt));
  }
  int leave() {
    terminal.type("/bye\r");
    return terminal.status();
  }

  TemporaryFolder home;
  std::string prompt;
  Terminal terminal;
};

// What the model reads for this one message, by the commands that say so.
std::string ids_of(const std::string& message) {
  TemporaryFolder folder;
  write_file(folder / "messages",
             dump_json({{"messages", {{{"role", "user"}, {"content", message}}}}, {"add_generation_prompt", true}}));
  const Ran ran = testing::shell(kProgram + " render glassbox/prism < " + (folder / "messages").string() + " | " +
                                 kProgram + " tokenize glassbox/prism --no-special");
  EXPECT_EQ(ran.status, 0) << ran.err;
  return ran.out;
}

class EveryLocale : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryLocale, EveryScriptArrives) {
  const TemporaryFolder home;
  const std::vector<std::string> lines = {"Größe, ça, Čeština",
                                          "今日はどう？",
                                          "Привет, мир",
                                          "שלום",
                                          "안녕",
                                          "e\u0301 a\u0323\u0302",
                                          "🙂👩‍👩‍👧🇩🇪",
                                          "नमस्ते"};
  auto place = environment(home);
  place.insert({{"LC_ALL", ""}, {"LC_CTYPE", ""}, {"LANG", GetParam()}});
  Terminal terminal(run_prism(), place);
  const std::string prompt = "\033[J> ";
  terminal.until(prompt);
  for (const std::string& line : lines) {
    terminal.type(line);
    ASSERT_THAT(terminal.until(line), HasSubstr(line)) << "the echo";
    terminal.type("\r");
    terminal.until(prompt);
    terminal.type("/show ids\r");
    terminal.until("\n");
    EXPECT_EQ(plain(terminal.until(prompt)), ids_of(line) + "> ");
    terminal.type("/clear\r");
    terminal.until(prompt);
  }
  terminal.type("/exit\r");
  EXPECT_EQ(terminal.status(), 0);
}

INSTANTIATE_TEST_SUITE_P(Terminal, EveryLocale, ::testing::Values("C.UTF-8", "C", "", "xx_XX.nowhere"));

TEST(Talk, EditingIsBySeenCharacters) {
  Session session;
  // A flag and a letter with its mark are erased whole, the cursor moves over wide characters.
  EXPECT_THAT(session.say("語x🇩🇪\x7f"
                          "e\u0301\x7f\033[D\033[Dö"),
              HasSubstr("tok/s"));
  EXPECT_THAT(session.say("/show messages"), HasSubstr("user: ö語x\n"));
  EXPECT_EQ(session.leave(), 0);
}

TEST(Talk, MessagesOfSeveralLines) {
  Session session;
  const auto said = [&](const std::string& typed) {
    session.terminal.type(typed);
    session.terminal.until(" tokens");
    session.terminal.until(session.prompt);
    const std::string messages = session.say("/show messages");
    session.say("/clear");
    return messages.substr(0, messages.find("assistant:"));
  };
  EXPECT_EQ(said("one\\\rtwo\r"), "user: one\ntwo\n");
  EXPECT_EQ(said("\"\"\"\rone\r/bye\r\r\"\"\"\r"), "user: one\n/bye\n\n");
  EXPECT_EQ(said("\033[200~eins\rzwei\r\n三\033[201~!\r"), "user: eins\nzwei\n三!\n");
  EXPECT_EQ(said("one\033\rtwo\r"), "user: one\ntwo\n") << "Alt-Enter";
  EXPECT_EQ(said("\033[A\033[A\033[A\r"), "user: one\ntwo\n") << "history has whole messages";
  EXPECT_EQ(session.leave(), 0);
}

TEST(Talk, Commands) {
  Session session({"--temperature", "0", "--max-tokens", "4"});
  EXPECT_THAT(session.say("/help"), AllOf(HasSubstr("/set NAME VALUE"), HasSubstr("/retry"), HasSubstr("Ctrl-C")));
  EXPECT_THAT(session.say("/sve x"), HasSubstr("/sve: no such command, did you mean /save?"));
  EXPECT_THAT(session.say("/retry"), HasSubstr("no answer yet"));
  EXPECT_THAT(session.say("/save x"), HasSubstr("nothing was said yet"));

  const std::string settings = session.say("/set");
  EXPECT_THAT(settings, AllOf(HasSubstr("temperature          0.0 (set here)"),
                              HasSubstr("top_p                0.95 (the model's own)"),
                              HasSubstr("top_k                0 (Glassbox's default)")));
  EXPECT_EQ(session.say("/set top_p"), "  top_p                0.95 (the model's own)\n> ");
  EXPECT_THAT(session.say("/set temperature hot"), HasSubstr("temperature: expected a number, got \"hot\""));
  EXPECT_THAT(session.say("/set temperature -1"), HasSubstr("temperature"));
  EXPECT_THAT(session.say("/set tempreature 1"), HasSubstr("did you mean temperature?"));
  EXPECT_THAT(session.say("/set max_tokens 0"), HasSubstr("max_tokens: expected a positive number, got 0"));
  session.say("/set max_tokens 2");
  session.say("/set system Du bist Ä.");
  session.say("What is 17 + 25?");
  EXPECT_THAT(session.say("/show prompt"), HasSubstr("Du bist Ä."));
  EXPECT_THAT(session.say("/show"), AllOf(HasSubstr("glassbox/prism"), HasSubstr("2 messages")));

  const std::string before = session.say("/show messages");
  EXPECT_THAT(session.say("/retry"), HasSubstr("2 tokens"));
  EXPECT_EQ(session.say("/show messages"), before) << "temperature 0";

  const std::string file = (session.home / "kept.json").string();
  EXPECT_THAT(session.say("/save " + file), HasSubstr("2 messages are in"));
  const Json kept = read_json(file);
  EXPECT_EQ(kept["messages"][0], (Json{{"role", "system"}, {"content", "Du bist Ä."}}));
  EXPECT_EQ(kept["messages"][1], (Json{{"role", "user"}, {"content", "What is 17 + 25?"}}));
  EXPECT_EQ(kept["settings"], (Json{{"temperature", 0.0}, {"max_tokens", 2}}));
  write_file(session.home / "mine.txt", "mine");
  EXPECT_THAT(session.say("/save " + (session.home / "mine.txt").string()), HasSubstr("no conversation"));
  EXPECT_EQ(read_file(session.home / "mine.txt"), "mine");

  session.say("/clear");
  session.say("/set system default");
  EXPECT_THAT(session.say("/show messages"), HasSubstr("nothing was said yet"));
  EXPECT_THAT(session.say("/load " + (session.home / "mine.txt").string()), HasSubstr("not JSON"));
  EXPECT_THAT(session.say("/load " + file), HasSubstr("2 messages"));
  EXPECT_EQ(session.say("/show messages"), before);
  EXPECT_THAT(session.say("/show system"), HasSubstr("Du bist Ä."));

  EXPECT_THAT(session.say("/model no/such"), HasSubstr("no/such"));
  EXPECT_THAT(session.say("/model models/prism/weights"), HasSubstr("weights is listening"));
  EXPECT_EQ(session.say("/show messages"), before) << "another model goes on";
  EXPECT_THAT(session.say("and 3?"), HasSubstr("2 tokens"));
  EXPECT_EQ(session.leave(), 0);
}

TEST(Talk, WordsAreWrappedAtTheEdge) {
  Session session({"--max-tokens", "120", "--seed", "3"}, "xterm", 30);
  const std::string seen = session.say("Tell me a story about a fox.");
  size_t lines = 0;
  for (size_t at = 0, end; (end = seen.find('\n', at)) != std::string::npos; at = end + 1, ++lines)
    EXPECT_LT(columns(seen.substr(at, end - at)), 30) << seen;
  EXPECT_GT(lines, 5u) << seen;
  EXPECT_EQ(session.leave(), 0);
}

TEST(Talk, CtrlCStopsTheAnswerAndTwiceLeaves) {
  setenv("GLASSBOX_KERNELS", "plain", 1);  // slow enough to be stopped
  Session session({"--max-tokens", "900", "--seed", "1", "--threads", "1"});
  unsetenv("GLASSBOX_KERNELS");
  session.say("/set temperature 2");  // no end soon
  session.terminal.type("Tell me a long story.\r");
  session.terminal.until("\n");
  session.terminal.until(" ");
  session.terminal.type("\x03\x03\x03");  // impatience does not end the conversation
  EXPECT_THAT(session.terminal.until(session.prompt), HasSubstr("stopped"));
  session.say("/help");
  session.terminal.type("\x03");
  session.terminal.until("leaves)");
  session.terminal.until(session.prompt);
  session.say("/help");  // between them, so that they are not twice
  session.terminal.type("half a line\x03");
  session.terminal.until("^C\r\n");
  session.terminal.until("leaves)");
  session.terminal.until(session.prompt);
  session.terminal.type("\x03");
  EXPECT_EQ(session.terminal.status(), 0);
}

// While it lives a process runs for five milliseconds and stands for a quarter of a second, by turns: what it does in
// an instant, on however fast a machine, takes long enough to be seen.
class Slowed {
 public:
  explicit Slowed(pid_t process)
      : thread_([process](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            kill(process, SIGSTOP);
            std::this_thread::sleep_for(std::chrono::milliseconds(250));
            kill(process, SIGCONT);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
          }
        }) {}

 private:
  std::jthread thread_;
};

TEST(Talk, ProgressWhileALongPromptIsRead) {
  setenv("GLASSBOX_KERNELS", "plain", 1);  // the slowest
  Session session({"--max-tokens", "4", "--threads", "1"});
  unsetenv("GLASSBOX_KERNELS");
  std::string prompt;
  for (int i = 0; i < 150; ++i) prompt += "Mia has a red ball. ";
  session.terminal.type("\033[200~" + prompt + "\033[201~");
  session.terminal.until("ball. ");
  {
    const Slowed slowed(session.terminal.process());
    session.terminal.type("\r");
    const std::string shown = session.terminal.until(" tokens");
    EXPECT_THAT(shown, ::testing::MatchesRegex("(.|\n)*reading: [0-9]+ of 90[0-9] tokens")) << shown;
    session.terminal.type("\x03");
    std::this_thread::sleep_for(std::chrono::milliseconds(800));  // three turns, in which it hears
  }
  session.terminal.until("\r\033[K");
  session.terminal.until("stopped");
  session.terminal.until(session.prompt);
  EXPECT_EQ(session.leave(), 0);
}

TEST(Talk, CtrlDLeavesAndRestoresTheTerminal) {
  Session session;
  session.terminal.type("\x04");
  EXPECT_EQ(session.terminal.status(), 0);
  EXPECT_THAT(session.terminal.rest(), HasSubstr("\033[?2004l"));
}

TEST(Talk, ADumbTerminalGetsNoSequences) {
  Session session({"--max-tokens", "4"}, "dumb");
  session.terminal.type("Größe?\n/show messages\n");
  const std::string shown = session.terminal.until("assistant:");
  EXPECT_THAT(shown, AllOf(HasSubstr("4 tokens"), HasSubstr("user: Größe?"), Not(HasSubstr("\033"))));
  session.terminal.until(session.prompt);
  session.terminal.type("\033[200~one\ntwo\033[201~!\n/show messages\n");  // it may come, though nobody asked for marks
  session.terminal.until("user: Größe?");
  EXPECT_THAT(session.terminal.until("two!"), HasSubstr("user: one\r\ntwo!"));
  session.terminal.until(session.prompt);
  session.terminal.type("half\x03");
  session.terminal.until("leaves)");
  session.terminal.until(session.prompt);
  session.terminal.type("\x03");
  EXPECT_EQ(session.terminal.status(), 0);
}

// The system may give a signal to any thread: it is heard by the one that waits for keys.
TEST(Talk, CtrlCIsHeardThoughAnotherThreadTakesIt) {
  for (const std::string term : {"xterm", "dumb"}) {
    Session session({"--max-tokens", "4", "--threads", "2"}, term);
    const pid_t process = session.terminal.process();
    pid_t other = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task"))
      if (const pid_t id = std::stoi(task.path().filename()); id != process) other = id;
    ASSERT_NE(other, 0);
    ASSERT_EQ(syscall(SYS_tgkill, process, other, SIGINT), 0);
    session.terminal.until("leaves)");
    session.terminal.until(session.prompt);
    EXPECT_EQ(session.leave(), 0);
  }
}

TEST(Talk, NoColorMeansNoStyles) {
  const TemporaryFolder home;
  auto place = environment(home);
  place["NO_COLOR"] = "1";
  Terminal terminal(run_prism({"--max-tokens", "30", "--temperature", "0"}), place);
  terminal.until("> ");
  terminal.type("What is 17 + 25?\r");
  const std::string answer = terminal.until("tok/s");
  EXPECT_THAT(answer, AllOf(HasSubstr("<think>"), Not(HasSubstr("\033[2m")), Not(HasSubstr("\033[0m"))));
}

}  // namespace
}  // namespace glassbox
