#include "qemu/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/error.h"
#include "base/unique_fd.h"

namespace varve::qemu {

namespace {

constexpr auto kLook = std::chrono::milliseconds(200);

void wait_or_kill(pid_t pid, const std::function<bool()>& cancelled) {
  while (!wait_gone(pid, kLook)) {
    if (!cancelled()) continue;
    ::kill(pid, SIGKILL);
    return;
  }
}

}  // namespace

int run_process(const std::vector<std::string>& argv, const std::filesystem::path& log,
                const std::function<bool()>& cancelled) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  // Nothing else of ours: a daemon that outlives varved must not hold a client's socket or the listening one.
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);

  std::vector<char*> raw;
  raw.reserve(argv.size() + 1);
  for (const std::string& argument : argv) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  pid_t pid = 0;
  int fault = posix_spawnp(&pid, raw[0], &files, &attributes, raw.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (fault != 0) {
    throw Error(ErrorCode::Unavailable, "cannot run " + argv[0] + ": " + std::strerror(fault));
  }
  if (cancelled) wait_or_kill(pid, cancelled);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool wait_gone(pid_t pid, std::chrono::milliseconds timeout) {
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return errno == ESRCH;
  pollfd waiting{fd.get(), POLLIN, 0};
  return poll(&waiting, 1, static_cast<int>(timeout.count())) > 0;
}

}  // namespace varve::qemu
