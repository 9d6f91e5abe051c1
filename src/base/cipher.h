// Sealing small secrets: AES-256-GCM.
#pragma once

#include <string>
#include <string_view>

namespace varve {

inline constexpr std::size_t kNonceBytes = 12;

// key: 32 bytes; nonce: kNonceBytes, never used twice with one key. The result has 16 bytes more than the text.
std::string seal(std::string_view key, std::string_view nonce, std::string_view associated, std::string_view text);

// Throws Error(BackendFailed) when the key, the nonce, the associated data or the sealed text are not those of seal().
std::string open_sealed(std::string_view key, std::string_view nonce, std::string_view associated,
                        std::string_view sealed);

}  // namespace varve
