// Xet on the wire: tokens from the hub, and its content-addressed service below /xet/STORE/. The store's id is part of
// the address, because clients remember by address what they have uploaded.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <charconv>

#include "base/quote.h"
#include "hub/cas.h"
#include "hub/refusal.h"
#include "server/hub/handlers.h"
#include "server/hub/sign.h"

namespace glassbox::hubapi {
namespace {

using hub::refuse;
using hub::Refused;

constexpr int64_t kTokenSeconds = 15 * 60, kFetchSeconds = 60 * 60;

std::string cas_url(const Call& call) { return fmt::format("{}/xet/{}", call.base(), call.hub.store_id()); }

http::Response token(const Call& call, bool writes) {
  call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    if (writes) {
      revision_to_write(call, view, repository);
    } else {
      view.need(repository, hub::Right::read);
      view.resolve(repository, call.rest().revision);
    }
  });
  const XetAccess access = xet_access(call, writes);
  http::Response answer =
      json_answer({{"casUrl", access.cas_url}, {"accessToken", access.token}, {"exp", access.expires}});
  // Some clients read the body, others the headers.
  for (const auto& [name, value] : access.headers()) answer = std::move(answer).with(name, value);
  return answer;
}

// Whose token it is: what they may do counts as it is now, not as it was when they got it.
hub::Caller caller_of(const Call& call, bool writes) {
  const std::string_view shown = call.request.header("Authorization").value_or("");
  constexpr std::string_view kBearer = "Bearer ";
  if (call.part("store") != call.hub.store_id()) refuse(Refused::no_entry, "there is no such store");
  const auto says = shown.starts_with(kBearer) ? verify(shown.substr(kBearer.size()), call.hub.secret()) : std::nullopt;
  const auto right = says ? says->find("xet") : Json::const_iterator();
  if (!says || right == says->end()) refuse(Refused::forbidden, "the Xet token is not valid, or not any more");
  if (writes && *right != "write") refuse(Refused::forbidden, "the Xet token is one to read with");
  const auto account = says->find("account");
  if (account == says->end()) return {};
  auto caller = call.hub.people().caller_of(account->get<int64_t>());
  if (!caller) refuse(Refused::forbidden, "the Xet token's account is not here any more");
  if (const auto sole = says->find("sole"); sole != says->end()) caller->sole_repository = sole->get<int64_t>();
  return *caller;
}

xet::Hash hash_in(const Call& call) {
  const auto hash = xet::Hash::parse(call.part("hash"));
  if (!hash) refuse(Refused::bad_value, "expected a hash of 64 hexadecimal digits, got {}", quote(call.part("hash")));
  return *hash;
}

hub::Cas cas_of(const Call& call) { return {call.hub.contents(), call.hub.secret()}; }

std::optional<xet::ByteRange> range_of(const http::Request& request) {
  const auto header = request.header("Range");
  if (!header) return std::nullopt;
  constexpr std::string_view kBytes = "bytes=";
  std::string_view text = *header;
  const auto wrong = [&] { refuse(Refused::bad_value, "Range: expected bytes=FIRST-LAST, got {}", quote(*header)); };
  if (!text.starts_with(kBytes)) wrong();
  text.remove_prefix(kBytes.size());
  xet::ByteRange range{0, ~uint64_t{0}};
  const auto [dash, first_error] = std::from_chars(text.data(), text.data() + text.size(), range.first);
  if (first_error != std::errc() || dash == text.data() + text.size() || *dash != '-') wrong();
  const char *begin = dash + 1, *end = text.data() + text.size();
  if (begin != end) {
    const auto [last, error] = std::from_chars(begin, end, range.last);
    if (last != end) wrong();
    if (error == std::errc::result_out_of_range) range.last = ~uint64_t{0};
  }
  return range;
}

// Each part of a xorb has an address of its own, which is all that it takes to read it.
std::string fetch_url(const Call& call, const xet::Hash& xorb, const xet::Fetch& fetch, int64_t ends) {
  const Json says{{"fetch", xorb.text()}, {"first", fetch.first_byte}, {"last", fetch.last_byte}, {"exp", ends}};
  return fmt::format("{}/fetch/{}", cas_url(call), sign(says, call.hub.secret()));
}

Json terms_json(const xet::Reconstruction& found) {
  Json terms = Json::array();
  for (const xet::Term& term : found.terms)
    terms.push_back({{"hash", term.xorb.text()},
                     {"unpacked_length", term.raw_bytes},
                     {"range", {{"start", term.first}, {"end", term.end}}}});
  return terms;
}

