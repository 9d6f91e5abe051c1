// The store: transactions over all tables.
//
// `fn(Transaction&)` is plain synchronous code without effects outside the transaction, since it may run again. What it
// throws undoes its own changes, nobody else's, and reaches the caller.
// write(): returns after the commit is on disk (synchronous=FULL). Many callers share one commit: one writer thread
// drains the queue into one SQLite transaction, each fn in a savepoint of its own. read(): a consistent view, on the
// calling thread, microseconds. A full disk fails single writes with Error(NoSpace) and stops nothing: the writer goes
// on, and room has been kept for those that free space (reserve.h). Sees every write that was acknowledged before it.
// Any thread. A coroutine resumes on its own executor.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <functional>
#include <memory>

#include "store/backup_tables.h"
#include "store/group_tables.h"
#include "store/identity_tables.h"
#include "store/tables.h"
#include "store/type_tables.h"

namespace varve::store {

class Transaction {
 public:
  explicit Transaction(Connection& db) : db_(db) {}
  Volumes volumes() { return Volumes(db_); }
  Snapshots snapshots() { return Snapshots(db_); }
  Attachments attachments() { return Attachments(db_); }
  VolumeTypes volume_types() { return VolumeTypes(db_); }
  Tasks tasks() { return Tasks(db_); }
  Damages damages() { return Damages(db_); }
  ServiceStates service_states() { return ServiceStates(db_); }
  Backups backups() { return Backups(db_); }
  GroupTypes group_types() { return GroupTypes(db_); }
  VolumeGroups groups() { return VolumeGroups(db_); }
  GroupSnapshots group_snapshots() { return GroupSnapshots(db_); }
  QosSpecs qos_specs() { return QosSpecs(db_); }
  TypeEncryptions type_encryptions() { return TypeEncryptions(db_); }
  DefaultTypes default_types() { return DefaultTypes(db_); }
  Transfers transfers() { return Transfers(db_); }
  Messages messages() { return Messages(db_); }
  Quotas quotas() { return Quotas(db_); }
  Identities identities() { return Identities(db_); }
  Connection& connection() { return db_; }  // for rows of any table (plain_rows.h)

 private:
  Connection& db_;
};

using Work = std::function<void(Transaction&)>;

class Database {
 public:
  virtual ~Database() = default;
  virtual boost::asio::awaitable<void> write(Work work) = 0;
  virtual void write_blocking(const Work& work) = 0;  // for threads that are not an io_context's
  virtual void read(const Work& work) = 0;

  // Called after each commit that touched something, on the writer's thread: it must be quick and must not throw.
  virtual void on_commit(std::function<void(const Touched&)> listener) = 0;

  // False: writes are refused with Error(Unavailable). The present commit takes far longer than any should, since the
  // disk hangs (those that it writes end with it); or another file is at the database's path (place.h), which is known
  // some seconds later. Files that were only removed are written anew.
  virtual bool takes_changes() = 0;

  // Returns when every write before it has ended and its caller was woken: an executor whose callers are all back may
  // be destroyed after this, not before.
  virtual void settle() = 0;
};

// Opens (and creates, mode 0600) the file, migrates it, starts the writer. The destructor finishes the queue.
// queue_limit: writes waiting at most; beyond that write() throws Error(Unavailable).
std::unique_ptr<Database> open_sqlite(const std::filesystem::path& path, std::size_t queue_limit);

}  // namespace varve::store
