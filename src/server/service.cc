#include "server/service.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <ctime>

#include "server/openai/openai.h"
#include "server/routes.h"
#include "server/wrong_keys.h"

namespace glassbox {
namespace {

using Clock = std::chrono::steady_clock;
using http::Request;
using http::Response;
using http::ResponseStream;

Response json_response(int status, const OrderedJson& body) {
  return Response{
      status, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}}, dump_ordered_json(body)};
}

Response error_response(const ApiError& error) {
  Response response = json_response(error.status, openai::error_json(error));
  if (error.status == 401) response.with("WWW-Authenticate", "Bearer");
  if (error.status == 429 || error.status == 503) response.with("Retry-After", "1");
  return response;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "application/json" of "application/json; charset=utf-8".
bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  constexpr std::string_view kJson = "application/json";
  return type.size() == kJson.size() && std::equal(type.begin(), type.end(), kJson.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b;
         });
}

bool accepts_gzip(const Request& request) {
  std::string_view list = request.header("Accept-Encoding").value_or("");
  while (!list.empty()) {
    std::string_view one = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), one.size() + 1));
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (!one.starts_with("gzip")) continue;
    size_t q = one.find("q=");
    return q == std::string_view::npos || one.substr(q + 2).find_first_of("123456789") != std::string_view::npos;
  }
  return false;
}

ApiError error_of(const Failure& failure) {
  switch (failure.kind) {
    case Failure::Kind::not_finite:
      return ApiError(500, failure.message, "not_finite");
    case Failure::Kind::full:
      return ApiError(503, failure.message, "out_of_memory");
    case Failure::Kind::damaged:
      return ApiError(503, failure.message, "model_damaged");
    case Failure::Kind::internal:
      break;
  }
  return ApiError::hidden(failure.message);
}

// One request being generated for: several sequences whose events come from the engine's thread and are taken
// up, one at a time, on the request's own strand of workers. Held by the engine's callbacks and by posted
// work alone, so it ends with the last of them.
class Job : public std::enable_shared_from_this<Job> {
 public:
  Job(std::shared_ptr<ResponseStream> stream, std::shared_ptr<Generator> generator, Metrics& metrics,
      std::function<void(Response&)> finish, const openai::Request& request, openai::Answer answer)
      : stream_(std::move(stream)),
        generator_(std::move(generator)),
        metrics_(metrics),
        n_(static_cast<size_t>(request.n)),
        finish_(std::move(finish)),
        generation_(request.generation),
        streams_(request.stream),
        answer_(std::move(answer)) {}

  // Answers each prompt n times. On the request's strand. Throws what submitting throws; what was submitted before is
  // then cancelled.
  void start(const std::vector<std::vector<int32_t>>& prompts) {
    try {
      for (const auto& prompt : prompts)
        for (size_t choice = 0; choice < n_; ++choice) submit(prompt, choice);
    } catch (...) {
      over_ = true;
      cancel();
      throw;
    }
    stream_->on_gone([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->leave();
    });
    if (!streams_) return;
    Response head{200,
                  {{"Content-Type", "text/event-stream; charset=utf-8"},
                   {"Cache-Control", "no-store"},
                   {"X-Accel-Buffering", "no"}},
                  ""};
    head.body = answer_.begin();
    head.filler = ":\n\n";  // a comment, between whole events
    finish_(head);
    stream_->begin(std::move(head));
  }

