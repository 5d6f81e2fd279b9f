// Who is made of whom, whose models people build upon, and how much all of them are liked and fetched.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/quote.h"
#include "hub/descent.h"
#include "hub/refusal.h"
#include "hub/variants.h"
#include "server/hub/csv.h"
#include "server/hub/describe.h"
#include "server/hub/handlers.h"

namespace glassbox::hubapi {
namespace {

using hub::refuse;
using hub::Refused;

constexpr size_t kMostDepth = 8, kMostWidth = 200, kMostInTree = 1000;
constexpr size_t kWeeks = 26, kMostWeeks = 260, kRunners = 6, kMostRunners = 50;
constexpr int64_t kWeek = int64_t{7} * 24 * 60 * 60 * 1000;
// Weeks begin on Mondays; 1970 began on a Thursday.
constexpr int64_t kFirstMonday = int64_t{4} * 24 * 60 * 60 * 1000;
constexpr int64_t kExportPage = 500;

size_t at_least_one(const Call& call, std::string_view key, size_t otherwise, size_t most) {
  return std::max<size_t>(1, call.query_number(key, otherwise, most));
}

Json model_json(const hub::Repository& model) {
  return {{"id", model.full_name()},
          {"createdAt", date(model.created)},
          {"private", model.is_private},
          {"likes", model.likes},
          {"downloads", model.downloads}};
}

Json variant_json(const hub::Variant& variant, const char* next) {
  Json json = variant.model ? model_json(*variant.model) : Json{{"id", variant.name}};
  json["here"] = variant.model.has_value();
  json["relation"] = variant.relation;
  json["verdict"] = name_of(variant.verdict);
  json["why"] = variant.why;
  if (!variant.model) return json;
  json["childrenModelCount"] = relations_json(variant.children);
  if (variant.told != hub::Variant::Told::here) {
    json[variant.told == hub::Variant::Told::circle ? "circle" : "elsewhere"] = true;
    return json;
  }
  json[next] = Json::array();
  for (const hub::Variant& one : variant.next) json[next].push_back(variant_json(one, next));
  json["leftOut"] = variant.left_out;
  return json;
}

// All models that a caller may know of, a line each, as they are asked for.
class Export {
 public:
  Export(const Call& call, bool csv) : hub_(call.hub), caller_(call.caller), csv_(csv) {
    descent_ =
        std::make_unique<hub::Descent>(hub_.view(caller_, [&](hub::View& view) { return view.claims.graph(caller_); }));
    if (csv_)
      waiting_ =
          "id,created_at,last_modified,private,pipeline_tag,library_name,base_models,likes,downloads,trending_score,"
          "children,descendants\r\n";
  }

  std::string next(size_t most) {
    while (waiting_.size() < most && !over_) add_page();
    std::string piece = waiting_.substr(0, most);
    waiting_.erase(0, piece.size());
    return piece;
  }

 private:
  void add_page() {
    hub_.view(caller_, [&](hub::View& view) {
      const auto page = view.popularity.models(caller_, after_, kExportPage, now_);
      over_ = page.size() < static_cast<size_t>(kExportPage);
      std::vector<int64_t> ids;
      for (const hub::Standing& one : page) ids.push_back(one.model.id);
      if (!ids.empty()) after_ = ids.back();
      const auto children = view.claims.count_children(caller_, ids);
      for (const hub::Standing& one : page) {
        const auto counts = children.find(one.model.id);
        add(one, counts == children.end() ? hub::RelationCounts() : counts->second);
      }
    });
  }

