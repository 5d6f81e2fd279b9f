// Why the hub does not do what it was asked, in kinds that clients tell apart.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "base/error.h"

namespace glassbox::hub {

enum class Refused {
  no_repository,  // none of this name, or none that the caller may know of: never told apart
  no_revision,
  no_entry,       // no such file or folder at that revision
  exists,         // what was to be made is there already
  conflict,       // two changes that cannot both be
  moved_on,       // the branch is no longer where the caller saw it
  forbidden,      // the caller is known and has no right to it
  gated,          // the files are for those whom the repository's owner let in
  bad_name,       // of a repository, a branch or a tag
  bad_path,       // of a file
  bad_value,      // anything else that was asked for wrongly
  unknown_token,  // what lets nobody in
  not_stored      // a commit names bytes that were not uploaded
};

class Refusal : public Error {
 public:
  Refusal(Refused refused, const std::string& what) : Error(ErrorKind::bad_request, what), refused_(refused) {}
  Refused refused() const { return refused_; }

 private:
  Refused refused_;
};

template <class... Args>
[[noreturn]] void refuse(Refused refused, fmt::format_string<Args...> format, Args&&... args) {
  throw Refusal(refused, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace glassbox::hub
