// Does a file system take changes, or refuse them? A frozen or hanging one does neither, and no thread that waits for
// it can be ended: a process of its own tries, and stays until it has an answer. One at a time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <utility>

namespace varve {

// One thread at a time.
class DiskProbe {
 public:
  explicit DiskProbe(std::filesystem::path directory) : directory_(std::move(directory)) {}
  ~DiskProbe();
  DiskProbe(DiskProbe&& other) noexcept : directory_(other.directory_), child_(std::exchange(other.child_, 0)) {}
  DiskProbe(const DiskProbe&) = delete;
  DiskProbe& operator=(const DiskProbe&) = delete;

  // Changes nothing but times of the directory.
  bool answers(std::chrono::milliseconds patience);

  const std::filesystem::path& directory() const { return directory_; }

 private:
  bool has_ended();

  const std::filesystem::path directory_;
  pid_t child_ = 0;  // 0: none
};

}  // namespace varve
