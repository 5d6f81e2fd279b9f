#include "server/service.h"

#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

#include <future>
#include <thread>

#include "base/file.h"
#include "server/fake_generator.h"
#include "server/http/test_client.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using namespace std::chrono_literals;
using testing::FakeGenerator;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TestClient;

OrderedJson json(std::string_view text) { return OrderedJson::parse(text); }

std::optional<Asset> fake_page(std::string_view path) {
  if (path == "/" || path == "/chat/7")
    return Asset{"/index.html", "text/html; charset=utf-8", "\"e1\"", "<!doctype html>", "GZIPPED", false};
  if (path == "/assets/a.js")
    return Asset{"/assets/a.js", "text/javascript; charset=utf-8", "\"e2\"", "let a", "", true};
  return std::nullopt;
}

// The whole server over a fake model.
class Serving {
 public:
  explicit Serving(ServiceOptions options = {}, http::Options transport = {}) {
    spdlog::set_level(spdlog::level::off);
    fake = std::make_shared<FakeGenerator>();
    if (options.models.empty()) options.models = {fake};
    options.find_page = fake_page;
    service_ = std::make_unique<Service>(std::move(options));
    transport.port = 0;
    server_ = std::make_unique<http::Server>(transport);
    thread_ = std::jthread([this] { server_->run(*service_); });
  }
  ~Serving() {
    server_->stop();
    thread_.join();
    spdlog::set_level(spdlog::level::info);
  }
  uint16_t port() const { return server_->port(); }
  http::Server& server() { return *server_; }

  std::shared_ptr<FakeGenerator> fake;

 private:
  std::unique_ptr<Service> service_;
  std::unique_ptr<http::Server> server_;
  std::jthread thread_;
};

const char* kChat = "/v1/chat/completions";

std::string chat(std::string_view fields = "{}") {
  OrderedJson body = json(R"({"model": "fake/one", "seed": 7, "messages": [{"role": "user", "content": "hi"}]})");
  body.update(json(fields));
  return body.dump();
}
std::string completion(std::string_view fields = "{}") {
  OrderedJson body = json(R"({"model": "fake/one", "seed": 7, "prompt": "Once"})");
  body.update(json(fields));
  return body.dump();
}

// The data of each event of a stream.
std::vector<std::string> events_of(std::string_view text) {
  std::vector<std::string> events;
  for (size_t end; (end = text.find("\n\n")) != std::string_view::npos; text.remove_prefix(end + 2))
    events.emplace_back(text.substr(6, end - 6));
  return events;
}
// The text a stream says, by choice.
std::map<size_t, std::string> said(const std::vector<std::string>& events) {
  std::map<size_t, std::string> texts;
  for (const std::string& event : events) {
    if (event == "[DONE]") continue;
    OrderedJson chunk = json(event);
    for (const auto& choice : chunk["choices"])
      texts[choice["index"]] +=
          choice.contains("delta") ? choice["delta"].value("content", "") : choice["text"].get<std::string>();
  }
  return texts;
}
OrderedJson error_of(const TestClient::Answer& answer) { return json(answer.body)["error"]; }

bool eventually(auto condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

TEST(Service, Chat) {
  Serving serving;
  TestClient client(serving.port());
  auto answer = client.post(kChat, chat());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers["content-type"], "application/json");
  EXPECT_EQ(answer.headers["x-content-type-options"], "nosniff");
  EXPECT_THAT(answer.headers["x-request-id"], HasSubstr("req_"));
  OrderedJson body = json(answer.body);
  EXPECT_EQ(body["model"], "fake/one");
  EXPECT_EQ(body["choices"][0]["message"]["content"], "7.0.0 7.0.1 7.0.2 7.0.3 7.0.4 ");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(body["seed"], 7);
  EXPECT_EQ(body["usage"]["prompt_tokens"], std::string("<user>hi</><assistant>").size());
  EXPECT_EQ(body["usage"]["completion_tokens"], 5);
  EXPECT_EQ(json(client.post(kChat, chat(R"({"max_tokens": 2})")).body)["choices"][0]["finish_reason"], "length");
  OrderedJson drawn = json(client.post(kChat, chat(R"({"seed": null})")).body);
  EXPECT_THAT(drawn["choices"][0]["message"]["content"].get<std::string>(), HasSubstr(drawn["seed"].dump() + ".0.0 "));
}

