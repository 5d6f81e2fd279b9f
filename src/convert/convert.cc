#include "convert/convert.h"

#include <filesystem>

#include "base/error.h"
#include "base/output.h"
#include "convert/conversions.h"
#include "formats/gguf.h"
#include "formats/gguf_config.h"
#include "models/registry.h"
#include "tensor/numbers.h"

namespace glassbox {

namespace fs = std::filesystem;

std::vector<std::string> beyond_gguf(const std::string& target) {
  if (!is_gguf_file(target)) return {};
  const Gguf file = Gguf::open(target);
  return beyond_gguf(file, gguf_family(file, known_families()));
}

Converted convert(const std::string& source, const std::string& target, const ConvertOptions& options,
                  const std::function<void(const Progress&)>& progress) {
  if (options.dtype && !is_float(*options.dtype))
    fail(ErrorKind::bad_request, "--dtype: expected f32, f16 or bf16, got {}; quantize makes the others",
         info(*options.dtype).name);
  const FileSet files = FileSet::open(source);
  const bool to_file = has_gguf_ending(target);
  std::error_code failed;
  if (const fs::path holder = fs::weakly_canonical(files.path(), failed).parent_path();
      !files.path().empty() && !to_file && fs::is_directory(target, failed) && fs::equivalent(holder, target, failed))
    fail(ErrorKind::bad_request, "{}: holds what is read ({}): expected another folder", target, source);
  check_output(target, files.paths(), options.force);
  const ReportProgress report = progress ? progress : [](const Progress&) {};
  if (to_file) return convert_to_gguf(files, target, options, report);
  if (files.kind() == FileSet::Kind::gguf) return convert_from_gguf(files, target, options, report);
  return convert_published(files, target, options, report);
}

}  // namespace glassbox
