// Room for what must be written down when the disk is full: files that have their blocks already. A small file that is
// replaced then gets its new content in a spare, which changes names with it, so that nobody can take the room in
// between and the old file is the next spare. Holds on file systems that overwrite in place (ext4, XFS). Any thread.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/mutex.h"

namespace varve {

class Spares {
 public:
  // The directory is of the same file system as what is replaced, and of nothing but spares.
  explicit Spares(std::filesystem::path directory) : directory_(std::move(directory)) {}

  // Makes what is missing, if there is room. To be called now and then; never throws.
  void keep();

  // files::replace_atomically(), which does not fail for lack of room when the file is there and a spare can hold the
  // content.
  void replace(const std::filesystem::path& path, std::string_view content);

  // Gives up some spares, for what needs new files or room: whoever comes first has it. False: there were none.
  bool release();

 private:
  bool replace_with_spare(const std::filesystem::path& path, std::string_view content) VARVE_EXCLUDES(mutex_);
  std::filesystem::path largest() const VARVE_REQUIRES(mutex_);
  bool write(const std::filesystem::path& spare, std::string_view content) const VARVE_REQUIRES(mutex_);

  const std::filesystem::path directory_;
  Mutex mutex_;                                    // the files are one call's at a time
  bool lacking_ VARVE_GUARDED_BY(mutex_) = false;  // said so
};

}  // namespace varve
