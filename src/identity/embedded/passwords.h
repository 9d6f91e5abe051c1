// Passwords and secrets at rest: scrypt (RFC 7914) with a salt of its own, in the form scrypt$N$r$p$salt$hash.
#pragma once

#include <string>

#include "base/rng.h"

namespace varve::identity {

// Tens of milliseconds and 16 MiB, on purpose: never on an io thread.
std::string hash_password(const std::string& password, Rng& rng);
bool verify_password(const std::string& password, const std::string& hash);

}  // namespace varve::identity