  void add(const hub::Standing& one, const hub::RelationCounts& children) {
    const int64_t descendants = descent_->descendants(one.model.id);
    if (csv_) {
      const int64_t all = std::accumulate(children.begin(), children.end(), int64_t{0},
                                          [](int64_t sum, const auto& count) { return sum + count.second; });
      std::string bases;
      for (const std::string& base : one.bases) bases += (bases.empty() ? "" : ", ") + base;
      waiting_ += fmt::format("{},{},{},{},{},{},{},{},{},{:.6f},{},{}\r\n", csv_field(one.model.full_name()),
                              date(one.model.created), date(one.model.modified), one.model.is_private,
                              csv_field(one.pipeline_tag), csv_field(one.library_name), csv_field(bases),
                              one.model.likes, one.model.downloads, one.trending, all, descendants);
      return;
    }
    Json json = model_json(one.model);
    json["lastModified"] = date(one.model.modified);
    if (!one.pipeline_tag.empty()) json["pipeline_tag"] = one.pipeline_tag;
    if (!one.library_name.empty()) json["library_name"] = one.library_name;
    json["baseModels"] = one.bases;
    json["trendingScore"] = one.trending;
    json["childrenModelCount"] = relations_json(children);
    json["descendants"] = descendants;
    waiting_ += dump_json(json) + "\n";
  }

  hub::Hub& hub_;
  const hub::Caller caller_;
  const bool csv_;
  const int64_t now_ = hub::now_in_milliseconds();
  std::unique_ptr<hub::Descent> descent_;
  int64_t after_ = 0;
  bool over_ = false;
  std::string waiting_;
};

}  // namespace

http::Response variants(const Call& call) {
  hub::TreeBounds bounds;
  bounds.depth = at_least_one(call, "depth", bounds.depth, kMostDepth);
  bounds.width = at_least_one(call, "width", bounds.width, kMostWidth);
  bounds.most = at_least_one(call, "limit", bounds.most, kMostInTree);
  return json_answer(call.hub.view(call.caller, [&](hub::View& view) {
    const hub::VariantTree tree = variants_of(view, view.repository(call.kind, call.repository()), bounds);
    Json json = model_json(*tree.root.model);
    json["childrenModelCount"] = relations_json(tree.root.children);
    json["bases"] = json["children"] = Json::array();
    for (const hub::Variant& base : tree.bases) json["bases"].push_back(variant_json(base, "bases"));
    for (const hub::Variant& child : tree.children) json["children"].push_back(variant_json(child, "children"));
    json["leftOut"] = {{"bases", tree.bases_left_out}, {"children", tree.children_left_out}};
    return json;
  }));
}

http::Response race(const Call& call) {
  const auto weeks = static_cast<int64_t>(at_least_one(call, "weeks", kWeeks, kMostWeeks));
  const size_t most = at_least_one(call, "limit", kRunners, kMostRunners);
  const int64_t now = hub::now_in_milliseconds();
  const int64_t this_week = kFirstMonday + (now - kFirstMonday) / kWeek * kWeek;
  Json told{{"weeks", Json::array()}, {"models", Json::array()}};
  std::vector<int64_t> moments;
  for (int64_t week = weeks - 1; week >= 0; --week) {
    const int64_t monday = this_week - week * kWeek;
    told["weeks"].push_back(date(monday).substr(0, 10));
    moments.push_back(std::min(now, monday + kWeek - 1));
  }
  call.hub.view(call.caller, [&](hub::View& view) {
    hub::ClaimGraph graph = view.claims.graph(call.caller);
    told["total"] = graph.models.size();
    hub::Descent descent(std::move(graph));
    const auto runners = descent.race(moments, most);
    std::vector<int64_t> ids;
    for (const auto& runner : runners) ids.push_back(runner.model);
    const auto models = view.claims.models(call.caller, ids);
    for (size_t i = 0; i < models.size(); ++i) {
      Json json = model_json(models[i]);
      json["counts"] = runners[i].counts;
      told["models"].push_back(std::move(json));
    }
  });
  return json_answer(told);
}

http::Response popularity(const Call& call) {
  const std::string format = call.query_one("format").value_or("jsonl");
  if (format != "jsonl" && format != "csv")
    refuse(Refused::bad_value, "format: expected jsonl or csv, got {}", quote(format));
  const bool csv = format == "csv";
  http::Response response;
  response.with("Content-Type", csv ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson; charset=utf-8")
      .with("Content-Disposition", fmt::format("attachment; filename=\"models.{}\"", format))
      .with("Cache-Control", "no-store");
  response.source = [models = std::make_shared<Export>(call, csv)](size_t most) { return models->next(most); };
  return response;
}

}  // namespace glassbox::hubapi
