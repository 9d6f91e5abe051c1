// Child processes, without a shell.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace varve::qemu {

// Runs argv (argv[0] is looked up in PATH) with stdin from /dev/null and stdout and stderr appended to `log`, umask
// 077, in a session of its own, and waits for its end. Returns the exit status, -1 if it was killed; it is killed when
// `cancelled`, looked at several times a second, says so.
int run_process(const std::vector<std::string>& argv, const std::filesystem::path& log,
                const std::function<bool()>& cancelled = {});

// Waits until the process (any, not only a child) is gone; false when time is up.
bool wait_gone(pid_t pid, std::chrono::milliseconds timeout);

}  // namespace varve::qemu
