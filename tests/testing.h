// What tests share: the data folder, and folders that vanish with the test.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GLASSBOX_SANITIZED 1
#endif
#endif

namespace glassbox::testing {

// Whether a sanitizer watches, under which all takes ten times as long: what is tried on very many inputs in other
// builds is tried on a part of them there.
#ifdef GLASSBOX_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Real files for conformance tests: $GLASSBOX_DATA, else ../shared/data beside the checkout.
inline std::filesystem::path data_folder() {
  const char* set = std::getenv("GLASSBOX_DATA");
  return set ? std::filesystem::path(set) : std::filesystem::path("../shared/data");
}

// Small files committed with the project.
inline std::filesystem::path fixture(const std::string& name) { return std::filesystem::path("tests/fixtures") / name; }

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "glassbox-test-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace glassbox::testing

// In a test that needs the data folder: counts as skipped where the folder is absent.
#define GLASSBOX_NEEDS_DATA()                                       \
  if (!std::filesystem::exists(::glassbox::testing::data_folder())) \
  GTEST_SKIP() << "no data folder: set "                            \
                  "GLASSBOX_DATA"
