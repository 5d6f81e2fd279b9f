#include "server/job.h"

#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

#include "server/fake_generator.h"
#include "server/http/testing.h"

namespace glassbox {
namespace {

using testing::FakeGenerator;
using testing::TestClient;

// A dialect that nobody speaks: lines of text.
class LineWriter : public api::Writer {
 public:
  explicit LineWriter(bool stream) : stream_(stream) {}

  std::string_view content_type() const override { return "text/lines"; }
  std::string_view filler() const override { return "\n"; }
  std::string begin(api::Choices choices) override { return line(fmt::format("begin {}", choices.size())); }
  std::string event(size_t choice, const api::Said& said) override {
    return line(fmt::format("{} {}|{}", choice, said.reasoning, said.text));
  }
  std::string finished(size_t choice, const api::Said&, api::Choices choices) override {
    const bool all = std::ranges::all_of(choices, &api::Choice::done);
    return line(fmt::format("end {}{}", choice, all ? " of all" : ""));
  }
  std::string failed(const ApiError& error) override { return line(fmt::format("failed {}", error.what())); }
  std::string whole(api::Choices choices) override {
    std::string all;
    for (const api::Choice& choice : choices) all += choice.text() + "\n";
    return all + std::to_string(usage_of(choices, choices.size()).completion);
  }

 private:
  std::string line(const std::string& text) const { return stream_ ? text + "\n" : ""; }

  const bool stream_;
};

class Lines : public api::Dialect {
 public:
  bool matches(const http::Request&) const override { return true; }
  std::vector<api::Endpoint> endpoints() const override { return {}; }
  std::string error(const ApiError& error) const override { return fmt::format("error {}", error.subject); }
  std::string model(const Model&) const override { return ""; }
  std::string models(const std::vector<Model>&) const override { return ""; }
};

class JobTest : public ::testing::Test {
 protected:
  JobTest() { spdlog::set_level(spdlog::level::off); }
  ~JobTest() override { spdlog::set_level(spdlog::level::info); }

  TestClient::Answer ask(const std::string& path) { return TestClient(server_.port()).get(path); }

  std::shared_ptr<FakeGenerator> fake_ = std::make_shared<FakeGenerator>();

 private:
  Lines lines_;
  Metrics metrics_;
  http::Running server_{[this](const http::Request& request, const std::shared_ptr<http::ResponseStream>& stream) {
    api::Asked asked;
    asked.request.model = "fake/one";
    asked.request.stream = request.path == "/stream";
    asked.request.n = 2;
    asked.request.generation.sampling.seed = 7;
    asked.request.generation.max_tokens = 2;
    api::Conversation conversation;
    conversation.messages = {{api::Role::user, {api::Text{"hi"}}, {}}};
    asked.request.input = std::move(conversation);
    asked.generator = fake_;
    asked.writer = std::make_unique<LineWriter>(asked.request.stream);
    answer(std::move(asked), {lines_, metrics_, [](http::Response& response) { response.with("X-Told", "yes"); }},
           stream);
  }};
};

using Job = JobTest;

TEST_F(Job, AnswersInTheWordsOfItsWriter) {
  fake_->prefix = "<think>hm</think>";
  const auto whole = ask("/whole");
  EXPECT_EQ(whole.body, "7.0.0 7.0.1 \n7.1.0 7.1.1 \n4");
  EXPECT_EQ(whole.headers.at("x-told"), "yes");

  const auto stream = ask("/stream");
  EXPECT_EQ(stream.headers.at("content-type"), "text/lines");
  EXPECT_EQ(stream.headers.at("x-told"), "yes");
  std::vector<std::string> lines;
  for (size_t at = 0, end; (end = stream.body.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(stream.body.substr(at, end - at));
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(lines.front(), "begin 2");
  EXPECT_THAT(lines, ::testing::IsSupersetOf({"0 hm|7.0.0 ", "0 |7.0.1 ", "1 hm|7.1.0 ", "1 |7.1.1 "}));
  EXPECT_THAT(lines.back(), ::testing::EndsWith(" of all"));
}

TEST_F(Job, FailsInTheWordsOfItsDialect) {
  fake_->tokens = 5;
  fake_->failure = Error(ErrorKind::full, "memory", "no more");
  const auto whole = ask("/whole");
  EXPECT_EQ(whole.status, 503);
  EXPECT_EQ(whole.body, "error memory");
  EXPECT_EQ(whole.headers.at("x-told"), "yes");
  const auto stream = ask("/stream");
  EXPECT_EQ(stream.status, 200);
  EXPECT_TRUE(stream.complete);
  EXPECT_THAT(stream.body, ::testing::EndsWith("failed memory: no more\n"));
}

}  // namespace
}  // namespace glassbox
