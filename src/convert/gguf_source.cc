#include "convert/gguf_source.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "convert/gguf_plan.h"
#include "convert/gguf_tokenizer.h"
#include "convert/model_card.h"
#include "formats/config.h"
#include "formats/quantization.h"

namespace glassbox {
namespace {

GgufSource of_file(const FileSet& files) {
  Gguf file = Gguf::open(files.path());
  GgufPlan plan = plan_of_file(file);
  std::string name = file.string("general.name").value_or(files.name());
  GgufRows rows(plan.tensors, std::move(plan.rows), std::move(file));
  return {std::move(name), std::move(plan.metadata), std::move(plan.tensors), std::move(rows)};
}

GgufSource of_published(const FileSet& files, std::span<const std::string> ignore_keys) {
  const std::string where = files.source_of("config.json");
  const Json config = files.need("config.json").json(kMaxConfig);
  const StoredWeights stored(Checkpoint::open(files), read_quantization(Config(config, where, ignore_keys)));
  GgufPlan plan = plan_of_checkpoint(stored, config, where, ignore_keys);
  const auto add = [&](std::vector<GgufEntry> entries) {
    std::ranges::move(entries, std::back_inserter(plan.metadata));
  };
  add(gguf_tokenizer(files, plan.vocabulary));
  if (const auto card = files.file("README.md")) add(card_metadata(card->text()));
  const std::string name = files.name();
  plan.metadata.insert(plan.metadata.begin() + 1,
                       {{"general.type", GgufValue::of("model")}, {"general.name", GgufValue::of(name)}});
  GgufRows rows(plan.tensors, std::move(plan.rows), stored);
  return {name, std::move(plan.metadata), std::move(plan.tensors), std::move(rows)};
}

}  // namespace

GgufSource GgufSource::open(const FileSet& files, std::span<const std::string> ignore_keys) try {
  return files.kind() == FileSet::Kind::gguf ? of_file(files) : of_published(files, ignore_keys);
} catch (const Json::exception& error) {
  // A text where a number is meant, and the like: models read their config strictly, this reads it as far as it must.
  const std::string_view what = error.what();
  fail(ErrorKind::bad_file, "{}: config.json or a file beside it: {}", files.source(), what.substr(what.find(']') + 2));
}

}  // namespace glassbox