 private:
  void submit(const std::vector<int32_t>& prompt, uint64_t choice) {
    GenerationRequest one = generation_;
    one.prompt = prompt;
    one.choice = choice;
    size_t i = ids_.size();
    auto self = shared_from_this();
    try {
      ids_.push_back(generator_->submit(
          std::move(one),
          [self, i](const TokenEvent& event) { self->stream_->post([self, i, event] { self->token(i, event); }); },
          [self, i](const Finished& finished) {
            self->stream_->post([self, i, finished] { self->finished(i, finished); });
          }));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::io) throw error_of(Failure{Failure::Kind::damaged, error.what()});
      throw;
    }
  }

  void token(size_t choice, const TokenEvent& event) {
    if (over_) return;
    if (!std::exchange(spoke_, true)) metrics_.first_token(model(), seconds());
    try {
      send(answer_.token(choice, event));
      if (answer_.enough(choice)) generator_->cancel(ids_[choice]);
    } catch (...) { fail(openai::error_of(std::current_exception())); }
  }

  void finished(size_t choice, const Finished& finished) {
    bool first = choice % n_ == 0;  // of the answers to one prompt
    metrics_.answered(model(), first ? finished.prompt_tokens : 0, first ? finished.cached_tokens : 0,
                      finished.completion_tokens);
    if (over_) return;
    if (finished.failure) return fail(error_of(*finished.failure));
    if (finished.reason == FinishReason::cancelled && !answer_.enough(choice)) {
      // Nobody here asked for that: the engine is closing down.
      return fail(ApiError(503, "the server is stopping", "server_stopping"));
    }
    send(answer_.finished(choice, finished));
    if (!answer_.done()) return;
    over_ = true;
    if (streams_) return stream_->end();
    Response response = json_response(200, answer_.whole());
    finish_(response);
    stream_->respond(std::move(response));
  }

  void fail(const ApiError& error) {
    over_ = true;
    spdlog::error("{}: {}", model(), error.for_log());
    cancel();
    if (streams_) {
      stream_->write(openai::Answer::failed(error));
      return stream_->end();
    }
    Response response = error_response(error);
    finish_(response);
    stream_->respond(std::move(response));
  }

  void leave() {
    if (std::exchange(over_, true)) return;
    metrics_.left(model());
    cancel();
  }

  void send(const std::string& events) {
    if (!events.empty()) stream_->write(events);  // if the client has gone, leave() follows
  }
  void cancel() {
    for (Engine::RequestId id : ids_) generator_->cancel(id);
  }
  const std::string& model() const { return generator_->card().id; }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }

  const std::shared_ptr<ResponseStream> stream_;
  const std::shared_ptr<Generator> generator_;
  Metrics& metrics_;
  const size_t n_;
  const std::function<void(Response&)> finish_;  // adds the headers every answer has
  const GenerationRequest generation_;
  const bool streams_;
  openai::Answer answer_;
  std::vector<Engine::RequestId> ids_;
  const Clock::time_point began_ = Clock::now();
  bool spoke_ = false, over_ = false;
};

}  // namespace

struct Service::State {
  explicit State(ServiceOptions given) : options(std::move(given)), guard(options.guard) {
    check(!options.models.empty(), "a service has at least one model");
    for (size_t i = 0; i < options.models.size(); ++i)
      for (size_t k = 0; k < i; ++k)
        if (options.models[i]->card().id == options.models[k]->card().id)
          fail(ErrorKind::bad_request, "two models are called {}: requests could not tell them apart",
               options.models[i]->card().id);
  }

  ServiceOptions options;
  Guard guard;
  WrongKeys wrong_keys;
  Metrics metrics;

  Target target(const Request& head) const { return target_of(head.method, head.path, options.find_page); }
  std::optional<Response> admit(const Request& head);
  void handle(Request& request, const std::shared_ptr<ResponseStream>& stream);
  Response answer(const Request& request, const Target& target);
  Response page(const Request& request, const std::string& path) const;
  OrderedJson entry(const Generator& generator) const;
  std::shared_ptr<Generator> model(const std::string& id) const;
  void chat(const Request& request, const std::shared_ptr<ResponseStream>& stream);
  void complete(const Request& request, const std::shared_ptr<ResponseStream>& stream);
  Response prompt(const Request& request) const;
  void check_room(const Generator& generator, size_t sequences) const;
  std::function<void(Response&)> finisher(const Request& request, const std::string& id,
                                          const std::vector<std::string>& notes = {}) const;
  void note(const http::Served& served);
};

// Everything that can be said before the body has come.
std::optional<Response> Service::State::admit(const Request& head) {
  auto refuse = [&](const ApiError& error) {
    Response response = error_response(error);
    guard.finish(head, response);
    return response;
  };
  const Target to = target(head);
  if (auto error = guard.refuse(head, is_open(to))) {
    Response response = refuse(*error);
    if (error->status == 401 && head.header("Authorization")) response.delay = wrong_keys.note(head.peer);
    return response;
  }
  if (auto response = guard.preflight(head)) {
    guard.finish(head, *response);
    return response;
  }
  if (!to.route) return refuse(ApiError(404, no_such_path(head.method, head.path), "unknown_path"));
  const bool posts = takes_post(*to.route);
  bool allowed = posts ? head.method == "POST" : head.method == "GET" || head.method == "HEAD";
  if (!allowed) {
    const char* methods = posts ? "POST" : "GET, HEAD";
    Response response = refuse(ApiError(
        405, fmt::format("{}: expected {}, got {}", head.path.substr(0, 200), methods, head.method.substr(0, 20)),
        "method_not_allowed"));
    return response.with("Allow", methods);
  }
  if (posts) {
    auto type = head.header("Content-Type");
    if (!type || !is_json(*type))
      return refuse(ApiError(
          415, fmt::format("Content-Type: expected application/json, got {}", type ? type->substr(0, 100) : "none"),
          "unsupported_media_type"));
    if (auto coding = head.header("Content-Encoding"); coding && *coding != "identity")
      return refuse(ApiError(415, fmt::format("Content-Encoding: expected none, got {}", coding->substr(0, 100)),
                             "unsupported_media_type"));
  }
  return std::nullopt;
}

