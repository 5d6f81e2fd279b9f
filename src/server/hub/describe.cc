#include "server/hub/describe.h"

#include <fmt/format.h>

#include <functional>
#include <map>

#include "base/quote.h"
#include "hub/refusal.h"
#include "server/hub/call.h"

namespace glassbox::hubapi {
namespace {

// Of a list's items, and of one repository.
const std::set<std::string> kInLists{"id",   "modelId",      "private",      "likes",     "downloads",
                                     "tags", "pipeline_tag", "library_name", "createdAt", "trendingScore"},
    kInFullLists{"author", "sha", "lastModified", "gated", "disabled", "siblings"},
    kAlone{"id",       "modelId",  "author",    "sha",         "lastModified", "createdAt",    "private",
           "disabled", "gated",    "downloads", "likes",       "tags",         "pipeline_tag", "library_name",
           "cardData", "siblings", "config",    "safetensors", "usedStorage",  "spaces"};

// What may be asked for by `expand`, whether we have it or not: what a repository has not is left out.
const std::set<std::string> kKnown{"author",
                                   "baseModels",
                                   "cardData",
                                   "childrenModelCount",
                                   "citation",
                                   "config",
                                   "createdAt",
                                   "datasets",
                                   "description",
                                   "disabled",
                                   "downloads",
                                   "downloadsAllTime",
                                   "evalResults",
                                   "gated",
                                   "gguf",
                                   "gitalyUid",
                                   "inference",
                                   "inferenceProviderMapping",
                                   "lastModified",
                                   "library_name",
                                   "likes",
                                   "mainSize",
                                   "mask_token",
                                   "model-index",
                                   "models",
                                   "openness",
                                   "paperswithcode_id",
                                   "pipeline_tag",
                                   "private",
                                   "region",
                                   "resourceGroup",
                                   "runtime",
                                   "safetensors",
                                   "sdk",
                                   "securityRepoStatus",
                                   "sha",
                                   "siblings",
                                   "spaces",
                                   "subdomain",
                                   "host",
                                   "tags",
                                   "transformersInfo",
                                   "trendingScore",
                                   "usedStorage",
                                   "widgetData",
                                   "xetEnabled"};

std::string summary_of(const std::string& message) { return message.substr(0, message.find('\n')); }

std::string description_of(const std::string& message) {
  const size_t end = message.find("\n\n");
  return end == std::string::npos ? "" : message.substr(end + 2);
}

Json siblings(hub::View& view, const hub::ObjectId& commit, bool blobs) {
  Json files = Json::array();
  for (const hub::Entry& entry : view.list(commit, "", true)) {
    if (entry.is_folder()) continue;
    Json file{{"rfilename", entry.path}};
    if (blobs) {
      file["size"] = entry.size;
      file["blobId"] = entry.id.hex();
      if (entry.is_large) {
        const size_t pointer = hub::lfs_pointer({entry.sha256, entry.size}).size();
        file["lfs"] = {{"sha256", entry.sha256.hex()}, {"size", entry.size}, {"pointerSize", pointer}};
      }
    }
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace

Wanted wanted(const std::vector<std::string>& expand) {
  Wanted all;
  for (const std::string& name : expand) {
    if (!kKnown.contains(name)) hub::refuse(hub::Refused::bad_value, "expand: no field is called {}", quote(name));
    all.only.insert(name);
  }
  return all;
}

Json relations_json(const hub::RelationCounts& counts) {
  Json json = Json::object();
  for (const char* relation : {"finetune", "adapter", "merge", "quantized"}) {
    const auto found = counts.find(relation);
    json[relation] = found == counts.end() ? 0 : found->second;
  }
  return json;
}

Kin kin_of(hub::View& view, const std::vector<int64_t>& repositories, const Wanted& wanted) {
  Kin kin;
  const auto tells = [&](const char* name) {
    return wanted.only.contains(name) || (wanted.only.empty() && wanted.is_list && kInLists.contains(name));
  };
  if (tells("baseModels"))
    for (hub::Claim& claim : view.claims.bases(view.caller(), repositories))
      kin.bases[claim.of].push_back(std::move(claim));
  if (tells("childrenModelCount")) kin.children = view.claims.count_children(view.caller(), repositories);
  if (tells("trendingScore")) kin.trending = view.popularity.trending(repositories, hub::now_in_milliseconds());
  return kin;
}

Json repository_json(hub::View& view, const hub::Repository& repository, const hub::ObjectId& commit,
                     const Wanted& wanted, const Kin& kin) {
  const Json& facts = repository.facts;
  const auto fact = [&](const char* name) -> Json {
    const auto found = facts.find(name);
    return found == facts.end() ? Json() : *found;
  };
  const bool is_model = repository.kind == hub::RepositoryKind::model;
  // Each told only where it is asked for: some take a walk.
  const std::map<std::string, std::function<Json()>> fields{
      {"modelId", [&] { return is_model ? Json(repository.full_name()) : Json(); }},
      {"author", [&] { return Json(repository.owner); }},
      {"sha", [&] { return Json(commit.hex()); }},
      {"lastModified", [&] { return Json(date(repository.modified)); }},
      {"createdAt", [&] { return Json(date(repository.created)); }},
      {"private", [&] { return Json(repository.is_private); }},
      {"disabled", [&] { return Json(repository.is_disabled); }},
      {"gated",
       [&] {
         return repository.gate == hub::Gate::open ? Json(false)
                                                   : Json(repository.gate == hub::Gate::automatic ? "auto" : "manual");
       }},
      {"downloads", [&] { return Json(repository.downloads); }},
      {"downloadsAllTime", [&] { return Json(repository.downloads); }},
      {"likes", [&] { return Json(repository.likes); }},
      {"tags", [&] { return facts.contains("tags") ? fact("tags") : Json::array(); }},
      {"pipeline_tag", [&] { return fact("pipeline_tag"); }},
      {"library_name", [&] { return fact("library_name"); }},
      {"cardData", [&] { return fact("card"); }},
      {"config", [&] { return fact("config"); }},
      {"safetensors", [&] { return fact("safetensors"); }},
      {"usedStorage", [&] { return fact("used_storage"); }},
      {"openness", [&] { return fact("openness"); }},
      {"siblings", [&] { return siblings(view, commit, wanted.blobs); }},
      {"spaces", [&] { return is_model ? Json::array() : Json(); }},
      {"trendingScore",
       [&] {
         const auto found = kin.trending.find(repository.id);
         return Json(found == kin.trending.end() ? 0.0 : found->second);
       }},
      {"xetEnabled", [&] { return Json(true); }},
      {"baseModels",
       [&] {
         const auto claims = kin.bases.find(repository.id);
         if (claims == kin.bases.end()) return Json();
         Json models = Json::array();
         const Json lineage = facts.value("lineage", Json::object());
         for (const hub::Claim& claim : claims->second) {
           Json base{{"_id", claim.relative ? fmt::format("{:024x}", claim.relative->id) : ""},
                     {"id", claim.relative ? claim.relative->full_name() : claim.name}};
           // What was found about a base is for those who may know of it.
           const auto found = lineage.find(claim.name);
           base["lineage"] = claim.compared && found != lineage.end()
                                 ? *found
                                 : Json{{"verdict", name_of(claim.verdict)}, {"why", claim.why}};
           models.push_back(std::move(base));
         }
         return Json{{"relation", fact("relation")}, {"models", std::move(models)}};
       }},
      {"childrenModelCount",
       [&] {
         const auto found = kin.children.find(repository.id);
         return is_model ? relations_json(found == kin.children.end() ? hub::RelationCounts() : found->second) : Json();
       }},
  };
  Json json{{"_id", fmt::format("{:024x}", repository.id)}, {"id", repository.full_name()}};
  const auto tell = [&](const std::string& name) {
    const auto found = fields.find(name);
    if (found == fields.end() || json.contains(name)) return;
    Json value = found->second();
    if (!value.is_null()) json[name] = std::move(value);
  };
  if (!wanted.only.empty()) {
    for (const std::string& name : wanted.only) tell(name);
    return json;
  }
  for (const std::string& name : wanted.is_list ? kInLists : kAlone) tell(name);
  if (wanted.is_list && (wanted.full || !is_model))
    for (const std::string& name : kInFullLists)
      if (wanted.full || name != "siblings") tell(name);
  if (wanted.card) tell("cardData");
  if (wanted.config) tell("config");
  return json;
}

Json entry_json(const hub::Entry& entry, const std::optional<hub::View::HistoryItem>& last_change) {
  Json json{{"type", entry.is_folder() ? "directory" : "file"},
            {"path", entry.path},
            {"oid", entry.id.hex()},
            {"size", entry.size}};
  if (entry.is_large) {
    const size_t pointer = hub::lfs_pointer({entry.sha256, entry.size}).size();
    json["lfs"] = {{"oid", entry.sha256.hex()}, {"size", entry.size}, {"pointerSize", pointer}};
    if (entry.file_id) json["xetHash"] = *entry.file_id;
  }
  if (last_change)
    json["lastCommit"] = {{"id", last_change->id.hex()},
                          {"title", summary_of(last_change->commit.message)},
                          {"date", date(last_change->commit.author.time * 1000)}};
  return json;
}

Json commit_json(const hub::View::HistoryItem& item) {
  return {{"id", item.id.hex()},
          {"title", summary_of(item.commit.message)},
          {"message", description_of(item.commit.message)},
          {"date", date(item.commit.author.time * 1000)},
          {"authors", Json::array({{{"user", item.commit.author.name}}})}};
}

}  // namespace glassbox::hubapi
