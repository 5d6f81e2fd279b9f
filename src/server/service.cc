#include "server/service.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "base/percent.h"
#include "hub/names.h"
#include "hub/refusal.h"
#include "server/hub/site.h"
#include "server/job.h"
#include "server/openai/dialect.h"
#include "server/responses.h"
#include "server/routes.h"
#include "server/wrong_keys.h"

namespace glassbox {
namespace {

using http::Request;
using http::Response;
using http::ResponseStream;
using Parts = Route::Parts;

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

bool is_repository_name(std::string_view name) {
  try {
    hub::check_name("name", name);
    return true;
  } catch (const hub::Refusal&) { return false; }
}

// The address of a view of the hub: "/models", "/datasets", "/owner", "/owner/name", "/owner/name/tree/main/folder",
// and what of it is a dataset's under "/datasets".
bool is_hub_view(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty() && path != "/") {
    path.remove_prefix(1);
    parts.push_back(path.substr(0, path.find('/')));
    path.remove_prefix(parts.back().size());
  }
  if (parts.size() == 1 && (parts[0] == "models" || parts[0] == "datasets")) return true;
  const bool is_dataset = !parts.empty() && parts[0] == "datasets";
  if (is_dataset) parts.erase(parts.begin());
  if (parts.empty() || parts[0] == "models" || !is_repository_name(parts[0])) return false;
  if (parts.size() == 1) return !is_dataset;
  if (!is_repository_name(parts[1])) return false;
  return parts.size() == 2 || parts[2] == "tree" || parts[2] == "blob" || parts[2] == "commits";
}

std::vector<std::unique_ptr<api::Dialect>> all_dialects() {
  std::vector<std::unique_ptr<api::Dialect>> dialects;
  dialects.push_back(std::make_unique<openai::Dialect>());
  return dialects;
}

size_t sequences_of(const api::Request& request) {
  const auto* texts = std::get_if<api::Texts>(&request.input);
  return static_cast<size_t>(request.n) * (texts ? texts->prompts.size() : 1);
}

}  // namespace

