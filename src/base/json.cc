#include "base/json.h"

#include <set>
#include <vector>

#include "base/file.h"

namespace glassbox {
namespace {

// A key from outside in a one-line error: escaped, and cut.
std::string printable(const std::string& key) {
  constexpr size_t kLongest = 120;
  return dump_json(Json(key.substr(0, kLongest))) + (key.size() > kLongest ? "..." : "");
}

}  // namespace

Json parse_json(std::string_view text, std::string_view source, ErrorKind kind, int max_depth) {
  std::vector<std::set<std::string, std::less<>>> keys;  // of the objects that are open
  auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > max_depth) fail(kind, "{}: JSON nested deeper than {}", source, max_depth);
    switch (event) {
      case Json::parse_event_t::object_start: keys.emplace_back(); break;
      case Json::parse_event_t::object_end: keys.pop_back(); break;
      case Json::parse_event_t::key:
        if (!keys.back().insert(value.get<std::string>()).second)
          fail(kind, "{}: key {} given twice in one object", source, printable(value.get<std::string>()));
        break;
      default: break;
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), watch);
  } catch (const Json::exception& error) {
    std::string what = error.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    if (auto bracket = what.find("] "); bracket != std::string::npos) what.erase(0, bracket + 2);
    fail(kind, "{}: not JSON: {}", source, what.substr(0, 300));
  }
}

Json read_json(const std::filesystem::path& file) { return parse_json(read_file(file), file.string()); }

std::string dump_json(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace glassbox
