// What answers the hub's requests, a file for each part of the API. For site.cc.
#pragma once

#include <memory>

#include "server/hub/call.h"

namespace glassbox::hubapi {

// Each answers one kind of request, and throws what error_answer() makes an answer of.

// repositories.cc: what there is, and making, moving and removing it.

// POST /api/repos/create. A taken name is 409, with the address of what has it.
http::Response create_repository(const Call& call);
// DELETE /api/repos/delete, named in the body.
http::Response delete_repository(const Call& call);
// POST /api/repos/move: the old name leads to the new one from then on.
http::Response move_repository(const Call& call);
// POST .../duplicate: a new repository with the same branches and tags.
http::Response duplicate_repository(const Call& call);
// PUT .../settings: who may see it, and whether its files are for those who were let in.
http::Response change_settings(const Call& call);
// GET /api/models and its like: searched, filtered, sorted, a page at a time.
http::Response list_repositories(const Call& call);
// GET /api/models/OWNER/NAME: what it is, at the head of its main branch.
http::Response repository_info(const Call& call);
// GET .../revision/REVISION: the same of another commit.
http::Response revision_info(const Call& call);
// GET .../auth-check: whether its files may be read.
http::Response check_access(const Call& call);
// GET .../auth-check/write: whether it may be written to.
http::Response check_write_access(const Call& call);
// POST .../like, as often as one likes: it counts once.
http::Response like(const Call& call);
// DELETE .../like.
http::Response unlike(const Call& call);
// GET .../like: whether the caller does, how many do, and whether the caller may. Ours: for the pages.
http::Response liking(const Call& call);
// POST /api/validate-yaml: what is wrong with a README.md. Asked without a token, too.
http::Response validate_card(const Call& call);
// GET /api/settings/repositories: those of the caller, with their sizes.
http::Response own_repositories(const Call& call);
// GET /api/organizations/NAME/settings/repositories: those of an organisation.
http::Response organization_repositories(const Call& call);
// GET /api/models-tags-by-type: every tag there is, by what it is of.
http::Response tags_by_type(const Call& call);
// What /api/ has not: 404 as JSON, which clients take for "not served here".
http::Response no_such_path(const Call& call);

// variants.cc: who is made of whom. All of it ours: no official hub has these paths.

// GET /api/models/OWNER/NAME/variants: what a model was made of, and what was made of it.
http::Response variants(const Call& call);
// GET /api/race: the models that most others descend from, and how many did by each of the last weeks.
http::Response race(const Call& call);
// GET /api/popularity: every model with its likes, downloads, score and descendants, as JSON Lines or CSV. Streamed.
http::Response popularity(const Call& call);

// people.cc: who there is, what they like, and who is let in.

// GET /api/whoami-v2: whose token it is, their organisations, and what it allows.
http::Response whoami(const Call& call);
// GET /api/users/NAME/overview.
http::Response user_overview(const Call& call);
// GET /api/users/NAME/likes: of what the caller may know of.
http::Response user_likes(const Call& call);
// GET /api/organizations/NAME/overview.
http::Response organization_overview(const Call& call);
// GET /api/organizations/NAME/members.
http::Response organization_members(const Call& call);
http::Response nobody(const Call& call);  // an empty list of people
// GET .../likers: who likes a repository.
http::Response likers(const Call& call);
// GET .../user-access-request/STATUS: who asked to be let in.
http::Response access_requests(const Call& call);
// POST .../user-access-request/handle: lets in, or does not.
http::Response handle_access_request(const Call& call);
// POST .../user-access-request/grant: lets somebody in who did not ask.
http::Response grant_access(const Call& call);
// POST .../ask-access: asks to be let in.
http::Response ask_access(const Call& call);

// discussions.cc: talk, and proposed changes.

// GET .../discussions: a page of them, the newest first.
http::Response discussions(const Call& call);
// GET .../discussions/NUMBER: one with its events, and for a proposal its changes.
http::Response discussion(const Call& call);
// POST .../discussions: talk, or a proposal (pull request) that begins as a draft.
http::Response create_discussion(const Call& call);
// POST .../discussions/NUMBER/comment.
http::Response comment(const Call& call);
// POST .../comment/ID/edit, by whoever wrote it.
http::Response edit_comment(const Call& call);
// POST .../comment/ID/hide.
http::Response hide_comment(const Call& call);
// POST .../discussions/NUMBER/title.
http::Response change_title(const Call& call);
// POST .../discussions/NUMBER/status: opened or closed.
http::Response change_status(const Call& call);
// POST .../discussions/NUMBER/merge: 409 where both sides changed a file.
http::Response merge(const Call& call);

// history.cc: references, commits, branches and tags.

// GET .../refs: branches, tags, and proposals where they are asked for.
http::Response references(const Call& call);
// GET .../commits/REVISION: the history, the newest first, with how many there are.
http::Response commits(const Call& call);
// POST .../branch/NAME.
http::Response create_branch(const Call& call);
// DELETE .../branch/NAME: any but the main one.
http::Response delete_branch(const Call& call);
// POST .../tag/REVISION, the name in the body.
http::Response create_tag(const Call& call);
// DELETE .../tag/NAME.
http::Response delete_tag(const Call& call);
// POST .../super-squash/BRANCH: one commit in place of its history.
http::Response squash(const Call& call);

// files.cc: folders and files.

// GET .../tree/REVISION/PATH: what is in a folder, or also below it.
http::Response tree(const Call& call);
// POST .../paths-info/REVISION: the same of paths that are named; those that are not there are left out.
http::Response paths_info(const Call& call);
// GET /OWNER/NAME/resolve/REVISION/PATH: a file, or a range of it.
http::Response resolve(const Call& call);
// GET /OWNER/NAME/raw/REVISION/PATH: as git has it, of a large file the pointer.
http::Response raw(const Call& call);
// GET .../lfs-files: every large file that its commits name.
http::Response large_files(const Call& call);

// upload.cc: what comes in.
// The commit that an upload is to change, whose branch the caller may write to, or propose a change to (create_pr).
// Refuses as a commit would.
hub::ObjectId revision_to_write(const Call& call, hub::View& view, const hub::Repository& repository);
// POST .../preupload/REVISION: which way each file is to come, and which are there already.
http::Response preupload(const Call& call);
// POST .../info/lfs/objects/batch: where large files are put and got.
http::Response lfs_batch(const Call& call);
// POST .../info/lfs/verify: whether one is there.
http::Response lfs_verify(const Call& call);
// POST .../commit/REVISION: lines of JSON, a change each; answered when it is durable.
http::Response commit(const Call& call);
// POST .../lfs-files/duplicate: makes another repository hold files of this one.
http::Response duplicate_large_files(const Call& call);
// GET of an address that lfs_batch() gave.
http::Response lfs_get(const Call& call);
// PUT to an address that lfs_batch() gave. The bytes are checked against their SHA-256.
void lfs_put(const Call& call, const std::shared_ptr<http::ResponseStream>& stream);

// git.cc: clone and fetch.

// Bytes of a request, also after it was decompressed: git names each object that it wants or has, some hundred thousand
// of them.
inline constexpr uint64_t kMostGitBody = uint64_t{16} << 20;
// GET .../info/refs?service=git-upload-pack: what git is offered. Of git-receive-pack (push): 403.
http::Response git_offer(const Call& call);
// POST .../git-upload-pack: references, or a pack.
http::Response git_upload_pack(const Call& call);
// POST .../git-receive-pack: 403.
http::Response git_receive_pack(const Call& call);
// The answer to what these throw, as text: git prints it.
http::Response git_failure(std::exception_ptr thrown, const Call* call);

// xet.cc: tokens, and the content-addressed service.

// What a caller shows to the content-addressed service, for a quarter of an hour.
struct XetAccess {
  std::string cas_url, token;
  int64_t expires = 0;  // seconds since 1970
  std::vector<std::pair<std::string, std::string>> headers() const;
};
XetAccess xet_access(const Call& call, bool writes);
// GET .../xet-read-token/REVISION.
http::Response xet_read_token(const Call& call);
// GET .../xet-write-token/REVISION.
http::Response xet_write_token(const Call& call);
// GET /v1/chunks/...: a shard that says where a chunk is, if the caller may have it.
http::Response xet_chunk(const Call& call);
// POST /v1/xorb-grants/...: 200 for a xorb that need not be sent, else 404.
http::Response xet_grant(const Call& call);
// POST /v1/telemetry: taken, and forgotten.
http::Response xet_telemetry(const Call& call);
// GET /v1/reconstructions/FILE: which parts of which xorbs a file is, for older clients.
http::Response xet_reconstruction_v1(const Call& call);
// GET /v2/reconstructions/FILE: the same for today's.
http::Response xet_reconstruction_v2(const Call& call);
// GET of an address that a reconstruction gave: a part of a xorb.
http::Response xet_fetch(const Call& call);
// POST /v1/shards: answered when all is checked.
http::Response xet_shard_v1(const Call& call);
// POST /v2/shards: the same, telling how far it is.
void xet_shard_v2(const Call& call, const std::shared_ptr<http::ResponseStream>& stream);
// POST /v1/xorbs/...: chunks, checked while they come.
void xet_xorb(const Call& call, const std::shared_ptr<http::ResponseStream>& stream);
// The service's answer to what its handlers throw.
http::Response xet_failure(std::exception_ptr thrown, const Call* call);

// Takes a body as it comes and answers when all of it came: what is wrong with it is told then, since a client that is
// answered while it sends may see a broken connection instead.
void receive_all(const Call& call, const std::shared_ptr<http::ResponseStream>& stream,
                 std::function<void(std::string_view piece)> take, std::function<http::Response()> end);

// A stream of bytes from a reader, for a response's source.
std::function<std::string(size_t most)> source_of(std::shared_ptr<hub::ContentReader> reader, uint64_t begin,
                                                  uint64_t end);

}  // namespace glassbox::hubapi
