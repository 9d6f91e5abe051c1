// The store: transactions over all tables.
//
// A transaction is a function of a Transaction&: plain synchronous code without effects outside of it, since it may run
// again. What it returns is returned. What it throws undoes its own changes, nobody else's, and reaches the caller.
// write(): returns after the commit is on disk (synchronous=FULL). Many callers share one commit: one writer thread
// drains the queue into one SQLite transaction, each function in a savepoint of its own. read(): a consistent view,
// which has every write that was acknowledged before it; SQLite answers on the calling thread, in microseconds. A full
// disk fails single writes with Error(NoSpace) and stops nothing: the writer goes on, and room has been kept for those
// that free space (reserve.h). Any thread. A coroutine resumes on its own executor; the _blocking ones are for threads
// that are not an io_context's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/scheduler.h"
#include "store/backup_tables.h"
#include "store/group_tables.h"
#include "store/tables.h"
#include "store/touched.h"
#include "store/type_tables.h"

namespace varve::store {

class Identities;

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
  Identities identities();                  // identity_tables.h
  Connection& connection() { return db_; }  // for rows of any table (plain_rows.h)

 private:
  Connection& db_;
};

using Work = std::function<void(Transaction&)>;

template <class F>
using Result = std::invoke_result_t<F&, Transaction&>;

class Database {
 public:
  virtual ~Database() = default;

  template <class F>
  boost::asio::awaitable<Result<F>> write(F fn) {
    return committed<Result<F>>(std::move(fn));
  }

  template <class F>
  Result<F> write_blocking(F fn) {
    Outcome<Result<F>> outcome;
    commit_blocking([&](Transaction& tx) { outcome.run(fn, tx); });
    return outcome.take();
  }

  template <class F>
  boost::asio::awaitable<Result<F>> read(F fn) {
    return viewed<Result<F>>(std::move(fn));
  }

  template <class F>
  Result<F> read_blocking(F fn) {
    Outcome<Result<F>> outcome;
    view_blocking([&](Transaction& tx) { outcome.run(fn, tx); });
    return outcome.take();
  }

  // The listener is called after each commit that touched something, before its callers are answered, in the order of
  // the commits, on the writer's thread: it must be quick and must not throw. Until what is returned is destroyed,
  // which must be before the database is.
  using Listener = std::function<void(const Touched&)>;
  using Subscription = std::shared_ptr<void>;
  [[nodiscard]] virtual Subscription on_commit(Listener listener) = 0;

  // False: nothing can be written now. The present commit takes far longer than any should, since the disk hangs
  // (others are refused with Error(Unavailable), those that it writes end with it); or the last one failed, as the disk
  // does; or another file is at the database's path (place.h), which is known some seconds later. Files that were only
  // removed are written anew.
  virtual bool takes_changes() = 0;

  // Returns when every write before it has ended and its caller was woken: an executor whose callers are all back may
  // be destroyed after this, not before.
  virtual void settle() = 0;

 protected:
  virtual boost::asio::awaitable<void> commit(Work work) = 0;
  virtual void commit_blocking(Work work) = 0;
  virtual boost::asio::awaitable<void> view(Work work) = 0;
  virtual void view_blocking(Work work) = 0;

 private:
  // The last run's result.
  template <class T>
  struct Outcome {
    std::optional<T> result;
    void run(auto& fn, Transaction& tx) { result.emplace(fn(tx)); }
    T take() { return std::move(*result); }
  };

  // A coroutine a type of result, not one a call: they are what takes a compiler's time.
  template <class T>
  boost::asio::awaitable<T> committed(std::function<T(Transaction&)> fn) {
    Outcome<T> outcome;
    co_await commit([&](Transaction& tx) { outcome.run(fn, tx); });
    co_return outcome.take();
  }

  template <class T>
  boost::asio::awaitable<T> viewed(std::function<T(Transaction&)> fn) {
    Outcome<T> outcome;
    co_await view([&](Transaction& tx) { outcome.run(fn, tx); });
    co_return outcome.take();
  }
};

template <>
struct Database::Outcome<void> {
  void run(auto& fn, Transaction& tx) { fn(tx); }
  void take() {}
};

// Opens (and creates, mode 0600) the file, migrates it, starts the writer. The destructor finishes the queue.
// queue_limit: writes waiting at most; beyond that write() throws Error(Unavailable).
std::unique_ptr<Database> open_sqlite(const std::filesystem::path& path, std::size_t queue_limit,
                                      Scheduler& scheduler = threads());

}  // namespace varve::store
