// Names that strangers choose: of repositories, branches and files. What is allowed can be a path on any disk and a
// part of any URL.
#pragma once

#include <string>
#include <string_view>

namespace glassbox::hub {

// All throw a Refusal (bad_name, bad_path) that says what is wrong with the name.

// Of an owner or a repository: 1 to 96 of ASCII letters, digits, '-', '_' and '.'; neither begins nor ends with '-' or
// '.', has no "--" and no "..", does not end in ".git".
void check_name(std::string_view what, std::string_view name);
// Of who may own repositories: besides, none of what the addresses of the site's own pages and interfaces begin with.
void check_owner_name(std::string_view what, std::string_view name);
// Of a branch or a tag, by git's rules (git-check-ref-format); nor "HEAD", what begins with "refs/", or 40 hexadecimal
// digits, which would be taken for a commit.
void check_reference_name(std::string_view what, std::string_view name);
// Of a file: UTF-8, parts between single slashes, none of them ".", ".." or ".git" in any case, no backslash and no
// control character, at most 255 bytes a part and 4,000 in all.
void check_path(std::string_view path);

// ASCII letters in lower case: names are looked up without regard to case.
std::string folded(std::string_view name);

}  // namespace glassbox::hub
