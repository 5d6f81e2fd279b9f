// Who there is, what they like, and who is let into gated repositories.
#include <fmt/format.h>

#include "base/quote.h"
#include "hub/refusal.h"
#include "server/hub/handlers.h"

namespace glassbox::hubapi {
namespace {

using hub::refuse;
using hub::Refused;

constexpr size_t kPeoplePage = 100, kMostPeople = 1000;

std::string number(int64_t id) { return fmt::format("{:024x}", id); }
std::string avatar(const Call& call) { return call.base() + "/favicon.svg"; }

Json user_json(const Call& call, const std::string& name) {
  return {{"user", name}, {"fullname", name}, {"avatarUrl", avatar(call)}, {"type", "user"}, {"isPro", false}};
}

Json organization_json(const Call& call, const hub::Membership& of) {
  return {{"type", "org"},
          {"id", number(of.account.id)},
          {"name", of.account.name},
          {"fullname", of.account.full_name},
          {"isEnterprise", false},
          {"roleInOrg", name_of(of.role)},
          {"avatarUrl", avatar(call)}};
}

// `kind`: anybody of that name else is not meant.
hub::Account account_in(const Call& call, hub::View& view, hub::AccountKind kind) {
  const auto found = view.accounts.find(call.part("owner"));
  if (!found || found->kind != kind) refuse(Refused::no_entry, "{}: not found", quote(call.part("owner")));
  return *found;
}

struct Page {
  size_t from, most;
};
Page page_of(const Call& call) {
  return {call.query_number("cursor", 0, 1u << 30),
          std::max<size_t>(1, call.query_number("limit", kPeoplePage, kMostPeople))};
}

// `items` with at most one more than the page has.
http::Response paged(const Call& call, Json items, const Page& page) {
  if (items.size() <= page.most) return page_answer(call, items, std::nullopt);
  items.erase(items.size() - 1);
  return page_answer(call, items, std::to_string(page.from + page.most));
}

}  // namespace

http::Response whoami(const Call& call) {
  if (!call.caller.account) refuse(Refused::forbidden, "Invalid username or password.");
  Json organizations = Json::array(),
       token{{"displayName", call.caller.name}, {"role", "write"}, {"createdAt", date(0)}};
  call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Account account = *view.accounts.find(*call.caller.account);
    for (const hub::Membership& of : view.accounts.organizations(account))
      organizations.push_back(organization_json(call, of));
    const auto shown = call.caller.token ? view.accounts.token(*call.caller.token) : std::nullopt;
    if (!shown) return;
    token = {{"displayName", shown->label},
             {"role", shown->repository_id ? "fineGrained"
                      : shown->writes      ? "write"
                                           : "read"},
             {"createdAt", date(shown->created)}};
  });
  return json_answer({{"type", "user"},
                      {"id", number(*call.caller.account)},
                      {"name", call.caller.name},
                      {"fullname", call.caller.name},
                      {"emailVerified", true},
                      {"isPro", false},
                      {"canPay", false},
                      {"periodEnd", nullptr},
                      {"avatarUrl", avatar(call)},
                      {"isAdmin", call.caller.owns_machine},
                      {"orgs", std::move(organizations)},
                      {"auth", {{"type", "access_token"}, {"accessToken", std::move(token)}}}});
}

http::Response user_overview(const Call& call) {
  return json_answer(call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Account account = account_in(call, view, hub::AccountKind::person);
    const auto count = [&](hub::RepositoryKind kind) { return view.repositories.count(call.caller, account.id, kind); };
    Json told = user_json(call, account.name);
    told["_id"] = number(account.id);
    told["createdAt"] = date(account.created);
    told["numModels"] = count(hub::RepositoryKind::model);
    told["numDatasets"] = count(hub::RepositoryKind::dataset);
    told["numSpaces"] = count(hub::RepositoryKind::space);
    told["numLikes"] = view.repositories.count_likes(call.caller, account.id);
    for (const char* none : {"numDiscussions", "numPapers", "numUpvotes", "numFollowers", "numFollowing"})
      told[none] = 0;
    told["orgs"] = Json::array();
    for (const hub::Membership& of : view.accounts.organizations(account))
      told["orgs"].push_back(organization_json(call, of));
    return told;
  }));
}

