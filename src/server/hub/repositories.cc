// What repositories there are, and making, moving and removing them.
#include <fmt/format.h>

#include "base/quote.h"
#include "hub/card.h"
#include "hub/refusal.h"
#include "server/hub/describe.h"
#include "server/hub/handlers.h"

namespace glassbox::hubapi {
namespace {

using hub::refuse;
using hub::Refused;

constexpr size_t kRepositoriesPage = 100, kMostRepositories = 1000;

hub::RepositoryKind kind_in(const Json& body) {
  const std::string name = text_in(body, "type", "model");
  const auto kind = hub::repository_kind(name);
  if (!kind) refuse(Refused::bad_value, "type: expected model, dataset or space, got {}", quote(name));
  return *kind;
}

// "visibility" of newer clients, "private" of older ones.
std::optional<bool> private_in(const Json& body) {
  const std::string visibility = text_in(body, "visibility");
  if (!visibility.empty()) {
    if (visibility != "public" && visibility != "private")
      refuse(Refused::bad_value, "visibility: expected public or private, got {}", quote(visibility));
    return visibility == "private";
  }
  const auto found = body.find("private");
  if (found == body.end() || found->is_null()) return std::nullopt;
  if (!found->is_boolean()) refuse(Refused::bad_value, "private: expected true or false");
  return found->get<bool>();
}

// The owner and name of "name" and "organization", which may be null: then it is the caller's own.
std::pair<std::string, std::string> named_in(const Call& call, const Json& body) {
  std::string name = text_in(body, "name"), owner = text_in(body, "organization");
  if (const size_t slash = name.find('/'); slash != std::string::npos) {
    owner = name.substr(0, slash);
    name.erase(0, slash + 1);
  }
  return {owner.empty() ? call.caller.name : owner, name};
}

Json created(const Call& call, const hub::Repository& repository) {
  return {{"url", call.url_of(repository)},
          {"name", repository.full_name()},
          {"id", fmt::format("{:024x}", repository.id)}};
}

// Clients that would have it exist take its URL from this answer.
http::Response exists(const Call& call, hub::RepositoryKind kind, const std::string& owner, const std::string& name) {
  hub::Repository taken;
  taken.kind = kind;
  taken.owner = owner;
  taken.name = name;
  try {
    taken = call.hub.view(call.caller, [&](hub::View& view) { return view.repository(kind, owner + "/" + name); });
  } catch (const hub::Refusal&) {}  // it is not the caller's to see: only its name is told, which the caller said
  const std::string message = fmt::format("{} {}: you already created this repo", name_of(kind), taken.full_name());
  return json_answer({{"error", message}, {"url", call.url_of(taken)}}, 409).with("X-Error-Message", message);
}

http::Response info_of(const Call& call, const std::string& revision) {
  const Wanted what = [&] {
    Wanted all = wanted(call.query("expand"));
    all.blobs = call.query_flag("blobs");
    return all;
  }();
  return json_answer(call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    return repository_json(view, repository, view.resolve(repository, revision), what,
                           kin_of(view, {repository.id}, what));
  }));
}

}  // namespace

http::Response create_repository(const Call& call) {
  const Json body = call.json();
  const hub::RepositoryKind kind = kind_in(body);
  const auto [owner, name] = named_in(call, body);
  try {
    return json_answer(
        created(call, call.hub.create(call.caller, kind, owner, name, private_in(body).value_or(false))));
  } catch (const hub::Refusal& refusal) {
    if (refusal.refused() != Refused::exists) throw;
    return exists(call, kind, owner, name);
  }
}

http::Response delete_repository(const Call& call) {
  const Json body = call.json();
  const auto [owner, name] = named_in(call, body);
  call.hub.remove(call.caller, kind_in(body), owner + "/" + name);
  return json_answer(Json::object());
}

http::Response move_repository(const Call& call) {
  const Json body = call.json();
  const hub::Repository moved =
      call.hub.rename(call.caller, kind_in(body), text_in(body, "fromRepo"), text_in(body, "toRepo"));
  return json_answer(created(call, moved));
}

http::Response duplicate_repository(const Call& call) {
  const Json body = call.json();
  const std::string to = text_in(body, "repository");
  const std::string owner = to.substr(0, to.find('/')), name = to.substr(std::min(to.size(), owner.size() + 1));
  try {
    return json_answer(created(call, call.hub.duplicate(call.caller, call.kind, call.repository(), owner, name,
                                                        private_in(body).value_or(false))));
  } catch (const hub::Refusal& refusal) {
    if (refusal.refused() != Refused::exists) throw;
    return exists(call, call.kind, owner, name);
  }
}

http::Response change_settings(const Call& call) {
  const Json body = call.json();
  std::optional<hub::Gate> gate;
  if (const auto found = body.find("gated"); found != body.end() && !found->is_null()) {
    if (*found == Json(false))
      gate = hub::Gate::open;
    else if (*found == Json("auto"))
      gate = hub::Gate::automatic;
    else if (*found == Json("manual"))
      gate = hub::Gate::manual;
    else
      refuse(Refused::bad_value, "gated: expected false, \"auto\" or \"manual\"");
  }
  const std::optional<bool> is_private = private_in(body);
  call.hub.set_access(call.caller, call.kind, call.repository(), is_private, gate);
  return json_answer({{"private", is_private.value_or(false)}});
}

