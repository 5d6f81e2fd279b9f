#include "server/hub/site.h"

#include "base/base64.h"
#include "hub/names.h"
#include "hub/refusal.h"
#include "hub/xet/shard.h"
#include "server/hub/handlers.h"

namespace glassbox {
namespace {

using hubapi::Call;
using Answer = http::Response (*)(const Call&);
using Stream = std::shared_ptr<http::ResponseStream>;
using StreamedAnswer = void (*)(const Call&, const Stream&);
using Failure = http::Response (*)(std::exception_ptr, const Call*);

// A body may hold a commit's small files: more than other requests have.
constexpr uint64_t kMostBody = uint64_t{256} << 20;
constexpr uint64_t kMostUpload = uint64_t{1} << 42;
// A xorb, and the footer that some writers put behind it.
constexpr uint64_t kMostXorbBody = xet::kMostStrangersXorbBytes + (uint64_t{1} << 20);

// The token of "Bearer TOKEN", or of Basic's "anybody:TOKEN", as git sends it. Empty where there is none that can be.
std::string token_of(std::string_view shown) {
  const size_t space = std::min(shown.find(' '), shown.size());
  const std::string scheme = hub::folded(shown.substr(0, space));
  shown.remove_prefix(space);
  shown.remove_prefix(std::min(shown.find_first_not_of(' '), shown.size()));
  if (scheme == "bearer") return std::string(shown);
  std::string pair;
  if (scheme != "basic" || !from_base64(shown, pair)) return "";
  const size_t colon = pair.find(':');
  return colon == std::string::npos ? "" : pair.substr(colon + 1);
}

// While the hub was told of nobody, whoever got here is the machine's owner: the guard lets nobody else in. Refuses
// (unknown_token) a token that is not good, whatever is asked for: its holder thinks to be somebody.
hub::Caller caller_of(hub::Hub& hub, const http::Request& request) {
  if (!hub.people().any()) return hub.owner();
  const auto shown = request.header("Authorization");
  if (!shown) return {};
  const auto caller = hub.people().caller_with(token_of(*shown));
  if (!caller) hub::refuse(hub::Refused::unknown_token, "Invalid credentials in Authorization header");
  return *caller;
}

// Makes the table's entries.
class Table {
 public:
  Table(hub::Hub& hub, FinishAnswer finish) : hub_(hub), finish_(std::move(finish)) {}

  void add(const char* method, std::string pattern, hub::RepositoryKind kind, Answer answer) {
    Route made = route(method, std::move(pattern), Access::key, {false, kMostBody});
    made.asks_itself = [hub = &hub_] { return hub->people().any(); };
    add(std::move(made), kind, caller_of, hubapi::error_answer,
        [answer](const Call& call, const Stream&) { return answer(call); });
  }
  void add_git(const char* method, std::string pattern, hub::RepositoryKind kind, Answer answer) {
    Route made = route(method, std::move(pattern), Access::key, {false, hubapi::kMostGitBody});
    made.asks_itself = [hub = &hub_] { return hub->people().any(); };
    add(std::move(made), kind, caller_of, hubapi::git_failure,
        [answer](const Call& call, const Stream&) { return answer(call); });
  }
  // For whoever shows a right that this server signed, or needs none.
  void add_open(const char* method, std::string pattern, Answer answer) {
    add(route(method, std::move(pattern), Access::everyone, {false, xet::kMostShardBytes}), hub::RepositoryKind::model,
        nobody, hubapi::xet_failure, [answer](const Call& call, const Stream&) { return answer(call); });
  }
  void add_open(const char* method, std::string pattern, http::Intake intake, StreamedAnswer answer) {
    add(route(method, std::move(pattern), Access::everyone, intake), hub::RepositoryKind::model, nobody,
        hubapi::xet_failure, [answer](const Call& call, const Stream& stream) -> std::optional<http::Response> {
          answer(call, stream);
          return std::nullopt;
        });
  }
  std::vector<Route> take() { return std::move(routes_); }

 private:
  static Route route(const char* method, std::string pattern, Access access, http::Intake intake) {
    Route route;
    route.method = method;
    route.label = route.pattern = std::move(pattern);
    route.access = access;
    route.intake = intake;
    return route;
  }

  static hub::Caller nobody(hub::Hub&, const http::Request&) { return {}; }

