// Digests as lower-case hexadecimal text.
#pragma once

#include <string>
#include <string_view>

namespace varve {

std::string to_hex(std::string_view bytes);
std::string sha256_hex(std::string_view data);
std::string hmac_sha256_hex(std::string_view key, std::string_view data);

}  // namespace varve
