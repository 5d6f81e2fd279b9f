// Talk about repositories, and proposed changes.
#include <fmt/format.h>

#include <charconv>

#include "base/quote.h"
#include "hub/patch.h"
#include "hub/refusal.h"
#include "hub/tree.h"
#include "server/hub/handlers.h"

namespace glassbox::hubapi {
namespace {

using hub::refuse;
using hub::Refused;

constexpr size_t kDiscussionsPage = 50;

int64_t number_in(const Call& call, const char* name) {
  const std::string text = call.part(name);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    refuse(Refused::no_entry, "{}: expected a number", quote(text));
  return number;
}

// Of an event, what it is called in the path of its comment.
int64_t event_in(const Call& call) {
  const std::string text = call.part("event");
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size())
    refuse(Refused::no_entry, "there is no comment {}", quote(text));
  return number;
}

Json author_json(const Call& call, const std::string& name) {
  return {{"name", name},
          {"fullname", name},
          {"type", "user"},
          {"isPro", false},
          {"avatarUrl", call.base() + "/favicon.svg"}};
}

Json event_json(const Call& call, const hub::Event& event) {
  Json told{{"id", fmt::format("{:024x}", event.id)},
            {"createdAt", date(event.created)},
            {"author", author_json(call, event.author)}};
  using Kind = hub::Event::Kind;
  switch (event.kind) {
    case Kind::comment:
      told["type"] = "comment";
      told["data"] = {{"edited", event.edits > 0},
                      {"hidden", event.hidden},
                      {"numEdits", event.edits},
                      {"history", Json::array()},
                      {"latest",
                       {{"raw", event.hidden ? "This comment has been hidden" : event.text},
                        {"updatedAt", date(event.edited)},
                        {"author", author_json(call, event.author)}}}};
      break;
    case Kind::status:
      told["type"] = "status-change";
      told["data"] = {{"status", event.text}};
      break;
    case Kind::title:
      told["type"] = "title-change";
      told["data"] = {{"from", event.text}, {"to", event.second}};
      break;
    case Kind::commit:
      told["type"] = "commit";
      told["data"] = {{"subject", event.text}, {"oid", event.second}};
      break;
  }
  return told;
}

Json discussion_json(const Call& call, const hub::Repository& repository, const hub::Discussion& discussion) {
  return {{"num", discussion.number},
          {"title", discussion.title},
          {"author", author_json(call, discussion.author)},
          {"createdAt", date(discussion.created)},
          {"status", name_of(discussion.status)},
          {"isPullRequest", discussion.is_proposal()},
          {"repo", {{"name", repository.full_name()}, {"type", name_of(repository.kind)}}}};
}

// What a proposal would change. Once it is merged, what it has changed: since the commit that its first one followed.
void add_changes(const Call& call, hub::View& view, const hub::Repository& repository,
                 const hub::Discussion& discussion, const std::vector<hub::Event>& events, Json& told) {
  told["changes"] = {{"base", *discussion.base}};
  if (discussion.merged) told["changes"]["mergeCommitId"] = discussion.merged->hex();
  told["filesWithConflicts"] = Json::array();
  told["diff"] = "";
  const auto base = view.repositories.reference(repository, *discussion.base),
             head = view.repositories.reference(repository, discussion.reference());
  if (!base || !head) return;
  auto from = view.common_ancestor(*base, *head);
  if (discussion.merged)
    for (const hub::Event& event : events)
      if (event.kind == hub::Event::Kind::commit) {
        const auto parents = view.objects.commit(*hub::ObjectId::parse(event.second)).parents;
        from = parents.empty() ? std::nullopt : std::optional(parents.front());
        break;
      }
  if (!from) return;
  const auto tree = [&](const hub::ObjectId& commit) { return view.objects.commit(commit).tree; };
  if (!discussion.merged)
    told["filesWithConflicts"] = merge_conflicts(view.objects, tree(*from), tree(*base), tree(*head));
  // What is in gated files is for those who are let in.
  if (view.repositories.right(call.caller, repository) >= hub::Right::read)
    told["diff"] = hub::patch_text(view, call.hub.contents(), *from, *head);
}

}  // namespace

