#include "hub/tensors.h"

#include "base/error.h"
#include "base/json.h"

namespace glassbox::hub {
namespace {

constexpr uint64_t kMostHeader = uint64_t{32} << 20;

// The first `size` bytes; fewer where there are no more.
std::string head_of(ContentReader& reader, uint64_t size) {
  std::string bytes;
  for (std::string more; bytes.size() < size; bytes += more) {
    more = reader.read(bytes.size(), static_cast<size_t>(size - bytes.size()));
    if (more.empty()) break;
  }
  return bytes;
}

TensorPlace place_in(const Json& tensor, const Entry& file, uint64_t data) {
  TensorPlace place;
  place.dtype = tensor.at("dtype");
  place.file = file.sha256;
  int64_t product = 1;
  for (const Json& size : tensor.at("shape")) {
    place.shape.push_back(size.get<int64_t>());
    if (place.shape.back() < 0 || __builtin_mul_overflow(product, place.shape.back(), &product))
      fail(ErrorKind::bad_file, "a shape");
  }
  const auto begin = tensor.at("data_offsets").at(0).get<uint64_t>(),
             end = tensor.at("data_offsets").at(1).get<uint64_t>();
  if (begin > end || __builtin_add_overflow(begin, data, &place.begin) ||
      __builtin_add_overflow(end, data, &place.end) || place.end > file.size)
    fail(ErrorKind::bad_file, "offsets");
  if (const auto dtype = dtype_named(place.dtype))
    if (tensor_bytes(*dtype, place.shape) != end - begin) fail(ErrorKind::bad_file, "a size");
  return place;
}

}  // namespace

std::optional<Tensors> tensors_in(const Contents& contents, const Entry& file) {
  try {
    const auto reader = contents.open(file.sha256);
    const std::string size = head_of(*reader, 8);
    if (size.size() < 8) return std::nullopt;
    uint64_t length = 0;
    for (size_t i = 8; i-- > 0;) length = length << 8 | static_cast<uint8_t>(size[i]);
    if (length > kMostHeader || length + 8 > file.size) return std::nullopt;
    const std::string head = head_of(*reader, 8 + length);
    const Json header = parse_json(std::string_view(head).substr(8), file.path);
    Tensors tensors;
    for (const auto& [name, tensor] : header.items())
      if (name != "__metadata__") tensors[name] = place_in(tensor, file, 8 + length);
    return tensors;
  } catch (const Error&) { return std::nullopt; } catch (const Json::exception&) {
    return std::nullopt;
  }
}

Tensors tensors_of(const Contents& contents, const std::vector<Entry>& files) {
  Tensors all;
  for (const Entry& file : files)
    if (file.path.ends_with(".safetensors") && file.path.find('/') == std::string::npos)
      if (const auto tensors = tensors_in(contents, file))
        for (const auto& [name, place] : *tensors) all.insert_or_assign(name, place);
  return all;
}

}  // namespace glassbox::hub
