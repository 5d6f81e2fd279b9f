// What comes in: which way a file goes, large files by LFS, and commits.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/base64.h"
#include "base/percent.h"
#include "base/quote.h"
#include "hub/attributes.h"
#include "hub/names.h"
#include "hub/refusal.h"
#include "server/hub/handlers.h"
#include "server/hub/sign.h"

namespace glassbox::hubapi {
namespace {

using hub::refuse;
using hub::Refused;

constexpr uint64_t kLargestRegular = uint64_t{10} << 20;  // bytes of a file that travels within a commit
constexpr size_t kMostAttributes = size_t{1} << 20;
constexpr int64_t kUploadSeconds = 24 * 60 * 60;

// Git's own test: text has no zero byte at its beginning.
bool looks_binary(const std::string& sample) { return sample.find('\0') != std::string::npos; }

// The branch that a client names in short.
std::string branch_in_full(const std::string& revision) {
  return revision.starts_with("refs/") ? revision : "refs/heads/" + revision;
}

std::string decoded(const Json& value) {
  std::string bytes;
  const auto& text = value.get_ref<const std::string&>();
  if (!text.empty() && !from_base64(text, bytes))
    refuse(Refused::bad_value, "content: expected base64, got something else");
  return bytes;
}

hub::Sha256 sha256_in(const Json& value) {
  const auto digest = hub::Sha256::parse(value.get_ref<const std::string&>());
  if (!digest)
    refuse(Refused::bad_value, "oid: expected 64 hexadecimal digits, got {}", quote(value.get<std::string>()));
  return *digest;
}

// The address of an object, to be put there or to be fetched: it lets whoever has it do that, and nothing else.
std::string lfs_url(const Call& call, const hub::Sha256& oid, uint64_t size, const char* right) {
  Json says{{"lfs", right}, {"oid", oid.hex()}, {"size", size}, {"exp", now_in_seconds() + kUploadSeconds}};
  if (call.caller.account) says["account"] = *call.caller.account;
  return fmt::format("{}/lfs/{}", call.base(), sign(says, call.hub.secret()));
}

// What such an address says, whose part {token} was asked for.
Json lfs_right(const Call& call, const char* right) {
  const auto says = verify(call.part("token"), call.hub.secret());
  if (!says || says->value("lfs", "") != right)
    refuse(Refused::forbidden, "this address is not valid, or not any more");
  return *says;
}

hub::CommitRequest parse_commit(std::string_view lines) {
  hub::CommitRequest commit;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const Json one = parse_json(line, "the commit", ErrorKind::bad_request);
    const std::string key = one.at("key");
    const Json& value = one.at("value");
    if (key == "header") {
      commit.summary = value.value("summary", "");
      commit.description = value.value("description", "");
      if (const auto parent = value.find("parentCommit"); parent != value.end() && parent->is_string())
        commit.parent = parent->get<std::string>();
    } else if (key == "file") {
      const bool is_text = value.value("encoding", "base64") == "utf-8";
      commit.changes.push_back(hub::PutFile{
          value.at("path"), is_text ? value.at("content").get<std::string>() : decoded(value.at("content"))});
    } else if (key == "lfsFile") {
      hub::PutStored stored{value.at("path"), sha256_in(value.at("oid")), {}};
      if (const auto size = value.find("size"); size != value.end() && size->is_number_unsigned())
        stored.size = size->get<uint64_t>();
      commit.changes.push_back(std::move(stored));
    } else if (key == "deletedFile" || key == "deletedEntry") {
      commit.changes.push_back(hub::RemoveFile{value.at("path")});
    } else if (key == "deletedFolder") {
      commit.changes.push_back(hub::RemoveFolder{value.at("path")});
    } else {
      refuse(Refused::bad_value, "key: expected header, file, lfsFile, deletedFile or deletedFolder, got {}",
             quote(key));
    }
  }
  return commit;
}

http::Response lfs_answer(const Json& json) {
  return {200, {{"Content-Type", "application/vnd.git-lfs+json"}, {"Cache-Control", "no-store"}}, dump_json(json)};
}

// Where chunks go instead of whole files, and where the token for them is had anew.
Json xet_action(const Call& call, const Json& batch) {
  const auto reference = batch.find("ref");
  const std::string revision = reference == batch.end() ? "main" : reference->at("name").get<std::string>();
  Json header = Json::object();
  for (const auto& [name, value] : xet_access(call, true).headers()) header[name] = value;
  // Without a reference it is for a proposal that comes with the commit.
  return {
      {"href", fmt::format("{}/api/{}/{}/xet-write-token/{}{}", call.base(), plural_of(call.kind), call.repository(),
                           percent_encoded(revision), reference == batch.end() ? "?create_pr=1" : "")},
      {"header", std::move(header)}};
}

}  // namespace

