// How open a model is, by the Model Openness Framework (White et al. 2024, arXiv 2403.13784): which of its components a
// repository has, the class they make, and what would be cheapest to add. Names of files and the card are looked at;
// whether what they hold is good is for people to judge.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace glassbox::hub {

struct OpennessComponent {
  std::string_view name;  // the framework's
  int of_class = 3;       // which class asks for it
  bool optional = false;
  std::string found;  // a path, or what of the card it is; empty where it is missing
};

struct Openness {
  int reached = 0;  // 1 open science, 2 open tooling, 3 open model; 0 where not even that
  std::vector<OpennessComponent> components;
  std::string licence;  // what keeps its licence from being an open one, in words; empty where nothing does
  std::string next;     // the cheapest step towards the next class; empty in class 1
};

// `card`: the front matter of `readme`. `paths`: all files; `references`: names of branches and tags.
Openness openness_of(const Json& card, std::string_view readme, const std::vector<std::string>& paths,
                     const std::vector<std::string>& references);
Json to_json(const Openness& openness);

}  // namespace glassbox::hub
