// Whether the database that is open is the one at its path. SQLite goes on with files that somebody unlinked or
// replaced, and all that is committed after that is gone with the process.
#pragma once

#include <sys/types.h>

#include <string>

#include "store/sql.h"

namespace varve::store {

// Beside the database, under its name and this: a whole and durable one that is to take its place. A start finishes
// that (recovery/recovery.h).
inline constexpr char kSuccessor[] = ".recovered";

// Belongs to the thread that writes, but for state(), which any may ask.
class Place {
 public:
  enum class State : std::uint8_t {
    Kept,
    Removed,   // the file or its log is gone: restore() puts all that is open back
    Replaced,  // another one is there, or its directory went, which is not varved's to change
    Emptied    // the file was cut to nothing
  };

  // Of the files that are there now: a connection is open.
  explicit Place(std::string path);

  State state() const;

  // A whole copy of what the connection sees, on disk, beside the path. Takes as long as the database is large.
  void copy(Connection& db) const;
  // Puts the copy at the path, where nothing of somebody else's is overwritten; else the copy goes. No other connection
  // may be at work; those that are open see the files that are gone.
  void restore() const;

 private:
  struct File {
    dev_t device = 0;
    ino_t inode = 0;
    bool is_empty = true;
    bool is_same(const File& other) const { return device == other.device && inode == other.inode; }
  };
  // As it is by default: nothing is there.
  static File look(const std::string& file);

  const std::string path_;
  const File directory_;
  const File database_;
  const File log_;
};

}  // namespace varve::store
