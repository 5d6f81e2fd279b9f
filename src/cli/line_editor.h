// Reads lines from a person: editing, history that lasts, Ctrl-C that clears the line.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace glassbox {

class LineEditor {
 public:
  // History is kept under $GLASSBOX_HOME (default ~/.local/share/glassbox) in `name`.history.
  explicit LineEditor(const std::string& name);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // Nothing at the end of input (Ctrl-D).
  std::optional<std::string> read(const std::string& prompt);

 private:
  std::filesystem::path history_;
};

// Where Glassbox keeps state of its own.
std::filesystem::path home_folder();

}  // namespace glassbox
