// Clone and fetch, as git asks for them over HTTP (gitprotocol-http). What is said is src/hub/git.
#include <fmt/format.h>

#include <algorithm>

#include "base/quote.h"
#include "hub/git/deflate.h"
#include "hub/git/upload_pack.h"
#include "hub/git/view_store.h"
#include "hub/names.h"
#include "hub/refusal.h"
#include "server/hub/handlers.h"

namespace glassbox::hubapi {
namespace {

using hub::refuse;
using hub::Refused;

constexpr std::string_view kAgent = "glassbox/" GLASSBOX_VERSION;

http::Response git_answer(std::string_view kind, std::string text) {
  return {200,
          {{"Content-Type", fmt::format("application/x-git-upload-pack-{}", kind)}, {"Cache-Control", "no-cache"}},
          std::move(text)};
}

// "version=2", among others between colons.
bool asks_for_v2(const http::Request& request) {
  std::string_view said = request.header("Git-Protocol").value_or("");
  while (!said.empty()) {
    const std::string_view one = said.substr(0, said.find(':'));
    said.remove_prefix(std::min(said.size(), one.size() + 1));
    if (one == "version=2") return true;
  }
  return false;
}

// Runs `look` over the repository, which the caller may read.
template <class Look>
auto with_store(hub::Hub& hub, const hub::Caller& caller, const hub::Repository& repository, const Look& look) {
  return hub.view(caller, [&](hub::View& view) {
    hub::git::ViewStore store(view, repository, hub.contents());
    return look(store);
  });
}

hub::Repository readable(const Call& call) {
  return call.hub.view(call.caller, [&](hub::View& view) {
    hub::Repository repository = view.repository(call.kind, call.repository());
    view.need(repository, hub::Right::read);
    return repository;
  });
}

// Nobody is asked for a password for it: none would help.
http::Response push_answer(const Call& call) {
  const std::string name = readable(call).full_name(),
                    kind = call.kind == hub::RepositoryKind::model
                               ? ""
                               : fmt::format(" --repo-type {}", hub::name_of(call.kind));
  return {403,
          {{"Content-Type", "text/plain; charset=utf-8"}},
          fmt::format("{}: git push is not served here yet. Upload with: hf upload {} FOLDER{}\n", name, name, kind)};
}

std::string git_body(const http::Request& request) {
  if (request.header("Content-Type") != "application/x-git-upload-pack-request")
    refuse(Refused::bad_value, "Content-Type: expected application/x-git-upload-pack-request");
  const std::string coding = hub::folded(request.header("Content-Encoding").value_or("identity"));
  if (coding == "identity") return request.body;
  if (coding != "gzip" && coding != "x-gzip")
    refuse(Refused::bad_value, "Content-Encoding: expected gzip, got {}", quote(coding));
  return hub::git::inflated_gzip(request.body, kMostGitBody);
}

// What is said, then the pack, in pieces that are made when there is room for them.
std::function<std::string(size_t)> pack_source(hub::Hub& hub, const hub::Caller& caller,
                                               const hub::Repository& repository, hub::git::Answer answer) {
  return [hub = &hub, caller, repository, text = std::move(answer.text),
          pack = std::move(answer.pack)](size_t most) mutable {
    if (text.empty())
      text = with_store(*hub, caller, repository, [&](hub::git::Store& store) { return pack->next(store, most); });
    std::string piece = text.substr(0, most);
    text.erase(0, piece.size());
    return piece;
  };
}

}  // namespace

http::Response git_offer(const Call& call) {
  const std::string service = call.query_one("service").value_or("");
  if (service == "git-receive-pack") return push_answer(call);
  if (service != "git-upload-pack")
    refuse(Refused::bad_value, "service: expected git-upload-pack, got {}: git 1.6.6 and later ask so", quote(service));
  const hub::Repository repository = readable(call);
  if (asks_for_v2(call.request)) return git_answer("advertisement", hub::git::offer_v2(kAgent));
  return git_answer("advertisement", with_store(call.hub, call.caller, repository,
                                                [](hub::git::Store& store) { return hub::git::offer(store, kAgent); }));
}

http::Response git_upload_pack(const Call& call) {
  const hub::Repository repository = readable(call);
  const std::string body = git_body(call.request);
  const bool is_v2 = asks_for_v2(call.request);
  hub::git::Answer answer =
      with_store(call.hub, call.caller, repository, [&](hub::git::Store& store) -> hub::git::Answer {
        try {
          return is_v2 ? hub::git::answer_v2(store, body) : hub::git::answer(store, body);
        } catch (const hub::Refusal& refusal) { return {hub::git::error_packet(refusal.what()), nullptr}; }
      });
  if (!answer.pack) return git_answer("result", std::move(answer.text));
  call.hub.count_download(repository, call.downloader());
  http::Response response = git_answer("result", "");
  response.source = pack_source(call.hub, call.caller, repository, std::move(answer));
  return response;
}

http::Response git_receive_pack(const Call& call) { return push_answer(call); }

http::Response git_failure(std::exception_ptr thrown, const Call* call) {
  http::Response response = error_answer(thrown, call);
  const Json said = parse_json(response.body, "an answer of this server");
  response.body = said.at("error").get<std::string>() + "\n";
  std::erase_if(response.headers, [](const http::Header& header) { return header.name == "Content-Type"; });
  return response.with("Content-Type", "text/plain; charset=utf-8");
}

}  // namespace glassbox::hubapi