TEST(Service, ChatStreamed) {
  Serving serving;
  TestClient client(serving.port());
  auto answer = client.post(kChat, chat(R"({"stream": true, "n": 2, "stream_options": {"include_usage": true}})"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.complete);
  EXPECT_THAT(answer.headers["content-type"], HasSubstr("text/event-stream"));
  auto events = events_of(answer.body);
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_EQ(said(events), (std::map<size_t, std::string>{{0, "7.0.0 7.0.1 7.0.2 7.0.3 7.0.4 "},
                                                         {1, "7.1.0 7.1.1 7.1.2 7.1.3 7.1.4 "}}));
  EXPECT_EQ(json(events[events.size() - 2])["usage"]["completion_tokens"], 10);
  EXPECT_EQ(client.get("/health").status, 200);  // the connection goes on
}

// What was accepted and is not kept to the letter is told, whatever form the answer has.
TEST(Service, NotesAreAHeader) {
  Serving serving;
  TestClient client(serving.port());
  const std::string note = "reasoning_effort: this model's chat template does not read it";
  EXPECT_EQ(client.post(kChat, chat(R"({"reasoning_effort": "low"})")).headers["x-glassbox-note"], note);
  EXPECT_EQ(client.post(kChat, chat(R"({"reasoning_effort": "low", "stream": true})")).headers["x-glassbox-note"],
            note);
  EXPECT_FALSE(client.post(kChat, chat()).headers.contains("x-glassbox-note"));
}

TEST(Service, OneCallEndsTheAnswer) {
  for (bool stream : {false, true}) {
    Serving serving;
    serving.fake->own_card().template_source = "messages tools tool_calls <tool_call>";
    serving.fake->tokens = 1'000'000;
    serving.fake->pause = 200us;
    serving.fake->prefix =
        R"(Now.<tool_call>{"name": "add", "arguments": {}}</tool_call><tool_call>{"name": "add", "arguments": {}}</tool_call>)";
    TestClient client(serving.port());
    const std::string body = chat(fmt::format(
        R"({{"tools": [{{"type": "function", "function": {{"name": "add"}}}}], "parallel_tool_calls": false, "stream": {}}})",
        stream));
    auto answer = client.post(kChat, body);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(serving.fake->cancelled, 1);
    if (stream) {
      size_t calls = 0;
      std::string reason, content;
      for (const std::string& event : events_of(answer.body)) {
        if (event == "[DONE]") continue;
        const OrderedJson choice = json(event)["choices"][0];
        if (choice["delta"].contains("tool_calls")) calls += choice["delta"]["tool_calls"].size();
        content += choice["delta"].value("content", "");
        if (choice["finish_reason"].is_string()) reason = choice["finish_reason"];
      }
      EXPECT_EQ(calls, 1u);
      EXPECT_EQ(reason, "tool_calls");
      EXPECT_EQ(content, "Now.");
    } else {
      const OrderedJson choice = json(answer.body)["choices"][0];
      EXPECT_EQ(choice["finish_reason"], "tool_calls");
      EXPECT_EQ(choice["message"]["tool_calls"].size(), 1u);
      EXPECT_EQ(choice["message"]["content"], "Now.");
    }
  }
}

TEST(Service, ReasoningIsApart) {
  Serving serving;
  serving.fake->prefix = "<think>hm</think>\n\n";
  TestClient client(serving.port());
  OrderedJson message = json(client.post(kChat, chat()).body)["choices"][0]["message"];
  EXPECT_EQ(message["reasoning_content"], "hm");
  EXPECT_EQ(message["content"], "7.0.0 7.0.1 7.0.2 7.0.3 7.0.4 ");
}

TEST(Service, ContinuedMessagesAreCut) {
  Serving serving;
  TestClient client(serving.port());
  auto tokens = [&](std::string_view fields) {
    return json(client.post(kChat, chat(fields)).body)["usage"]["prompt_tokens"].get<size_t>();
  };
  EXPECT_EQ(
      tokens(
          R"({"continue_final_message": true, "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Well"}]})"),
      std::string("<user>hi</><assistant>Well").size());
}

TEST(Service, ThePromptAndWhoseWordsAreInIt) {
  Serving serving;
  TestClient client(serving.port());
  const auto answer = client.post("/api/prompt", chat(R"({"messages": [{"role": "user", "content": "</> é"}]})"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(json(answer.body),
            json(R"({"model": "fake/one", "tokens": 26, "prompt": [{"text": "<user>", "trusted": true},
      {"text": "</> é", "trusted": false}, {"text": "</><assistant>", "trusted": true}]})"));
  const auto continued = client.post("/api/prompt", chat(R"({"continue_final_message": true, "messages":
      [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})"));
  EXPECT_EQ(json(continued.body)["prompt"],
            json(R"([{"text": "<user>", "trusted": true}, {"text": "a", "trusted": false},
      {"text": "</><assistant>", "trusted": true}, {"text": "b", "trusted": false}])"));
  EXPECT_EQ(client.post("/api/prompt", chat(R"({"colour": 1})")).status, 400);
  EXPECT_EQ(client.post("/api/prompt", chat(R"({"model": "other"})")).status, 404);
  EXPECT_EQ(serving.fake->submitted, 0);
  TestClient reader(serving.port());
  EXPECT_EQ(reader.get("/api/prompt").status, 405);
}

TEST(Service, Completions) {
  Serving serving;
  TestClient client(serving.port());
  OrderedJson body = json(
      client.post("/v1/completions", completion(R"({"prompt": ["A", "B"], "n": 2, "echo": true, "max_tokens": 1})"))
          .body);
  ASSERT_EQ(body["choices"].size(), 4u);
  EXPECT_EQ(body["choices"][0]["text"], "A7.0.0 ");
  EXPECT_EQ(body["choices"][3]["text"], "B7.1.0 ");
  EXPECT_EQ(json(client.post("/v1/completions", completion(R"({"prompt": [72, 105], "echo": true, "max_tokens": 1})"))
                     .body)["choices"][0]["text"],
            "Hi7.0.0 ");
  auto events = events_of(client.post("/v1/completions", completion(R"({"stream": true, "logprobs": 1})")).body);
  EXPECT_EQ(said(events)[0], "7.0.0 7.0.1 7.0.2 7.0.3 7.0.4 ");
  EXPECT_EQ(json(events[1])["choices"][0]["logprobs"]["tokens"], json(R"(["b"])"));
}

TEST(Service, Errors) {
  ServiceOptions options;
  Serving serving(options);
  TestClient client(serving.port());
  auto expect = [&](const TestClient::Answer& answer, int status, std::string_view code) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(error_of(answer)["code"], code) << answer.body;
    EXPECT_EQ(answer.headers.at("x-content-type-options"), "nosniff");
  };
  expect(client.post(kChat, "{"), 400, "invalid_json");
  expect(client.post(kChat, chat(R"({"temperature": "hot"})")), 400, "invalid_type");
  expect(client.post(kChat, chat(R"({"colour": 1})")), 400, "unknown_parameter");
  expect(client.post(kChat, chat(R"({"model": "gpt-4"})")), 404, "model_not_found");
  expect(client.post(kChat, chat(R"({"messages": [{"role": "tool", "tool_call_id": "1", "content": "x"}]})")), 400,
         "invalid_value");
  OrderedJson longer = json(chat());
  longer["messages"][0]["content"] = std::string(2000, 'x');
  expect(client.post(kChat, longer.dump()), 400, "context_length_exceeded");
  EXPECT_EQ(error_of(client.post(kChat, longer.dump()))["param"], "prompt");
  expect(client.get("/v1/nothing"), 404, "unknown_path");
  expect(client.get("/api/nothing"), 404, "unknown_path");
  expect(client.get("/no/such/page"), 404, "unknown_path");
  expect(client.get("/v1/models/none"), 404, "model_not_found");
  expect(client.get(kChat), 405, "method_not_allowed");
  {
    TestClient other(serving.port());  // refused with its body unread: the connection ends
    expect(other.post("/v1/models", "{}"), 405, "method_not_allowed");
  }
  {
    TestClient form(serving.port());
    form.send(
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: "
        "2\r\n\r\n{}");
    expect(form.receive(), 415, "unsupported_media_type");
  }
  {
    TestClient packed(serving.port());
    expect(packed.post(kChat, chat(), "Content-Encoding: gzip\r\n"), 415, "unsupported_media_type");
  }
  EXPECT_EQ(serving.fake->submitted, 0);
  serving.fake->waiting = 1000;
  auto full = client.post(kChat, chat());
  expect(full, 429, "queue_full");
  EXPECT_EQ(full.headers["retry-after"], "1");
  EXPECT_EQ(error_of(full)["type"], "rate_limit_error");
  expect(TestClient(serving.port()).get("/health", "Host: evil.example\r\n"), 400,
         "bad_http_request");  // two Hosts
}

TEST(Service, BodiesTooLarge) {
  http::Options transport;
  transport.body_limit = 1 << 20;
  Serving serving({}, transport);
  TestClient client(serving.port());
  auto answer = client.post(kChat, std::string(100'000'000, ' '));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(error_of(answer)["code"], "request_too_large");
  EXPECT_EQ(error_of(answer)["message"], "the request's body is larger than 1048576 bytes");
}

TEST(Service, AnEngineThatFails) {
  Serving serving;
  serving.fake->failure = Error(ErrorKind::internal, "the matmul broke");
  TestClient client(serving.port());
  auto whole = client.post(kChat, chat());
  EXPECT_EQ(whole.status, 500);
  EXPECT_EQ(error_of(whole)["message"], "the server failed; its log says how");  // its words may name files
  auto streamed = client.post(kChat, chat(R"({"stream": true})"));
  EXPECT_EQ(streamed.status, 200);
  auto events = events_of(streamed.body);
  EXPECT_EQ(json(events.back())["error"]["message"], "the server failed; its log says how");
  EXPECT_EQ(json(events.back())["error"]["type"], "server_error");
  serving.fake->failure = Error(ErrorKind::not_finite, "logits", "expected numbers, got nan");
  auto not_finite = client.post(kChat, chat());
  EXPECT_EQ(not_finite.status, 500);
  EXPECT_EQ(error_of(not_finite)["code"], "not_finite");
  serving.fake->failure = Error(ErrorKind::io, "prism: model.safetensors became shorter");
  auto damaged = client.post(kChat, chat());
  EXPECT_EQ(damaged.status, 503);
  EXPECT_EQ(error_of(damaged)["code"], "model_damaged");
  EXPECT_EQ(error_of(damaged)["message"], "prism: model.safetensors became shorter");
  serving.fake->failure = Error(ErrorKind::full, "memory", "no more");
  auto full = client.post(kChat, chat());
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(error_of(full)["code"], "out_of_memory");
  EXPECT_EQ(error_of(full)["message"], "memory: no more");
  EXPECT_EQ(error_of(full)["param"], "memory");
  serving.fake->failure = Error(ErrorKind::unsupported, "top_logprobs", "not with this head");
  auto unsupported = client.post(kChat, chat());
  EXPECT_EQ(unsupported.status, 400);
  EXPECT_EQ(error_of(unsupported)["param"], "top_logprobs");
  serving.fake->failure = Error(ErrorKind::bad_file, "/home/ann/model.safetensors", "a tensor ends beyond it");
  auto bad_file = client.post(kChat, chat());
  EXPECT_EQ(bad_file.status, 503);
  EXPECT_EQ(error_of(bad_file)["code"], "model_damaged");
  EXPECT_THAT(bad_file.body, Not(HasSubstr("/home")));
}

TEST(Service, WorkStopsWhenTheClientLeaves) {
  for (bool stream : {false, true}) {
    Serving serving;
    serving.fake->tokens = 1'000'000;
    serving.fake->pause = 500us;
    {
      TestClient client(serving.port());
      client.send_post(kChat, chat(stream ? R"({"stream": true, "n": 3})" : R"({"n": 3})"));
      ASSERT_TRUE(eventually([&] { return serving.fake->submitted == 3; }));
      if (stream) {
        client.head();
        client.chunk();
      }
    }
    EXPECT_TRUE(eventually([&] { return serving.fake->cancelled == 3; })) << stream;
    EXPECT_TRUE(eventually([&] { return serving.fake->statistics().running == 0; }));
    TestClient after(serving.port());
    EXPECT_THAT(after.get("/metrics").body, HasSubstr("glassbox_clients_left_total{model=\"fake/one\"} 1\n"));
  }
}

TEST(Service, FiftyStreamsAtOnce) {
  Serving serving;
  serving.fake->tokens = 100;
  serving.fake->pause = 100us;
  std::atomic<int> right = 0;
  std::vector<std::jthread> clients;
  for (int i = 0; i < 50; ++i)
    clients.emplace_back([&, i] {
      TestClient client(serving.port());
      auto answer = client.post(kChat, chat(fmt::format(R"({{"stream": true, "seed": {}}})", i)));
      std::string expected;
      for (int t = 0; t < 100; ++t) expected += fmt::format("{}.0.{} ", i, t);
      if (answer.complete && said(events_of(answer.body))[0] == expected) ++right;
    });
  clients.clear();
  EXPECT_EQ(right, 50);
}

TEST(Service, StoppingEndsWhatIsBeingSaid) {
  http::Options transport;
  transport.grace = 100ms;
  auto serving = std::make_unique<Serving>(ServiceOptions{}, transport);
  auto fake = serving->fake;
  fake->tokens = 1'000'000;
  fake->pause = 1ms;
  TestClient client(serving->port());
  client.send_post(kChat, chat(R"({"stream": true})"));
  client.head();
  client.chunk();
  auto before = std::chrono::steady_clock::now();
  serving.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
  EXPECT_EQ(fake->cancelled, 1);
}

TEST(Service, ModelsAndHealth) {
  auto one = std::make_shared<FakeGenerator>("fake/one"), two = std::make_shared<FakeGenerator>("two");
  ServiceOptions options;
  options.models = {one, two};
  Serving serving(options);
  TestClient client(serving.port());
  OrderedJson list = json(client.get("/v1/models").body);
  EXPECT_EQ(list["data"][1]["id"], "two");
  EXPECT_EQ(json(client.get("/v1/models/two").body)["id"], "two");
  EXPECT_EQ(json(client.get("/v1/models/fake/one").body)["id"], "fake/one");
  EXPECT_EQ(json(client.get("/v1/models/fake%2Fone").body)["id"], "fake/one");
  EXPECT_EQ(json(client.get("/health").body)["status"], "ok");
  client.post(kChat, chat(R"({"model": "two"})"));
  EXPECT_EQ(two->submitted, 1);
  EXPECT_EQ(one->submitted, 0);
  options.models = {one, one};
  EXPECT_THROW(Service{options}, Error);
}

TEST(Service, SlashesAndBasesLeadWhereTheyAreMeantTo) {
  Serving serving;
  TestClient client(serving.port());
  for (const char* path : {"/v1//models", "/v1/models/", "//v1/models", "/models", "/v1/v1/models"})
    EXPECT_EQ(json(client.get(path).body)["data"][0]["id"], "fake/one") << path;
  EXPECT_EQ(json(client.get("/models/fake/one/").body)["id"], "fake/one");
  for (const char* path : {"/v1/chat/completions/", "/chat/completions", "//v1//chat/completions"})
    EXPECT_EQ(client.post(path, chat()).status, 200) << path;
  EXPECT_EQ(client.post("/completions", completion()).status, 200);
  EXPECT_EQ(error_of(client.get("/openai/v1/models"))["message"],
            "GET /openai/v1/models: no such path; did you mean /v1/models?");
  TestClient other(serving.port());
  auto unknown = other.post("/v1/embeddings", "{}");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr("there are /health, /metrics"));
  const std::string figures = client.get("/metrics").body;
  EXPECT_THAT(figures, HasSubstr("route=\"/v1/models\",status=\"200\"} 5\n"));
  EXPECT_THAT(figures, HasSubstr("route=\"/v1/chat/completions\",status=\"200\"} 3\n"));
}

TEST(Service, HalfClosedClientsGetTheirAnswer) {
  Serving serving;
  serving.fake->pause = 20ms;
  for (const bool stream : {false, true}) {
    TestClient client(serving.port());
    client.send_post(kChat, chat(stream ? R"({"stream": true})" : "{}"));
    client.close_own_side();
    auto answer = client.receive();
    if (answer.status == 100) answer = client.receive();
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.complete);
    EXPECT_THAT(answer.body, HasSubstr("7.0.4 "));
  }
  EXPECT_EQ(serving.fake->cancelled, 0);
}

