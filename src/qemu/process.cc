#include "qemu/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/fault.h"
#include "base/text.h"
#include "qemu/timeouts.h"

namespace varve::qemu {

namespace fs = std::filesystem;

namespace {

constexpr auto kEnd = std::chrono::seconds(5);  // of a killed process; one that waits for a disk takes longer

UniqueFd open_pidfd(pid_t pid) {
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

bool readable(int fd, std::chrono::milliseconds timeout) {
  pollfd waiting{fd, POLLIN, 0};
  return poll(&waiting, 1, static_cast<int>(timeout.count())) > 0;
}

// false: it was killed, and does not even end then.
bool wait_or_kill(pid_t pid, const std::function<bool()>& cancelled) {
  UniqueFd fd = open_pidfd(pid);
  while (!readable(fd.get(), kLook)) {
    if (!cancelled()) continue;
    ::kill(-pid, SIGKILL);
    return readable(fd.get(), kEnd);
  }
  return true;
}

std::vector<std::string> arguments_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  std::vector<std::string> out;
  for (std::string argument; std::getline(in, argument, '\0');) out.push_back(std::move(argument));
  return out;
}

// By whatever path; it need not be there.
bool is_same_file(const fs::path& one, const fs::path& other) {
  if (one == other) return true;
  std::error_code unknown;
  fs::path real = fs::weakly_canonical(one, unknown);
  return one.filename() == other.filename() && !unknown && real == fs::weakly_canonical(other, unknown) && !unknown;
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
  int fault =
      fault::fails(fault::Kind::Spawn) ? errno : posix_spawnp(&pid, raw[0], &files, &attributes, raw.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (fault != 0) {
    throw Error(ErrorCode::Unavailable, "cannot run " + argv[0] + ": " + std::strerror(fault));
  }
  if (cancelled && !wait_or_kill(pid, cancelled)) return -1;
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// The number may get another owner between two looks at it, but not while the pidfd's process lives: what was read
// before it was seen alive is its own.
std::optional<std::pair<Process, std::string>> Process::with_flag(pid_t pid, const std::string& flag) {
  if (pid <= 0) return std::nullopt;
  UniqueFd fd = open_pidfd(pid);
  if (!fd) return std::nullopt;
  std::vector<std::string> arguments = arguments_of(pid);
  if (readable(fd.get(), std::chrono::milliseconds(0))) return std::nullopt;
  auto at = std::find(arguments.begin(), arguments.end(), flag);
  if (at == arguments.end() || at + 1 == arguments.end()) return std::nullopt;
  return std::pair(Process(pid, std::move(fd)), *(at + 1));
}

std::optional<Process> Process::find(pid_t pid, const std::string& flag, const fs::path& file) {
  auto found = with_flag(pid, flag);
  if (!found || !is_same_file(found->second, file)) return std::nullopt;
  return std::move(found->first);
}

std::vector<std::pair<Process, std::string>> Process::all_with(const std::string& flag) {
  std::vector<std::pair<Process, std::string>> out;
  std::error_code fault;
  for (fs::directory_iterator entry("/proc", fault), end; !fault && entry != end; entry.increment(fault)) {
    auto pid = parse_int(entry->path().filename().string());
    if (!pid) continue;
    if (auto process = with_flag(static_cast<pid_t>(*pid), flag)) out.push_back(std::move(*process));
  }
  return out;
}

std::vector<Process> Process::find_all(const std::string& flag, const fs::path& file) {
  std::vector<Process> out;
  for (auto& [process, value] : all_with(flag)) {
    if (is_same_file(value, file)) out.push_back(std::move(process));
  }
  return out;
}

bool Process::wait_gone(std::chrono::milliseconds timeout) const {
  return readable(fd_.get(), timeout);
}

void Process::kill() const {
  syscall(SYS_pidfd_send_signal, fd_.get(), SIGKILL, nullptr, 0);
}

void Process::terminate() const {
  syscall(SYS_pidfd_send_signal, fd_.get(), SIGTERM, nullptr, 0);
}

}  // namespace varve::qemu
