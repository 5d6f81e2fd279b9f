// Folders and files.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/quote.h"
#include "hub/names.h"
#include "hub/refusal.h"
#include "server/hub/describe.h"
#include "server/hub/handlers.h"

namespace glassbox::hubapi {
namespace {

using hub::refuse;
using hub::Refused;

// One client reads the first page alone.
constexpr size_t kFilesPage = 1000, kExpandedPage = 50, kMostPaths = 1000;

struct Found {
  hub::Repository repository;
  hub::ObjectId commit;
  std::optional<hub::Entry> entry;
};

// The file that "{rest...}" names. Nothing in `entry` for a folder or what is not there.
Found find_file(const Call& call) {
  const RevisionPath rest = call.rest();
  return call.hub.view(call.caller, [&](hub::View& view) {
    Found found{view.repository(call.kind, call.repository()), {}, {}};
    view.need(found.repository, hub::Right::read);
    found.commit = view.resolve(found.repository, rest.revision);
    found.entry = view.entry(found.commit, rest.path);
    if (found.entry && found.entry->is_folder()) found.entry.reset();
    return found;
  });
}

// Clients keep the commit with the path that is not there, and ask no more.
http::Response no_such_file(const Call& call, const Found& found) {
  try {
    refuse(Refused::no_entry, "{}: no file {} at {}", found.repository.full_name(), quote(call.rest().path),
           found.commit.hex());
  } catch (...) { return error_answer(std::current_exception(), &call).with("X-Repo-Commit", found.commit.hex()); }
}

std::string_view content_type_of(std::string_view path) {
  const auto is = [&](std::string_view ending) { return path.ends_with(ending); };
  if (is(".json")) return "application/json";
  // Never what a browser would run or lay out as a page of this server's.
  if (is(".md") || is(".txt") || is(".jinja") || is(".gitattributes") || is(".yaml") || is(".yml") || is(".toml"))
    return "text/plain; charset=utf-8";
  return "application/octet-stream";
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

}  // namespace

std::function<std::string(size_t most)> source_of(std::shared_ptr<hub::ContentReader> reader, uint64_t begin,
                                                  uint64_t end) {
  return [reader = std::move(reader), begin, end](size_t most) mutable {
    std::string piece;
    while (piece.size() < most && begin < end) {
      const std::string more =
          reader->read(begin, static_cast<size_t>(std::min<uint64_t>(most - piece.size(), end - begin)));
      begin += more.size();
      piece += more;
    }
    return piece;
  };
}

void receive_all(const Call& call, const std::shared_ptr<http::ResponseStream>& stream,
                 std::function<void(std::string_view piece)> take, std::function<http::Response()> end) {
  struct State {
    std::optional<http::Response> refused;
    http::Request head;
    FinishAnswer finish;
  };
  // The request does not outlive the handler.
  const auto state = std::make_shared<State>(
      State{{}, {call.request.method, call.request.path, "", call.request.headers, "", ""}, call.finish});
  stream->receive(
      [state, take = std::move(take)](std::string_view piece) {
        if (state->refused) return;
        try {
          take(piece);
        } catch (...) { state->refused = xet_failure(std::current_exception(), nullptr); }
      },
      [state, end = std::move(end), stream] {
        try {
          if (!state->refused) state->refused = end();
        } catch (...) { state->refused = xet_failure(std::current_exception(), nullptr); }
        state->finish(state->head, *state->refused);
        stream->respond(*std::move(state->refused));
      });
}

http::Response tree(const Call& call) {
  const RevisionPath rest = call.rest();
  const bool expand = call.query_flag("expand");
  const size_t page = std::max<size_t>(1, call.query_number("limit", expand ? kExpandedPage : kFilesPage, kFilesPage)),
               from = call.query_number("cursor", 0, 1u << 30);
  bool more = false;
  const Json items = call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    const hub::ObjectId commit = view.resolve(repository, rest.revision);
    auto entries = view.list(commit, rest.path, call.query_flag("recursive"), from, page + 1);
    more = entries.size() > page;
    if (more) entries.pop_back();
    std::vector<hub::View::HistoryItem> changes;
    if (expand) {
      std::vector<std::string> paths;
      for (const hub::Entry& entry : entries) paths.push_back(entry.path);
      changes = view.last_changes(commit, paths);
    }
    Json items = Json::array();
    for (size_t i = 0; i < entries.size(); ++i)
      items.push_back(entry_json(entries[i], expand ? std::optional(changes[i]) : std::nullopt));
    return items;
  });
  return page_answer(call, items, more ? std::optional(std::to_string(from + page)) : std::nullopt);
}

http::Response paths_info(const Call& call) {
  std::vector<std::string> paths;
  bool expand = false;
  if (call.request.header("Content-Type").value_or("").starts_with("application/json")) {
    const Json body = call.json();
    for (const Json& path : body.at("paths")) paths.push_back(path);
    if (const auto found = body.find("expand"); found != body.end() && found->is_boolean()) expand = *found;
  } else {
    for (auto& [name, value] : form_values(call.request.body)) {
      if (name == "paths") paths.push_back(value);
      if (name == "expand") expand = value == "true" || value == "True" || value == "1";
    }
  }
  if (paths.size() > kMostPaths)
    refuse(Refused::bad_value, "paths: expected at most {}, got {}", kMostPaths, paths.size());
  return json_answer(call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    const hub::ObjectId commit = view.resolve(repository, call.rest().revision);
    std::vector<hub::Entry> entries;
    std::vector<std::string> found;
    for (const std::string& path : paths)
      if (auto entry = path.empty() ? std::nullopt : view.entry(commit, path)) {
        found.push_back(entry->path);
        entries.push_back(*std::move(entry));
      }
    const auto changes = expand ? view.last_changes(commit, found) : std::vector<hub::View::HistoryItem>();
    Json items = Json::array();
    for (size_t i = 0; i < entries.size(); ++i)
      items.push_back(entry_json(entries[i], expand ? std::optional(changes[i]) : std::nullopt));
    return items;
  }));
}