TEST(Service, AModelWhoseFilesChangedSaysSo) {
  Serving serving;
  TestClient client(serving.port());
  EXPECT_FALSE(json(client.get("/v1/models/fake/one").body)["glassbox"].contains("changed_on_disk"));
  serving.fake->changed = true;
  EXPECT_EQ(json(client.get("/v1/models/fake/one").body)["glassbox"]["changed_on_disk"], true);
  EXPECT_EQ(json(client.get("/v1/models").body)["data"][0]["glassbox"]["changed_on_disk"], true);
}

// Prompts being tokenized hold every worker there is; health, figures, models and pages are told all the same.
TEST(Service, HealthDoesNotWaitForPrompts) {
  Serving serving;
  std::promise<void> release;
  serving.fake->hold_encoding = release.get_future().share();
  std::vector<std::unique_ptr<TestClient>> busy;
  for (int i = 0; i < 12; ++i) {
    busy.push_back(std::make_unique<TestClient>(serving.port()));
    busy.back()->send_post(kChat, i < 8 ? chat() : chat() + std::string(200'000, ' '));
  }
  ASSERT_TRUE(eventually([&] { return serving.fake->encoding == 5; }));  // four workers, and the one for large bodies
  TestClient client(serving.port());
  for (const char* path : {"/health", "/metrics", "/v1/models", "/v1/models/fake/one", "/"})
    EXPECT_EQ(client.get(path).status, 200) << path;
  EXPECT_EQ(serving.fake->encoding, 5);
  release.set_value();
  for (auto& one : busy) EXPECT_EQ(one->receive().status, 200);
}

TEST(Service, WrongKeysSlowDownAndTheRightOneDoesNot) {
  ServiceOptions options;
  options.guard.api_keys = {"secret"};
  Serving serving(options);
  TestClient client(serving.port());
  const auto timed = [&](const char* key) {
    const auto before = std::chrono::steady_clock::now();
    const int status = client.get("/v1/models", fmt::format("Authorization: Bearer {}\r\n", key)).status;
    return std::pair(status, std::chrono::steady_clock::now() - before);
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(timed("wrong").first, 401);
  const auto wrong = timed("wrong");
  EXPECT_EQ(wrong.first, 401);
  EXPECT_GE(wrong.second, 400ms);
  const auto right = timed("secret");
  EXPECT_EQ(right.first, 200);
  EXPECT_LT(right.second, 300ms);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.get("/v1/models").status, 401);  // without a key nothing is guessed
}

TEST(Service, Pages) {
  Serving serving;
  TestClient client(serving.port());
  auto page = client.get("/chat/7");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, "<!doctype html>");
  EXPECT_EQ(page.headers["content-type"], "text/html; charset=utf-8");
  EXPECT_EQ(page.headers["cache-control"], "no-cache");
  EXPECT_EQ(page.headers["x-frame-options"], "DENY");
  EXPECT_THAT(page.headers["content-security-policy"], HasSubstr("script-src 'self'"));
  auto gzip = client.get("/", "Accept-Encoding: br, gzip\r\n");
  EXPECT_EQ(gzip.body, "GZIPPED");
  EXPECT_EQ(gzip.headers["content-encoding"], "gzip");
  EXPECT_EQ(client.get("/", "Accept-Encoding: gzip;q=0\r\n").body, "<!doctype html>");
  EXPECT_EQ(client.get("/", "If-None-Match: \"e1\"\r\n").status, 304);
  EXPECT_EQ(client.get("/", "If-None-Match: \"e0\"\r\n").status, 200);
  EXPECT_THAT(client.get("/assets/a.js").headers["cache-control"], HasSubstr("immutable"));
  EXPECT_EQ(client.get("/assets/../a.js").status, 404);
}

// A browser that opens an address of the hub gets the page, also where another program's meaning of it is known.
TEST(Service, PagesOfTheHub) {
  const testing::TemporaryFolder folder;
  hub::Hub hub(folder.path());
  hub.create(hub.owner(), hub::RepositoryKind::model, hub.owner().name, "tiny", false);
  const std::string mine = "/" + hub.owner().name + "/tiny", browser = "Accept: text/html,*/*;q=0.8\r\n";
  ServiceOptions options;
  options.hub = &hub;
  Serving serving(options);
  TestClient client(serving.port());
  const std::string page = "<!doctype html>";
  for (const std::string& path :
       {std::string("/models"), std::string("/datasets"), std::string("/race"), std::string("/nobody"), mine,
        mine + "/", mine + "/tree/main", mine + "/tree/main/a/b%20c", mine + "/blob/refs/pr/1/a",
        mine + "/commits/main", "/datasets" + mine, "/datasets" + mine + "/tree/main"}) {
    EXPECT_EQ(client.get(path, browser).body, page) << path;
    EXPECT_NE(client.get(path, "Accept: application/json\r\n").body, page) << path;
    EXPECT_NE(client.get(path).body, page) << path;
  }
  EXPECT_THAT(client.get("/models", browser).headers["vary"], HasSubstr("Accept,"));
  // Whoever left off the /v1 of a base address.
  EXPECT_EQ(json(client.get("/models").body)["object"], "list");
  // What routes and files have for their own, and what is nothing.
  for (const std::string& path :
       {std::string("/health"), std::string("/metrics"), std::string("/v1/models"), std::string("/api/models"),
        std::string("/api/training"), "/api/models" + mine, mine + "/resolve/main/.gitattributes",
        mine + "/raw/main/.gitattributes", mine + "/settings", std::string("/models/x"), std::string("/models/x/y"),
        std::string("/datasets/x"), std::string("/api/nothing"), std::string("/v1/nothing"), std::string("/lfs/x"),
        std::string("/a--b"), std::string("/a/.b"), std::string("/a%2Fb"), std::string("/assets/a.js")})
    EXPECT_NE(client.get(path, browser).body, page) << path;
  EXPECT_EQ(client.get("/assets/a.js", browser).body, "let a");
  EXPECT_EQ(client.get("/chat/7", browser).body, page);
}

TEST(Service, NoPagesOfAHubThatIsNotServed) {
  Serving serving;
  TestClient client(serving.port());
  EXPECT_EQ(client.get("/owner/name", "Accept: text/html\r\n").status, 404);
  EXPECT_EQ(json(client.get("/models", "Accept: text/html\r\n").body)["object"], "list");
}

TEST(Service, KeysAndOrigins) {
  ServiceOptions options;
  options.guard.api_keys = {"secret"};
  options.guard.allow_origins = {"https://friend.example"};
  Serving serving(options);
  TestClient client(serving.port());
  auto refused = client.get("/v1/models");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.headers["www-authenticate"], "Bearer");
  EXPECT_EQ(error_of(refused)["code"], "invalid_api_key");
  EXPECT_EQ(client.get("/health").status, 200);
  EXPECT_EQ(client.get("/").status, 200);
  EXPECT_EQ(client.get("/v1/models", "Authorization: Bearer secret\r\n").status, 200);
  EXPECT_EQ(client.get("/v1/models", "Authorization: Bearer secret\r\nOrigin: https://evil.example\r\n").status, 403);
  auto friendly = client.get("/v1/models", "Authorization: Bearer secret\r\nOrigin: https://friend.example\r\n");
  EXPECT_EQ(friendly.headers["access-control-allow-origin"], "https://friend.example");
  auto streamed = client.post(kChat, chat(R"({"stream": true})"),
                              "Authorization: Bearer secret\r\nOrigin: https://friend.example\r\n");
  EXPECT_EQ(streamed.headers["access-control-allow-origin"], "https://friend.example");
  // The transport's own refusals may be read as well.
  TestClient large(serving.port());
  large.send(
      fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\nContent-Type: "
                  "application/json\r\nOrigin: https://friend.example\r\nContent-Length: {}\r\n\r\n",
                  kChat, size_t{1} << 40));
  auto too_large = large.receive();
  EXPECT_EQ(too_large.status, 413);
  EXPECT_EQ(too_large.headers["access-control-allow-origin"], "https://friend.example");
  TestClient stranger(serving.port());
  EXPECT_EQ(stranger.post(kChat, chat()).status, 401);
  TestClient curious(serving.port());
  EXPECT_EQ(curious.post("/api/prompt", chat()).status, 401);
}

