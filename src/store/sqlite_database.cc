#include <fcntl.h>

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <list>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/scheduler.h"
#include "base/unique_fd.h"
#include "store/database.h"
#include "store/mapping.h"
#include "store/migrations.h"
#include "store/place.h"
#include "store/reserve.h"

namespace varve::store {

namespace {

namespace asio = boost::asio;

constexpr std::size_t kReserveEvery = 128;           // changes, each of which takes a few pages at most
constexpr auto kPatience = std::chrono::seconds(8);  // with a commit; others are refused then
constexpr Scheduler::Rest kLookEvery =
    std::chrono::seconds(5);                           // whether the files are in their place, when nothing is written
constexpr auto kReadersEnd = std::chrono::seconds(1);  // readers take microseconds
constexpr std::size_t kMaxBatch = 256;                 // fns in one commit: bounds the time a caller waits for others

using Resume = std::move_only_function<void(std::exception_ptr)>;

struct Pending {
  Work work;
  asio::any_io_executor executor;
  Resume resume;
  std::exception_ptr fault;
  bool is_mark = false;  // changes nothing, waits for its turn whatever happens
};

void create_private(const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw Error(ErrorCode::BackendFailed, "cannot create the database " + path.string());
}

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(const std::filesystem::path& path, std::size_t queue_limit, Scheduler& scheduler)
      : path_(path.string()), queue_limit_(queue_limit), scheduler_(scheduler) {
    create_private(path);
    writer_ = std::make_unique<Connection>(path_, false);
    migrate(*writer_);
    reserve_ = std::make_unique<Reserve>(path_);
    place_ = std::make_shared<Place>(path_);
    keep_reserve();
    loop_ = scheduler_.loop("store", [this] { return write_some(); });
  }

  ~SqliteDatabase() override { stop(); }

  asio::awaitable<void> commit(Work work) override {
    asio::any_io_executor executor = co_await asio::this_coro::executor;
    auto initiate = [this, &work, &executor](auto handler) {
      auto pending = std::make_unique<Pending>();
      pending->work = std::move(work);
      pending->executor = executor;
      pending->resume = [handler = std::move(handler)](std::exception_ptr fault) mutable {
        std::move(handler)(std::move(fault));
      };
      enqueue(std::move(pending));
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::exception_ptr)>(initiate,
                                                                                           asio::use_awaitable);
  }

  void commit_blocking(Work work) override {
    auto pending = std::make_unique<Pending>();
    pending->work = std::move(work);
    if (std::exception_ptr fault = wait_for(std::move(pending))) std::rethrow_exception(fault);
  }

  void settle() override {
    auto mark = std::make_unique<Pending>();
    mark->work = [](Transaction&) {};
    mark->is_mark = true;
    wait_for(std::move(mark));  // that its turn has come is all that is asked
  }

  asio::awaitable<void> view(Work work) override {
    view_blocking(std::move(work));
    co_return;
  }

  void view_blocking(Work work) override {
    std::unique_ptr<Connection> db = take_reader();
    try {
      db->script("BEGIN");
      Transaction tx(*db);
      work(tx);
    } catch (...) {
      std::exception_ptr fault = std::current_exception();
      end(std::move(db), "ROLLBACK");
      std::rethrow_exception(fault);
    }
    end(std::move(db), "COMMIT");
  }

  bool takes_changes() override {
    MutexLock lock(mutex_);
    return !stalled_locked() && !displaced_ && !failing_;
  }

  Subscription on_commit(Listener listener) override {
    MutexLock lock(listeners_mutex_);
    auto place = listeners_.insert(listeners_.end(), std::move(listener));
    return {&*place, [this, place](void*) {
              MutexLock again(listeners_mutex_);
              listeners_.erase(place);
            }};
  }

 private:
  void stop() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    loop_->wake();
  }

  // Before the callers wake: what they are told of is on its way to the listener.
  void tell() {
    Touched touched = std::exchange(committed_, {});
    if (touched.empty()) return;
    MutexLock lock(listeners_mutex_);
    for (const Listener& listener : listeners_) {
      try {
        listener(touched);
      } catch (const std::exception& fault) {
        log::error("somebody was not told of a commit", {{"error", fault.what()}});
      }
    }
  }

  static Error held_up() {
    return {ErrorCode::Unavailable, "the store's disk does not answer: nothing can be changed now"};
  }

