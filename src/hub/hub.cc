#include "hub/hub.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "base/output.h"
#include "base/quote.h"
#include "hub/database/schema.h"
#include "hub/facts.h"
#include "hub/names.h"
#include "hub/refusal.h"
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

// Random bytes of the system.
std::string drawn_bytes(size_t count) {
  std::string bytes(count, '\0');
  check(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) == 1,
        "the system has random numbers");
  return bytes;
}

Signature signature_of(const Caller& caller) {
  return {caller.name, folded(caller.name) + "@localhost", now_in_milliseconds() / 1000};
}

std::string message_of(const std::string& summary, const std::string& description) {
  return description.empty() ? summary : summary + "\n\n" + description;
}

std::string_view without_slash(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

void check_may_write(const Caller& caller, const Repository& repository) {
  if (!caller.owns_machine && folded(caller.name) != folded(repository.owner))
    refuse(Refused::forbidden, "{}: {} has no right to write to it", repository.full_name(),
           caller.account ? caller.name : "a stranger");
}

std::string_view in_short(std::string_view reference) {
  constexpr std::string_view kHeads = "refs/heads/";
  if (reference.starts_with(kHeads)) reference.remove_prefix(kHeads.size());
  return reference;
}

}  // namespace

Repository View::repository(RepositoryKind kind, std::string_view full_name) {
  auto found = repositories.find(caller_, kind, full_name);
  if (!found) refuse(Refused::no_repository, "{} {}: not found", name_of(kind), quote(full_name));
  return *std::move(found);
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

struct Hub::State {
  explicit State(const std::filesystem::path& folder)
      : lock(folder), database(folder / "hub.db"), blobs(folder_blobs(folder / "blobs")), contents(database, *blobs) {}

  // Runs `work` in a transaction on a repository that the caller may write to.
  template <class Work>
  auto change(const Caller& caller, RepositoryKind kind, std::string_view full_name, const Work& work) {
    return database.write([&](Connection& connection) {
      View view(connection, caller);
      const Repository repository = view.repository(kind, full_name);
      check_may_write(caller, repository);
      return work(view, repository);
    });
  }

  FolderLock lock;
  Database database;
  std::unique_ptr<Blobs> blobs;
  Contents contents;
  std::string store_id, secret;
  Caller owner;
};

Hub::Hub(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  state_ = std::make_unique<State>(folder);
  prepare_schema(state_->database);
  state_->secret = setting(state_->database, "secret", drawn_bytes(32));
  state_->store_id = setting(state_->database, "store", digest_of<Sha1>(drawn_bytes(32)).hex().substr(0, 16));
  const int64_t account =
      state_->database.write([](Connection& connection) { return Repositories(connection).account("local", false); });
  state_->owner = {account, "local", true};
}
Hub::~Hub() = default;

Database& Hub::database() { return state_->database; }
Caller Hub::owner() const { return state_->owner; }
Contents& Hub::contents() { return state_->contents; }
const std::string& Hub::store_id() const { return state_->store_id; }
const std::string& Hub::secret() const { return state_->secret; }

Repository Hub::create(const Caller& caller, RepositoryKind kind, const std::string& owner, const std::string& name,
                       bool is_private) {
  check_name("owner", owner);
  check_name("repository", name);
  Repository repository;
  repository.kind = kind;
  repository.owner = owner;
  repository.name = name;
  repository.is_private = is_private;
  check_may_write(caller, repository);
  return database().write([&](Connection& connection) {
    Repositories repositories(connection);
    const auto added = repositories.add(repository);
    if (!added)
      refuse(Refused::exists, "{} {}: a repository of this name exists", name_of(kind), repository.full_name());
    repository.id = *added;
    Objects objects(connection);
    TreeEdit tree(objects, std::nullopt);
    const Content attributes = Contents::put_whole(connection, kAttributes);
    tree.put(".gitattributes", TreeEntry::Mode::file,
             objects.put_file(object_id(ObjectKind::blob, kAttributes), {false, attributes.size, attributes.sha256}));
    const ObjectId first =
        objects.put_commit({tree.write(), {}, signature_of(caller), signature_of(caller), "initial commit"});
    repositories.add_made(repository, first);
    repositories.set_reference(repository, kMainBranch, first);
    return View(connection, caller).repository(kind, repository.full_name());
  });
}

void Hub::remove(const Caller& caller, RepositoryKind kind, std::string_view full_name) {
  state_->change(caller, kind, full_name,
                 [&](View& view, const Repository& repository) { view.repositories.remove(repository); });
}

Repository Hub::rename(const Caller& caller, RepositoryKind kind, std::string_view from, std::string_view to) {
  const std::string_view owner = to.substr(0, to.find('/')), name = to.substr(std::min(to.size(), owner.size() + 1));
  check_name("owner", owner);
  check_name("repository", name);
  return state_->change(caller, kind, from, [&](View& view, const Repository& repository) {
    Repository target = repository;
    target.owner = std::string(owner);
    check_may_write(caller, target);
    if (!view.repositories.rename(repository, owner, name))
      refuse(Refused::exists, "{} {}: a repository of this name exists", name_of(kind), to);
    return view.repository(kind, to);
  });
}

void Hub::set_access(const Caller& caller, RepositoryKind kind, std::string_view full_name,
                     std::optional<bool> is_private, std::optional<Gate> gate) {
  state_->change(caller, kind, full_name, [&](View& view, const Repository& repository) {
    view.repositories.set_access(repository, is_private.value_or(repository.is_private),
                                 gate.value_or(repository.gate));
  });
}

void Hub::like(const Caller& caller, RepositoryKind kind, std::string_view full_name, bool liked) {
  database().write([&](Connection& connection) {
    View view(connection, caller);
    const Repository repository = view.repository(kind, full_name);
    if (!caller.account) refuse(Refused::forbidden, "{}: sign in to like it", repository.full_name());
    view.repositories.like(repository, *caller.account, liked);
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

ObjectId Hub::commit(const Caller& caller, RepositoryKind kind, std::string_view full_name,
                     const CommitRequest& request) {
  for (const Change& change : request.changes)
    std::visit([](const auto& one) { check_path(without_slash(one.path)); }, change);
  // Larger files that come with the commit are stored before it; small ones as part of it.
  std::vector<Content> stored(request.changes.size());
  for (size_t i = 0; i < request.changes.size(); ++i) {
    const auto* put = std::get_if<PutFile>(&request.changes[i]);
    if (!put || put->bytes.size() <= Contents::kMostWhole) continue;
    const auto writer = contents().create();
    writer->append(put->bytes);
    stored[i] = writer->finish();
  }
  Repository changed;
  const ObjectId head = state_->change(caller, kind, full_name, [&](View& view, const Repository& repository) {
    changed = repository;
    const auto at = view.repositories.reference(repository, request.branch);
    if (!at) refuse(Refused::no_revision, "{}: no branch {}", repository.full_name(), quote(in_short(request.branch)));
    if (request.parent && (request.parent->size() < 4 || !at->hex().starts_with(*request.parent)))
      refuse(Refused::moved_on, "{}: {} was updated since: it is at {}, not at {}", repository.full_name(),
             quote(in_short(request.branch)), at->hex(), quote(*request.parent));
    const ObjectId before = view.objects.commit(*at).tree;
    TreeEdit tree(view.objects, before);
    for (size_t i = 0; i < request.changes.size(); ++i) {
      const Change& change = request.changes[i];
      if (const auto* put = std::get_if<PutFile>(&change)) {
        const Content content = put->bytes.size() <= Contents::kMostWhole ? view.put_whole(put->bytes) : stored[i];
        tree.put(put->path, TreeEntry::Mode::file,
                 view.objects.put_file(object_id(ObjectKind::blob, put->bytes), {false, content.size, content.sha256}));
      } else if (const auto* link = std::get_if<PutStored>(&change)) {
        const auto content = view.content(link->sha256);
        if (!content)
          refuse(Refused::not_stored, "{}: its bytes ({}) were not uploaded", quote(link->path), link->sha256.hex());
        if (link->size && *link->size != content->size)
          refuse(Refused::not_stored, "{}: expected {} bytes, got {}", quote(link->path), content->size, *link->size);
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
    if (after == before && !request.changes.empty()) return *at;
    const Signature who = signature_of(caller);
    const ObjectId made =
        view.objects.put_commit({after, {*at}, who, who, message_of(request.summary, request.description)});
    view.repositories.add_made(repository, made);
    view.repositories.set_reference(repository, request.branch, made);
    view.repositories.touch(repository);
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

Repository Hub::duplicate(const Caller& caller, RepositoryKind kind, std::string_view from, const std::string& owner,
                          const std::string& name, bool is_private) {
  check_name("owner", owner);
  check_name("repository", name);
  return database().write([&](Connection& connection) {
    View view(connection, caller);
    const Repository source = view.repository(kind, from);
    Repository copy;
    copy.kind = kind;
    copy.owner = owner;
    copy.name = name;
    copy.is_private = is_private;
    check_may_write(caller, copy);
    const auto added = view.repositories.add(copy);
    if (!added) refuse(Refused::exists, "{} {}: a repository of this name exists", name_of(kind), copy.full_name());
    copy.id = *added;
    for (const Reference& reference : view.repositories.references(source)) {
      if (reference.name.starts_with("refs/pr/")) continue;
      for (const View::HistoryItem& item : view.history(reference.target)) view.repositories.add_made(copy, item.id);
      view.repositories.set_reference(copy, reference.name, reference.target);
    }
    view.repositories.set_facts(copy, source.facts, view.repositories.tags(source));
    return view.repository(kind, copy.full_name());
  });
}

}  // namespace glassbox::hub
