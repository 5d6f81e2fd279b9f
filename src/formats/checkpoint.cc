#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/quote.h"
#include "formats/file_set.h"
#include "formats/safetensors.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxIndex = 100'000'000;  // bytes: a million tensors

// A shard must lie in the folder itself: names come from strangers. (A link there may point elsewhere: the
// hub cache is made of such links, and they are the work of whoever owns the disk.)
bool plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

}  // namespace

struct Checkpoint::State {
  std::string source;
  std::vector<SafeTensors> files;
  std::vector<const TensorInfo*> tensors;                // sorted by name
  std::unordered_map<std::string_view, size_t> file_of;  // tensor name -> index in files

  void index(const std::string& where) {
    for (size_t i = 0; i < files.size(); ++i)
      for (const TensorInfo& tensor : files[i].tensors()) {
        const auto [at, added] = file_of.emplace(tensor.name, i);
        if (!added)
          fail(ErrorKind::bad_file, "{}: tensor {} is both in {} and in {}", where, quote(tensor.name),
               files[at->second].source(), files[i].source());
        tensors.push_back(&tensor);
      }
    std::sort(tensors.begin(), tensors.end(),
              [](const TensorInfo* a, const TensorInfo* b) { return a->name < b->name; });
  }
};

Checkpoint Checkpoint::of(SafeTensors file) {
  auto state = std::make_shared<State>();
  state->source = file.source();
  state->files.push_back(std::move(file));
  state->index(state->source);
  Checkpoint checkpoint;
  checkpoint.state_ = std::move(state);
  return checkpoint;
}

SafeTensors SafeTensors::open(const ModelFile& file) {
  return file.path.empty() ? from_bytes(file.bytes, nullptr, file.source) : open(file.path);
}

Checkpoint Checkpoint::open(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored) ? open(FileSet::of_folder(path)) : of(SafeTensors::open(path));
}

Checkpoint Checkpoint::open(const FileSet& files) {
  // With both at hand the single file counts, as it does for transformers.
  if (const auto single = files.file("model.safetensors")) return of(SafeTensors::open(*single));
  const auto index_file = files.file("model.safetensors.index.json");
  if (!index_file)
    fail(ErrorKind::not_found, "{}: expected model.safetensors or model.safetensors.index.json, found neither",
         files.source());

  const std::string& where = index_file->source;
  const Json index = index_file->json(kMaxIndex);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    fail(ErrorKind::bad_file, "{}: expected an object with an object \"weight_map\"", where);
  const Json& map = index["weight_map"];
  std::map<std::string, size_t> shards;
  for (const auto& [tensor, file] : map.items()) {
    if (!file.is_string() || !plain_file_name(file.get_ref<const std::string&>()))
      fail(ErrorKind::bad_file, "{}: tensor {}: expected the name of a file in this folder, got {}", where,
           quote(tensor), brief(file));
    shards.emplace(file.get<std::string>(), 0);
  }
  if (shards.empty()) fail(ErrorKind::bad_file, "{}: weight_map: expected tensors, got none", where);

  auto state = std::make_shared<State>();
  state->source = files.source();
  for (auto& [file, position] : shards) {
    const auto shard = files.file(file);
    if (!shard) fail(ErrorKind::not_found, "{}: shard {} is missing", where, quote(file));
    position = state->files.size();
    state->files.push_back(SafeTensors::open(*shard));
  }
  state->index(where);
  for (const auto& [tensor, file] : map.items()) {
    const auto found = state->file_of.find(tensor);
    if (found == state->file_of.end() || found->second != shards.at(file.get<std::string>()))
      fail(ErrorKind::bad_file, "{}: tensor {}: expected in {}, found {}", where, quote(tensor), brief(file),
           found == state->file_of.end() ? "in no shard" : "in " + state->files[found->second].source());
  }
  for (const TensorInfo* tensor : state->tensors)
    if (!map.contains(tensor->name))
      fail(ErrorKind::bad_file, "{}: tensor {} of {} is not in weight_map", where, quote(tensor->name),
           state->files[state->file_of.at(tensor->name)].source());
  Checkpoint checkpoint;
  checkpoint.state_ = std::move(state);
  return checkpoint;
}

std::optional<RawTensor> Checkpoint::find(std::string_view name) const {
  const auto found = state_->file_of.find(name);
  if (found == state_->file_of.end()) return std::nullopt;
  return state_->files[found->second].find(name);
}

std::vector<std::string_view> Checkpoint::names() const {
  std::vector<std::string_view> names;
  names.reserve(state_->tensors.size());
  for (const TensorInfo* tensor : state_->tensors) names.push_back(tensor->name);
  return names;
}

const std::vector<const TensorInfo*>& Checkpoint::tensors() const { return state_->tensors; }
const std::vector<SafeTensors>& Checkpoint::files() const { return state_->files; }
const std::string& Checkpoint::source() const { return state_->source; }

void Checkpoint::release(std::span<const std::byte> bytes) const {
  for (const SafeTensors& file : state_->files) file.release(bytes);  // each knows which bytes are its own
}

uint64_t Checkpoint::total_bytes() const {
  uint64_t sum = 0;
  for (const SafeTensors& file : state_->files) sum += file.total_bytes();
  return sum;
}

}  // namespace glassbox