http::Response discussions(const Call& call) {
  hub::DiscussionQuery query;
  const std::string type = call.query_one("type").value_or("all"), status = call.query_one("status").value_or("all");
  if (type == "pull_request" || type == "discussion")
    query.proposals = type == "pull_request";
  else if (type != "all")
    refuse(Refused::bad_value, "type: expected all, discussion or pull_request, got {}", quote(type));
  if (status == "open" || status == "closed")
    query.open = status == "open";
  else if (status != "all")
    refuse(Refused::bad_value, "status: expected all, open or closed, got {}", quote(status));
  query.author = call.query_one("author");
  const size_t most = std::max<size_t>(1, call.query_number("limit", kDiscussionsPage, kDiscussionsPage)),
               from = call.query_number("p", 0, 1u << 24) * most;
  query.from = static_cast<int64_t>(from);
  query.most = static_cast<int64_t>(most);
  return json_answer(call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    Json items = Json::array();
    for (const hub::Discussion& one : view.discussions.list(repository, query))
      items.push_back(discussion_json(call, repository, one));
    const int64_t count = view.discussions.count(repository, query);
    query.open = false;
    return Json{{"discussions", std::move(items)},
                {"count", count},
                {"start", from},
                {"numClosedDiscussions", view.discussions.count(repository, query)}};
  }));
}

http::Response discussion(const Call& call) {
  return json_answer(call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    const auto found = view.discussions.find(repository, number_in(call, "number"));
    if (!found) refuse(Refused::no_entry, "{}: no discussion {}", repository.full_name(), call.part("number"));
    Json told = discussion_json(call, repository, *found);
    const std::vector<hub::Event> events = view.discussions.events(*found);
    told["events"] = Json::array();
    for (const hub::Event& event : events) told["events"].push_back(event_json(call, event));
    if (found->is_proposal()) add_changes(call, view, repository, *found, events, told);
    return told;
  }));
}

http::Response create_discussion(const Call& call) {
  const Json body = call.json();
  const auto pull = body.find("pullRequest");
  const hub::Discussion made =
      call.hub.discuss(call.caller, call.kind, call.repository(), text_in(body, "title"), text_in(body, "description"),
                       pull != body.end() && *pull == Json(true));
  return json_answer(call.hub.view(call.caller, [&](hub::View& view) {
    return discussion_json(call, view.repository(call.kind, call.repository()), made);
  }));
}

http::Response comment(const Call& call) {
  const std::string text = text_in(call.json(), "comment");
  if (text.empty()) refuse(Refused::bad_value, "comment: expected a text, got none");
  return json_answer({{"newMessage", event_json(call, call.hub.comment(call.caller, call.kind, call.repository(),
                                                                       number_in(call, "number"), text))}});
}

http::Response edit_comment(const Call& call) {
  const hub::Event event = call.hub.edit_comment(call.caller, call.kind, call.repository(), number_in(call, "number"),
                                                 event_in(call), text_in(call.json(), "content"));
  return json_answer({{"updatedComment", event_json(call, event)}});
}

http::Response hide_comment(const Call& call) {
  const hub::Event event =
      call.hub.hide_comment(call.caller, call.kind, call.repository(), number_in(call, "number"), event_in(call));
  return json_answer({{"updatedComment", event_json(call, event)}});
}

http::Response change_title(const Call& call) {
  const hub::Event event = call.hub.retitle(call.caller, call.kind, call.repository(), number_in(call, "number"),
                                            text_in(call.json(), "title"));
  return json_answer({{"newTitle", event_json(call, event)}});
}

http::Response change_status(const Call& call) {
  const Json body = call.json();
  const std::string name = text_in(body, "status");
  const auto status = hub::discussion_status(name);
  if (!status) refuse(Refused::bad_value, "status: expected open or closed, got {}", quote(name));
  const hub::Event event = call.hub.set_status(call.caller, call.kind, call.repository(), number_in(call, "number"),
                                               *status, text_in(body, "comment"));
  return json_answer({{"newStatus", event_json(call, event)}});
}

http::Response merge(const Call& call) {
  const hub::ObjectId made = call.hub.merge(call.caller, call.kind, call.repository(), number_in(call, "number"),
                                            text_in(call.json(), "comment"));
  return json_answer({{"mergeCommitId", made.hex()}});
}

}  // namespace glassbox::hubapi
