// What tests of the hub share.
#pragma once

#include <optional>

#include "hub/hub.h"
#include "hub/refusal.h"

namespace glassbox::hub {

inline constexpr RepositoryKind kModel = RepositoryKind::model;

// What a function is refused for; nothing where it goes through.
template <class Work>
std::optional<Refused> refusal_of(const Work& work) {
  try {
    work();
  } catch (const Refusal& refusal) { return refusal.refused(); }
  return std::nullopt;
}

}  // namespace glassbox::hub