std::function<void(Response&)> Service::State::finisher(const Request& request, const std::string& id,
                                                        const std::vector<std::string>& notes) const {
  // Only what guard.finish() reads of the request: its body may be large.
  Request head{request.method, request.path, "", request.headers, "", ""};
  return [this, head = std::move(head), id, note = openai::notes_header(notes)](Response& response) {
    if (!id.empty()) response.with("x-request-id", id);
    if (!note.empty()) response.with(openai::kNotesHeader, note);
    guard.finish(head, response);
  };
}

void Service::State::handle(Request& request, const std::shared_ptr<ResponseStream>& stream) {
  const Target to = target(request);
  check(to.route.has_value(), "only known paths are admitted");
  auto finish = finisher(request, *to.route == Route::page ? "" : openai::new_id("req_"));
  Response response;
  try {
    if (*to.route == Route::chat) return chat(request, stream);
    if (*to.route == Route::completions) return complete(request, stream);
    response = *to.route == Route::prompt ? prompt(request) : answer(request, to);
  } catch (...) {
    ApiError error = openai::error_of(std::current_exception());
    if (error.status >= 500) spdlog::error("{} {}: {}", request.method, request.path, error.for_log());
    response = error_response(error);
  }
  finish(response);
  stream->respond(std::move(response));
}

// What is told of a model, and of its files now.
OrderedJson Service::State::entry(const Generator& generator) const {
  OrderedJson json = openai::model_json(generator.card());
  if (generator.changed_on_disk()) json["glassbox"]["changed_on_disk"] = true;
  return json;
}

Response Service::State::answer(const Request& request, const Target& target) {
  switch (*target.route) {
    case Route::health: {
      OrderedJson models = OrderedJson::array();
      for (const auto& generator : options.models) models.push_back(generator->card().id);
      return json_response(200, {{"status", "ok"}, {"version", GLASSBOX_VERSION}, {"models", std::move(models)}});
    }
    case Route::metrics:
      for (const auto& generator : options.models)
        if (generator->card().base.empty()) metrics.engine(generator->card().id, generator->statistics());
      return Response{200,
                      {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}, {"Cache-Control", "no-store"}},
                      metrics.text()};
    case Route::training:
      return json_response(200, training_runs(options.runs, options.known_runs));
    case Route::models: {
      OrderedJson list = OrderedJson::array();
      for (const auto& generator : options.models) list.push_back(entry(*generator));
      return json_response(200, {{"object", "list"}, {"data", std::move(list)}});
    }
    case Route::model: {
      const std::string name =
          percent_decoded(std::string_view(target.path).substr(std::string_view("/v1/models/").size()));
      return json_response(200, entry(*model(name)));
    }
    default:
      return page(request, target.path);
  }
}

