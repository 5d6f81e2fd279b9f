// What the program does when its output, its log or a file it is to read is not what it hopes for.
#include <gmock/gmock.h>

#include "tests/program.h"

namespace glassbox {
namespace {

using testing::glassbox;
using ::testing::HasSubstr;
using testing::kProgram;
using testing::Ran;
using testing::shell;
using testing::TemporaryFolder;

const char* const kCommands[] = {"inspect glassbox/prism --json",
                                 "tokenize glassbox/prism",
                                 "detokenize glassbox/prism",
                                 "render glassbox/prism",
                                 "trace glassbox/prism --list",
                                 "run glassbox/prism Hello --max-tokens 3",
                                 "run glassbox/prism Hello --max-tokens 3 --json",
                                 "--help",
                                 "run --help",
                                 "--version"};

std::string input_of(const std::string& command) {
  if (command.starts_with("tokenize")) return "Hello";
  if (command.starts_with("detokenize")) return "[10, 11, 12]";
  return R"({"messages": [{"role": "user", "content": "Hi"}]})";
}

TEST(Streams, OutputThatCannotBeWrittenIsAFailure) {
  for (const std::string command : kCommands) {
    const std::string in = input_of(command);
    EXPECT_EQ(glassbox(command, in).status, 0) << command;
    const Ran full = glassbox(command + " > /dev/full", in);
    EXPECT_EQ(full.status, 1) << command;
    EXPECT_EQ(full.err, "glassbox: standard output: cannot write: No space left on device\n") << command;
    const Ran closed = glassbox(command + " >&-", in);
    EXPECT_EQ(closed.status, 1) << command;
    EXPECT_EQ(closed.err, "glassbox: standard output: cannot write: Bad file descriptor\n") << command;
  }
}

TEST(Streams, AFailureKeepsItsStatusAndIsToldWhereItCan) {
  EXPECT_EQ(glassbox("inspect no/such/folder 2> /dev/full").status, 1);
  EXPECT_EQ(glassbox("run glassbox/prism Hi --top-p 7 2>&-").status, 2);
  EXPECT_EQ(glassbox("inspect no/such/folder > /dev/full").err, glassbox("inspect no/such/folder").err);
}

// Whoever was to read has surely gone before the first word is written: it says so through a second pipe.
TEST(Streams, AnAnswerThatNobodyReadsIsAFailure) {
  const TemporaryFolder folder;
  const std::string status = (folder / "status").string(), gone = (folder / "gone").string();
  const Ran ran = shell("mkfifo " + gone + "; { read -r _ < " + gone + "; " + kProgram +
                        " run glassbox/prism 'Tell me a story.' --raw --max-tokens 900; echo $? > " + status +
                        "; } | { exec <&-; echo gone > " + gone + "; }");
  EXPECT_EQ(read_file(status), "1\n");
  EXPECT_EQ(ran.err, "glassbox: standard output: cannot write: Broken pipe\n");
}

TEST(Streams, AFileNeverTakesThePlaceOfAClosedStream) {
  const TemporaryFolder folder;
  const std::string whole = (folder / "whole.gguf").string(), closed = (folder / "closed.gguf").string();
  ASSERT_EQ(glassbox("convert glassbox/prism " + whole).status, 0);
  shell(kProgram + " convert glassbox/prism " + closed + " 0<&- >&- 2>&-");
  EXPECT_EQ(read_file(closed), read_file(whole));
}

TEST(Streams, WhatIsNoRegularFileIsRefusedAtOnce) {
  const TemporaryFolder folder;
  const auto at = [&](const char* name) { return (folder / name).string(); };
  ASSERT_EQ(shell("mkfifo " + at("pipe.gguf") + " " + at("text") + "; mkdir " + at("folder.gguf") + " " + at("model") +
                  "; cp models/prism/weights/*.safetensors models/prism/weights/*.json " + at("model") + "; rm " +
                  at("model/config.json") + "; mkfifo " + at("model/config.json"))
                .status,
            0);
  for (const std::string& command :
       {"inspect " + at("pipe.gguf"), "run " + at("pipe.gguf") + " Hi", "inspect " + at("model"),
        "run " + at("model") + " Hi", "eval glassbox/prism --perplexity " + at("text"), "tokenize " + at("text"),
        "render " + at("text"), "train " + at("text"), "convert " + at("pipe.gguf") + " " + at("out"),
        "serve --port 0 " + at("pipe.gguf"), "run glassbox/prism Hi --adapter " + at("pipe.gguf"),
        std::string("inspect /dev/zero"), std::string("eval glassbox/prism --perplexity /dev/zero")}) {
    const Ran ran = shell("timeout 60 " + kProgram + " " + command);
    EXPECT_EQ(ran.status, 1) << command << ": " << ran.err;  // 124: it hung
    const size_t line = ran.err.rfind("glassbox: ");         // its log says what it loads before
    ASSERT_NE(line, std::string::npos) << command << ": " << ran.err;
    EXPECT_EQ(std::count(ran.err.begin() + static_cast<std::ptrdiff_t>(line), ran.err.end(), '\n'), 1)
        << command << ": " << ran.err;
  }
  EXPECT_THAT(glassbox("inspect " + at("pipe.gguf")).err, HasSubstr("pipe.gguf: expected a regular file, got a pipe"));
  EXPECT_THAT(glassbox("tokenize /dev/zero").err, HasSubstr("/dev/zero: expected a regular file, got a device"));
}

// The reader of the log goes away after its first line; standard output is closed from the start.
TEST(Streams, AServerOutlivesWhoReadsItsLog) {
  const TemporaryFolder folder;
  const std::string log = (folder / "log").string();
  const Ran ran =
      shell("mkfifo " + log +
            "; bash -c '\n"
            "head -n 1 " +
            log + " > /dev/null &\n" + kProgram + " serve glassbox/prism --port 0 > " + log + ".out 2> " + log +
            " & server=$!\n"
            "for i in $(seq 200); do grep -q open " +
            log +
            ".out && break; sleep 0.1; done\n"
            "port=$(grep -o \"[0-9]*$\" " +
            log +
            ".out)\n"
            "for i in 1 2 3; do exec 3<>/dev/tcp/127.0.0.1/$port; printf \"GET /health HTTP/1.0\\r\\n\\r\\n\" >&3; "
            "head -n 1 <&3; exec 3<&-; sleep 0.2; done\n"
            "kill -INT $server; wait $server; echo status $?'");
  EXPECT_EQ(ran.out, "HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nstatus 0\n") << ran.err;
}

}  // namespace
}  // namespace glassbox
