#include "server/hub/call.h"

#include <fmt/chrono.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>

#include "base/percent.h"
#include "hub/refusal.h"

namespace glassbox::hubapi {
namespace {

using hub::Refused;

struct Told {
  int status;
  const char* code;  // X-Error-Code; empty: none
};

Told told(Refused refused, bool is_stranger) {
  switch (refused) {
    case Refused::no_repository:
      return {is_stranger ? 401 : 404, "RepoNotFound"};
    case Refused::no_revision:
      return {404, "RevisionNotFound"};
    case Refused::no_entry:
      return {404, "EntryNotFound"};
    case Refused::exists:
    case Refused::conflict:
      return {409, ""};
    case Refused::unknown_token:
      return {401, ""};
    case Refused::moved_on:
      return {412, ""};
    case Refused::forbidden:
      return {is_stranger ? 401 : 403, ""};
    case Refused::gated:
      return {is_stranger ? 401 : 403, "GatedRepo"};
    case Refused::bad_path:
      return {422, ""};
    case Refused::bad_name:
    case Refused::bad_value:
    case Refused::not_stored:
      break;
  }
  return {400, ""};
}

// "/datasets/owner/name", of a request that names a repository.
std::string path_of(const Call& call) {
  const std::string folder =
      call.kind == hub::RepositoryKind::model ? "/" : "/" + std::string(plural_of(call.kind)) + "/";
  return folder + call.repository();
}

// What a header may hold: visible ASCII.
std::string for_header(std::string_view text) {
  std::string line;
  for (const char c : text.substr(0, 1000)) line += c >= 0x20 && c < 0x7f ? c : '?';
  return line;
}

http::Response error_response(int status, const std::string& message, const std::string& code) {
  http::Response response = json_answer({{"error", message}}, status);
  if (!code.empty()) response.with("X-Error-Code", code);
  response.with("X-Error-Message", for_header(message));
  // Git asks its user for a password only where Basic is offered.
  if (status == 401) response.with("WWW-Authenticate", "Bearer").with("WWW-Authenticate", "Basic realm=\"hub\"");
  return response;
}

}  // namespace

RevisionPath split_revision(std::string_view rest) {
  const auto take = [&] {
    const std::string_view part = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    return part;
  };
  RevisionPath found{percent_decoded(take()), {}};
  if (found.revision == "refs")
    for (int i = 0; i < 2 && !rest.empty(); ++i) found.revision += "/" + percent_decoded(take());
  found.path = percent_decoded(rest);
  return found;
}

std::string Call::part(std::string_view name) const {
  const auto found = parts.find(name);
  return found == parts.end() ? "" : percent_decoded(found->second);
}

std::string Call::repository() const {
  std::string name = part("name");
  if (name.ends_with(".git")) name.resize(name.size() - 4);
  return part("owner") + "/" + name;
}

RevisionPath Call::rest() const {
  const auto found = parts.find("rest");
  return split_revision(found == parts.end() ? "" : found->second);
}

std::string Call::downloader() const { return caller.name + request.peer.substr(0, request.peer.rfind(':')); }

std::string Call::base() const {
  const std::string_view proto = request.header("X-Forwarded-Proto").value_or("http"),
                         host =
                             request.header("X-Forwarded-Host").value_or(request.header("Host").value_or("localhost"));
  return fmt::format("{}://{}{}", proto == "https" ? "https" : "http", host,
                     request.header("X-Forwarded-Prefix").value_or(""));
}

std::string_view plural_of(hub::RepositoryKind kind) {
  return kind == hub::RepositoryKind::model ? "models" : kind == hub::RepositoryKind::dataset ? "datasets" : "spaces";
}

std::string Call::url_of(const hub::Repository& repository) const {
  const std::string folder =
      repository.kind == hub::RepositoryKind::model ? "" : std::string(plural_of(repository.kind)) + "/";
  return fmt::format("{}/{}{}", base(), folder, repository.full_name());
}

std::string Call::api_url_of(const hub::Repository& repository) const {
  return fmt::format("{}/api/{}/{}", base(), plural_of(repository.kind), repository.full_name());
}

std::vector<std::pair<std::string, std::string>> form_values(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> values;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    std::string spaced(one);
    std::ranges::replace(spaced, '+', ' ');
    const size_t sign = spaced.find('=');
    if (spaced.empty()) continue;
    values.emplace_back(percent_decoded(std::string_view(spaced).substr(0, sign)),
                        sign == std::string::npos ? "" : percent_decoded(std::string_view(spaced).substr(sign + 1)));
  }
  return values;
}