  bool stalled_locked() const VARVE_REQUIRES(mutex_) { return began_ && steady_now() - *began_ > kPatience; }

  std::exception_ptr wait_for(std::unique_ptr<Pending> pending) {
    struct End {
      std::binary_semaphore come{0};
      std::exception_ptr fault;
    };
    auto end = std::make_shared<End>();  // the one who is woken may be gone before the one who wakes
    pending->resume = [end](std::exception_ptr result) {
      end->fault = std::move(result);
      end->come.release();
    };
    enqueue(std::move(pending));
    scheduler_.acquire(end->come);
    return std::move(end->fault);
  }

  void enqueue(std::unique_ptr<Pending> pending) {
    std::vector<std::unique_ptr<Pending>> refused;
    {
      MutexLock lock(mutex_);
      bool stalled = stalled_locked();
      bool has_room = queue_.size() < queue_limit_ && !stopping_ && !stalled;
      if (has_room || pending->is_mark) {
        queue_.push_back(std::move(pending));
      } else {
        pending->fault = std::make_exception_ptr(
            stalled ? held_up() : Error(ErrorCode::Unavailable, "too many writes are waiting; try again"));
        refused.push_back(std::move(pending));
      }
      // They have not begun, and nothing of them will be done.
      for (auto& waiting : stalled ? std::exchange(queue_, {}) : std::vector<std::unique_ptr<Pending>>()) {
        waiting->fault = std::make_exception_ptr(held_up());
        (waiting->is_mark ? queue_ : refused).push_back(std::move(waiting));
      }
    }
    loop_->wake();
    resume_all(std::move(refused));
  }

  Scheduler::Rest write_some() {
    std::vector<std::unique_ptr<Pending>> batch;
    bool more = false;
    {
      MutexLock lock(mutex_);
      if (queue_.size() <= kMaxBatch) {
        batch.swap(queue_);
      } else {
        auto end = queue_.begin() + kMaxBatch;
        batch.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
        queue_.erase(queue_.begin(), end);
        more = true;
      }
      began_ = steady_now();
    }
    commit(batch);
    bool failing = disk_fails(batch);
    {
      MutexLock lock(mutex_);
      began_.reset();
      failing_ = failing;
    }
    tell();
    resume_all(std::move(batch));
    return more ? Scheduler::Rest(0) : kLookEvery;
  }

  // Once it has failed, a change of no consequence tells whether it still does: of a store that is not ready nobody
  // may ask any.
  bool disk_fails(const std::vector<std::unique_ptr<Pending>>& batch) {
    auto failed = [](const auto& pending) { return is(ErrorCode::BackendFailed, pending->fault); };
    if (std::ranges::any_of(batch, failed)) return true;
    bool failing = is_failing();
    if (!failing || !writer_) return failing;
    try {
      begin();
      writer_->script("UPDATE schema_version SET version = version");
      writer_->script("COMMIT");
      return false;
    } catch (const std::exception& fault) {
      log::debug("the database's disk still fails", {{"error", fault.what()}});
      undo();
      return true;
    }
  }

  bool is_failing() {
    MutexLock lock(mutex_);
    return failing_;
  }

  // Nothing that a change or the disk does ends this thread or keeps it from the next change.
  void commit(std::vector<std::unique_ptr<Pending>>& batch) {
    if (std::exception_ptr fault = keep_place()) {
      for (auto& pending : batch) pending->fault = fault;
      return;
    }
    if (batch.empty()) return;
    bool whole = commit_together(batch);
    bool room = false;
    if (!whole || lacks_space(batch)) room = keep_reserve();
    // One that breaks the whole transaction takes its neighbours with it: they get one of their own.
    for (auto& pending : batch) {
      bool again = (!whole && batch.size() > 1) || (room && is(ErrorCode::NoSpace, pending->fault));
      if (!again) continue;
      std::vector<std::unique_ptr<Pending>> alone;
      alone.push_back(std::move(pending));
      alone.front()->fault = nullptr;
      commit_together(alone);
      pending = std::move(alone.front());
    }
    changes_ += batch.size();
    if (changes_ < kReserveEvery) return;
    changes_ = 0;
    keep_reserve();
  }

