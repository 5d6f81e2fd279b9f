// Files: read whole, written whole. base/mapped_file.h maps them in place, base/output.h writes them piece by piece.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace glassbox {

// The whole file. Throws Error(not_found | io), and Error(bad_file) if it is larger than `limit` bytes.
std::string read_file(const std::filesystem::path& file, size_t limit = size_t{1} << 30);

// Writes beside `file`, syncs, renames over it. Throws Error(io).
void write_file(const std::filesystem::path& file, std::string_view bytes);

// The same for pieces that follow one another, none of which need be copied together first.
void write_file(const std::filesystem::path& file, std::span<const std::span<const std::byte>> pieces);

}  // namespace glassbox