Response Service::State::page(const Request& request, const std::string& path) const {
  auto asset = options.find_page(path);
  if (!asset) throw ApiError(404, no_such_path(request.method, request.path), "unknown_path");
  Response response;
  response.with("ETag", std::string(asset->etag))
      .with("Cache-Control", asset->immutable ? "public, max-age=31536000, immutable" : "no-cache")
      .with("Vary", "Accept-Encoding")
      .with("Content-Security-Policy", std::string(content_security_policy()))
      .with("Cross-Origin-Opener-Policy", "same-origin")
      .with("X-Frame-Options", "DENY");
  if (auto known = request.header("If-None-Match"); known && known->find(asset->etag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  response.with("Content-Type", std::string(asset->content_type));
  bool gzip = !asset->gzip.empty() && accepts_gzip(request);
  if (gzip) response.with("Content-Encoding", "gzip");
  response.body = gzip ? asset->gzip : asset->bytes;
  return response;
}

std::shared_ptr<Generator> Service::State::model(const std::string& id) const {
  std::vector<std::string> names;
  for (const auto& generator : options.models) {
    if (generator->card().id == id) return generator;
    names.push_back(generator->card().id);
  }
  throw ApiError(
      404,
      fmt::format("model: no model {} is served here, only {}", dump_json(id.substr(0, 100)), fmt::join(names, ", ")),
      "model_not_found", "model");
}

void Service::State::check_room(const Generator& generator, size_t sequences) const {
  if (generator.statistics().waiting + static_cast<int64_t>(sequences) > options.most_waiting)
    throw ApiError(429, fmt::format("too many requests are waiting for {}: try again soon", generator.card().id),
                   "queue_full");
}

void Service::State::chat(const Request& request, const std::shared_ptr<ResponseStream>& stream) {
  OrderedJson body = openai::parse_body(request.body);
  auto generator = model(openai::model_of(body));
  openai::ChatRequest chat = openai::parse_chat(body, generator->card());
  chat.generation.continues = chat.continues;
  check_room(*generator, static_cast<size_t>(chat.n));
  Rendered rendered =
      openai::render_prompt(chat, [&](const OrderedJson& context) { return generator->render(context); });
  std::vector<int32_t> prompt = generator->encode_prompt(rendered);

  openai::Answer::Options options;
  options.id = openai::new_id("chatcmpl-");
  options.created = std::time(nullptr);
  options.syntax = ChatSyntax::of_template(generator->card().template_source);
  options.tools = chat.tools;
  options.one_call = chat.one_call;
  if (chat.generation.skip_special)
    options.silent = texts_of(generator->card().special_tokens, chat.generation.kept_special);
  options.prompt = std::move(rendered.text);
  if (chat.continues && !ReasoningSplitter::opened_by(options.prompt))
    options.begun = chat.context["messages"].back()["content"].get<std::string>();
  auto finish = finisher(request, openai::new_id("req_"), chat.notes);
  openai::Answer answer(chat, std::move(options), static_cast<size_t>(chat.n),
                        [generator](int32_t id) { return generator->piece(id); });
  std::make_shared<Job>(stream, generator, metrics, std::move(finish), chat, std::move(answer))->start({prompt});
}

// What a chat request of this body would have the model read, and whose words are whose.
Response Service::State::prompt(const Request& request) const {
  const OrderedJson body = openai::parse_body(request.body);
  const auto generator = model(openai::model_of(body));
  const openai::ChatRequest chat = openai::parse_chat(body, generator->card());
  const Rendered rendered =
      openai::render_prompt(chat, [&](const OrderedJson& context) { return generator->render(context); });
  return json_response(200, {{"model", generator->card().id},
                             {"tokens", generator->encode_prompt(rendered).size()},
                             {"prompt", rendered.parts()}});
}

void Service::State::complete(const Request& request, const std::shared_ptr<ResponseStream>& stream) {
  OrderedJson body = openai::parse_body(request.body);
  auto generator = model(openai::model_of(body));
  openai::CompletionRequest completion = openai::parse_completion(body, generator->card());
  completion.generation.continues = true;
  size_t total = completion.prompts.size() * static_cast<size_t>(completion.n);
  check_room(*generator, total);
  std::vector<std::vector<int32_t>> prompts;
  std::vector<std::string> echoes;
  for (const auto& prompt : completion.prompts) {
    const auto* text = std::get_if<std::string>(&prompt);
    std::vector<int32_t> ids = text ? generator->encode(*text) : std::get<std::vector<int32_t>>(prompt);
    if (completion.echo) echoes.push_back(text ? *text : generator->decode(ids));
    prompts.push_back(std::move(ids));
  }
  openai::Answer::Options options;
  options.id = openai::new_id("cmpl-");
  options.created = std::time(nullptr);
  options.chat = false;
  if (completion.generation.skip_special)
    for (const auto& [text, id] : generator->card().special_tokens) options.textless.insert(id);
  options.echoes = std::move(echoes);
  auto finish = finisher(request, openai::new_id("req_"), completion.notes);
  openai::Answer answer(completion, std::move(options), total,
                        [generator](int32_t id) { return generator->piece(id); });
  std::make_shared<Job>(stream, generator, metrics, std::move(finish), completion, std::move(answer))->start(prompts);
}

void Service::State::note(const http::Served& served) {
  metrics.request(label_of(target_of(served.method, served.path, options.find_page)), served.status, served.seconds);
  spdlog::info("{} {} {} {}{} {:.0f} ms, {} bytes in, {} out", served.peer, served.method.empty() ? "-" : served.method,
               dump_json(served.path.substr(0, 200)), served.status, served.gone ? " (client left)" : "",
               served.seconds * 1e3, served.received, served.sent);
}

Service::Service(ServiceOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Service::~Service() = default;

std::optional<Response> Service::admit(const Request& head) { return state_->admit(head); }
bool Service::quick(const Request& head) { return is_quick(state_->target(head)); }

Response Service::failure(int status, std::string_view message) {
  std::string code = status == 413   ? "request_too_large"
                     : status == 408 ? "request_timeout"
                     : status >= 500 ? "server_error"
                                     : "bad_http_request";
  return error_response(ApiError(status, std::string(message), code)).with("X-Content-Type-Options", "nosniff");
}

Response Service::thrown(std::exception_ptr what) {
  ApiError error = openai::error_of(what);
  spdlog::error("a request failed: {}", error.for_log());
  return error_response(error);
}

void Service::served(const http::Served& served) { state_->note(served); }

void Service::handle(Request request, std::shared_ptr<ResponseStream> stream) { state_->handle(request, stream); }

}  // namespace glassbox
