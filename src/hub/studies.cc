#include "hub/studies.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>

#include "hub/hub.h"
#include "hub/lineage.h"
#include "hub/refusal.h"

namespace glassbox::hub {

Studies::Studies(Hub& hub) : hub_(hub) {
  // What was not studied before the last end.
  RepositoryQuery all;
  all.order = RepositoryQuery::Order::name;
  all.most = std::numeric_limits<int64_t>::max();
  const Caller owner = hub_.owner();
  hub_.view(owner, [&](View& view) {
    for (const Listed& one : view.repositories.list(owner, all))
      if (one.repository.facts.contains("base_models") && !one.repository.facts.contains("lineage"))
        waiting_.push_back(one.repository);
  });
  thread_ = std::thread([this] { run(); });
}

Studies::~Studies() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Studies::put(Repository repository) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [&](const Repository& other) { return other.id == repository.id; });
    waiting_.push_back(std::move(repository));
  }
  changed_.notify_all();
}

void Studies::add(const Repository& repository) {
  if (repository.kind != RepositoryKind::model) return;
  put(repository);
  const Caller owner = hub_.owner();
  const auto children = hub_.view(owner, [&](View& view) {
    return view.claims.children(owner, {repository.id}, std::numeric_limits<int64_t>::max());
  });
  for (const Claim& child : children) put(*child.relative);
}

void Studies::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return waiting_.empty() && !busy_; });
}

void Studies::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return over_ || !waiting_.empty(); });
    if (over_) return;
    const Repository next = std::move(waiting_.front());
    waiting_.pop_front();
    busy_ = true;
    lock.unlock();
    try {
      study(next);
    } catch (const std::exception& error) { spdlog::warn("{}: not studied: {}", next.full_name(), error.what()); }
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

void Studies::study(const Repository& repository) {
  const Caller owner = hub_.owner();
  struct Model {
    Repository repository;
    std::vector<Entry> files;
  };
  const auto model = [&](const std::string& name) -> std::optional<Model> {
    return hub_.view(owner, [&](View& view) -> std::optional<Model> {
      const auto found = view.repositories.find(owner, RepositoryKind::model, name);
      if (!found) return std::nullopt;
      Model model{*found, view.list(view.resolve(*found, kMainBranch), "", false)};
      std::erase_if(model.files, [](const Entry& entry) { return entry.is_folder(); });
      return model;
    });
  };
  const auto variant = model(repository.full_name());
  if (!variant || !variant->repository.facts.contains("base_models")) return;
  Json facts = variant->repository.facts;
  const Contents& contents = hub_.contents();
  const Tensors tensors = tensors_of(contents, variant->files);
  Json lineage = Json::object();
  for (const Json& name : facts["base_models"]) {
    const std::string base_name = name;
    const auto base = model(base_name);
    // Whatever is private is not held against what others say: the verdict would tell of it.
    if (!base || (base->repository.is_private && base->repository.owner != variant->repository.owner)) {
      lineage[base_name] = to_json({Verdict::unknown, "the base is not on this hub"});
      continue;
    }
    lineage[base_name] =
        to_json(compare(contents, tensors, tensors_of(contents, base->files), facts.value("relation", "finetune")));
    lineage[base_name]["sha"] = base->repository.facts.value("sha", "");
  }
  facts["lineage"] = std::move(lineage);
  const std::vector<std::string> tags =
      hub_.view(owner, [&](View& view) { return view.repositories.tags(variant->repository); });
  hub_.set_facts(variant->repository, facts, tags);
}

}  // namespace glassbox::hub