// Wherever it is, and whoever forgot to think of it.
TEST(Service, ARouteWithoutAMarkNeedsAKey) {
  ServiceOptions options;
  options.guard.api_keys = {"secret"};
  const auto answer = [](http::Request&, const Route::Parts&, const auto& stream) { stream->respond({}); };
  options.routes = {
      {.method = "GET", .pattern = "/new/{thing}", .handle = answer},
      {.method = "PUT", .pattern = "/new/{thing}", .handle = answer},
      {.method = "GET", .pattern = "/told", .handle = answer, .access = Access::everyone},
  };
  Serving serving(options);
  TestClient client(serving.port());
  EXPECT_EQ(client.get("/new/a").status, 401);
  EXPECT_EQ(client.get("//new//a/").status, 401);
  EXPECT_EQ(client.get("/new/a", "Authorization: Bearer secret\r\n").status, 200);
  EXPECT_EQ(client.get("/told").status, 200);
  client.send("DELETE /new/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.receive().status, 401);
  client.send("DELETE /new/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n\r\n");
  auto refused = client.receive();
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers["allow"], "GET, HEAD, PUT");
}

// A route says how its body is taken: here it streams, beyond the limit of others.
TEST(Service, RoutesTakeBodiesTheirWay) {
  ServiceOptions options;
  size_t taken = 0;
  options.routes = {{.method = "PUT",
                     .pattern = "/new/{thing}",
                     .handle =
                         [&](http::Request&, const Route::Parts& parts, const auto& stream) {
                           stream->receive([&](std::string_view piece) { taken += piece.size(); },
                                           [&, stream, thing = parts.at("thing")] {
                                             stream->respond({200, {}, fmt::format("{}: {}", thing, taken)});
                                           });
                         },
                     .intake = {.streams = true, .limit = 1'000'000}}};
  http::Options transport;
  transport.body_limit = 1000;
  Serving serving(options, transport);
  TestClient client(serving.port());
  client.send("PUT /new/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\n" + std::string(500'000, 'x'));
  EXPECT_EQ(client.receive().body, "a: 500000");
  client.send("PUT /new/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000001\r\n\r\n");
  EXPECT_EQ(client.receive().status, 413);
  EXPECT_EQ(TestClient(serving.port()).post(kChat, std::string(1001, ' ')).status, 413);
}

TEST(Service, TrainingRuns) {
  testing::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "run");
  write_file(folder / "run/loss.json",
             R"({"name": "r", "status": "running", "recipe": {}, "points": [{"step": 1, "loss": 2.5}]})");
  ServiceOptions options;
  options.runs = folder.path();
  Serving serving(options);
  TestClient client(serving.port());
  EXPECT_EQ(json(client.get("/api/training").body)["runs"][0]["points"][0]["loss"], 2.5);
}

TEST(Service, Figures) {
  Serving serving;
  TestClient client(serving.port());
  client.post(kChat, chat());
  client.get("/v1/models/" + std::string(50, 'x'));
  client.get("/stranger/typed/this");
  auto answer = client.get("/metrics");
  EXPECT_THAT(answer.headers["content-type"], HasSubstr("version=0.0.4"));
  auto has = [&](std::string_view line) { EXPECT_THAT(answer.body, HasSubstr(line)); };
  has("glassbox_http_requests_total{route=\"/v1/chat/completions\",status=\"200\"} 1\n");
  has("glassbox_http_requests_total{route=\"/v1/models/{model}\",status=\"404\"} 1\n");
  has("glassbox_http_requests_total{route=\"page\",status=\"404\"} 1\n");
  has("glassbox_prompt_tokens_total{model=\"fake/one\"} 22\n");
  has("glassbox_completion_tokens_total{model=\"fake/one\"} 5\n");
  has("glassbox_time_to_first_token_seconds_count{model=\"fake/one\"} 1\n");
  has("glassbox_request_duration_seconds_count{route=\"/v1/chat/completions\"} 1\n");
  has("glassbox_sequences_running{model=\"fake/one\"} 0\n");
  EXPECT_THAT(answer.body, Not(HasSubstr("stranger")));
}

}  // namespace
}  // namespace glassbox
