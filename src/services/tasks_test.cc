// The task runner over a real database: lanes, attempts, failures and what is left of them.
#include "services/tasks.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <future>
#include <optional>

#include "base/mutex.h"

namespace varve::services {
namespace {

using model::Task;
using model::TaskKind;
using model::TaskState;
using namespace std::chrono_literals;

constexpr auto kBound = std::chrono::seconds(20);

// A door that a task waits at, so that a test decides when it goes on.
class Gate {
 public:
  void pass() {
    arrived_.set_value();
    opened_.get_future().wait();
  }
  void await_arrival() { ASSERT_EQ(arrived_.get_future().wait_for(kBound), std::future_status::ready); }
  void open() { opened_.set_value(); }

 private:
  std::promise<void> arrived_;
  std::promise<void> opened_;
};

class TasksTest : public testing::Test {
 protected:
  TasksTest() {
    char pattern[] = "/tmp/varve-tasks-XXXXXX";
    directory_ = mkdtemp(pattern);
    db_ = store::open_sqlite(directory_ / "varve.db", 1000);
    settings_.export_timeout = 20s;
    actor_.project_id = ProjectId("p1");
    runner_.emplace(*db_, messages(), clock_, rng_, settings_, threads());
  }
  ~TasksTest() override {
    runner_.reset();
    db_.reset();
    std::filesystem::remove_all(directory_);
  }

  const Messages& messages() {
    if (!messages_) messages_.emplace(*db_, clock_, rng_, settings_);
    return *messages_;
  }

  // A kind of task that notes what is called.
  TaskHandler noting(std::function<void(const Task&)> run) {
    return {std::move(run), [this](store::Transaction&, const Task& task) { note("finish", task); },
            [this](store::Transaction&, const Task& task, const Error&) { note("fail", task); },
            [this](const Task& task) { note("undo", task); }};
  }

  void note(const std::string& what, const Task& task) {
    MutexLock lock(mutex_);
    notes_ += what + " " + task.volume_id.str() + ", ";
  }
  std::string notes() {
    MutexLock lock(mutex_);
    return notes_;
  }

  Task begin(TaskKind kind, const std::string& volume) {
    Task task = runner_->make(kind, actor_, VolumeId(volume));
    db_->write_blocking([&](store::Transaction& tx) { tx.tasks().insert(task); });
    return task;
  }

  Task row(const Task& task) {
    return db_->read_blocking([&](store::Transaction& tx) { return tx.tasks().find(std::nullopt, task.id).value(); });
  }

  // What ended() throws; nullopt: nothing.
  std::optional<Error> wait(const std::vector<Task>& tasks, std::chrono::seconds timeout = kBound) {
    std::vector<TaskId> ids;
    for (const Task& task : tasks) ids.push_back(task.id);
    std::optional<Error> out;
    auto note_end = [&](const std::exception_ptr& fault) {
      try {
        if (fault) std::rethrow_exception(fault);
      } catch (const Error& error) {
        out = error;
      }
    };
    boost::asio::co_spawn(io_, runner_->ended(ids, timeout), note_end);
    io_.restart();
    io_.run();
    return out;
  }

