// What answers the hub's requests, a file for each part of the API. For site.cc.
#pragma once

#include <memory>

#include "server/hub/call.h"

namespace glassbox::hubapi {

// Each answers one kind of request, and throws what error_answer() makes an answer of.

// repositories.cc: what there is, and making, moving and removing it.
http::Response create_repository(const Call& call);
http::Response delete_repository(const Call& call);
http::Response move_repository(const Call& call);
http::Response duplicate_repository(const Call& call);
http::Response change_settings(const Call& call);
http::Response list_repositories(const Call& call);
http::Response repository_info(const Call& call);
http::Response revision_info(const Call& call);
http::Response check_access(const Call& call);
http::Response check_write_access(const Call& call);
http::Response like(const Call& call);
http::Response unlike(const Call& call);
http::Response validate_card(const Call& call);
http::Response own_repositories(const Call& call);
http::Response organization_repositories(const Call& call);
http::Response tags_by_type(const Call& call);
http::Response no_such_path(const Call& call);

// people.cc: who there is, what they like, and who is let in.
http::Response whoami(const Call& call);
http::Response user_overview(const Call& call);
http::Response user_likes(const Call& call);
http::Response organization_overview(const Call& call);
http::Response organization_members(const Call& call);
http::Response nobody(const Call& call);  // an empty list of people
http::Response likers(const Call& call);
http::Response access_requests(const Call& call);
http::Response handle_access_request(const Call& call);
http::Response grant_access(const Call& call);
http::Response ask_access(const Call& call);

// discussions.cc: talk, and proposed changes.
http::Response discussions(const Call& call);
http::Response discussion(const Call& call);
http::Response create_discussion(const Call& call);
http::Response comment(const Call& call);
http::Response edit_comment(const Call& call);
http::Response hide_comment(const Call& call);
http::Response change_title(const Call& call);
http::Response change_status(const Call& call);
http::Response merge(const Call& call);

// history.cc: references, commits, branches and tags.
http::Response references(const Call& call);
http::Response commits(const Call& call);
http::Response create_branch(const Call& call);
http::Response delete_branch(const Call& call);
http::Response create_tag(const Call& call);
http::Response delete_tag(const Call& call);
http::Response squash(const Call& call);

// files.cc: folders and files.
http::Response tree(const Call& call);
http::Response paths_info(const Call& call);
http::Response resolve(const Call& call);
http::Response raw(const Call& call);
http::Response large_files(const Call& call);

// upload.cc: what comes in.
// The commit that an upload is to change, whose branch the caller may write to, or propose a change to (create_pr).
// Refuses as a commit would.
hub::ObjectId revision_to_write(const Call& call, hub::View& view, const hub::Repository& repository);
http::Response preupload(const Call& call);
http::Response lfs_batch(const Call& call);
http::Response lfs_verify(const Call& call);
http::Response commit(const Call& call);
http::Response duplicate_large_files(const Call& call);
http::Response lfs_get(const Call& call);
void lfs_put(const Call& call, const std::shared_ptr<http::ResponseStream>& stream);

// xet.cc: tokens, and the content-addressed service.
http::Response xet_read_token(const Call& call);
http::Response xet_write_token(const Call& call);
http::Response xet_chunk(const Call& call);
http::Response xet_grant(const Call& call);
http::Response xet_telemetry(const Call& call);
http::Response xet_reconstruction_v1(const Call& call);
http::Response xet_reconstruction_v2(const Call& call);
http::Response xet_fetch(const Call& call);
http::Response xet_shard_v1(const Call& call);
void xet_shard_v2(const Call& call, const std::shared_ptr<http::ResponseStream>& stream);
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