std::vector<std::string> Call::query(std::string_view key) const {
  std::vector<std::string> found;
  for (auto& [name, value] : form_values(request.query)) {
    std::string_view bare = name;
    if (bare.ends_with("[]")) bare.remove_suffix(2);
    if (bare == key) found.push_back(value);
  }
  return found;
}

std::optional<std::string> Call::query_one(std::string_view key) const {
  auto all = query(key);
  return all.empty() ? std::nullopt : std::optional(std::move(all.front()));
}

bool Call::query_flag(std::string_view key) const {
  const auto value = query_one(key);
  return value && (*value == "true" || *value == "True" || *value == "1");
}

size_t Call::query_number(std::string_view key, size_t otherwise, size_t most) const {
  const auto text = query_one(key);
  if (!text) return otherwise;
  size_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size())
    hub::refuse(Refused::bad_value, "{}: expected a whole number", key);
  return std::min(value, most);
}

Json Call::json() const {
  if (request.body.empty()) return Json::object();
  Json body = parse_json(request.body, "the request's body", ErrorKind::bad_request);
  if (!body.is_object()) fail(ErrorKind::bad_request, "the request's body: expected an object");
  return body;
}

std::string text_in(const Json& body, const char* key, const std::string& otherwise) {
  const auto found = body.find(key);
  if (found == body.end() || found->is_null()) return otherwise;
  if (!found->is_string()) hub::refuse(Refused::bad_value, "{}: expected a string", key);
  return *found;
}

http::Response json_answer(const Json& json, int status) {
  return {
      status, {{"Content-Type", "application/json; charset=utf-8"}, {"Cache-Control", "no-store"}}, dump_json(json)};
}

http::Response page_answer(const Call& call, const Json& items, const std::optional<std::string>& cursor) {
  http::Response response = json_answer(items);
  if (!cursor) return response;
  std::string query;
  for (const auto& [name, value] : form_values(call.request.query))
    if (name != "cursor") query += percent_encoded(name) + "=" + percent_encoded(value) + "&";
  return response.with("Link", fmt::format("<{}{}?{}cursor={}>; rel=\"next\"", call.base(), call.request.path, query,
                                           percent_encoded(*cursor)));
}

std::string date(int64_t milliseconds) {
  const std::time_t seconds = milliseconds / 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), milliseconds % 1000);
}

http::Response error_answer(std::exception_ptr thrown, const Call* call) {
  try {
    std::rethrow_exception(thrown);
  } catch (const hub::Refusal& refusal) {
    const Told how = told(refusal.refused(), !call || (!call->caller.account && !call->caller.owns_machine));
    std::string message = refusal.what();
    // Where a person may ask to be let in.
    if (refusal.refused() == Refused::gated && how.status == 403)
      message += fmt::format(" Visit {}{} to ask for access.", call->base(), path_of(*call));
    return error_response(how.status, message, how.code);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::bad_request || error.kind() == ErrorKind::unsupported)
      return error_response(400, error.what(), "");
    spdlog::error("hub: {}", error.what());
    if (error.kind() == ErrorKind::full) return error_response(507, "the hub's disk is full", "");
    return error_response(500, "the hub failed; its log says how", "");
  } catch (const Json::exception& error) {
    return error_response(400, "the request's body: a field has another type than expected", "");
  } catch (const std::exception& error) {
    spdlog::error("hub: {}", error.what());
    return error_response(500, "the hub failed; its log says how", "");
  }
}

}  // namespace glassbox::hubapi