http::Response resolve(const Call& call) {
  const Found found = find_file(call);
  if (!found.entry) return no_such_file(call, found);
  const hub::Entry& entry = *found.entry;
  const std::string etag = quoted(entry.is_large ? entry.sha256.hex() : entry.id.hex());
  // A client asks for the first byte of a file to learn its size: of an empty one it wants to hear 200.
  http::Request request{call.request.method, "", "", call.request.headers, "", ""};
  const bool is_empty_range = entry.size == 0 && request.header("Range");
  if (is_empty_range)
    std::erase_if(request.headers, [](const http::Header& header) { return hub::folded(header.name) == "range"; });
  http::Response response = http::Response::ranged(
      request, entry.size, std::string(content_type_of(entry.path)), etag,
      [&](uint64_t begin, uint64_t end) { return source_of(call.hub.contents().open(entry.sha256), begin, end); });
  if (is_empty_range) response.with("Content-Range", "bytes */0");
  response.with("X-Repo-Commit", found.commit.hex()).with("X-Content-Type-Options", "nosniff");
  response.with("Content-Security-Policy", "default-src 'none'; sandbox");
  if (entry.is_large) response.with("X-Linked-Size", std::to_string(entry.size)).with("X-Linked-Etag", etag);
  if (entry.file_id) {
    response.with("X-Xet-Hash", *entry.file_id);
    response.with("Link", fmt::format("<{}/xet-read-token/{}>; rel=\"xet-auth\", "
                                      "<{}/xet/{}/v1/reconstructions/{}>; rel=\"xet-reconstruction-info\"",
                                      call.api_url_of(found.repository), found.commit.hex(), call.base(),
                                      call.hub.store_id(), *entry.file_id));
  }
  if (call.query_flag("download")) {
    std::string name = entry.path.substr(entry.path.rfind('/') + 1);
    std::ranges::replace_if(name, [](char c) { return c == '"' || c < 0x20 || c == 0x7f; }, '_');
    response.with("Content-Disposition", fmt::format("attachment; filename=\"{}\";", name));
  }
  if (call.request.method == "GET") call.hub.count_download(found.repository, call.downloader());
  return response;
}

// As git has it: of a large file the pointer.
http::Response raw(const Call& call) {
  const Found found = find_file(call);
  if (!found.entry) return no_such_file(call, found);
  const hub::Entry& entry = *found.entry;
  http::Response response;
  const std::string etag = quoted(entry.id.hex());
  if (entry.is_large) {
    const std::string pointer = hub::lfs_pointer({entry.sha256, entry.size});
    response = http::Response::ranged(call.request, pointer.size(), "text/plain; charset=utf-8", etag,
                                      [&](uint64_t begin, uint64_t end) {
                                        return [part = pointer.substr(begin, end - begin)](size_t most) mutable {
                                          std::string piece = part.substr(0, most);
                                          part.erase(0, piece.size());
                                          return piece;
                                        };
                                      });
  } else {
    response = http::Response::ranged(
        call.request, entry.size, std::string(content_type_of(entry.path)), etag,
        [&](uint64_t begin, uint64_t end) { return source_of(call.hub.contents().open(entry.sha256), begin, end); });
  }
  return response.with("X-Repo-Commit", found.commit.hex())
      .with("X-Content-Type-Options", "nosniff")
      .with("Content-Security-Policy", "default-src 'none'; sandbox");
}

http::Response large_files(const Call& call) {
  const size_t page = std::max<size_t>(1, call.query_number("limit", kFilesPage, kFilesPage)),
               from = call.query_number("cursor", 0, 1u << 30);
  Json items = Json::array();
  bool more = false;
  call.hub.view(call.caller, [&](hub::View& view) {
    const hub::Repository repository = view.repository(call.kind, call.repository());
    view.need(repository, hub::Right::write);
    std::set<std::pair<std::string, hub::Sha256>> seen;
    size_t at = 0;
    for (const hub::Reference& reference : view.repositories.references(repository)) {
      std::vector<hub::Entry> entries = view.list(reference.target, "", true);
      std::erase_if(entries, [&](const hub::Entry& entry) {
        if (!entry.is_large || !seen.insert({entry.path, entry.sha256}).second) return true;
        const bool is_here = at >= from && at < from + page;
        more |= at >= from + page;
        ++at;
        return !is_here;
      });
      std::vector<std::string> paths;
      for (const hub::Entry& entry : entries) paths.push_back(entry.path);
      const auto changes = view.last_changes(reference.target, paths);
      for (size_t i = 0; i < entries.size(); ++i)
        items.push_back({{"fileOid", entries[i].id.hex()},
                         {"filename", entries[i].path},
                         {"oid", entries[i].sha256.hex()},
                         {"pushedAt", date(changes[i].commit.author.time * 1000)},
                         {"ref", reference.name},
                         {"size", entries[i].size}});
    }
  });
  return page_answer(call, items, more ? std::optional(std::to_string(from + page)) : std::nullopt);
}

}  // namespace glassbox::hubapi
