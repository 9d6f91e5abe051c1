#include <fcntl.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "store/database.h"
#include "store/migrations.h"

namespace varve::store {

namespace {

namespace asio = boost::asio;

constexpr std::size_t kMaxBatch = 256;  // fns in one commit: bounds the time a caller waits for others

using Resume = std::move_only_function<void(std::exception_ptr)>;

struct Pending {
  Work work;
  asio::any_io_executor executor;
  Resume resume;
  std::exception_ptr fault;
};

// Room for changes when the disk is full: whoever frees space must first be written down. SQLite reuses the log's file
// from its start after each checkpoint, so blocks that it owns once stay its own.
constexpr off_t kLogReserve = 32 << 20;

void reserve_log(const std::string& database) {
  UniqueFd fd(::open((database + "-wal").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (fd && ::fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, kLogReserve) == 0) return;
  log::warning("no room could be reserved for the database's log; a full disk will stop every change",
               {{"error", std::strerror(errno)}});
}

void create_private(const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw Error(ErrorCode::BackendFailed, "cannot create the database " + path.string());
}

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(const std::filesystem::path& path, std::size_t queue_limit)
      : path_(path.string()), queue_limit_(queue_limit) {
    create_private(path);
    writer_ = std::make_unique<Connection>(path_, false);
    migrate(*writer_);
    reserve_log(path_);
    thread_ = std::thread([this] { run_writer(); });
  }

  ~SqliteDatabase() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  asio::awaitable<void> write(Work work) override {
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

  void write_blocking(const Work& work) override {
    std::mutex mutex;
    std::condition_variable done;
    bool finished = false;
    std::exception_ptr fault;
    auto pending = std::make_unique<Pending>();
    pending->work = work;
    pending->resume = [&](std::exception_ptr result) {
      std::lock_guard lock(mutex);
      fault = std::move(result);
      finished = true;
      done.notify_one();
    };
    enqueue(std::move(pending));
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return finished; });
    if (fault) std::rethrow_exception(fault);
  }

  void read(const Work& work) override {
    std::unique_ptr<Connection> db = take_reader();
    db->script("BEGIN");
    try {
      Transaction tx(*db);
      work(tx);
    } catch (...) {
      db->script("ROLLBACK");
      give_back(std::move(db));
      throw;
    }
    db->script("COMMIT");
    give_back(std::move(db));
  }

 private:
  void enqueue(std::unique_ptr<Pending> pending) {
    std::vector<std::unique_ptr<Pending>> refused;
    {
      std::lock_guard lock(mutex_);
      if (queue_.size() < queue_limit_ && !stopping_) {
        queue_.push_back(std::move(pending));
      } else {
        pending->fault =
            std::make_exception_ptr(Error(ErrorCode::Unavailable, "too many writes are waiting; try again"));
        refused.push_back(std::move(pending));
      }
    }
    wake_.notify_one();
    resume_all(std::move(refused));
  }

  void run_writer() {
    for (;;) {
      std::vector<std::unique_ptr<Pending>> batch;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) return;
        if (queue_.size() <= kMaxBatch) {
          batch.swap(queue_);
        } else {
          auto end = queue_.begin() + kMaxBatch;
          batch.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
          queue_.erase(queue_.begin(), end);
        }
      }
      commit(batch);
      resume_all(std::move(batch));
    }
  }

  void commit(std::vector<std::unique_ptr<Pending>>& batch) {
    try {
      writer_->script("BEGIN IMMEDIATE");
      for (auto& pending : batch) apply(*pending);
      writer_->script("COMMIT");
    } catch (const std::exception& fault) {
      log::error("a commit failed; its writes are undone", {{"error", fault.what()}});
      undo();
      for (auto& pending : batch) {
        if (!pending->fault) pending->fault = std::current_exception();
      }
    }
  }

  void apply(Pending& pending) {
    writer_->script("SAVEPOINT one");
    try {
      Transaction tx(*writer_);
      pending.work(tx);
      writer_->script("RELEASE one");
    } catch (...) {
      pending.fault = std::current_exception();
      writer_->script("ROLLBACK TO one");
      writer_->script("RELEASE one");
    }
  }

  void undo() {
    try {
      writer_->script("ROLLBACK");
    } catch (const Error&) {
      // SQLite has already rolled back by itself (it does so on a full disk).
      log::debug("nothing was left to roll back");
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
        for (auto& pending : mine) pending->resume(pending->fault);
      };
      if (executor) {
        asio::post(executor, std::move(resume));
      } else {
        resume();
      }
      batch = std::move(rest);
    }
  }

  std::unique_ptr<Connection> take_reader() {
    {
      std::lock_guard lock(readers_mutex_);
      if (!readers_.empty()) {
        std::unique_ptr<Connection> reader = std::move(readers_.back());
        readers_.pop_back();
        return reader;
      }
    }
    return std::make_unique<Connection>(path_, true);
  }

  void give_back(std::unique_ptr<Connection> reader) {
    std::lock_guard lock(readers_mutex_);
    readers_.push_back(std::move(reader));
  }

  const std::string path_;
  const std::size_t queue_limit_;
  std::unique_ptr<Connection> writer_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Pending>> queue_;
  bool stopping_ = false;

  std::mutex readers_mutex_;
  std::vector<std::unique_ptr<Connection>> readers_;

  std::thread thread_;
};

}  // namespace

std::unique_ptr<Database> open_sqlite(const std::filesystem::path& path, std::size_t queue_limit) {
  return std::make_unique<SqliteDatabase>(path, queue_limit);
}

}  // namespace varve::store