  // False: nothing of it holds, and each has a fault.
  bool commit_together(std::vector<std::unique_ptr<Pending>>& batch) {
    try {
      begin();
      for (auto& pending : batch) apply(*pending);
      writer_->script("COMMIT");
      committed_.add(std::exchange(writer_->touched(), {}));
      return true;
    } catch (const std::exception& fault) {
      log::error("a commit failed; its writes are undone", {{"error", fault.what()}});
      for (auto& pending : batch) {
        if (!pending->fault) pending->fault = std::current_exception();
      }
      undo();
      return false;
    }
  }

  // Why nothing may be committed: nobody would find it.
  std::exception_ptr keep_place() {
    try {
      if (!writer_) {
        MutexLock lock(readers_mutex_);
        reopen();
      }
      Place::State state = current_place()->state();
      // What is in the log is not for the file that has come; ours, wherever it is now, is whole then.
      if (state == Place::State::Replaced) writer_->script("PRAGMA wal_checkpoint(TRUNCATE)");
      if (state == Place::State::Removed) {
        return_to_place();
      } else if (state != Place::State::Kept) {
        throw Error(ErrorCode::Unavailable, "the database was replaced, emptied or moved while it was in use");
      }
      note_displaced(false);
      return nullptr;
    } catch (const std::exception& fault) {
      if (!note_displaced(true)) log::error("the database is not in its place", {{"error", fault.what()}});
      return std::current_exception();
    }
  }

  // Returns what was known before.
  bool note_displaced(bool displaced) {
    MutexLock lock(mutex_);
    return std::exchange(displaced_, displaced);
  }

  std::shared_ptr<Place> current_place() {
    MutexLock lock(readers_mutex_);
    return place_;
  }

  // Somebody removed files that are open: what they hold is written to their place again.
  void return_to_place() {
    current_place()->copy(*writer_);
    MutexLock lock(readers_mutex_);
    if (!readers_back_.wait_for(readers_mutex_, kReadersEnd,
                                [&]() VARVE_REQUIRES(readers_mutex_) { return lent_ == 0; })) {
      throw Error(ErrorCode::Unavailable, "the database is busy; try again");
    }
    place_->restore();
    // The last connection that is closed removes the log of its path, whosever it is.
    readers_.clear();
    writer_.reset();
    reopen();
    log::error("the database's files were removed while it was in use; they were written anew", {});
  }

  void reopen() VARVE_REQUIRES(readers_mutex_) {
    reserve_.reset();
    writer_ = std::make_unique<Connection>(path_, false);
    reserve_ = std::make_unique<Reserve>(path_);
    place_ = std::make_shared<Place>(path_);
    keep_reserve();  // reads, too: a connection opens the log with its first transaction
  }

  void begin() {
    try {
      writer_->script("BEGIN IMMEDIATE");
    } catch (const Error& fault) {
      // A transaction that could not even be rolled back would be in everybody's way.
      if (fault.code() != ErrorCode::Internal) throw;
      writer_ = std::make_unique<Connection>(path_, false);
      writer_->script("BEGIN IMMEDIATE");
    }
  }

  void apply(Pending& pending) {
    writer_->script("SAVEPOINT one");
    std::vector<model::Task>& begun = writer_->touched().begun;
    std::size_t others = begun.size();
    try {
      Transaction tx(*writer_);
      pending.work(tx);
      writer_->script("RELEASE one");
    } catch (...) {
      pending.fault = std::current_exception();
      begun.resize(others);
      writer_->script("ROLLBACK TO one");
      writer_->script("RELEASE one");
    }
  }

  void undo() {
    writer_->touched() = {};
    try {
      writer_->script("ROLLBACK");
    } catch (const std::exception&) {
      // SQLite has already rolled back by itself (it does so on a full disk).
      log::debug("nothing was left to roll back");
    }
  }

  static bool is(ErrorCode code, const std::exception_ptr& fault) {
    if (!fault) return false;
    try {
      std::rethrow_exception(fault);
    } catch (const Error& error) {
      return error.code() == code;
    } catch (...) {
      return false;
    }
  }

  static bool lacks_space(const std::vector<std::unique_ptr<Pending>>& batch) {
    return std::ranges::any_of(batch, [](const auto& pending) { return is(ErrorCode::NoSpace, pending->fault); });
  }

  bool keep_reserve() {
    try {
      return reserve_->keep(*writer_);
    } catch (const std::exception& fault) {
      log::warning("the database's reserve cannot be looked at", {{"error", fault.what()}});
      return false;
    }
  }

