#include "server/hub/site.h"

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

hub::Caller caller_of(hub::Hub& hub, const http::Request&) { return hub.owner(); }

// Makes the table's entries.
class Table {
 public:
  Table(hub::Hub& hub, FinishAnswer finish) : hub_(hub), finish_(std::move(finish)) {}

  void add(const char* method, std::string pattern, hub::RepositoryKind kind, Answer answer) {
    add(route(method, std::move(pattern), Access::key, {false, kMostBody}), kind, hubapi::error_answer,
        [answer](const Call& call, const Stream&) { return answer(call); });
  }
  // For whoever shows a right that this server signed, or needs none.
  void add_open(const char* method, std::string pattern, Answer answer) {
    add(route(method, std::move(pattern), Access::everyone, {false, xet::kMostShardBytes}), hub::RepositoryKind::model,
        hubapi::xet_failure, [answer](const Call& call, const Stream&) { return answer(call); });
  }
  void add_open(const char* method, std::string pattern, http::Intake intake, StreamedAnswer answer) {
    add(route(method, std::move(pattern), Access::everyone, intake), hub::RepositoryKind::model, hubapi::xet_failure,
        [answer](const Call& call, const Stream& stream) -> std::optional<http::Response> {
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

  // `answer` gives none where it answers by itself.
  void add(Route route, hub::RepositoryKind kind, Failure failure,
           std::function<std::optional<http::Response>(const Call&, const Stream&)> answer) {
    route.handle = [this_hub = &hub_, finish = finish_, kind, failure, answer = std::move(answer)](
                       http::Request& request, const Route::Parts& parts, const Stream& stream) {
      const Call call{*this_hub, request, parts, caller_of(*this_hub, request), kind, finish};
      std::optional<http::Response> response;
      try {
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
  table.add("POST", "/api/validate-yaml", RepositoryKind::model, hubapi::validate_card);
  table.add("POST", "/api/repos/create", RepositoryKind::model, hubapi::create_repository);
  table.add("DELETE", "/api/repos/delete", RepositoryKind::model, hubapi::delete_repository);
  table.add("POST", "/api/repos/move", RepositoryKind::model, hubapi::move_repository);
  for (const RepositoryKind kind : {RepositoryKind::model, RepositoryKind::dataset, RepositoryKind::space}) {
    const std::string plural(hubapi::plural_of(kind)), one = "/api/" + plural + "/{owner}/{name}";
    const auto add = [&](const char* method, std::string pattern, Answer answer) {
      table.add(method, std::move(pattern), kind, answer);
    };
    add("GET", "/api/" + plural, hubapi::list_repositories);
    add("GET", one, hubapi::repository_info);
    add("GET", one + "/revision/{rest...}", hubapi::revision_info);
    add("GET", one + "/auth-check", hubapi::check_access);
    add("GET", one + "/auth-check/write", hubapi::check_access);
    add("PUT", one + "/settings", hubapi::change_settings);
    add("POST", one + "/duplicate", hubapi::duplicate_repository);
    add("POST", one + "/like", hubapi::like);
    add("DELETE", one + "/like", hubapi::unlike);
    add("GET", one + "/tree/{rest...}", hubapi::tree);
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
    add("POST", files + "/info/lfs/objects/batch", hubapi::lfs_batch);
    add("POST", files + "/info/lfs/verify", hubapi::lfs_verify);
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
  return table.take();
}

}  // namespace glassbox
