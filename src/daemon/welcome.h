// What `make run` prints: how to use the service that has just come up.
#pragma once

#include <filesystem>
#include <string>

namespace varve::daemon {

std::string welcome(const std::string& url, const std::filesystem::path& openrc);

}  // namespace varve::daemon