// An empty file has the zero hash, and nothing to fetch.
std::optional<xet::Reconstruction> reconstruction(const Call& call) {
  const hub::Caller caller = caller_of(call, false);
  const xet::Hash file = hash_in(call);
  if (file.is_zero()) return xet::Reconstruction{};
  if (!call.hub.view(caller, [&](hub::View& view) { return view.holdings.may_have_file(caller, file); }))
    fail(ErrorKind::not_found, "file {}: not in the store", file.text());
  return cas_of(call).reconstruct(file, range_of(call.request));
}

bool may_have_xorb(const Call& call, const hub::Caller& caller, const xet::Hash& xorb) {
  return call.hub.view(caller, [&](hub::View& view) { return view.holdings.may_have_xorb(caller, xorb); });
}

// Makes a shard's files known, and remembers whose they are until a commit names them.
void add_shard(const Call& call, const hub::Caller& caller, const std::function<void(size_t, size_t)>& progress) {
  const auto bytes = std::as_bytes(std::span(call.request.body));
  cas_of(call).add_shard(bytes, progress);
  for (const xet::ShardFile& file : xet::parse_shard(bytes).files) {
    call.hub.note_file(caller, file.id);
    if (file.sha256)
      call.hub.note_content(
          caller, hub::Sha256::of_bytes({reinterpret_cast<const char*>(file.sha256->data()), file.sha256->size()}));
  }
}

http::Response behind_the_end() { return json_answer({{"error", "the range begins behind the file's end"}}, 416); }

}  // namespace

std::vector<std::pair<std::string, std::string>> XetAccess::headers() const {
  return {
      {"X-Xet-Cas-Url", cas_url}, {"X-Xet-Access-Token", token}, {"X-Xet-Token-Expiration", std::to_string(expires)}};
}

XetAccess xet_access(const Call& call, bool writes) {
  const int64_t ends = now_in_seconds() + kTokenSeconds;
  Json says{{"xet", writes ? "write" : "read"}, {"exp", ends}};
  if (call.caller.account) says["account"] = *call.caller.account;
  if (call.caller.sole_repository) says["sole"] = *call.caller.sole_repository;
  return {cas_url(call), sign(says, call.hub.secret()), ends};
}

http::Response xet_read_token(const Call& call) { return token(call, false); }
http::Response xet_write_token(const Call& call) { return token(call, true); }

http::Response xet_chunk(const Call& call) {
  const auto answer = cas_of(call).dedup_answer(caller_of(call, false), hash_in(call));
  if (!answer) refuse(Refused::no_entry, "the chunk is not in the store");
  return {200,
          {{"Content-Type", "application/octet-stream"}},
          {reinterpret_cast<const char*>(answer->data()), answer->size()}};
}

// Uploads go through this server, so there is nothing to grant; who has a xorb to send that is here need not send it.
http::Response xet_grant(const Call& call) {
  if (!may_have_xorb(call, caller_of(call, true), hash_in(call)))
    refuse(Refused::no_entry, "no grants are given: post the xorb");
  return json_answer(Json::object());
}

http::Response xet_telemetry(const Call&) { return json_answer(Json::object()); }

http::Response xet_reconstruction_v2(const Call& call) {
  const auto found = reconstruction(call);
  if (!found) return behind_the_end();
  const int64_t ends = now_in_seconds() + kFetchSeconds;
  Json xorbs = Json::object();
  for (const xet::XorbFetches& xorb : found->xorbs) {
    Json& entries = xorbs[xorb.xorb.text()] = Json::array();
    for (const xet::Fetch& fetch : xorb.fetches)
      entries.push_back(
          {{"url", fetch_url(call, xorb.xorb, fetch, ends)},
           {"ranges", Json::array({{{"chunks", {{"start", fetch.first_chunk}, {"end", fetch.end_chunk}}},
                                    {"bytes", {{"start", fetch.first_byte}, {"end", fetch.last_byte}}}}})}});
  }
  return json_answer({{"offset_into_first_range", found->offset_into_first_range},
                      {"terms", terms_json(*found)},
                      {"xorbs", std::move(xorbs)}});
}