  // One wake-up an executor, not one a caller.
  static void resume_all(std::vector<std::unique_ptr<Pending>> batch) {
    while (!batch.empty()) {
      asio::any_io_executor executor = batch.front()->executor;
      std::vector<std::unique_ptr<Pending>> mine;
      std::vector<std::unique_ptr<Pending>> rest;
      for (auto& pending : batch) (pending->executor == executor ? mine : rest).push_back(std::move(pending));
      auto resume = [mine = std::move(mine)]() mutable {
        for (auto& pending : mine) pending->resume(std::move(pending->fault));
      };
      if (executor) {
        asio::post(executor, std::move(resume));
      } else {
        resume();
      }
      batch = std::move(rest);
    }
  }

  // What was read is read, whatever its end is like; a connection whose transaction does not end is closed.
  void end(std::unique_ptr<Connection> reader, std::string_view how) {
    try {
      reader->script(how);
    } catch (const std::exception& fault) {
      log::warning("a reading transaction did not end well", {{"error", fault.what()}});
      reader.reset();
    }
    give_back(std::move(reader));
  }

  std::unique_ptr<Connection> take_reader() {
    std::shared_ptr<Place> place;
    {
      MutexLock lock(readers_mutex_);
      if (!readers_.empty()) return lend();
      ++lent_;
      place = place_;
    }
    try {
      if (place->state() == Place::State::Kept) return std::make_unique<Connection>(path_, true);
    } catch (...) {
      give_back(nullptr);
      throw;
    }
    give_back(nullptr);
    look_at_once();
    return await_reader();
  }

  // While the files are not in their place those that are open serve in turn.
  std::unique_ptr<Connection> await_reader() {
    MutexLock lock(readers_mutex_);
    readers_back_.wait_for(readers_mutex_, kReadersEnd,
                           [&]() VARVE_REQUIRES(readers_mutex_) { return !readers_.empty() || lent_ == 0; });
    if (readers_.empty()) {
      throw Error(ErrorCode::Unavailable, "the database is not in its place now; try again");
    }
    return lend();
  }

  // There is one.
  std::unique_ptr<Connection> lend() VARVE_REQUIRES(readers_mutex_) {
    ++lent_;
    std::unique_ptr<Connection> reader = std::move(readers_.back());
    readers_.pop_back();
    return reader;
  }

  void look_at_once() { loop_->wake(); }

  // nullptr: it was closed.
  void give_back(std::unique_ptr<Connection> reader) {
    MutexLock lock(readers_mutex_);
    if (reader) readers_.push_back(std::move(reader));
    --lent_;
    readers_back_.notify_all();
  }

  const std::string path_;
  const std::size_t queue_limit_;
  Scheduler& scheduler_;
  // Of the loop.
  std::unique_ptr<Reserve> reserve_;    // outlives the connections
  std::unique_ptr<Connection> writer_;  // nullptr: it could not be opened again
  Touched committed_;                   // of which nobody was told yet
  std::size_t changes_ = 0;             // since the reserve was looked at

  Mutex mutex_;
  std::vector<std::unique_ptr<Pending>> queue_ VARVE_GUARDED_BY(mutex_);
  bool stopping_ VARVE_GUARDED_BY(mutex_) = false;
  bool failing_ VARVE_GUARDED_BY(mutex_) = false;    // the disk, when something was last written
  bool displaced_ VARVE_GUARDED_BY(mutex_) = false;  // the files are not in their place
  std::optional<std::chrono::steady_clock::time_point> began_ VARVE_GUARDED_BY(mutex_);  // the commit that is under way

  Mutex listeners_mutex_;
  std::list<Listener> listeners_ VARVE_GUARDED_BY(listeners_mutex_);

  Mutex readers_mutex_;
  Condition readers_back_;
  std::shared_ptr<Place> place_ VARVE_GUARDED_BY(readers_mutex_);
  std::vector<std::unique_ptr<Connection>> readers_ VARVE_GUARDED_BY(readers_mutex_);
  std::size_t lent_ VARVE_GUARDED_BY(readers_mutex_) = 0;

  std::unique_ptr<Loop> loop_;  // last: its end does what waits
};

}  // namespace

std::unique_ptr<Database> open_sqlite(const std::filesystem::path& path, std::size_t queue_limit,
                                      Scheduler& scheduler) {
  return std::make_unique<SqliteDatabase>(path, queue_limit, scheduler);
}

}  // namespace varve::store
