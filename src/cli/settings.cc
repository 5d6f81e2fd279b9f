#include "cli/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "cli/nearest.h"

namespace glassbox {
namespace {

template <class Number>
Number number(std::string_view name, std::string_view value) {
  Number parsed{};
  const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), parsed);
  bool fine = problem == std::errc() && end == value.data() + value.size() && !value.empty();
  if constexpr (std::is_floating_point_v<Number>) fine = fine && std::isfinite(parsed);
  if (!fine)
    fail(ErrorKind::bad_request, "{}: expected {}, got \"{}\"", name,
         std::is_floating_point_v<Number> ? "a number"
         : std::is_signed_v<Number>       ? "a whole number"
                                          : "a whole number from 0",
         value);
  return parsed;
}

using Setter = void (*)(Settings&, std::string_view name, std::string_view value);
using Getter = OrderedJson (*)(const Settings&);  // null where nothing is set

struct Known {
  std::string_view name;
  Setter set;  // an empty value: back to the default
  Getter get;
};

template <auto Field>
constexpr Known sampled(std::string_view name) {
  return {name,
          [](Settings& settings, std::string_view name, std::string_view value) {
            auto& field = settings.sampling.*Field;
            using Number = typename std::decay_t<decltype(field)>::value_type;
            if (value.empty())
              field.reset();
            else
              field = number<Number>(name, value);
          },
          [](const Settings& settings) -> OrderedJson {
            const auto& field = settings.sampling.*Field;
            using Number = typename std::decay_t<decltype(field)>::value_type;
            if (!field) return nullptr;
            if constexpr (std::is_same_v<Number, float>)
              return std::stod(fmt::format("{}", *field));  // 0.7, not 0.699999988
            return *field;
          }};
}

constexpr Known kKnown[] = {
    sampled<&AskedSampling::temperature>("temperature"),
    sampled<&AskedSampling::top_k>("top_k"),
    sampled<&AskedSampling::top_p>("top_p"),
    sampled<&AskedSampling::min_p>("min_p"),
    sampled<&AskedSampling::repetition_penalty>("repetition_penalty"),
    sampled<&AskedSampling::presence_penalty>("presence_penalty"),
    sampled<&AskedSampling::frequency_penalty>("frequency_penalty"),
    sampled<&AskedSampling::seed>("seed"),
    {"max_tokens",
     [](Settings& settings, std::string_view name, std::string_view value) {
       settings.max_tokens.reset();
       if (value.empty()) return;
       const auto most = number<int64_t>(name, value);
       if (most <= 0) fail(ErrorKind::bad_request, "{}: expected a positive number, got {}", name, most);
       settings.max_tokens = most;
     },
     [](const Settings& settings) -> OrderedJson {
       return settings.max_tokens ? OrderedJson(*settings.max_tokens) : OrderedJson();
     }},
    {"stop",
     [](Settings& settings, std::string_view, std::string_view value) {
       settings.stop.clear();
       if (!value.empty()) settings.stop.emplace_back(value);
     },
     [](const Settings& settings) -> OrderedJson {
       return settings.stop.empty() ? OrderedJson() : OrderedJson(settings.stop);
     }},
    {"system", [](Settings& settings, std::string_view, std::string_view value) { settings.system = value; },
     [](const Settings& settings) -> OrderedJson {
       return settings.system.empty() ? OrderedJson() : OrderedJson(settings.system);
     }}};

const Known& known(std::string_view given) {
  std::string name(given);
  std::ranges::replace(name, '-', '_');
  for (const Known& one : kKnown)
    if (one.name == name) return one;
  const auto like = nearest(name, Settings::names());
  fail(ErrorKind::bad_request, "{}: no such setting{}; there are {}", given,
       like ? fmt::format(", did you mean {}?", *like) : "", fmt::join(Settings::names(), ", "));
}

}  // namespace

Sampling AskedSampling::over(const SamplingDefaults& defaults) const {
  Sampling all = defaults.sampling;
  const auto set = [](auto& field, const auto& asked) {
    if (asked) field = *asked;
  };
  set(all.temperature, temperature);
  set(all.top_k, top_k);
  set(all.top_p, top_p);
  set(all.min_p, min_p);
  set(all.repetition_penalty, repetition_penalty);
  set(all.presence_penalty, presence_penalty);
  set(all.frequency_penalty, frequency_penalty);
  all.seed = seed;
  return all;
}

std::vector<std::string_view> Settings::names() {
  std::vector<std::string_view> all;
  for (const Known& one : kKnown) all.push_back(one.name);
  return all;
}

void Settings::set(std::string_view name, std::string_view value) {
  Settings changed = *this;
  const Known& setting = known(name);
  setting.set(changed, setting.name, value == "default" ? "" : value);
  changed.sampling.over({}).validate(std::numeric_limits<int32_t>::max());
  *this = std::move(changed);
}

std::string Settings::show(const SamplingDefaults& defaults) const {
  std::string all;
  for (const Known& one : kKnown) {
    std::string value, source;
    if (const OrderedJson asked = one.get(*this); !asked.is_null()) {
      value = asked.is_string() ? asked.get<std::string>() : dump_ordered_json(asked);
      source = "set here";
    } else {
      for (const auto& [setting, number, whose] : defaults.settings)
        if (setting == one.name) {
          value = fmt::format("{}", number);
          source = whose == "model" ? "the model's own" : "Glassbox's default";
        }
    }
    if (value.empty()) {
      source = "not set";
      if (one.name == "max_tokens") source = "not set: until the context is full";
      if (one.name == "seed") source = "not set: another each time";
    }
    all += fmt::format("  {:<20} {}{}({})\n", one.name, value, value.empty() ? "" : " ", source);
  }
  return all;
}

OrderedJson Settings::to_json() const {
  OrderedJson all = OrderedJson::object();
  for (const Known& one : kKnown)
    if (OrderedJson value = one.get(*this); !value.is_null()) all[std::string(one.name)] = std::move(value);
  return all;
}

Settings Settings::from_json(const OrderedJson& json) {
  if (!json.is_object()) fail(ErrorKind::bad_request, "settings: expected an object, got {}", json.type_name());
  Settings settings;
  for (const auto& [name, value] : json.items()) {
    if (name == "stop" && value.is_array()) {
      for (const OrderedJson& text : value) {
        if (!text.is_string() || text.get_ref<const std::string&>().empty())
          fail(ErrorKind::bad_request, "stop: expected texts that are not empty");
        settings.stop.push_back(text.get<std::string>());
      }
    } else if (value.is_string() || value.is_number()) {
      settings.set(name, value.is_string() ? value.get<std::string>() : dump_ordered_json(value));
    } else {
      fail(ErrorKind::bad_request, "{}: expected a number or a text, got {}", name, value.type_name());
    }
  }
  return settings;
}

}  // namespace glassbox
