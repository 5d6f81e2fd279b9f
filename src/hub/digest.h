// SHA-1 and SHA-256 (FIPS 180-4), as git and LFS name what they keep: whole, or piece by piece.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace glassbox::hub {

// The bytes of a hash. Ordered as their hex form is.
template <size_t N>
struct Digest {
  std::array<uint8_t, N> bytes{};

  // 2N lower-case hexadecimal digits; nothing for any other text.
  static std::optional<Digest> parse(std::string_view hex);
  // N bytes as they are, of a database or a pack. A failed check() for another number of them.
  static Digest of_bytes(std::string_view bytes);
  std::string hex() const;
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes.data()), N}; }
  auto operator<=>(const Digest&) const = default;
};

using Sha1 = Digest<20>;
using Sha256 = Digest<32>;

// Takes bytes as they come. For one thread.
template <class D>
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void append(std::string_view bytes);
  D finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

template <class D>
D digest_of(std::string_view bytes) {
  Hasher<D> hasher;
  hasher.append(bytes);
  return hasher.finish();
}

extern template struct Digest<20>;
extern template struct Digest<32>;
extern template class Hasher<Sha1>;
extern template class Hasher<Sha256>;

}  // namespace glassbox::hub