http::Response list_repositories(const Call& call) {
  hub::RepositoryQuery query;
  query.kind = call.kind;
  query.owner = call.query_one("author");
  query.search = call.query("search");
  query.tags = call.query("filter");
  if (const auto tag = call.query_one("pipeline_tag")) query.tags.push_back(*tag);
  query.after = call.query_one("cursor");
  const size_t most = std::max<size_t>(1, call.query_number("limit", kRepositoriesPage, kMostRepositories));
  query.most = static_cast<int64_t>(most) + 1;
  using Order = hub::RepositoryQuery::Order;
  const std::string sort = call.query_one("sort").value_or("trendingScore");
  if (sort == "createdAt" || sort == "created_at")
    query.order = Order::created;
  else if (sort == "lastModified" || sort == "last_modified")
    query.order = Order::modified;
  else if (sort == "likes" || sort == "likes30d")
    query.order = Order::likes;
  else if (sort == "downloads")
    query.order = Order::downloads;
  else if (sort == "id")
    query.order = Order::name;
  else if (sort != "trendingScore" && sort != "trending_score" && sort != "trending")
    refuse(Refused::bad_value, "sort: there is no order {}", quote(sort));
  Wanted what = wanted(call.query("expand"));
  what.is_list = true;
  what.full = call.query_flag("full");
  what.card = call.query_flag("cardData");
  what.config = call.query_flag("config");
  std::optional<std::string> cursor;
  const Json items = call.hub.view(call.caller, [&](hub::View& view) {
    std::vector<hub::Listed> found = view.repositories.list(call.caller, query);
    if (found.size() > most) {
      found.resize(most);
      cursor = found.back().position;
    }
    Json items = Json::array();
    std::vector<int64_t> ids;
    for (const hub::Listed& one : found) ids.push_back(one.repository.id);
    const Kin kin = kin_of(view, ids, what);
    for (const hub::Listed& one : found)
      items.push_back(repository_json(view, one.repository, view.resolve(one.repository, hub::kMainBranch), what, kin));
    return items;
  });
  return page_answer(call, items, cursor);
}

http::Response repository_info(const Call& call) { return info_of(call, std::string(hub::kMainBranch)); }
http::Response revision_info(const Call& call) {
  const RevisionPath rest = call.rest();
  return info_of(call, rest.revision);
}

namespace {

http::Response check_right(const Call& call, hub::Right right) {
  call.hub.view(call.caller, [&](hub::View& view) { view.need(view.repository(call.kind, call.repository()), right); });
  return json_answer(Json::object());
}

}  // namespace

http::Response check_access(const Call& call) { return check_right(call, hub::Right::read); }
http::Response check_write_access(const Call& call) { return check_right(call, hub::Right::write); }

http::Response like(const Call& call) {
  call.hub.like(call.caller, call.kind, call.repository(), true);
  return json_answer(Json::object());
}

http::Response unlike(const Call& call) {
  call.hub.like(call.caller, call.kind, call.repository(), false);
  return json_answer(Json::object());
}

http::Response liking(const Call& call) {
  return json_answer(call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    const auto account = call.caller.account;
    return Json{{"liked", account && view.repositories.likes(repository, *account)},
                {"likes", repository.likes},
                {"mayLike", view.may_speak(repository)}};
  }));
}

http::Response validate_card(const Call& call) {
  const Json body = call.json();
  const auto kind = hub::repository_kind(text_in(body, "repoType", "model"));
  const hub::Card card = hub::read_card(text_in(body, "content"), kind.value_or(hub::RepositoryKind::model));
  Json errors = Json::array(), warnings = Json::array();
  for (const std::string& error : card.errors) errors.push_back({{"message", error}});
  for (const std::string& warning : card.warnings) warnings.push_back({{"message", warning}});
  return json_answer({{"errors", errors}, {"warnings", warnings}}, errors.empty() ? 200 : 400);
}

namespace {

// What an owner has and the caller may know, of all kinds, with how much it takes.
http::Response repositories_of(const Call& call, const std::string& owner) {
  Json items = Json::array();
  call.hub.view(call.caller, [&](hub::View& view) {
    for (const auto kind : {hub::RepositoryKind::model, hub::RepositoryKind::dataset, hub::RepositoryKind::space}) {
      hub::RepositoryQuery query;
      query.kind = kind;
      query.owner = owner;
      query.order = hub::RepositoryQuery::Order::modified;
      query.most = static_cast<int64_t>(kMostRepositories);
      for (bool more = true; more;) {
        const std::vector<hub::Listed> found = view.repositories.list(call.caller, query);
        for (const hub::Listed& one : found)
          items.push_back({{"id", one.repository.full_name()},
                           {"type", name_of(kind)},
                           {"updatedAt", date(one.repository.modified)},
                           {"visibility", one.repository.is_private ? "private" : "public"},
                           {"storage", one.repository.facts.value("used_storage", uint64_t{0})}});
        more = found.size() == kMostRepositories;
        if (more) query.after = found.back().position;
      }
    }
  });
  return json_answer(items);
}

}  // namespace

http::Response own_repositories(const Call& call) {
  if (!call.caller.account) refuse(Refused::forbidden, "sign in to see what is yours");
  return repositories_of(call, call.caller.name);
}

http::Response organization_repositories(const Call& call) { return repositories_of(call, call.part("owner")); }

http::Response tags_by_type(const Call& call) {
  const auto tags =
      call.hub.view(call.caller, [&](hub::View& view) { return view.repositories.all_tags(call.caller, call.kind); });
  Json types = Json::object();
  for (const std::string& tag : tags) {
    const size_t colon = tag.find(':');
    const std::string type = colon == std::string::npos ? "other" : tag.substr(0, colon);
    types[type].push_back({{"id", tag}, {"label", tag.substr(colon + 1)}, {"type", type}});
  }
  return json_answer(types);
}

http::Response no_such_path(const Call& call) {
  const std::string message = fmt::format("{}: this hub has no such path", quote(call.request.path));
  return json_answer({{"error", message}}, 404);
}

}  // namespace glassbox::hubapi
