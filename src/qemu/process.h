// Child processes, without a shell; and processes that outlive who started them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace varve::qemu {

// Runs argv (argv[0] is looked up in PATH) with stdin from /dev/null and stdout and stderr appended to `log`, umask
// 077, in a session of its own, and waits for its end. Returns the exit status, -1 if it was killed; it is killed, with
// its children of the same session, when `cancelled`, looked at several times a second, says so.
int run_process(const std::vector<std::string>& argv, const std::filesystem::path& log,
                const std::function<bool()>& cancelled = {});

// A running process, known by what it is and not by its number, which may be another's after its end: it has `flag`
// and a certain file, by whatever path, as consecutive arguments. Holds a pidfd, so that a signal reaches it or nobody.
class Process {
 public:
  // nullopt: there is no such process, or it is another program's.
  static std::optional<Process> find(pid_t pid, const std::string& flag, const std::filesystem::path& file);

  // All there are.
  static std::vector<Process> find_all(const std::string& flag, const std::filesystem::path& file);

  // All with this flag, and what follows it.
  static std::vector<std::pair<Process, std::string>> all_with(const std::string& flag);

  pid_t pid() const { return pid_; }
  int fd() const { return fd_.get(); }  // readable when the process has ended

  // false when time is up.
  bool wait_gone(std::chrono::milliseconds timeout) const;
  // SIGKILL: ends a stopped process too; one that waits for a disk, as soon as the disk answers.
  void kill() const;
  void terminate() const;  // SIGTERM: a storage daemon writes what it has and ends

 private:
  static std::optional<std::pair<Process, std::string>> with_flag(pid_t pid, const std::string& flag);

  Process(pid_t pid, UniqueFd fd) : pid_(pid), fd_(std::move(fd)) {}

  pid_t pid_;
  UniqueFd fd_;
};

}  // namespace varve::qemu
