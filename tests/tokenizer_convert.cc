// tokenizer_convert SOURCE TARGET: a tokenizer's files (a folder, one file or a .gguf) as TARGET, a .json or a .gguf
// without tensors; or, with TARGET -, the ids of the text on standard input, one text a NUL, a line each.
#include <cstdio>
#include <exception>
#include <iostream>
#include <iterator>

#include "base/file.h"
#include "formats/gguf.h"
#include "tokenizer/tokenizer.h"

namespace {

using namespace glassbox;

void write(const std::filesystem::path& source, const std::filesystem::path& target) {
  const Tokenizer tokenizer =
      source.extension() == ".gguf" ? Tokenizer::from_gguf(Gguf::open(source)) : Tokenizer::open(source);
  if (target == "-") {
    std::cin >> std::noskipws;
    std::string text;
    const auto line = [&] {
      for (const int32_t id : tokenizer.encode(text, false)) std::printf("%d ", id);
      std::printf("\n");
      text.clear();
    };
    for (char c; std::cin.get(c);) {
      if (c == '\0')
        line();
      else
        text += c;
    }
    return;
  }
  if (target.extension() == ".json") return write_file(target, tokenizer.to_json());
  std::vector<GgufEntry> entries{{"general.architecture", GgufValue::of("llama")}};
  for (GgufEntry& entry : tokenizer.to_gguf(static_cast<int64_t>(tokenizer.size())))
    entries.push_back(std::move(entry));
  write_gguf(target, entries, {}, [](size_t, const AppendBytes&) {});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: tokenizer_convert SOURCE TARGET\n");
    return 2;
  }
  try {
    write(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tokenizer_convert: %s\n", error.what());
    return 1;
  }
  return 0;
}