  std::filesystem::path directory_;
  SystemClock clock_;
  SystemRng rng_;
  Settings settings_;
  model::Actor actor_;
  std::unique_ptr<store::Database> db_;
  std::optional<Messages> messages_;
  Mutex mutex_;
  std::string notes_ VARVE_GUARDED_BY(mutex_);
  boost::asio::io_context io_;
  std::optional<TaskRunner> runner_;
};

TEST_F(TasksTest, ATaskIsRunByTheCommitThatInsertsIt) {
  runner_->handle(TaskKind::ExtendVolume, noting([this](const Task& task) { note("run", task); }));
  runner_->start();
  Task task = begin(TaskKind::ExtendVolume, "v1");
  EXPECT_FALSE(wait({task}));
  EXPECT_EQ(notes(), "run v1, finish v1, ");
  EXPECT_EQ(row(task).state, TaskState::Done);
}

TEST_F(TasksTest, ATaskWhoseTransactionFailsIsNotRun) {
  runner_->handle(TaskKind::ExtendVolume, noting([this](const Task& task) { note("run", task); }));
  runner_->start();
  Task lost = runner_->make(TaskKind::ExtendVolume, actor_, VolumeId("lost"));
  auto change = [&](store::Transaction& tx) {
    tx.tasks().insert(lost);
    throw Error(ErrorCode::OverQuota, "no");
  };
  EXPECT_THROW(db_->write_blocking(change), Error);
  EXPECT_FALSE(wait({begin(TaskKind::ExtendVolume, "v1")}));
  EXPECT_EQ(notes(), "run v1, finish v1, ");
}

TEST_F(TasksTest, TasksOfAVolumeKeepTheirOrderAndHoldUpNoOther) {
  Gate gate;
  runner_->handle(TaskKind::ExtendVolume, noting([&](const Task& task) {
                    note("first", task);
                    gate.pass();
                  }));
  runner_->handle(TaskKind::DeleteVolume, noting([this](const Task& task) { note("second", task); }));
  runner_->start();
  Task first = begin(TaskKind::ExtendVolume, "v1");
  gate.await_arrival();
  Task second = begin(TaskKind::DeleteVolume, "v1");
  Task other = begin(TaskKind::DeleteVolume, "v2");
  EXPECT_FALSE(wait({other}));
  EXPECT_EQ(notes(), "first v1, second v2, finish v2, ");
  Whereabouts where = runner_->whereabouts(second).value();
  EXPECT_EQ(where.waits_for, Whereabouts::For::Turn);
  EXPECT_EQ(where.before->id, first.id);
  gate.open();
  EXPECT_FALSE(wait({first, second}));
  EXPECT_EQ(notes(), "first v1, second v2, finish v2, finish v1, second v1, finish v1, ");
}

// Its source stays as it is until the copy is made.
TEST_F(TasksTest, ACloneWaitsInItsSourcesLine) {
  Gate gate;
  runner_->handle(TaskKind::ExtendVolume, noting([&](const Task&) { gate.pass(); }));
  runner_->handle(TaskKind::CreateVolume, noting([](const Task&) {}));
  runner_->start();
  Task extend = begin(TaskKind::ExtendVolume, "source");
  gate.await_arrival();
  Task clone = runner_->make(TaskKind::CreateVolume, actor_, VolumeId("clone"));
  clone.payload = VolumeId("source");
  db_->write_blocking([&](store::Transaction& tx) { tx.tasks().insert(clone); });
  EXPECT_EQ(runner_->whereabouts(clone).value().before->id, extend.id);
  gate.open();
  EXPECT_FALSE(wait({clone}));
}

TEST_F(TasksTest, AFailureIsUndoneThenWrittenAndTold) {
  runner_->handle(TaskKind::ExtendVolume, noting([](const Task&) {
                    throw Error(ErrorCode::NoSpace, "no room in /var/lib/varve/layers/a.qcow2");
                  }));
  runner_->start();
  Task task = begin(TaskKind::ExtendVolume, "v1");
  std::optional<Error> fault = wait({task});
  EXPECT_EQ(fault.value().code(), ErrorCode::NoSpace);
  EXPECT_EQ(notes(), "undo v1, fail v1, ");
  Task ended = row(task);
  EXPECT_EQ(ended.state, TaskState::Failed);
  EXPECT_EQ(ended.error_code, "NoSpace");
  EXPECT_EQ(ended.error.value().find("/var/lib"), std::string::npos) << *ended.error;
  db_->read_blocking([](store::Transaction& tx) { EXPECT_EQ(tx.messages().about("v1").size(), 1U); });
}

TEST_F(TasksTest, OneWhoEndedBeforeIsWaitedForNoLonger) {
  runner_->handle(TaskKind::ExtendVolume, noting([](const Task&) {}));
  runner_->handle(TaskKind::DeleteVolume, noting([](const Task&) { throw Error(ErrorCode::BackendFailed, "broken"); }));
  runner_->start();
  Task good = begin(TaskKind::ExtendVolume, "v1");
  Task bad = begin(TaskKind::DeleteVolume, "v2");
  EXPECT_FALSE(wait({good}));
  EXPECT_TRUE(wait({bad}));
  EXPECT_FALSE(wait({good}));
  EXPECT_EQ(wait({good, bad}).value().message(), "broken");
  EXPECT_FALSE(wait({}));
}

TEST_F(TasksTest, WhoWaitsTooLongIsToldAndTheTaskGoesOn) {
  Gate gate;
  runner_->handle(TaskKind::ExtendVolume, noting([&](const Task&) { gate.pass(); }));
  runner_->start();
  Task task = begin(TaskKind::ExtendVolume, "v1");
  gate.await_arrival();
  EXPECT_EQ(wait({task}, 0s).value().code(), ErrorCode::Unavailable);
  gate.open();
  EXPECT_FALSE(wait({task}));
  EXPECT_EQ(row(task).state, TaskState::Done);
}

TEST_F(TasksTest, WhatWasUnavailableIsTriedOnceMore) {
  int runs = 0;
  runner_->handle(TaskKind::ExtendVolume, noting([&](const Task&) {
                    if (++runs == 1) throw Error(ErrorCode::Unavailable, "the storage daemon died");
                  }));
  runner_->start();
  EXPECT_FALSE(wait({begin(TaskKind::ExtendVolume, "v1")}));
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(notes(), "finish v1, ");
}

TEST_F(TasksTest, AnEndThatCannotBeWrittenIsTriedAgain) {
  bool fails = true;
  TaskHandler handler = noting([this](const Task& task) { note("run", task); });
  handler.finish = [&](store::Transaction&, const Task& task) {
    if (std::exchange(fails, false)) throw Error(ErrorCode::NoSpace, "the disk is full");
    note("finish", task);
  };
  runner_->handle(TaskKind::ExtendVolume, std::move(handler));
  runner_->start();
  Task task = begin(TaskKind::ExtendVolume, "v1");
  while (runner_->waiting() > 0) std::this_thread::yield();
  EXPECT_EQ(row(task).state, TaskState::Live);
  EXPECT_EQ(runner_->whereabouts(task).value().waits_for, Whereabouts::For::Database);
  runner_->look_again();
  EXPECT_FALSE(wait({task}));
  EXPECT_EQ(notes(), "run v1, run v1, finish v1, ");
}

TEST_F(TasksTest, WhatCouldNotBeUndoneIsUndoneLater) {
  int undone = 0;
  TaskHandler handler = noting([](const Task&) { throw Error(ErrorCode::BackendFailed, "broken"); });
  handler.undo = [&](const Task&) {
    if (++undone < 3) throw Error(ErrorCode::Unavailable, "not now");
  };
  settings_.task_retry = 0s;
  runner_->handle(TaskKind::ExtendVolume, std::move(handler));
  runner_->start();
  Task task = begin(TaskKind::ExtendVolume, "v1");
  EXPECT_TRUE(wait({task}));
  EXPECT_TRUE(row(task).undo_left);
  auto deadline = clock_.steady() + kBound;
  while (row(task).undo_left && clock_.steady() < deadline) runner_->look_again();
  EXPECT_FALSE(row(task).undo_left);
  EXPECT_EQ(undone, 3);
}

TEST_F(TasksTest, ATaskThatWasInterruptedFiveTimesIsEndedAsFailed) {
  runner_->handle(TaskKind::ExtendVolume, noting([this](const Task& task) { note("run", task); }));
  Task task = begin(TaskKind::ExtendVolume, "v1");  // of a daemon that was killed before it ran it
  Task doomed = runner_->make(TaskKind::ExtendVolume, actor_, VolumeId("v2"));
  doomed.attempts = 5;
  db_->write_blocking([&](store::Transaction& tx) { tx.tasks().insert(doomed); });
  runner_->start();
  EXPECT_FALSE(wait({task}));
  EXPECT_TRUE(wait({doomed}));
  EXPECT_EQ(row(task).attempts, 2);
  EXPECT_EQ(row(doomed).state, TaskState::Failed);
  EXPECT_EQ(notes().find("run v2"), std::string::npos);
}

TEST_F(TasksTest, AStopLeavesWhatIsQueuedToTheNextStart) {
  Gate gate;
  runner_->handle(TaskKind::ExtendVolume, noting([&](const Task&) { gate.pass(); }));
  runner_->handle(TaskKind::DeleteVolume, noting([this](const Task& task) { note("run", task); }));
  runner_->start();
  Task first = begin(TaskKind::ExtendVolume, "v1");
  gate.await_arrival();
  Task second = begin(TaskKind::DeleteVolume, "v1");
  std::future<void> stopped = std::async(std::launch::async, [&] { runner_->stop(); });
  while (!runner_->stopping()) std::this_thread::yield();
  gate.open();
  stopped.get();
  EXPECT_EQ(row(first).state, TaskState::Done);
  EXPECT_EQ(row(second).state, TaskState::Live);
  runner_.emplace(*db_, messages(), clock_, rng_, settings_, threads());
  runner_->handle(TaskKind::DeleteVolume, noting([this](const Task& task) { note("run", task); }));
  runner_->start();
  EXPECT_FALSE(wait({second}));
}

TEST_F(TasksTest, ThereIsALimitToWhatWaits) {
  Gate gate;
  settings_.task_queue_limit = 1;
  runner_->handle(TaskKind::ExtendVolume, noting([&](const Task&) { gate.pass(); }));
  runner_->start();
  begin(TaskKind::ExtendVolume, "v1");
  gate.await_arrival();
  EXPECT_THROW(runner_->make(TaskKind::ExtendVolume, actor_, VolumeId("v2")), Error);
  gate.open();
  runner_->stop();  // before the gate goes
}

}  // namespace
}  // namespace varve::services
