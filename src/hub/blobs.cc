#include "hub/blobs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "base/open_file.h"

namespace glassbox::hub {
namespace {

constexpr const char* kUnfinished = "unfinished";

[[noreturn]] void fail_writing(const std::filesystem::path& file, const char* doing) {
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
    fail(ErrorKind::full, "{}: cannot {}: {}", file.string(), doing, std::generic_category().message(errno));
  fail_errno(file, doing);
}

void sync_folder(const std::filesystem::path& folder) {
  const Descriptor at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (at.fd < 0) fail_errno(folder, "open");
  if (::fsync(at.fd) != 0) fail_writing(folder, "sync");
}

class FolderReader : public BlobReader {
 public:
  explicit FolderReader(std::filesystem::path file) : path_(std::move(file)), file_(open_regular(path_)) {}
  uint64_t size() const override { return static_cast<uint64_t>(file_.info.st_size); }
  void read(uint64_t offset, std::span<char> out) const override {
    while (!out.empty()) {
      const ssize_t got = ::pread(file_.descriptor.fd, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail_errno(path_, "read");
      if (got == 0)
        fail(ErrorKind::bad_file, "{}: {} bytes are missing from byte {} on", path_.string(), out.size(), offset);
      out = out.subspan(static_cast<size_t>(got));
      offset += static_cast<uint64_t>(got);
    }
  }

 private:
  std::filesystem::path path_;
  RegularFile file_;
};

class FolderWriterOfOne : public BlobWriter {
 public:
  FolderWriterOfOne(const std::filesystem::path& folder, uint64_t number)
      : folder_(folder), beside_(folder / kUnfinished / std::to_string(number)) {
    file_.fd = ::open(beside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_.fd < 0) fail_writing(beside_, "create");
  }
  ~FolderWriterOfOne() override {
    if (!committed_) ::unlink(beside_.c_str());
  }

  void append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = ::write(file_.fd, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) fail_writing(beside_, "write");
      bytes.remove_prefix(static_cast<size_t>(put));
    }
  }

  void commit(const std::string& name) override {
    const std::filesystem::path at = folder_ / name.substr(0, 2), file = at / name;
    if (::fsync(file_.fd) != 0) fail_writing(beside_, "sync");
    // A second one of this name is as good as the first, and readers may have the first open.
    if (::link(beside_.c_str(), file.c_str()) != 0 && errno != EEXIST) fail_writing(file, "name");
    ::unlink(beside_.c_str());
    committed_ = true;
    sync_folder(at);
  }

 private:
  std::filesystem::path folder_, beside_;
  Descriptor file_{-1};
  bool committed_ = false;
};

class FolderBlobs : public Blobs {
 public:
  FolderBlobs(std::filesystem::path folder, FolderUse use) : folder_(std::move(folder)) {
    if (use == FolderUse::reads) return;
    std::filesystem::remove_all(folder_ / kUnfinished);
    std::filesystem::create_directories(folder_ / kUnfinished);
    for (int part = 0; part < 256; ++part) std::filesystem::create_directory(folder_ / fmt::format("{:02x}", part));
    sync_folder(folder_);
  }

  std::unique_ptr<BlobWriter> create() override { return std::make_unique<FolderWriterOfOne>(folder_, next_++); }
  std::unique_ptr<BlobReader> open(const std::string& name) const override {
    return std::make_unique<FolderReader>(file(name));
  }
  void remove(const std::string& name) override {
    if (::unlink(file(name).c_str()) != 0 && errno != ENOENT) fail_errno(file(name), "remove");
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& part : std::filesystem::directory_iterator(folder_))
      if (part.path().filename() != kUnfinished && part.is_directory())
        for (const auto& entry : std::filesystem::directory_iterator(part.path()))
          names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }

 private:
  std::filesystem::path file(const std::string& name) const {
    check(name.size() >= 4 && name.find_first_not_of("0123456789abcdef") == std::string::npos,
          "a blob's name is hexadecimal digits");
    return folder_ / name.substr(0, 2) / name;
  }

  const std::filesystem::path folder_;
  std::atomic<uint64_t> next_ = 0;
};

}  // namespace

std::unique_ptr<Blobs> folder_blobs(std::filesystem::path folder, FolderUse use) {
  return std::make_unique<FolderBlobs>(std::move(folder), use);
}

}  // namespace glassbox::hub
