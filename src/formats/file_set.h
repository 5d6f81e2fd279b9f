// A model as named files, wherever they lie: in a folder as published, inside this program, or as one .gguf file; what
// was fetched from a hub is one of these in the cache. What a reference names is decided here and nowhere else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace glassbox {

// One file of a model. Valid for ever: what is shipped lies in the program, the rest on disk.
struct ModelFile {
  std::string source;                // names it in errors: its path, or "glassbox/prism/config.json"
  std::filesystem::path path;        // empty where it is no file on disk
  std::span<const std::byte> bytes;  // of one that is not
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  // Throw as read_file() and parse_json().
  std::string text(size_t limit = size_t{1} << 30) const;
  Json json(size_t limit = size_t{1} << 30) const;
  uint64_t size() const;
};

// A cheap value; threads may share it.
class FileSet {
 public:
  enum class Kind { folder, shipped, gguf };

  // The models inside this program: "glassbox/prism".
  static std::vector<std::string_view> shipped();
  // "glassbox/prism" (or what else is shipped), a folder, a .gguf file, or a hub's "owner/name" that was fetched
  // (model_cache.h), in this order. Nothing for any other reference, even where there is a file of that name.
  static std::optional<FileSet> find(std::string_view reference);
  // The same. Throws Error(not_found) saying what the reference looks like and what is expected (model_reference.h).
  static FileSet open(std::string_view reference);
  // A folder as it is, which need not exist: readers say which file they miss.
  static FileSet of_folder(std::filesystem::path folder);

  Kind kind() const { return kind_; }
  const std::string& source() const { return source_; }        // the reference
  const std::filesystem::path& path() const { return path_; }  // of the folder or .gguf file; empty if shipped
  std::string name() const;                          // for people: the folder's or file's, as published, or the hub's
  std::vector<std::filesystem::path> paths() const;  // what is read on disk, so not to be written over

  // A file by its name within the model ("config.json", "additional_chat_templates/x.jinja"). Nothing if there is none;
  // a .gguf file has none. What is shipped has the loss.json of its training, too, which is not one of names().
  std::optional<ModelFile> file(std::string_view name) const;
  // The same of one that must be there: throws Error(not_found) naming it, here or when it is read.
  ModelFile need(std::string_view name) const;
  // The same, and null, for a file of JSON that may be missing.
  Json json(std::string_view name, size_t limit = size_t{1} << 30) const;
  // What the name would be called in errors.
  std::string source_of(std::string_view name) const;
  // Names of the ordinary files in the model, or in one of its folders ("additional_chat_templates/"), sorted.
  std::vector<std::string> names(std::string_view folder = "") const;

 private:
  FileSet(Kind kind, std::string source, std::filesystem::path path)
      : kind_(kind), source_(std::move(source)), path_(std::move(path)) {}

  Kind kind_;
  std::string source_;
  std::filesystem::path path_;
};

}  // namespace glassbox