http::Response user_likes(const Call& call) {
  const Page page = page_of(call);
  Json items = Json::array();
  call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Account account = account_in(call, view, hub::AccountKind::person);
    for (const hub::Liked& liked : view.repositories.liked(call.caller, account.id, static_cast<int64_t>(page.from),
                                                           static_cast<int64_t>(page.most) + 1))
      items.push_back({{"createdAt", date(liked.time)},
                       {"repo", {{"name", liked.repository.full_name()}, {"type", name_of(liked.repository.kind)}}}});
  });
  return paged(call, std::move(items), page);
}

http::Response organization_overview(const Call& call) {
  return json_answer(call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Account account = account_in(call, view, hub::AccountKind::organization);
    const auto count = [&](hub::RepositoryKind kind) { return view.repositories.count(call.caller, account.id, kind); };
    return Json{{"_id", number(account.id)},
                {"name", account.name},
                {"fullname", account.full_name},
                {"type", "org"},
                {"avatarUrl", avatar(call)},
                {"isVerified", false},
                {"numUsers", view.accounts.members(account).size()},
                {"numModels", count(hub::RepositoryKind::model)},
                {"numDatasets", count(hub::RepositoryKind::dataset)},
                {"numSpaces", count(hub::RepositoryKind::space)},
                {"numFollowers", 0}};
  }));
}

http::Response organization_members(const Call& call) {
  Json items = Json::array();
  call.hub.view(call.caller, [&](hub::View& view) {
    for (const hub::Membership& one : view.accounts.members(account_in(call, view, hub::AccountKind::organization)))
      items.push_back(user_json(call, one.account.name));
  });
  return json_answer(items);
}

http::Response nobody(const Call&) { return json_answer(Json::array()); }

http::Response likers(const Call& call) {
  const Page page = page_of(call);
  Json items = Json::array();
  call.hub.view(call.caller, [&](hub::View& view) {
    for (const std::string& name :
         view.repositories.likers(view.repository(call.kind, call.repository()), static_cast<int64_t>(page.from),
                                  static_cast<int64_t>(page.most) + 1))
      items.push_back(user_json(call, name));
  });
  return paged(call, std::move(items), page);
}

http::Response access_requests(const Call& call) {
  const std::string asked = call.part("status");
  const auto status = hub::access_status(asked);
  if (!status) refuse(Refused::bad_value, "expected pending, accepted or rejected, got {}", quote(asked));
  Json items = Json::array();
  call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    view.need(repository, hub::Right::write);
    for (const hub::AccessRequest& one : view.discussions.access_requests(repository, *status))
      items.push_back({{"requestId", number(one.id)},
                       {"user", {{"user", one.user}, {"fullname", one.user}, {"type", "user"}}},
                       {"status", name_of(one.status)},
                       {"timestamp", date(one.time)}});
  });
  return json_answer(items);
}

http::Response handle_access_request(const Call& call) {
  const Json body = call.json();
  const auto status = hub::access_status(text_in(body, "status"));
  if (!status) refuse(Refused::bad_value, "status: expected pending, accepted or rejected");
  std::string user = text_in(body, "user");
  if (user.empty()) {
    const std::string id = text_in(body, "requestId");
    user = call.hub.view(call.caller, [&](hub::View& view) {
      const hub::Repository repository = view.repository(call.kind, call.repository());
      view.need(repository, hub::Right::write);
      for (const auto which : {hub::AccessRequest::Status::pending, hub::AccessRequest::Status::accepted,
                               hub::AccessRequest::Status::rejected})
        for (const hub::AccessRequest& one : view.discussions.access_requests(repository, which))
          if (number(one.id) == id) return one.user;
      refuse(Refused::no_entry, "there is no request {}", quote(id));
    });
  }
  call.hub.answer_access(call.caller, call.kind, call.repository(), user, *status);
  return json_answer(Json::object());
}

http::Response grant_access(const Call& call) {
  call.hub.grant_access(call.caller, call.kind, call.repository(), text_in(call.json(), "user"));
  return json_answer(Json::object());
}

http::Response ask_access(const Call& call) {
  const hub::AccessRequest asked = call.hub.ask_access(call.caller, call.kind, call.repository());
  return json_answer({{"requestId", number(asked.id)}, {"status", name_of(asked.status)}});
}

}  // namespace glassbox::hubapi
