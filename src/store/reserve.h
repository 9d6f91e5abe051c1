// Room for changes when the disk is full: whoever frees space must first be written down.
//
// Three files need it. The log and its index get their blocks at the start and use them again after each checkpoint.
// The database itself has free pages within it, and never grows but by this class, which takes the blocks first: so a
// checkpoint only overwrites what is there. When the free pages run out a change that needs some fails with
// Error(NoSpace), alone, and every other goes on. Holds on file systems that overwrite in place (ext4, XFS).
// Of the writer's thread.
#pragma once

#include <string>

#include "base/unique_fd.h"

namespace varve::store {

class Connection;

class Reserve {
 public:
  // The database is open. This must outlive every connection to it: closing a file takes away the locks that SQLite
  // has on it.
  explicit Reserve(std::string path);
  ~Reserve();
  Reserve(const Reserve&) = delete;
  Reserve& operator=(const Reserve&) = delete;

  // Fills it up if there is less than half of it. True: there are more free pages than before.
  bool keep(Connection& db);

 private:
  bool grow(Connection& db);
  bool take_blocks();

  const std::string path_;
  UniqueFd database_;
  UniqueFd log_;
  UniqueFd index_;
  bool have_blocks_ = false;
  bool warned_ = false;
};

}  // namespace varve::store
