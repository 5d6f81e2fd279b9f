#include "server/hub/sign.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>

#include <chrono>

#include "base/base64.h"

namespace glassbox::hubapi {
namespace {

// Base64 with the alphabet for URLs and without padding (RFC 4648, section 5).
std::string to_url(std::string_view bytes) {
  std::string text = to_base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::optional<std::string> from_url(std::string_view text) {
  std::string usual(text), bytes;
  for (char& c : usual) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (usual.size() % 4 != 0) usual += '=';
  return from_base64(usual, bytes) ? std::optional(bytes) : std::nullopt;
}

std::string mark(std::string_view says, std::string_view secret) {
  std::string bytes(32, '\0');
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(says.data()), says.size(), reinterpret_cast<unsigned char*>(bytes.data()),
       &size);
  return bytes;
}

}  // namespace

int64_t now_in_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string sign(const Json& says, std::string_view secret) {
  const std::string text = dump_json(says);
  return to_url(text) + "." + to_url(mark(text, secret));
}

std::optional<Json> verify(std::string_view text, std::string_view secret) {
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto says = from_url(text.substr(0, dot));
  if (!says) return std::nullopt;
  // As text: the last letter of base64 has bits that mean nothing, so that other texts have the same bytes.
  const std::string_view signature = text.substr(dot + 1);
  const std::string expected = to_url(mark(*says, secret));
  if (signature.size() != expected.size() || CRYPTO_memcmp(signature.data(), expected.data(), expected.size()) != 0)
    return std::nullopt;
  Json json = parse_json(*says, "a signed text");
  const auto ends = json.find("exp");
  if (ends != json.end() && ends->get<int64_t>() < now_in_seconds()) return std::nullopt;
  return json;
}

}  // namespace glassbox::hubapi
