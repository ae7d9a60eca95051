#include "pipelines/counterflow/dicom/uid.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"

namespace counterflow {
namespace {

using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
constexpr std::size_t kSize = 32;

void check(int status) {
  if (status != 1) throw Error("OpenSSL computes no SHA-256 here");
}

}  // namespace

struct Digest::Impl {
  Context context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};

  std::array<unsigned char, kSize> value() const {
    const Context copy(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    std::array<unsigned char, kSize> out{};
    check(EVP_MD_CTX_copy_ex(copy.get(), context.get()));
    check(EVP_DigestFinal_ex(copy.get(), out.data(), nullptr));
    return out;
  }
};

Digest::Digest() : impl_(std::make_unique<Impl>()) { check(EVP_DigestInit_ex(impl_->context.get(), EVP_sha256(), nullptr)); }
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;

Digest& Digest::add(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(impl_->context.get(), bytes.data(), bytes.size()));
  return *this;
}

Digest& Digest::add(std::string_view text) {
  const std::string length = std::to_string(text.size()) + ":";
  add(std::as_bytes(std::span(length)));
  return add(std::as_bytes(std::span(text)));
}

std::string Digest::hex() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (unsigned char byte : impl_->value()) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string Digest::uid() const {
  const auto digest = impl_->value();
  std::array<unsigned, 16> bytes{};
  std::copy_n(digest.begin(), bytes.size(), bytes.begin());
  bytes[6] = (bytes[6] & 0x0fU) | 0x80U;  // version 8
  bytes[8] = (bytes[8] & 0x3fU) | 0x80U;  // variant
  std::string digits;
  while (std::ranges::any_of(bytes, [](unsigned b) { return b != 0; })) {  // long division by ten
    unsigned rest = 0;
    for (unsigned& byte : bytes) {
      const unsigned value = rest * 256 + byte;
      byte = value / 10;
      rest = value % 10;
    }
    digits.insert(digits.begin(), static_cast<char>('0' + rest));
  }
  return "2.25." + digits;
}

}  // namespace counterflow
