// The conversions that convert() chooses from; their targets are checked already.
#pragma once

#include <filesystem>
#include <functional>

#include "convert/convert.h"
#include "formats/file_set.h"

namespace glassbox {

using ReportProgress = std::function<void(const Progress&)>;

Converted convert_to_gguf(const FileSet& source, const std::filesystem::path& target, const ConvertOptions& options,
                          const ReportProgress& report);
// A GGUF file as a folder.
Converted convert_from_gguf(const FileSet& source, const std::filesystem::path& target, const ConvertOptions& options,
                            const ReportProgress& report);
// A published model as a folder: each tensor as it is, or all weights in a dtype.
Converted convert_published(const FileSet& source, const std::filesystem::path& target, const ConvertOptions& options,
                            const ReportProgress& report);

}  // namespace glassbox
