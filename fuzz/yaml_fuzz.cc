// Any bytes as YAML: JSON that is whole, or an Error; JSON is YAML, and read back it is the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "formats/yaml.h"
#include "fuzz/require.h"

using namespace glassbox;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const YamlLimits limits{.bytes = 4096, .nodes = 1000, .depth = 16};
  try {
    const Yaml yaml = parse_yaml(text, "text", limits);
    require(!yaml.value.is_object() || yaml.keys.size() == yaml.value.size());
    const std::string json = dump_ordered_json(yaml.value);
    require(json.size() > 1024 || parse_yaml(json, "json", limits).value == yaml.value);
  } catch (const Error&) {}
  return 0;
}
