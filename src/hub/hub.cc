#include "hub/hub.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <set>

#include "base/quote.h"
#include "hub/database/schema.h"
#include "hub/drawn.h"
#include "hub/facts.h"
#include "hub/names.h"
#include "hub/refusal.h"
#include "hub/state.h"
#include "hub/tree.h"

namespace glassbox::hub {
namespace {

// What a repository begins with: which of its files git keeps as pointers (LFS), as people expect it of a hub.
constexpr std::string_view kAttributes =
    "*.7z filter=lfs diff=lfs merge=lfs -text\n*.arrow filter=lfs diff=lfs merge=lfs -text\n"
    "*.bin filter=lfs diff=lfs merge=lfs -text\n*.bz2 filter=lfs diff=lfs merge=lfs -text\n"
    "*.ckpt filter=lfs diff=lfs merge=lfs -text\n*.ftz filter=lfs diff=lfs merge=lfs -text\n"
    "*.gguf* filter=lfs diff=lfs merge=lfs -text\n*.gz filter=lfs diff=lfs merge=lfs -text\n"
    "*.h5 filter=lfs diff=lfs merge=lfs -text\n*.joblib filter=lfs diff=lfs merge=lfs -text\n"
    "*.lfs.* filter=lfs diff=lfs merge=lfs -text\n*.mlmodel filter=lfs diff=lfs merge=lfs -text\n"
    "*.model filter=lfs diff=lfs merge=lfs -text\n*.msgpack filter=lfs diff=lfs merge=lfs -text\n"
    "*.npy filter=lfs diff=lfs merge=lfs -text\n*.npz filter=lfs diff=lfs merge=lfs -text\n"
    "*.onnx filter=lfs diff=lfs merge=lfs -text\n*.ot filter=lfs diff=lfs merge=lfs -text\n"
    "*.parquet filter=lfs diff=lfs merge=lfs -text\n*.pb filter=lfs diff=lfs merge=lfs -text\n"
    "*.pickle filter=lfs diff=lfs merge=lfs -text\n*.pkl filter=lfs diff=lfs merge=lfs -text\n"
    "*.pt filter=lfs diff=lfs merge=lfs -text\n*.pth filter=lfs diff=lfs merge=lfs -text\n"
    "*.rar filter=lfs diff=lfs merge=lfs -text\n*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
    "saved_model/**/* filter=lfs diff=lfs merge=lfs -text\n*.tar filter=lfs diff=lfs merge=lfs -text\n"
    "*.tar.* filter=lfs diff=lfs merge=lfs -text\n*.tflite filter=lfs diff=lfs merge=lfs -text\n"
    "*.tgz filter=lfs diff=lfs merge=lfs -text\n*.wasm filter=lfs diff=lfs merge=lfs -text\n"
    "*.xz filter=lfs diff=lfs merge=lfs -text\n*.zip filter=lfs diff=lfs merge=lfs -text\n"
    "*.zst filter=lfs diff=lfs merge=lfs -text\n*tfevents* filter=lfs diff=lfs merge=lfs -text\n";

std::string branch_name(const std::string& name) { return "refs/heads/" + name; }
std::string tag_name(const std::string& name) { return "refs/tags/" + name; }

std::string_view without_slash(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

// Whether the caller may make a repository of this owner's.
void check_may_make(View& view, const std::string& owner) {
  const Caller& caller = view.caller();
  if (!view.accounts.may_make(caller, owner))
    refuse(Refused::forbidden, "{}: {} has no right to make repositories there", quote(owner),
           caller.account ? caller.name : "a stranger");
}

std::string_view in_short(std::string_view reference) {
  constexpr std::string_view kHeads = "refs/heads/";
  if (reference.starts_with(kHeads)) reference.remove_prefix(kHeads.size());
  return reference;
}

}  // namespace

Signature signature_of(const Caller& caller) {
  return {caller.name, folded(caller.name) + "@localhost", now_in_milliseconds() / 1000};
}

std::string message_of(const std::string& summary, const std::string& description) {
  return description.empty() ? summary : summary + "\n\n" + description;
}

Repository View::repository(RepositoryKind kind, std::string_view full_name) {
  auto found = repositories.find(caller_, kind, full_name);
  if (!found) refuse(Refused::no_repository, "{} {}: not found", name_of(kind), quote(full_name));
  return *std::move(found);
}

void View::need(const Repository& repository, Right right) {
  const Right has = repositories.right(caller_, repository);
  if (has >= right) return;
  if (right == Right::write)
    refuse(Refused::forbidden, "{}: {} has no right to write to it", repository.full_name(),
           caller_.account ? caller_.name : "a stranger");
  // Words that clients show as they are.
  const std::string what =
      fmt::format("Access to {} {} is restricted", name_of(repository.kind), repository.full_name());
  if (!caller_.account)
    refuse(Refused::gated, "{}. You must have access to it and be authenticated to access it. Please log in.", what);
  refuse(Refused::gated, "{} and you are not in the authorized list.", what);
}

int64_t View::speaker(const Repository& repository) {
  if (!caller_.account) refuse(Refused::forbidden, "{}: sign in first", repository.full_name());
  if (!may_speak(repository))
    refuse(Refused::forbidden, "{}: the token lets nobody write to it", repository.full_name());
  return *caller_.account;
}

bool View::may_speak(const Repository& repository) const {
  const bool is_elsewhere = caller_.sole_repository && *caller_.sole_repository != repository.id;
  return caller_.account && caller_.may_write && !is_elsewhere;
}

Discussion View::proposal(const Repository& repository, std::string_view reference) {
  constexpr std::string_view kProposals = "refs/pr/";
  int64_t number = 0;
  const std::string_view digits = reference.substr(std::min(reference.size(), kProposals.size()));
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  auto found = reference.starts_with(kProposals) && error == std::errc() && end == digits.data() + digits.size()
                   ? discussions.find(repository, number)
                   : std::nullopt;
  if (!found || !found->is_proposal())
    refuse(Refused::no_revision, "{}: no branch {}", repository.full_name(), quote(reference));
  if (speaker(repository) != found->author_id) need(repository, Right::write);
  if (found->status == Discussion::Status::closed || found->status == Discussion::Status::merged)
    refuse(Refused::forbidden, "{}: proposal {} is {}", repository.full_name(), number, name_of(found->status));
  return *std::move(found);
}

bool View::may_have(const Sha256& sha256) {
  return caller_.owns_machine && !caller_.sole_repository ? content(sha256).has_value()
                                                          : holdings.may_have_content(caller_, sha256);
}

ObjectId View::resolve(const Repository& repository, std::string_view revision) {
  if (revision == "HEAD") revision = kMainBranch;
  const std::string name(revision);
  for (const std::string& reference : {branch_name(name), tag_name(name), name})
    if (const auto target = repositories.reference(repository, reference)) return *target;
  if (const auto commit = repositories.made(repository, revision)) return *commit;
  refuse(Refused::no_revision, "{}: no branch, tag or commit {}", repository.full_name(), quote(revision));
}

Entry View::described(std::string path, const TreeEntry& from) {
  Entry entry;
  entry.path = std::move(path);
  entry.mode = from.mode;
  entry.id = from.id;
  if (entry.is_folder()) return entry;
  const FileRecord file = objects.file(from.id);
  entry.size = file.size;
  entry.is_large = file.pointer;
  entry.sha256 = file.sha256;
  if (file.pointer)
    if (const auto content = this->content(file.sha256); content && content->file_id)
      entry.file_id = content->file_id->text();
  return entry;
}

std::optional<Content> View::content(const Sha256& sha256) { return Contents::find(connection_, sha256); }
Content View::put_whole(std::string_view bytes) { return Contents::put_whole(connection_, bytes); }

std::optional<Entry> View::entry(const ObjectId& commit, std::string_view path) {
  path = without_slash(path);
  const auto found = find_entry(objects, objects.commit(commit).tree, path);
  if (!found) return std::nullopt;
  return described(std::string(path), *found);
}

std::vector<Entry> View::list(const ObjectId& commit, std::string_view folder, bool recursive, size_t from,
                              size_t most) {
  folder = without_slash(folder);
  const auto found = find_entry(objects, objects.commit(commit).tree, folder);
  if (!found || !found->is_folder()) refuse(Refused::no_entry, "{}: no such folder", quote(folder));
  std::vector<Entry> entries;
  size_t at = 0;
  walk_tree(objects, found->id, std::string(folder), recursive, [&](const std::string& path, const TreeEntry& entry) {
    if (at >= from && entries.size() < most) entries.push_back(described(path, entry));
    ++at;
  });
  return entries;
}

std::vector<View::HistoryItem> View::history(const ObjectId& commit, size_t from, size_t most) {
  std::vector<HistoryItem> items;
  std::optional<ObjectId> at = commit;
  for (size_t i = 0; at && items.size() < most; ++i) {
    Commit one = objects.commit(*at);
    const std::optional<ObjectId> next = one.parents.empty() ? std::nullopt : std::optional(one.parents.front());
    if (i >= from) items.push_back({*at, std::move(one)});
    at = next;
  }
  return items;
}

std::optional<ObjectId> View::common_ancestor(const ObjectId& one, const ObjectId& other) {
  std::set<ObjectId> of_one;
  const auto walk = [&](const ObjectId& from, const std::function<bool(const ObjectId&)>& visit) {
    std::set<ObjectId> seen{from};
    std::deque<ObjectId> next{from};
    for (; !next.empty(); next.pop_front()) {
      if (!visit(next.front())) return;
      for (const ObjectId& parent : objects.commit(next.front()).parents)
        if (seen.insert(parent).second) next.push_back(parent);
    }
  };
  walk(one, [&](const ObjectId& id) { return of_one.insert(id).second; });
  std::optional<ObjectId> found;
  walk(other, [&](const ObjectId& id) {
    if (of_one.contains(id)) found = id;
    return !found;
  });
  return found;
}

std::vector<View::HistoryItem> View::last_changes(const ObjectId& commit, const std::vector<std::string>& paths) {
  std::vector<HistoryItem> found(paths.size());
  std::vector<std::optional<TreeEntry>> now(paths.size());
  std::vector<size_t> open;
  HistoryItem at{commit, objects.commit(commit)};
  for (size_t i = 0; i < paths.size(); ++i) {
    now[i] = find_entry(objects, at.commit.tree, paths[i]);
    open.push_back(i);
  }
  // A path was changed by the commit whose parent has something else there.
  while (!open.empty()) {
    std::optional<HistoryItem> before;
    if (!at.commit.parents.empty()) {
      const ObjectId parent = at.commit.parents.front();
      before = HistoryItem{parent, objects.commit(parent)};
    }
    std::erase_if(open, [&](size_t i) {
      const auto then = before ? find_entry(objects, before->commit.tree, paths[i]) : std::nullopt;
      if (before && then && now[i] && then->id == now[i]->id && then->mode == now[i]->mode) return false;
      found[i] = at;
      return true;
    });
    if (!before) break;
    at = *std::move(before);
  }
  return found;
}

Hub::Hub(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  state_ = std::make_unique<State>(folder);
  prepare_schema(state_->database);
  state_->secret = setting(state_->database, "secret", drawn_bytes(32));
  state_->store_id = setting(state_->database, "store", digest_of<Sha1>(drawn_bytes(32)).hex().substr(0, 16));
  const int64_t account = state_->database.write([](Connection& connection) {
    Accounts accounts(connection);
    const auto made = accounts.add(AccountKind::person, "local", false);
    return made ? *made : accounts.find("local")->id;
  });
  state_->owner = {account, "local", true, true, {}, {}};
  state_->studies = std::make_unique<Studies>(*this);
}
Hub::~Hub() { state_->studies.reset(); }  // which uses the rest

Database& Hub::database() { return state_->database; }
Caller Hub::owner() const { return state_->owner; }
People& Hub::people() { return state_->people; }
Contents& Hub::contents() { return state_->contents; }
Studies& Hub::studies() { return *state_->studies; }
const std::string& Hub::store_id() const { return state_->store_id; }
const std::string& Hub::secret() const { return state_->secret; }

Repository Hub::create(const Caller& caller, RepositoryKind kind, const std::string& owner, const std::string& name,
                       bool is_private) {
  check_owner_name("owner", owner);
  check_name("repository", name);
  Repository repository;
  repository.kind = kind;
  repository.owner = owner;
  repository.name = name;
  repository.is_private = is_private;
  return database().write([&](Connection& connection) {
    View view(connection, caller);
    check_may_make(view, owner);
    Repositories repositories(connection);
    const auto added = repositories.add(repository);
    if (!added)
      refuse(Refused::exists, "{} {}: a repository of this name exists", name_of(kind), repository.full_name());
    repository.id = *added;
    Objects objects(connection);
    TreeEdit tree(objects, std::nullopt);
    const Content attributes = Contents::put_whole(connection, kAttributes);
    view.holdings.hold(repository.id, attributes.sha256);
    tree.put(".gitattributes", TreeEntry::Mode::file,
             objects.put_file(object_id(ObjectKind::blob, kAttributes), {false, attributes.size, attributes.sha256}));
    const ObjectId first =
        objects.put_commit({tree.write(), {}, signature_of(caller), signature_of(caller), "initial commit"});
    repositories.add_made(repository, first);
    repositories.set_reference(repository, kMainBranch, first);
    return view.repository(kind, repository.full_name());
  });
}

void Hub::remove(const Caller& caller, RepositoryKind kind, std::string_view full_name) {
  state_->change(caller, kind, full_name,
                 [&](View& view, const Repository& repository) { view.repositories.remove(repository); });
}

Repository Hub::rename(const Caller& caller, RepositoryKind kind, std::string_view from, std::string_view to) {
  const std::string_view owner = to.substr(0, to.find('/')), name = to.substr(std::min(to.size(), owner.size() + 1));
  check_owner_name("owner", owner);
  check_name("repository", name);
  const Repository renamed = state_->change(caller, kind, from, [&](View& view, const Repository& repository) {
    check_may_make(view, std::string(owner));
    if (!view.repositories.rename(repository, owner, name))
      refuse(Refused::exists, "{} {}: a repository of this name exists", name_of(kind), to);
    return view.repository(kind, to);
  });
  studies().add(renamed);  // others may have named it so before
  return renamed;
}

void Hub::set_access(const Caller& caller, RepositoryKind kind, std::string_view full_name,
                     std::optional<bool> is_private, std::optional<Gate> gate) {
  Repository changed;
  state_->change(caller, kind, full_name, [&](View& view, const Repository& repository) {
    changed = repository;
    view.repositories.set_access(repository, is_private.value_or(repository.is_private),
                                 gate.value_or(repository.gate));
  });
  if (changed.is_private && is_private == false) studies().add(changed);  // others' models may be held against it now
}

void Hub::like(const Caller& caller, RepositoryKind kind, std::string_view full_name, bool liked) {
  database().write([&](Connection& connection) {
    View view(connection, caller);
    const Repository repository = view.repository(kind, full_name);
    view.repositories.like(repository, view.speaker(repository), liked);
  });
}

void Hub::count_download(const Repository& repository, std::string_view who) {
  const Sha256 digest = digest_of<Sha256>(state_->secret + std::string(who));
  database().write([&](Connection& connection) {
    Repositories(connection).count_download(repository, digest.view().substr(0, 16));
  });
}

void Hub::set_facts(const Repository& repository, const Json& facts, const std::vector<std::string>& tags) {
  database().write([&](Connection& connection) {
    Repositories repositories(connection);
    // Of a head that has moved on meanwhile, whoever moved it tells.
    const auto head = repositories.reference(repository, kMainBranch);
    if (head && facts.value("sha", "") == head->hex()) repositories.set_facts(repository, facts, tags);
  });
}

std::vector<Content> store_large(Contents& contents, const CommitRequest& request) {
  std::vector<Content> stored(request.changes.size());
  for (size_t i = 0; i < request.changes.size(); ++i) {
    const auto* put = std::get_if<PutFile>(&request.changes[i]);
    if (!put || put->bytes.size() <= Contents::kMostWhole) continue;
    const auto writer = contents.create();
    writer->append(put->bytes);
    stored[i] = writer->finish();
  }
  return stored;
}

void check_paths(const CommitRequest& request) {
  for (const Change& change : request.changes)
    std::visit([](const auto& one) { check_path(without_slash(one.path)); }, change);
}

ObjectId apply(View& view, const Repository& repository, const std::string& reference, const ObjectId& at,
               const CommitRequest& request, const std::vector<Content>& stored) {
  if (request.parent && (request.parent->size() < 4 || !at.hex().starts_with(*request.parent)))
    refuse(Refused::moved_on, "{}: {} was updated since: it is at {}, not at {}", repository.full_name(),
           quote(in_short(reference)), at.hex(), quote(*request.parent));
  const ObjectId before = view.objects.commit(at).tree;
  TreeEdit tree(view.objects, before);
  for (size_t i = 0; i < request.changes.size(); ++i) {
    const Change& change = request.changes[i];
    if (const auto* put = std::get_if<PutFile>(&change)) {
      const Content content = put->bytes.size() <= Contents::kMostWhole ? view.put_whole(put->bytes) : stored[i];
      view.holdings.hold(repository.id, content.sha256);
      tree.put(put->path, TreeEntry::Mode::file,
               view.objects.put_file(object_id(ObjectKind::blob, put->bytes), {false, content.size, content.sha256}));
    } else if (const auto* link = std::get_if<PutStored>(&change)) {
      // What the caller may not have is as if it were not there: who can name it might otherwise read it.
      const auto content = view.may_have(link->sha256) ? view.content(link->sha256) : std::nullopt;
      if (!content)
        refuse(Refused::not_stored, "{}: its bytes ({}) were not uploaded", quote(link->path), link->sha256.hex());
      if (link->size && *link->size != content->size)
        refuse(Refused::not_stored, "{}: expected {} bytes, got {}", quote(link->path), content->size, *link->size);
      view.holdings.hold(repository.id, content->sha256);
      const std::string pointer = lfs_pointer({content->sha256, content->size});
      tree.put(link->path, TreeEntry::Mode::file,
               view.objects.put_file(object_id(ObjectKind::blob, pointer), {true, content->size, content->sha256}));
    } else if (const auto* file = std::get_if<RemoveFile>(&change)) {
      tree.remove(without_slash(file->path));
    } else {
      tree.remove(without_slash(std::get<RemoveFolder>(change).path));
    }
  }
  const ObjectId after = tree.write();
  // Clients that try again after they heard no answer find that nothing is left to do.
  if (after == before && !request.changes.empty()) return at;
  const Signature who = signature_of(view.caller());
  const ObjectId made =
      view.objects.put_commit({after, {at}, who, who, message_of(request.summary, request.description)});
  view.repositories.add_made(repository, made);
  view.repositories.set_reference(repository, reference, made);
  view.repositories.touch(repository);
  return made;
}

ObjectId Hub::commit(const Caller& caller, RepositoryKind kind, std::string_view full_name,
                     const CommitRequest& request) {
  check_paths(request);
  // Who has no right to commit does not fill the disk.
  view(caller, [&](View& before) {
    const Repository repository = before.repository(kind, full_name);
    if (request.branch.starts_with("refs/pr/"))
      before.proposal(repository, request.branch);
    else
      before.need(repository, Right::write);
  });
  const std::vector<Content> stored = store_large(contents(), request);
  Repository changed;
  const ObjectId head = state_->write(caller, kind, full_name, [&](View& view, const Repository& repository) {
    changed = repository;
    std::optional<Discussion> proposal;
    if (request.branch.starts_with("refs/pr/"))
      proposal = view.proposal(repository, request.branch);
    else
      view.need(repository, Right::write);
    const auto at = view.repositories.reference(repository, request.branch);
    if (!at || request.branch.starts_with("refs/tags/"))
      refuse(Refused::no_revision, "{}: no branch {}", repository.full_name(), quote(in_short(request.branch)));
    const ObjectId made = apply(view, repository, request.branch, *at, request, stored);
    if (proposal && made != *at)
      view.discussions.add_event(*proposal, Event::Kind::commit, *caller.account, request.summary, made.hex());
    return made;
  });
  if (request.branch == kMainBranch) update_facts(*this, changed);
  return head;
}

void Hub::create_branch(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& name,
                        const std::string& revision) {
  check_reference_name("branch", name);
  state_->change(caller, kind, full_name, [&](View& view, const Repository& repository) {
    if (view.repositories.reference(repository, branch_name(name)))
      refuse(Refused::exists, "Reference {} already exists", branch_name(name));
    view.repositories.set_reference(repository, branch_name(name), view.resolve(repository, revision));
  });
}

void Hub::create_tag(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& name,
                     const std::string& revision) {
  check_reference_name("tag", name);
  state_->change(caller, kind, full_name, [&](View& view, const Repository& repository) {
    if (view.repositories.reference(repository, tag_name(name)))
      refuse(Refused::exists, "Reference {} already exists", tag_name(name));
    view.repositories.set_reference(repository, tag_name(name), view.resolve(repository, revision));
  });
}

void Hub::remove_branch(const Caller& caller, RepositoryKind kind, std::string_view full_name,
                        const std::string& name) {
  state_->change(caller, kind, full_name, [&](View& view, const Repository& repository) {
    if (branch_name(name) == kMainBranch) refuse(Refused::forbidden, "the branch {} stays", name);
    if (!view.repositories.remove_reference(repository, branch_name(name)))
      refuse(Refused::no_revision, "{}: no branch {}", repository.full_name(), quote(name));
  });
}

void Hub::remove_tag(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& name) {
  state_->change(caller, kind, full_name, [&](View& view, const Repository& repository) {
    if (!view.repositories.remove_reference(repository, tag_name(name)))
      refuse(Refused::no_revision, "{}: no tag {}", repository.full_name(), quote(name));
  });
}

ObjectId Hub::squash(const Caller& caller, RepositoryKind kind, std::string_view full_name, const std::string& branch,
                     const std::string& message) {
  return state_->change(caller, kind, full_name, [&](View& view, const Repository& repository) {
    const std::string name = branch.starts_with("refs/pr/") ? branch : branch_name(branch);
    const auto at = view.repositories.reference(repository, name);
    if (!at) refuse(Refused::no_revision, "{}: no branch {}", repository.full_name(), quote(branch));
    const Signature who = signature_of(caller);
    const ObjectId made = view.objects.put_commit({view.objects.commit(*at).tree, {}, who, who, message});
    view.repositories.add_made(repository, made);
    view.repositories.set_reference(repository, name, made);
    view.repositories.touch(repository);
    return made;
  });
}

namespace {

// What a commit and all before it have becomes this repository's, too. `seen`: commits and folders that are already.
void copy_history(View& view, const Repository& into, const ObjectId& from, std::set<ObjectId>& seen) {
  std::vector<ObjectId> commits{from};
  const std::function<void(const ObjectId&)> hold_folder = [&](const ObjectId& folder) {
    if (!seen.insert(folder).second) return;
    for (const TreeEntry& entry : view.objects.tree(folder))
      if (entry.is_folder())
        hold_folder(entry.id);
      else if (seen.insert(entry.id).second)
        view.holdings.hold(into.id, view.objects.file(entry.id).sha256);
  };
  while (!commits.empty()) {
    const ObjectId at = commits.back();
    commits.pop_back();
    if (!seen.insert(at).second) continue;
    view.repositories.add_made(into, at);
    const Commit commit = view.objects.commit(at);
    hold_folder(commit.tree);
    commits.insert(commits.end(), commit.parents.begin(), commit.parents.end());
  }
}

}  // namespace

Repository Hub::duplicate(const Caller& caller, RepositoryKind kind, std::string_view from, const std::string& owner,
                          const std::string& name, bool is_private) {
  check_owner_name("owner", owner);
  check_name("repository", name);
  return database().write([&](Connection& connection) {
    View view(connection, caller);
    const Repository source = view.repository(kind, from);
    Repository copy;
    copy.kind = kind;
    copy.owner = owner;
    copy.name = name;
    copy.is_private = is_private;
    check_may_make(view, owner);
    view.need(source, Right::read);
    const auto added = view.repositories.add(copy);
    if (!added) refuse(Refused::exists, "{} {}: a repository of this name exists", name_of(kind), copy.full_name());
    copy.id = *added;
    std::set<ObjectId> seen;
    for (const Reference& reference : view.repositories.references(source)) {
      if (reference.name.starts_with("refs/pr/")) continue;
      copy_history(view, copy, reference.target, seen);
      view.repositories.set_reference(copy, reference.name, reference.target);
    }
    view.repositories.set_facts(copy, source.facts, view.repositories.tags(source));
    return view.repository(kind, copy.full_name());
  });
}

void Hub::note_content(const Caller& caller, const Sha256& content) {
  database().write([&](Connection& connection) {
    Holdings(connection).note_content(caller, content, now_in_milliseconds() + kLease);
  });
}

void Hub::note_file(const Caller& caller, const xet::Hash& file_id) {
  database().write(
      [&](Connection& connection) { Holdings(connection).note_file(caller, file_id, now_in_milliseconds() + kLease); });
}

void Hub::note_xorb(const Caller& caller, const xet::Hash& xorb) {
  database().write(
      [&](Connection& connection) { Holdings(connection).note_xorb(caller, xorb, now_in_milliseconds() + kLease); });
}

}  // namespace glassbox::hub
