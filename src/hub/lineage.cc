#include "hub/lineage.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "tensor/numbers.h"

namespace glassbox::hub {
namespace {

constexpr uint64_t kCompared = uint64_t{1} << 20;
// Random numbers of the same size differ by sqrt(2) of their norm. What was trained on from the base stays far below.
constexpr double kNear = 0.7;
// A tensor of few or equal numbers (norms of ones, zero biases) is alike in models that have nothing in common.
constexpr int64_t kTelling = 1024;

// Reads a tensor piece by piece. For one thread.
class TensorReader {
 public:
  TensorReader(const Contents& contents, const TensorPlace& place)
      : reader_(contents.open(place.file)), at_(place.begin), end_(place.end) {}
  // Up to kCompared bytes; none at its end.
  std::string next() {
    std::string bytes;
    const uint64_t size = std::min(kCompared, end_ - at_);
    while (bytes.size() < size) {
      const std::string more = reader_->read(at_ + bytes.size(), static_cast<size_t>(size - bytes.size()));
      if (more.empty()) fail(ErrorKind::bad_file, "a tensor ends before its end");
      bytes += more;
    }
    at_ += size;
    return bytes;
  }

 private:
  std::unique_ptr<ContentReader> reader_;
  uint64_t at_, end_;
};

struct Difference {
  bool same = true;         // byte for byte
  bool one_value = true;    // all numbers of the base's are the same
  double squares = 0;       // of the differences
  double base_squares = 0;  // of the base's numbers
  bool has_numbers = false;
};

std::optional<DType> float_type(const std::string& name) {
  const auto dtype = dtype_named(name);
  return dtype && is_float(*dtype) ? dtype : std::nullopt;
}

Difference difference(const Contents& contents, const TensorPlace& variant, const TensorPlace& base) {
  Difference found;
  const auto of_variant = float_type(variant.dtype), of_base = float_type(base.dtype);
  if (variant.dtype != base.dtype) {
    found.same = false;
    found.one_value = false;
    if (!of_variant || !of_base) return found;
  }
  // Pieces of the same numbers, whatever their bytes: a megabyte holds whole numbers of every float type.
  const int64_t elements = variant.elements();
  const uint64_t size = elements > 0 ? (base.end - base.begin) / static_cast<uint64_t>(elements) : 1;
  TensorReader a(contents, variant), b(contents, base);
  std::optional<std::string> first;
  if (variant.dtype == base.dtype) {
    std::vector<float> x, y;
    for (std::string left = a.next(), right = b.next(); !right.empty(); left = a.next(), right = b.next()) {
      if (size > 0 && size <= right.size()) {
        if (!first) first = right.substr(0, static_cast<size_t>(size));
        for (size_t i = 0; found.one_value && i + size <= right.size(); i += size)
          found.one_value = right.compare(i, static_cast<size_t>(size), *first) == 0;
      }
      const bool same = left == right;
      found.same = found.same && same;
      if (!of_base || size == 0) continue;
      const size_t count = right.size() / size;
      x.resize(count);
      y.resize(count);
      to_float(*of_base, right.data(), y.data(), static_cast<int64_t>(count));
      to_float(*of_base, left.data(), x.data(), static_cast<int64_t>(count));
      found.has_numbers = true;
      for (size_t i = 0; i < count; ++i) {
        const double distance = double{x[i]} - double{y[i]};
        if (!std::isfinite(distance)) continue;
        found.squares += distance * distance;
        found.base_squares += double{y[i]} * double{y[i]};
      }
    }
    return found;
  }
  // Other float types: numbers are gathered until both sides have some.
  const auto read_all = [&](TensorReader& reader, DType dtype, std::vector<float>& waiting) {
    const std::string bytes = reader.next();
    const size_t width = info(dtype).bytes, count = bytes.size() / width, had = waiting.size();
    waiting.resize(had + count);
    to_float(dtype, bytes.data(), waiting.data() + had, static_cast<int64_t>(count));
    return count > 0;
  };
  std::vector<float> x, y;
  for (bool more = true; more;) {
    more = false;
    if (x.size() <= y.size()) more |= read_all(a, *of_variant, x);
    if (y.size() <= x.size()) more |= read_all(b, *of_base, y);
    const size_t both = std::min(x.size(), y.size());
    for (size_t i = 0; i < both; ++i) {
      const double distance = double{x[i]} - double{y[i]};
      if (!std::isfinite(distance)) continue;
      found.squares += distance * distance;
      found.base_squares += double{y[i]} * double{y[i]};
      found.has_numbers = true;
    }
    x.erase(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(both));
    y.erase(y.begin(), y.begin() + static_cast<std::ptrdiff_t>(both));
    more |= both > 0;
  }
  return found;
}

// The module that an adapter's tensor changes, as the base calls its weight: PEFT writes "base_model.model." before it
// and ".lora_A.weight" behind it.
std::optional<std::string> adapted_weight(std::string_view name) {
  constexpr std::string_view kPrefix = "base_model.model.";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  const size_t mark = name.find(".lora_");
  if (mark == std::string_view::npos) return std::nullopt;
  return std::string(name.substr(0, mark)) + ".weight";
}

// An adapter has numbers of its own, so what is shown is that it can be put over the base: each weight that it changes
// is there, and has its shape.
Comparison compare_adapter(const Tensors& adapter, const Tensors& base) {
  Comparison found;
  for (const auto& [name, tensor] : adapter) {
    const auto weight = adapted_weight(name);
    if (!weight) {
      ++found.only_here;
      continue;
    }
    const auto target = base.find(*weight);
    if (target == base.end()) {
      found.verdict = Verdict::contradicted;
      found.why = fmt::format("it changes {}, which the base has not", *weight);
      return found;
    }
    const std::vector<int64_t>& of = target->second.shape;
    // A is [rank, inputs], B is [outputs, rank], of a weight [outputs, inputs].
    const bool is_a = name.find(".lora_A") != std::string::npos, is_b = name.find(".lora_B") != std::string::npos;
    if (of.size() == 2 && tensor.shape.size() == 2 &&
        ((is_a && tensor.shape[1] != of[1]) || (is_b && tensor.shape[0] != of[0]))) {
      found.verdict = Verdict::contradicted;
      found.why = fmt::format("{} does not fit {}", name, *weight);
      return found;
    }
    ++found.changed;
  }
  found.verdict = found.changed > 0 ? Verdict::verified : Verdict::unknown;
  found.why = found.changed > 0
                  ? fmt::format("each of its {} matrices fits the base's weight of its name", found.changed)
                  : "it has no matrices that can be held against the base";
  return found;
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::verified:
      return "verified";
    case Verdict::plausible:
      return "plausible";
    case Verdict::contradicted:
      return "contradicted";
    case Verdict::unknown:
      break;
  }
  return "unknown";
}

std::optional<Verdict> verdict_named(std::string_view name) {
  for (const Verdict verdict : {Verdict::verified, Verdict::plausible, Verdict::contradicted, Verdict::unknown})
    if (name_of(verdict) == name) return verdict;
  return std::nullopt;
}

Comparison compare(const Contents& contents, const Tensors& variant, const Tensors& base, std::string_view relation) {
  if (variant.empty() || base.empty())
    return {Verdict::unknown,
            variant.empty() ? "it has no weights in safetensors" : "the base has no weights in safetensors"};
  if (relation == "adapter") return compare_adapter(variant, base);
  Comparison found;
  bool telling = false, other_shape = false;
  double squares = 0, base_squares = 0;
  for (const auto& [name, tensor] : variant) {
    const auto of_base = base.find(name);
    if (of_base == base.end()) {
      ++found.only_here;
      continue;
    }
    if (of_base->second.shape != tensor.shape) {
      // A vocabulary that grew has other embeddings; every other shape is the architecture's.
      const bool is_vocabulary = name.find("embed") != std::string::npos || name.find("lm_head") != std::string::npos;
      other_shape = other_shape || !is_vocabulary;
      ++found.changed;
      continue;
    }
    const Difference one = difference(contents, tensor, of_base->second);
    if (one.same) {
      ++found.identical;
      telling = telling || (!one.one_value && tensor.elements() >= kTelling);
      continue;
    }
    ++found.changed;
    if (one.has_numbers && tensor.elements() >= kTelling) {
      squares += one.squares;
      base_squares += one.base_squares;
    }
  }
  for (const auto& [name, tensor] : base) found.only_there += !variant.contains(name);
  if (base_squares > 0) found.change = std::sqrt(squares / base_squares);

  const int64_t shared = found.identical + found.changed;
  if (shared == 0) {
    found.verdict = relation == "quantized" ? Verdict::unknown : Verdict::contradicted;
    found.why = "no tensor has a name that the base has";
  } else if (other_shape) {
    found.verdict = Verdict::contradicted;
    found.why = "tensors of the same name have other shapes";
  } else if (telling) {
    found.verdict = Verdict::verified;
    found.why = fmt::format("{} of {} tensors are the base's, byte for byte", found.identical, shared);
  } else if (found.change < 0) {
    found.verdict = Verdict::unknown;
    found.why = "its numbers cannot be held against the base's";
  } else if (found.change < kNear) {
    found.verdict = Verdict::plausible;
    found.why = fmt::format("its weights differ from the base's by {:.2g} of their norm", found.change);
  } else {
    found.verdict = Verdict::contradicted;
    found.why =
        fmt::format("its weights differ from the base's by {:.2g} of their norm, as unrelated ones do", found.change);
  }
  return found;
}

Json to_json(const Comparison& comparison) {
  Json json{{"verdict", name_of(comparison.verdict)}, {"why", comparison.why},
            {"identical", comparison.identical},      {"changed", comparison.changed},
            {"only_here", comparison.only_here},      {"only_there", comparison.only_there}};
  if (comparison.change >= 0) json["change"] = comparison.change;
  return json;
}

}  // namespace glassbox::hub