  // `answer` gives none where it answers by itself.
  void add(Route route, hub::RepositoryKind kind, hub::Caller (*identify)(hub::Hub&, const http::Request&),
           Failure failure, std::function<std::optional<http::Response>(const Call&, const Stream&)> answer) {
    route.handle = [this_hub = &hub_, finish = finish_, kind, identify, failure, answer = std::move(answer)](
                       http::Request& request, const Route::Parts& parts, const Stream& stream) {
      hub::Caller caller;
      std::exception_ptr unknown;
      try {
        caller = identify(*this_hub, request);
      } catch (...) { unknown = std::current_exception(); }
      const Call call{*this_hub, request, parts, std::move(caller), kind, finish};
      std::optional<http::Response> response;
      try {
        if (unknown) std::rethrow_exception(unknown);
        response = answer(call, stream);
      } catch (...) { response = failure(std::current_exception(), &call); }
      if (!response) return;
      call.finish(request, *response);
      stream->respond(*std::move(response));
    };
    routes_.push_back(std::move(route));
  }

  hub::Hub& hub_;
  const FinishAnswer finish_;
  std::vector<Route> routes_;
};

}  // namespace

std::vector<Route> hub_routes(hub::Hub& hub, FinishAnswer finish) {
  using hub::RepositoryKind;
  Table table(hub, std::move(finish));
  table.add("GET", "/api/whoami-v2", RepositoryKind::model, hubapi::whoami);
  table.add("GET", "/api/users/{owner}/overview", RepositoryKind::model, hubapi::user_overview);
  table.add("GET", "/api/users/{owner}/likes", RepositoryKind::model, hubapi::user_likes);
  table.add("GET", "/api/users/{owner}/followers", RepositoryKind::model, hubapi::nobody);
  table.add("GET", "/api/users/{owner}/following", RepositoryKind::model, hubapi::nobody);
  table.add("GET", "/api/organizations/{owner}/overview", RepositoryKind::model, hubapi::organization_overview);
  table.add("GET", "/api/organizations/{owner}/members", RepositoryKind::model, hubapi::organization_members);
  table.add("GET", "/api/organizations/{owner}/followers", RepositoryKind::model, hubapi::nobody);
  table.add("GET", "/api/settings/repositories", RepositoryKind::model, hubapi::own_repositories);
  table.add("GET", "/api/organizations/{owner}/settings/repositories", RepositoryKind::model,
            hubapi::organization_repositories);
  table.add("POST", "/api/validate-yaml", RepositoryKind::model, hubapi::validate_card);
  table.add("POST", "/api/repos/create", RepositoryKind::model, hubapi::create_repository);
  table.add("DELETE", "/api/repos/delete", RepositoryKind::model, hubapi::delete_repository);
  table.add("POST", "/api/repos/move", RepositoryKind::model, hubapi::move_repository);
  table.add("GET", "/api/models/{owner}/{name}/variants", RepositoryKind::model, hubapi::variants);
  table.add("GET", "/api/race", RepositoryKind::model, hubapi::race);
  table.add("GET", "/api/popularity", RepositoryKind::model, hubapi::popularity);
  for (const RepositoryKind kind : {RepositoryKind::model, RepositoryKind::dataset, RepositoryKind::space}) {
    const std::string plural(hubapi::plural_of(kind)), one = "/api/" + plural + "/{owner}/{name}";
    const auto add = [&](const char* method, std::string pattern, Answer answer) {
      table.add(method, std::move(pattern), kind, answer);
    };
    add("GET", "/api/" + plural, hubapi::list_repositories);
    add("GET", "/api/" + plural + "-tags-by-type", hubapi::tags_by_type);
    add("GET", one, hubapi::repository_info);
    add("GET", one + "/revision/{rest...}", hubapi::revision_info);
    add("GET", one + "/auth-check", hubapi::check_access);
    add("GET", one + "/auth-check/write", hubapi::check_write_access);
    add("PUT", one + "/settings", hubapi::change_settings);
    add("POST", one + "/duplicate", hubapi::duplicate_repository);
    add("GET", one + "/like", hubapi::liking);
    add("POST", one + "/like", hubapi::like);
    add("DELETE", one + "/like", hubapi::unlike);
    add("GET", one + "/likers", hubapi::likers);
    add("POST", one + "/user-access-request/handle", hubapi::handle_access_request);
    add("POST", one + "/user-access-request/grant", hubapi::grant_access);
    add("GET", one + "/user-access-request/{status}", hubapi::access_requests);
    add("GET", one + "/discussions", hubapi::discussions);
    add("POST", one + "/discussions", hubapi::create_discussion);
    add("GET", one + "/discussions/{number}", hubapi::discussion);
    add("POST", one + "/discussions/{number}/comment", hubapi::comment);
    add("POST", one + "/discussions/{number}/comment/{event}/edit", hubapi::edit_comment);
    add("POST", one + "/discussions/{number}/comment/{event}/hide", hubapi::hide_comment);
    add("POST", one + "/discussions/{number}/title", hubapi::change_title);
    add("POST", one + "/discussions/{number}/status", hubapi::change_status);
    add("POST", one + "/discussions/{number}/merge", hubapi::merge);
    add("GET", one + "/tree/{rest...}", hubapi::tree);
    add("GET", one + "/lfs-files", hubapi::large_files);
    add("POST", one + "/lfs-files/duplicate", hubapi::duplicate_large_files);
    add("POST", one + "/paths-info/{rest...}", hubapi::paths_info);
    add("GET", one + "/xet-read-token/{rest...}", hubapi::xet_read_token);
    add("GET", one + "/xet-write-token/{rest...}", hubapi::xet_write_token);
    add("GET", one + "/refs", hubapi::references);
    add("GET", one + "/commits/{rest...}", hubapi::commits);
    add("POST", one + "/branch/{rest...}", hubapi::create_branch);
    add("DELETE", one + "/branch/{rest...}", hubapi::delete_branch);
    add("POST", one + "/tag/{rest...}", hubapi::create_tag);
    add("DELETE", one + "/tag/{rest...}", hubapi::delete_tag);
    add("POST", one + "/super-squash/{rest...}", hubapi::squash);
    add("POST", one + "/preupload/{rest...}", hubapi::preupload);
    add("POST", one + "/commit/{rest...}", hubapi::commit);
    const std::string files = (kind == RepositoryKind::model ? "" : "/" + plural) + "/{owner}/{name}";
    add("GET", files + "/resolve/{rest...}", hubapi::resolve);
    add("GET", files + "/raw/{rest...}", hubapi::raw);
    add("POST", files + "/ask-access", hubapi::ask_access);
    add("POST", files + "/info/lfs/objects/batch", hubapi::lfs_batch);
    add("POST", files + "/info/lfs/verify", hubapi::lfs_verify);
    table.add_git("GET", files + "/info/refs", kind, hubapi::git_offer);
    table.add_git("POST", files + "/git-upload-pack", kind, hubapi::git_upload_pack);
    table.add_git("POST", files + "/git-receive-pack", kind, hubapi::git_receive_pack);
  }
  table.add_open("PUT", "/lfs/{token}", {.streams = true, .limit = kMostUpload}, hubapi::lfs_put);
  table.add_open("GET", "/lfs/{token}", hubapi::lfs_get);

  // Xet's content-addressed service.
  const std::string store = "/xet/{store}", v1 = store + "/v1";
  table.add_open("POST", v1 + "/xorbs/{prefix}/{hash}", {.streams = true, .limit = kMostXorbBody}, hubapi::xet_xorb);
  table.add_open("POST", store + "/v2/shards", {.streams = false, .limit = xet::kMostShardBytes}, hubapi::xet_shard_v2);
  table.add_open("POST", v1 + "/shards", hubapi::xet_shard_v1);
  table.add_open("POST", store + "/shards", hubapi::xet_shard_v1);
  table.add_open("POST", v1 + "/xorb-grants/{prefix}/{hash}", hubapi::xet_grant);
  table.add_open("GET", v1 + "/chunks/{prefix}/{hash}", hubapi::xet_chunk);
  table.add_open("GET", v1 + "/reconstructions/{hash}", hubapi::xet_reconstruction_v1);
  table.add_open("GET", store + "/v2/reconstructions/{hash}", hubapi::xet_reconstruction_v2);
  table.add_open("GET", store + "/fetch/{token}", hubapi::xet_fetch);
  table.add_open("POST", "/v1/telemetry", hubapi::xet_telemetry);
  // Of the API's large rest clients read that it is not here, in their words.
  for (const char* method : {"GET", "POST", "PUT", "DELETE"})
    table.add(method, "/api/{rest...}", RepositoryKind::model, hubapi::no_such_path);
  return table.take();
}

}  // namespace glassbox