struct Service::State {
  explicit State(ServiceOptions given) : options(std::move(given)), guard(options.guard), routes(table()) {
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
  // In order of preference; the last takes every request.
  const std::vector<std::unique_ptr<api::Dialect>> dialects = all_dialects();
  const Routes routes;

  std::vector<Route> table();
  Route::Handler told(Response (State::*answer)(const Request&, const Parts&));
  Target target(const Request& head) const;
  Response refusal(const Request& head, const ApiError& error) const;
  std::optional<Response> admit(const Request& head);
  void handle(Request& request, const std::shared_ptr<ResponseStream>& stream);

  Response health(const Request& request, const Parts& parts);
  Response figures(const Request& request, const Parts& parts);
  Response training(const Request& request, const Parts& parts);
  Response all_models(const Request& request, const Parts& parts);
  Response one_model(const Request& request, const Parts& parts);
  Response prompt(const Request& request, const Parts& parts);
  void generate(const api::Endpoint& endpoint, const Request& request, const Parts& parts,
                const std::shared_ptr<ResponseStream>& stream);
  Response page(const Request& request) const;

  api::Dialect::Model entry(const Generator& generator) const;
  const api::Dialect& dialect_of(const Request& head) const;
  std::shared_ptr<Generator> model(const std::string& id) const;
  std::function<void(Response&)> finisher(const Request& request, const std::string& id,
                                          const std::vector<std::string>& notes = {}) const;
  void note(const http::Served& served);
};

std::vector<Route> Service::State::table() {
  std::vector<Route> routes{
      {.method = "GET",
       .pattern = "/health",
       .handle = told(&State::health),
       .access = Access::everyone,
       .quick = true},
      {.method = "GET", .pattern = "/metrics", .handle = told(&State::figures), .quick = true},
      // The runs to show are read from their files, which takes what it takes.
      {.method = "GET", .pattern = "/api/training", .handle = told(&State::training)},
      {.method = "GET", .pattern = "/v1/models", .handle = told(&State::all_models), .quick = true},
      {.method = "GET",
       .pattern = "/v1/models/{model...}",
       .handle = told(&State::one_model),
       .label = "/v1/models/{model}",
       .quick = true},
  };
  for (const auto& dialect : dialects)
    for (api::Endpoint& endpoint : dialect->endpoints())
      routes.push_back({.method = "POST",
                        .pattern = endpoint.pattern,
                        .handle = [this, endpoint](Request& request, const Parts& parts,
                                                   const auto& stream) { generate(endpoint, request, parts, stream); },
                        .takes_json = true});
  routes.push_back({.method = "POST", .pattern = "/api/prompt", .handle = told(&State::prompt), .takes_json = true});
  routes.insert(routes.end(), options.routes.begin(), options.routes.end());
  if (options.hub)
    std::ranges::move(
        hub_routes(*options.hub, [this](const Request& head, Response& answer) { guard.finish(head, answer); }),
        std::back_inserter(routes));
  routes.push_back({.method = "GET",
                    .pattern = "/{page...}",
                    .handle =
                        [this](Request& request, const Parts&, const auto& stream) {
                          Response response = page(request);
                          finisher(request, "")(response);
                          stream->respond(std::move(response));
                        },
                    .access = Access::everyone,
                    .label = "page",
                    .quick = true,
                    .has = [this](std::string_view path) { return options.find_page(path).has_value(); }});
  return routes;
}

// A browser that opens an address of the hub gets the page. What these paths mean to other programs (GET /models is
// /v1/models to a client that was told no /v1), and whatever a route or a file has for its own, stays so.
Target Service::State::target(const Request& head) const {
  Target to = routes.find(head.method, head.path);
  if (!options.hub || (head.method != "GET" && head.method != "HEAD")) return to;
  if (head.header("Accept").value_or("").find("text/html") == std::string_view::npos || !is_hub_view(head.path))
    return to;
  const bool of_datasets = head.path.starts_with("/datasets"), guessed = to.path != head.path,
             of_page = to.route && to.label == "page";
  if (to.route ? !guessed && !of_page : !of_datasets) return to;
  if ((of_page && options.find_page(to.path)) || !options.find_page("/")) return to;
  return routes.find(head.method, "/");
}

// A handler that gives its answer at once, with the headers that every answer has.
Route::Handler Service::State::told(Response (State::*answer)(const Request&, const Parts&)) {
  return [this, answer](Request& request, const Parts& parts, const std::shared_ptr<ResponseStream>& stream) {
    Response response = (this->*answer)(request, parts);
    finisher(request, api::new_id("req_"))(response);
    stream->respond(std::move(response));
  };
}

// In the dialect of the client.
Response Service::State::refusal(const Request& head, const ApiError& error) const {
  Response response = error_response(dialect_of(head), error);
  guard.finish(head, response);
  return response;
}

// Everything that can be said before the body has come.
std::optional<Response> Service::State::admit(const Request& head) {
  const auto refuse = [&](const ApiError& error) { return refusal(head, error); };
  const Target to = target(head);
  const bool asks_itself = to.route && to.route->asks_itself && to.route->asks_itself();
  if (auto error = guard.refuse(head, to.access == Access::everyone, asks_itself)) {
    Response response = refuse(*error);
    if (error->status == 401 && head.header("Authorization")) response.delay = wrong_keys.note(head.peer);
    return response;
  }
  if (auto response = guard.preflight(head, fmt::format("{}", fmt::join(routes.methods(), ", ")))) {
    guard.finish(head, *response);
    return response;
  }
  if (!to.route && to.methods.empty())
    return refuse(ApiError(404, routes.no_such_path(head.method, head.path), "unknown_path"));
  if (!to.route) {
    const std::string methods = fmt::format("{}", fmt::join(to.methods, ", "));
    Response response = refuse(ApiError(
        405, fmt::format("{}: expected {}, got {}", head.path.substr(0, 200), methods, head.method.substr(0, 20)),
        "method_not_allowed"));
    return response.with("Allow", methods);
  }
  if (to.route->takes_json) {
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
  return [this, head = std::move(head), id, note = notes_header(notes)](Response& response) {
    if (!id.empty()) response.with("x-request-id", id);
    if (!note.empty()) response.with(kNotesHeader, note);
    guard.finish(head, response);
  };
}

void Service::State::handle(Request& request, const std::shared_ptr<ResponseStream>& stream) {
  const Target to = target(request);
  check(to.route != nullptr, "only known paths are admitted");
  try {
    to.route->handle(request, to.parts, stream);
  } catch (...) {
    ApiError error = error_of(std::current_exception());
    if (error.status >= 500) spdlog::error("{} {}: {}", request.method, request.path, error.for_log());
    Response response = error_response(dialect_of(request), error);
    finisher(request, api::new_id("req_"))(response);
    stream->respond(std::move(response));
  }
}

Response Service::State::health(const Request&, const Parts&) {
  OrderedJson models = OrderedJson::array();
  for (const auto& generator : options.models) models.push_back(generator->card().id);
  return json_response(
      200, dump_ordered_json({{"status", "ok"}, {"version", GLASSBOX_VERSION}, {"models", std::move(models)}}));
}

Response Service::State::figures(const Request&, const Parts&) {
  for (const auto& generator : options.models)
    if (generator->card().base.empty()) metrics.engine(generator->card().id, generator->statistics());
  return {200,
          {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}, {"Cache-Control", "no-store"}},
          metrics.text()};
}

Response Service::State::training(const Request&, const Parts&) {
  return json_response(200, dump_ordered_json(training_runs(options.runs, options.known_runs)));
}

api::Dialect::Model Service::State::entry(const Generator& generator) const {
  return {generator.card(), generator.changed_on_disk()};
}

Response Service::State::all_models(const Request& request, const Parts&) {
  std::vector<api::Dialect::Model> models;
  for (const auto& generator : options.models) models.push_back(entry(*generator));
  return json_response(200, dialect_of(request).models(models));
}

Response Service::State::one_model(const Request& request, const Parts& parts) {
  const auto generator = model(percent_decoded(parts.at("model")));
  return json_response(200, dialect_of(request).model(entry(*generator)));
}

Response Service::State::page(const Request& request) const {
  auto asset = options.find_page(target(request).path);
  if (!asset) throw ApiError(404, routes.no_such_path(request.method, request.path), "unknown_path");
  Response response;
  response.with("ETag", std::string(asset->etag))
      .with("Cache-Control", asset->immutable ? "public, max-age=31536000, immutable" : "no-cache")
      .with("Vary", "Accept, Accept-Encoding")
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

const api::Dialect& Service::State::dialect_of(const Request& head) const {
  return **std::ranges::find_if(dialects, [&](const auto& dialect) { return dialect->matches(head); });
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

void Service::State::generate(const api::Endpoint& endpoint, const Request& request, const Parts& parts,
                              const std::shared_ptr<ResponseStream>& stream) {
  api::Asked asked = endpoint.read(request, parts, [this](const std::string& name) { return model(name); });
  const Generator& generator = *asked.generator;
  if (generator.statistics().waiting + static_cast<int64_t>(sequences_of(asked.request)) > options.most_waiting)
    throw ApiError(429, fmt::format("too many requests are waiting for {}: try again soon", generator.card().id),
                   "queue_full");
  auto finish = finisher(request, api::new_id("req_"), asked.request.notes);
  glassbox::answer(std::move(asked), {dialect_of(request), metrics, std::move(finish)}, stream);
}

// What a chat request of this body would have the model read, and whose words are whose.
Response Service::State::prompt(const Request& request, const Parts& parts) {
  const api::Asked asked = openai::read_chat(request, parts, [this](const std::string& name) { return model(name); });
  const Rendered rendered = render(std::get<api::Conversation>(asked.request.input), *asked.generator);
  return json_response(200, dump_ordered_json({{"model", asked.generator->card().id},
                                               {"tokens", asked.generator->encode_prompt(rendered).size()},
                                               {"prompt", rendered.parts()}}));
}

void Service::State::note(const http::Served& served) {
  metrics.request(routes.find(served.method, served.path).label, served.status, served.seconds);
  spdlog::info("{} {} {} {}{} {:.0f} ms, {} bytes in, {} out", served.peer, served.method.empty() ? "-" : served.method,
               dump_json(served.path.substr(0, 200)), served.status, served.gone ? " (client left)" : "",
               served.seconds * 1e3, served.received, served.sent);
}

Service::Service(ServiceOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Service::~Service() = default;

std::optional<Response> Service::admit(const Request& head) { return state_->admit(head); }
http::Intake Service::intake(const Request& head) {
  const Target to = state_->target(head);
  return to.route ? to.route->intake : http::Intake{};
}

bool Service::quick(const Request& head) {
  const Target to = state_->target(head);
  return to.route && to.route->quick;
}

const Routes& Service::routes() const { return state_->routes; }

Response Service::failure(const Request& head, int status, std::string_view message) {
  std::string code = status == 413   ? "request_too_large"
                     : status == 408 ? "request_timeout"
                     : status >= 500 ? "server_error"
                                     : "bad_http_request";
  return state_->refusal(head, ApiError(status, std::string(message), code));
}

Response Service::thrown(const Request& head, std::exception_ptr what) {
  const ApiError error = error_of(what);
  spdlog::error("{} {}: {}", head.method, head.path, error.for_log());
  return state_->refusal(head, error);
}

void Service::served(const http::Served& served) { state_->note(served); }

void Service::handle(Request request, std::shared_ptr<ResponseStream> stream) { state_->handle(request, stream); }

}  // namespace glassbox
