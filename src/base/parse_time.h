// Times as clients write them.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"

namespace varve {

// "2026-01-31" or "2026-01-31T23:59:59[.ffffff][Z]", UTC; nullopt for anything else.
std::optional<Timestamp> parse_time(const std::string& text);

}  // namespace varve