hub::ObjectId revision_to_write(const Call& call, hub::View& view, const hub::Repository& repository) {
  const std::string revision = call.rest().revision;
  if (call.query_flag("create_pr")) {
    view.need(repository, hub::Right::read);
    view.speaker(repository);
    return view.resolve(repository, revision == "None" ? std::string(hub::kMainBranch) : revision);
  }
  if (revision.starts_with("refs/pr/"))
    view.proposal(repository, revision);
  else
    view.need(repository, hub::Right::write);
  return view.resolve(repository, revision);
}

http::Response preupload(const Call& call) {
  const Json body = call.json();
  return json_answer(call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    const hub::ObjectId commit = revision_to_write(call, view, repository);
    // What the upload itself brings counts before what is there.
    std::string rules;
    if (const auto given = body.find("gitAttributes"); given != body.end() && given->is_string())
      rules = given->get<std::string>();
    else if (const auto entry = view.entry(commit, ".gitattributes");
             entry && !entry->is_folder() && entry->size <= kMostAttributes)
      rules = call.hub.contents().read(entry->sha256, kMostAttributes);
    const hub::Attributes attributes(rules);
    std::optional<hub::Attributes> ignored;
    if (const auto given = body.find("gitIgnore"); given != body.end() && given->is_string()) {
      std::string lines;
      for (std::string_view text = given->get_ref<const std::string&>(); !text.empty();) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.empty() || line.starts_with('#')) continue;
        const bool kept = line.starts_with('!');
        lines += fmt::format("{} filter={}\n", line.substr(kept ? 1 : 0), kept ? "none" : "lfs");
      }
      ignored.emplace(lines);
    }
    Json files = Json::array();
    for (const Json& file : body.at("files")) {
      const std::string path = file.at("path");
      hub::check_path(path);
      const uint64_t size = file.at("size");
      std::string sample;
      if (const auto given = file.find("sample"); given != file.end() && given->is_string()) sample = decoded(*given);
      const bool large = size > 0 && (attributes.is_large(path) || size > kLargestRegular || looks_binary(sample));
      Json told{{"path", path},
                {"uploadMode", large ? "lfs" : "regular"},
                {"shouldIgnore", ignored && ignored->is_large(path)}};
      if (const auto entry = view.entry(commit, path); entry && !entry->is_folder())
        told["oid"] = entry->is_large ? entry->sha256.hex() : entry->id.hex();
      files.push_back(std::move(told));
    }
    return Json{{"commitOid", commit.hex()}, {"files", files}};
  }));
}

http::Response lfs_batch(const Call& call) {
  const Json body = call.json();
  const bool is_upload = body.at("operation") == "upload";
  const Json& wanted = body.at("objects");
  // What the caller may not have is as if it were not there.
  std::vector<std::optional<hub::Content>> stored;
  call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    view.need(repository, hub::Right::read);
    // Whoever may read may propose a change, and needs no more for it: what is uploaded is nobody's until a commit.
    if (is_upload) view.speaker(repository);
    for (const Json& object : wanted) {
      const hub::Sha256 oid = sha256_in(object.at("oid"));
      stored.push_back(view.may_have(oid) ? view.content(oid) : std::nullopt);
    }
  });
  // Some clients cut files themselves where they are answered that they may, and send what is new of them alone.
  const auto offered = body.find("transfers");
  const bool by_xet = is_upload && offered != body.end() && offered->is_array() &&
                      std::ranges::find(*offered, Json("xet")) != offered->end();
  const Json xet_upload = by_xet ? xet_action(call, body) : Json();
  Json objects = Json::array();
  for (size_t i = 0; i < wanted.size(); ++i) {
    const hub::Sha256 oid = sha256_in(wanted[i].at("oid"));
    const uint64_t size = wanted[i].at("size");
    const auto& content = stored[i];
    Json told{{"oid", oid.hex()}, {"size", size}};
    if (is_upload && !content) {
      told["authenticated"] = true;
      told["actions"] = {{"upload", by_xet ? xet_upload : Json{{"href", lfs_url(call, oid, size, "put")}}}};
    } else if (!is_upload && content) {
      told["authenticated"] = true;
      told["actions"] = {{"download", {{"href", lfs_url(call, oid, size, "get")}}}};
    } else if (!is_upload) {
      told["error"] = {{"code", 404}, {"message", "the object is not in the store"}};
    } else if (content->size != size) {
      told["error"] = {{"code", 422}, {"message", fmt::format("expected {} bytes, got {}", content->size, size)}};
    }
    objects.push_back(std::move(told));
  }
  return lfs_answer({{"transfer", by_xet ? "xet" : "basic"}, {"objects", objects}});
}

