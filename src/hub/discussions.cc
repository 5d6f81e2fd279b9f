// Talk about repositories, changes that are proposed to them, and asking for gated files.
#include <fmt/ranges.h>

#include "base/quote.h"
#include "hub/facts.h"
#include "hub/names.h"
#include "hub/refusal.h"
#include "hub/state.h"
#include "hub/tree.h"

namespace glassbox::hub {
namespace {

constexpr size_t kLongestTitle = 1000, kLongestText = size_t{1} << 20;

void check_title(const std::string& title) {
  if (title.empty() || title.size() > kLongestTitle)
    refuse(Refused::bad_value, "title: expected 1 to {} bytes, got {}", kLongestTitle, title.size());
}

void check_text(const std::string& text) {
  if (text.size() > kLongestText)
    refuse(Refused::bad_value, "comment: expected at most {} bytes, got {}", kLongestText, text.size());
}

Discussion need_discussion(View& view, const Repository& repository, int64_t number) {
  auto found = view.discussions.find(repository, number);
  if (!found) refuse(Refused::no_entry, "{}: no discussion {}", repository.full_name(), number);
  return *std::move(found);
}

Event need_comment(View& view, const Discussion& discussion, int64_t id) {
  auto found = view.discussions.event(discussion, id);
  if (!found || found->kind != Event::Kind::comment)
    refuse(Refused::no_entry, "discussion {}: no comment {}", discussion.number, id);
  return *std::move(found);
}

// Its author may, and who may write.
int64_t check_may_manage(View& view, const Repository& repository, const Discussion& discussion) {
  const int64_t who = view.speaker(repository);
  if (who != discussion.author_id) view.need(repository, Right::write);
  return who;
}

}  // namespace

Hub::Proposed Hub::propose(const Caller& caller, RepositoryKind kind, std::string_view full_name,
                           const CommitRequest& request) {
  check_paths(request);
  check_title(request.summary);
  view(caller, [&](View& before) { before.speaker(before.repository(kind, full_name)); });
  const std::vector<Content> stored = store_large(contents(), request);
  return state_->write(caller, kind, full_name, [&](View& view, const Repository& repository) {
    const int64_t who = view.speaker(repository);
    const auto at = view.repositories.reference(repository, request.branch);
    if (!at || !request.branch.starts_with("refs/heads/"))
      refuse(Refused::no_revision, "{}: no branch {}", repository.full_name(), quote(request.branch));
    const Discussion discussion =
        view.discussions.add(repository, request.summary, who, Discussion::Status::open, request.branch);
    view.repositories.set_reference(repository, discussion.reference(), *at);
    view.discussions.add_event(discussion, Event::Kind::comment, who, request.description);
    const ObjectId made = apply(view, repository, discussion.reference(), *at, request, stored);
    if (made != *at) view.discussions.add_event(discussion, Event::Kind::commit, who, request.summary, made.hex());
    return Proposed{made, discussion};
  });
}

Discussion Hub::discuss(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& title,
                        const std::string& text, bool is_proposal) {
  check_title(title);
  check_text(text);
  return state_->write(caller, kind, full_name, [&](View& view, const Repository& repository) {
    const int64_t who = view.speaker(repository);
    const auto base = is_proposal ? std::optional(std::string(kMainBranch)) : std::nullopt;
    const Discussion discussion = view.discussions.add(
        repository, title, who, is_proposal ? Discussion::Status::draft : Discussion::Status::open, base);
    if (base)
      view.repositories.set_reference(repository, discussion.reference(), view.resolve(repository, kMainBranch));
    view.discussions.add_event(discussion, Event::Kind::comment, who, text);
    return discussion;
  });
}

Event Hub::comment(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                   const std::string& text) {
  check_text(text);
  return state_->write(caller, kind, full_name, [&](View& view, const Repository& repository) {
    const int64_t who = view.speaker(repository);
    return view.discussions.add_event(need_discussion(view, repository, number), Event::Kind::comment, who, text);
  });
}

Event Hub::edit_comment(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                        int64_t event, const std::string& text) {
  check_text(text);
  return state_->write(caller, kind, full_name, [&](View& view, const Repository& repository) {
    const Discussion discussion = need_discussion(view, repository, number);
    const Event comment = need_comment(view, discussion, event);
    if (view.speaker(repository) != comment.author_id)
      refuse(Refused::forbidden, "comment {}: it is {}'s to edit", event, comment.author);
    if (comment.hidden) refuse(Refused::bad_value, "comment {}: it is hidden", event);
    view.discussions.edit(comment, text);
    return *view.discussions.event(discussion, event);
  });
}

Event Hub::hide_comment(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                        int64_t event) {
  return state_->write(caller, kind, full_name, [&](View& view, const Repository& repository) {
    const Discussion discussion = need_discussion(view, repository, number);
    const Event comment = need_comment(view, discussion, event);
    if (view.speaker(repository) != comment.author_id) view.need(repository, Right::write);
    view.discussions.hide(comment);
    return *view.discussions.event(discussion, event);
  });
}

Event Hub::retitle(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                   const std::string& title) {
  check_title(title);
  return state_->write(caller, kind, full_name, [&](View& view, const Repository& repository) {
    const Discussion discussion = need_discussion(view, repository, number);
    const int64_t who = check_may_manage(view, repository, discussion);
    view.discussions.set_title(discussion, title);
    return view.discussions.add_event(discussion, Event::Kind::title, who, discussion.title, title);
  });
}

Event Hub::set_status(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                      Discussion::Status status, const std::string& text) {
  check_text(text);
  return state_->write(caller, kind, full_name, [&](View& view, const Repository& repository) {
    const Discussion discussion = need_discussion(view, repository, number);
    const int64_t who = check_may_manage(view, repository, discussion);
    if (status != Discussion::Status::open && status != Discussion::Status::closed)
      refuse(Refused::bad_value, "status: expected open or closed, got {}", name_of(status));
    if (discussion.status == Discussion::Status::merged)
      refuse(Refused::bad_value, "proposal {}: it is merged, and stays so", number);
    if (!text.empty()) view.discussions.add_event(discussion, Event::Kind::comment, who, text);
    view.discussions.set_status(discussion, status);
    return view.discussions.add_event(discussion, Event::Kind::status, who, name_of(status));
  });
}

ObjectId Hub::merge(const Caller& caller, RepositoryKind kind, std::string_view full_name, int64_t number,
                    const std::string& text) {
  check_text(text);
  Repository changed;
  std::string branch;
  const ObjectId merged = state_->change(caller, kind, full_name, [&](View& view, const Repository& repository) {
    changed = repository;
    const int64_t who = view.speaker(repository);
    const Discussion discussion = need_discussion(view, repository, number);
    if (!discussion.is_proposal() || discussion.status != Discussion::Status::open)
      refuse(Refused::bad_value, "discussion {}: expected an open proposal, got {}", number,
             discussion.is_proposal() ? name_of(discussion.status) : "talk");
    branch = *discussion.base;
    const auto ours = view.repositories.reference(repository, branch),
               theirs = view.repositories.reference(repository, discussion.reference());
    if (!ours || !theirs)
      refuse(Refused::no_revision, "{}: no branch {}", repository.full_name(),
             quote(ours ? discussion.reference() : branch));
    const auto base = view.common_ancestor(*ours, *theirs);
    ObjectId made = *theirs;
    if (base != ours && base != theirs) {
      std::vector<std::string> conflicts;
      const Commit left = view.objects.commit(*ours), right = view.objects.commit(*theirs);
      const ObjectId before = base ? view.objects.commit(*base).tree : view.objects.put_tree({});
      const ObjectId tree = merge_trees(view.objects, before, left.tree, right.tree, conflicts);
      if (!conflicts.empty())
        refuse(Refused::conflict, "proposal {}: both it and {} changed {}", number, branch, fmt::join(conflicts, ", "));
      const Signature signature = signature_of(caller);
      made = view.objects.put_commit({tree,
                                      {*ours, *theirs},
                                      signature,
                                      signature,
                                      message_of(fmt::format("{} (#{})", discussion.title, number), text)});
      view.repositories.add_made(repository, made);
    } else if (base == theirs) {
      made = *ours;  // it has all of it already
    }
    view.repositories.set_reference(repository, branch, made);
    view.repositories.touch(repository);
    if (!text.empty()) view.discussions.add_event(discussion, Event::Kind::comment, who, text);
    view.discussions.set_status(discussion, Discussion::Status::merged, made);
    view.discussions.add_event(discussion, Event::Kind::status, who, name_of(Discussion::Status::merged));
    return made;
  });
  if (branch == kMainBranch) update_facts(*this, changed);
  return merged;
}

AccessRequest Hub::ask_access(const Caller& caller, RepositoryKind kind, std::string_view full_name) {
  return state_->write(caller, kind, full_name, [&](View& view, const Repository& repository) {
    const int64_t who = view.speaker(repository);
    if (repository.gate == Gate::open) refuse(Refused::bad_value, "{}: it is not gated", repository.full_name());
    // Who was rejected stays so until somebody thinks again.
    if (!view.discussions.access_of(repository, who))
      view.discussions.set_access(
          repository, who,
          repository.gate == Gate::automatic ? AccessRequest::Status::accepted : AccessRequest::Status::pending);
    return *view.discussions.access_of(repository, who);
  });
}

void Hub::answer_access(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& user,
                        AccessRequest::Status status) {
  state_->change(caller, kind, full_name, [&](View& view, const Repository& repository) {
    const auto account = view.accounts.find(user);
    const auto asked = account ? view.discussions.access_of(repository, account->id) : std::nullopt;
    if (!asked) refuse(Refused::no_entry, "{}: {} did not ask for access", repository.full_name(), quote(user));
    if (asked->status == status)
      refuse(Refused::bad_value, "{}: the request of {} is {} already", repository.full_name(), user, name_of(status));
    view.discussions.set_access(repository, account->id, status);
  });
}

void Hub::grant_access(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& user) {
  state_->change(caller, kind, full_name, [&](View& view, const Repository& repository) {
    const auto account = view.accounts.find(user);
    if (!account || account->kind != AccountKind::person)
      refuse(Refused::no_entry, "{}: there is no user of this name", quote(user));
    const auto asked = view.discussions.access_of(repository, account->id);
    if (asked && asked->status == AccessRequest::Status::accepted)
      refuse(Refused::bad_value, "{}: {} has access already", repository.full_name(), account->name);
    view.discussions.set_access(repository, account->id, AccessRequest::Status::accepted);
  });
}

}  // namespace glassbox::hub