http::Response xet_reconstruction_v1(const Call& call) {
  const auto found = reconstruction(call);
  if (!found) return behind_the_end();
  const int64_t ends = now_in_seconds() + kFetchSeconds;
  Json info = Json::object();
  for (const xet::XorbFetches& xorb : found->xorbs) {
    Json& entries = info[xorb.xorb.text()] = Json::array();
    for (const xet::Fetch& fetch : xorb.fetches)
      entries.push_back({{"range", {{"start", fetch.first_chunk}, {"end", fetch.end_chunk}}},
                         {"url", fetch_url(call, xorb.xorb, fetch, ends)},
                         {"url_range", {{"start", fetch.first_byte}, {"end", fetch.last_byte}}}});
  }
  return json_answer({{"offset_into_first_range", found->offset_into_first_range},
                      {"terms", terms_json(*found)},
                      {"fetch_info", std::move(info)}});
}

http::Response xet_fetch(const Call& call) {
  const auto says = verify(call.part("token"), call.hub.secret());
  const auto xorb =
      says && says->contains("fetch") ? xet::Hash::parse(says->at("fetch").get<std::string>()) : std::nullopt;
  // 403 has clients ask for the file's parts again.
  if (!xorb) return json_answer({{"error", "the address is not valid, or not any more"}}, 403);
  const uint64_t first = says->at("first"), last = says->at("last");
  const std::string range = fmt::format("bytes={}-{}", first, last);
  if (const auto asked = call.request.header("Range"); asked && *asked != range)
    return json_answer({{"error", "the address is for another range"}}, 403);
  std::shared_ptr<hub::BlobReader> reader = cas_of(call).open_xorb(*xorb);
  http::Response response{206, {{"Content-Type", "application/octet-stream"}}, {}};
  response.with("Content-Range", fmt::format("bytes {}-{}/{}", first, last, reader->size()));
  response.size = last + 1 - first;
  response.source = [reader, at = first, end = last + 1](size_t most) mutable {
    std::string piece(static_cast<size_t>(std::min<uint64_t>(most, end - at)), '\0');
    reader->read(at, piece);
    at += piece.size();
    return piece;
  };
  return response;
}

http::Response xet_shard_v1(const Call& call) {
  add_shard(call, caller_of(call, true), [](size_t, size_t) {});
  return json_answer({{"result", 1}});
}

// What is wrong with bytes that came is whoever's who sent them.
http::Response xet_failure(std::exception_ptr thrown, const Call* call) {
  try {
    std::rethrow_exception(thrown);
  } catch (const hub::Refusal&) {
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::bad_file) return json_answer({{"error", error.what()}}, 400);
    if (error.kind() == ErrorKind::not_found) return json_answer({{"error", error.what()}}, 404);
  } catch (...) {}
  return error_answer(thrown, call);
}

// Tells how far it is, so that a client that waits knows there is somebody.
void xet_shard_v2(const Call& call, const std::shared_ptr<http::ResponseStream>& stream) {
  const hub::Caller caller = caller_of(call, true);
  http::Response head{200, {{"Content-Type", "application/x-ndjson"}, {"Cache-Control", "no-cache"}}, {}};
  head.filler = "\n";
  call.finish(call.request, head);
  stream->begin(std::move(head));
  const auto say = [&](const Json& line) { stream->write(dump_json(line) + "\n"); };
  try {
    add_shard(call, caller,
              [&](size_t done, size_t all) { say({{"type", "validating"}, {"verified", done}, {"total", all}}); });
    say({{"type", "result"}, {"result", 1}});
  } catch (const Error& error) {
    const bool is_theirs = error.kind() == ErrorKind::bad_file || error.kind() == ErrorKind::bad_request;
    if (!is_theirs) spdlog::error("hub: a shard: {}", error.what());
    say({{"type", "error"},
         {"message", is_theirs ? error.what() : "the hub failed; its log says how"},
         {"retryable", false}});
  }
  stream->end();
}

// Whether it is new is told as far as the sender may know.
void xet_xorb(const Call& call, const std::shared_ptr<http::ResponseStream>& stream) {
  const hub::Caller caller = caller_of(call, true);
  const xet::Hash name = hash_in(call);
  const bool is_known = may_have_xorb(call, caller, name);
  const auto upload = std::make_shared<hub::XorbUpload>(call.hub.contents());
  receive_all(
      call, stream, [upload](std::string_view piece) { upload->append(piece); },
      [upload, name, caller, is_known, hub = &call.hub] {
        upload->finish(name);
        hub->note_xorb(caller, name);
        return json_answer({{"was_inserted", !is_known}});
      });
}

}  // namespace glassbox::hubapi