http::Response lfs_verify(const Call& call) {
  const Json body = call.json();
  const hub::Sha256 oid = sha256_in(body.at("oid"));
  const auto content = call.hub.view(call.caller, [&](hub::View& view) {
    view.repository(call.kind, call.repository());
    return view.may_have(oid) ? view.content(oid) : std::nullopt;
  });
  if (!content || content->size != body.at("size").get<uint64_t>())
    refuse(Refused::no_entry, "the object is not in the store");
  return lfs_answer(Json::object());
}

http::Response commit(const Call& call) {
  hub::CommitRequest commit = parse_commit(call.request.body);
  commit.branch = branch_in_full(call.rest().revision);
  if (commit.summary.empty()) commit.summary = "Upload with a commit without a summary";
  Json answer{{"success", true}, {"hookOutput", ""}};
  std::optional<hub::Hub::Proposed> proposed;
  hub::ObjectId made;
  if (call.query_flag("create_pr")) {
    proposed = call.hub.propose(call.caller, call.kind, call.repository(), commit);
    made = proposed->commit;
  } else {
    made = call.hub.commit(call.caller, call.kind, call.repository(), commit);
  }
  const hub::Repository repository =
      call.hub.view(call.caller, [&](hub::View& view) { return view.repository(call.kind, call.repository()); });
  answer["commitOid"] = made.hex();
  answer["commitUrl"] = call.url_of(repository) + "/commit/" + made.hex();
  if (proposed)
    answer["pullRequestUrl"] = fmt::format("{}/discussions/{}", call.url_of(repository), proposed->discussion.number);
  return json_answer(answer);
}

// Bytes need not move: what a copy needs is that its commit may name them.
http::Response duplicate_large_files(const Call& call) {
  const Json body = call.json();
  Json failed = Json::array();
  call.hub.view(call.caller, [&](hub::View& view) {
    view.need(view.repository(call.kind, call.repository()), hub::Right::read);
    const Json& target = body.at("target");
    const auto kind = hub::repository_kind(target.value("type", "model"));
    if (!kind) refuse(Refused::bad_value, "target.type: expected model, dataset or space");
    view.speaker(view.repository(*kind, target.at("name").get<std::string>()));
    for (const Json& file : body.at("files"))
      if (const hub::Sha256 sha256 = sha256_in(file.at("sha256")); !view.may_have(sha256))
        failed.push_back({{"sha256", sha256.hex()}, {"error", "the object is not in the store"}});
  });
  return json_answer({{"failed", std::move(failed)}});
}

http::Response lfs_get(const Call& call) {
  const hub::Sha256 oid = sha256_in(lfs_right(call, "get").at("oid"));
  const auto content = call.hub.contents().find(oid);
  if (!content) refuse(Refused::no_entry, "the object is not in the store");
  return http::Response::ranged(
      call.request, content->size, "application/octet-stream", "\"" + oid.hex() + "\"",
      [&](uint64_t begin, uint64_t end) { return source_of(call.hub.contents().open(oid), begin, end); });
}

void lfs_put(const Call& call, const std::shared_ptr<http::ResponseStream>& stream) {
  const Json says = lfs_right(call, "put");
  const hub::Sha256 oid = sha256_in(says.at("oid"));
  const uint64_t size = says.at("size");
  hub::Caller sender;
  if (const auto account = says.find("account"); account != says.end()) sender.account = account->get<int64_t>();
  if (const auto length = call.request.header("Content-Length"); length && *length != std::to_string(size))
    refuse(Refused::bad_value, "expected {} bytes, got {}", size, *length);
  const std::shared_ptr<hub::ContentWriter> writer = call.hub.contents().create();
  receive_all(
      call, stream,
      [writer, size, got = uint64_t{0}](std::string_view piece) mutable {
        got += piece.size();
        if (got > size) refuse(Refused::bad_value, "expected {} bytes, got more", size);
        writer->append(piece);
      },
      [writer, oid, sender, hub = &call.hub] {
        writer->finish(oid);
        hub->note_content(sender, oid);
        return json_answer(Json::object()).with("ETag", "\"" + oid.hex() + "\"");
      });
}

}  // namespace glassbox::hubapi
