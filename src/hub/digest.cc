#include "hub/digest.h"

#include <openssl/evp.h>

#include <algorithm>

#include "base/error.h"

namespace glassbox::hub {

template <size_t N>
std::optional<Digest<N>> Digest<N>::parse(std::string_view hex) {
  if (hex.size() != 2 * N) return std::nullopt;
  Digest digest;
  for (size_t i = 0; i < 2 * N; ++i) {
    const char c = hex[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    digest.bytes[i / 2] = static_cast<uint8_t>(digest.bytes[i / 2] << 4 | digit);
  }
  return digest;
}

template <size_t N>
Digest<N> Digest<N>::of_bytes(std::string_view bytes) {
  check(bytes.size() == N, "a digest has as many bytes as its kind");
  Digest digest;
  std::ranges::copy(bytes, reinterpret_cast<char*>(digest.bytes.data()));
  return digest;
}

template <size_t N>
std::string Digest<N>::hex() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * N);
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

template <class D>
struct Hasher<D>::State {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

template <class D>
Hasher<D>::Hasher() : state_(std::make_unique<State>()) {
  const EVP_MD* kind = sizeof(D) == 20 ? EVP_sha1() : EVP_sha256();
  check(EVP_DigestInit_ex(state_->context.get(), kind, nullptr) == 1, "OpenSSL has SHA-1 and SHA-256");
}
template <class D>
Hasher<D>::~Hasher() = default;
template <class D>
Hasher<D>::Hasher(Hasher&&) noexcept = default;
template <class D>
Hasher<D>& Hasher<D>::operator=(Hasher&&) noexcept = default;

template <class D>
void Hasher<D>::append(std::string_view bytes) {
  EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size());
}

template <class D>
D Hasher<D>::finish() {
  D digest;
  EVP_DigestFinal_ex(state_->context.get(), digest.bytes.data(), nullptr);
  return digest;
}

template struct Digest<20>;
template struct Digest<32>;
template class Hasher<Sha1>;
template class Hasher<Sha256>;

}  // namespace glassbox::hub
