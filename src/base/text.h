// Small things about text that more than one layer needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace varve {

// RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF.
bool is_utf8(std::string_view text);

// Strips blanks (space, tab, CR, LF, VT, FF) at both ends.
std::string_view trim(std::string_view text);

// Lower-case 8-4-4-4-12 or 32 hexadecimal digits, any case.
bool is_uuid(std::string_view text);

// A whole decimal number with an optional minus sign and nothing else; nullopt on overflow too.
std::optional<std::int64_t> parse_int(std::string_view text);

// Equal in a time that depends on the lengths only.
bool equal_constant_time(std::string_view a, std::string_view b);

std::vector<std::string> split(std::string_view text, char by);  // no part of "", none behind a last `by`

// Of absolute paths only the last name is left: what a client may read. URLs stay.
std::string without_paths(std::string_view text);

std::string to_lower(std::string_view text);

// %XX and, in a query, '+'; nullopt for a broken escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
std::string percent_encode(std::string_view text);

}  // namespace varve
