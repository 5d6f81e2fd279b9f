// References, commits, branches and tags.
#include "base/quote.h"
#include "hub/refusal.h"
#include "server/hub/describe.h"
#include "server/hub/handlers.h"

namespace glassbox::hubapi {
namespace {

constexpr size_t kCommitsPage = 50, kMostCommits = 1000;

// All that is left of the path, which is one name that may have slashes in it.
std::string whole_rest(const Call& call) { return call.part("rest"); }

}  // namespace

http::Response references(const Call& call) {
  const auto all = call.hub.view(call.caller, [&](hub::View& view) {
    return view.repositories.references(view.repository(call.kind, call.repository()));
  });
  Json branches = Json::array(), tags = Json::array(), pulls = Json::array();
  for (const hub::Reference& reference : all) {
    const auto item = [&](size_t prefix) {
      return Json{
          {"name", reference.name.substr(prefix)}, {"ref", reference.name}, {"targetCommit", reference.target.hex()}};
    };
    if (reference.name.starts_with("refs/heads/")) branches.push_back(item(11));
    if (reference.name.starts_with("refs/tags/")) tags.push_back(item(10));
    if (reference.name.starts_with("refs/pr/")) pulls.push_back(item(0));
  }
  Json answer{{"branches", branches}, {"converts", Json::array()}, {"tags", tags}};
  if (call.query_flag("include_prs")) answer["pullRequests"] = pulls;
  return json_answer(answer);
}

http::Response commits(const Call& call) {
  const size_t most = std::max<size_t>(1, call.query_number("limit", kCommitsPage, kMostCommits)),
               from = call.query_number("cursor", call.query_number("p", 0, 1u << 30) * most, 1u << 30);
  size_t total = 0;
  Json items = Json::array();
  call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    const auto history = view.history(view.resolve(repository, call.rest().revision));
    total = history.size();
    for (size_t i = from; i < std::min(total, from + most); ++i) items.push_back(commit_json(history[i]));
  });
  const bool more = from + most < total;
  return page_answer(call, items, more ? std::optional(std::to_string(from + most)) : std::nullopt)
      .with("X-Total-Count", std::to_string(total));
}

http::Response create_branch(const Call& call) {
  const Json body = call.json();
  const std::string name = whole_rest(call), from = text_in(body, "startingPoint", std::string(hub::kMainBranch));
  try {
    call.hub.create_branch(call.caller, call.kind, call.repository(), name, from);
  } catch (const hub::Refusal& refusal) {
    const auto over = body.find("overwrite");
    if (refusal.refused() != hub::Refused::exists || over == body.end() || *over != Json(true)) throw;
    call.hub.remove_branch(call.caller, call.kind, call.repository(), name);
    call.hub.create_branch(call.caller, call.kind, call.repository(), name, from);
  }
  return json_answer(Json::object());
}

http::Response delete_branch(const Call& call) {
  call.hub.remove_branch(call.caller, call.kind, call.repository(), whole_rest(call));
  return json_answer(Json::object());
}

http::Response create_tag(const Call& call) {
  const Json body = call.json();
  call.hub.create_tag(call.caller, call.kind, call.repository(), text_in(body, "tag"), call.rest().revision);
  return json_answer(Json::object());
}

http::Response delete_tag(const Call& call) {
  call.hub.remove_tag(call.caller, call.kind, call.repository(), whole_rest(call));
  return json_answer(Json::object());
}

http::Response squash(const Call& call) {
  const std::string branch = whole_rest(call);
  const hub::ObjectId made = call.hub.squash(call.caller, call.kind, call.repository(), branch,
                                             text_in(call.json(), "message", "Super-squash branch '" + branch + "'"));
  return json_answer({{"commitOid", made.hex()}});
}

}  // namespace glassbox::hubapi
