// Why something is no model, and what to do about it: for people who are about to meet their first.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace glassbox {

// For a reference that names neither a shipped model, nor a folder, nor a GGUF file: one line that says what it looks
// like (a name of a hub, of another program's library, one file of a model), and what is expected.
std::string why_no_model(std::string_view reference);

// What keeps a folder from being opened as a model, seen from the names of its files: no config.json, no weights,
// weights as pickles, pointers of Git LFS, an adapter. Nothing where nothing is amiss.
std::optional<std::string> why_no_model_folder(const std::filesystem::path& folder);

}  // namespace glassbox
