#include "services/tasks.h"

#include <set>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/text.h"

namespace varve::services {

namespace asio = boost::asio;

namespace {
constexpr auto kMoment = std::chrono::milliseconds(500);  // what work that moves no data takes at most, usually
constexpr unsigned kSpare = 28;  // tasks that may wait for their volumes' storage beside those that work
}  // namespace

TaskRunner::TaskRunner(store::Database& db, const Messages& messages, Clock& clock, Rng& rng, const Settings& settings,
                       Scheduler& scheduler)
    : db_(db),
      messages_(messages),
      clock_(clock),
      rng_(rng),
      settings_(settings),
      workers_(settings.task_workers, kSpare, clock, scheduler),
      bulk_workers_(settings.bulk_workers, 0, clock, scheduler),
      free_workers_(settings.task_workers, kSpare, clock, scheduler),
      undos_(db, clock, settings, [this](const model::Task& task) { return undo(task); }, scheduler) {}

TaskRunner::~TaskRunner() {
  stop();
}

void TaskRunner::handle(model::TaskKind kind, TaskHandler handler) {
  handlers_[kind] = std::move(handler);
}

void TaskRunner::start() {
  std::vector<model::Task> to_undo = db_.read_blocking([](store::Transaction& tx) { return tx.tasks().to_undo(); });
  std::vector<model::Task> left = db_.write_blocking([&](store::Transaction& tx) {
    std::vector<model::Task> left = tx.tasks().live();
    for (model::Task& task : left) {
      ++task.attempts;
      tx.tasks().update(task);
    }
    return left;
  });
  for (const model::Task& task : left) {
    log::info("unfinished task taken over",
              {{"task", task.id}, {"kind", to_string(task.kind)}, {"attempt", task.attempts}});
    enqueue(task);
  }
  for (const model::Task& task : to_undo) undos_.add(task);
  commits_ = db_.on_commit([this](const store::Touched& touched) {
    for (const model::Task& task : touched.begun) enqueue(task);
  });
  workers_.start();
  bulk_workers_.start();
  free_workers_.start();
  undos_.start();
  MutexLock lock(mutex_);
  next_look_ = clock_.now() + settings_.task_retry;
}

void TaskRunner::stop() {
  commits_.reset();
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    lanes_.clear();
  }
  workers_.stop();
  bulk_workers_.stop();
  free_workers_.stop();
  undos_.stop();
}

model::Task TaskRunner::make(model::TaskKind kind, const model::Actor& actor, const VolumeId& volume) {
  if (waiting() >= settings_.task_queue_limit) {
    throw Error(ErrorCode::Unavailable,
                "too many tasks wait already (" + std::to_string(waiting()) + "); try again later");
  }
  model::Task task;
  task.id = TaskId(rng_.uuid());
  task.kind = kind;
  task.project_id = actor.project_id;
  task.user_id = actor.user_id;
  task.volume_id = volume;
  task.request_id = actor.request_id;
  task.created_at = clock_.now();
  task.attempts = 1;
  return task;
}

void TaskRunner::enqueue(const model::Task& task) {
  MutexLock lock(mutex_);
  if (stopping_) return;  // the row stays live; the next start runs it
  ++pending_;
  auto [lane, first] = lanes_.try_emplace(lane_of(task));
  if (first) {
    make_ready(lane->second, task);
  } else {
    lane->second.behind.push_back(task);
  }
}

void TaskRunner::post(std::function<void()> job) {
  free_workers_.push(std::move(job));
}

void TaskRunner::make_ready(Lane& lane, model::Task task) {
  WorkerPool& pool = handlers_.at(task.kind).bulk ? bulk_workers_ : workers_;
  lane.first = std::move(task);
  lane.since = clock_.now();
  lane.begun.reset();
  lane.progress = std::make_shared<Progress>();
  pool.push([this, first = lane.first, progress = lane.progress] { work(first, *progress); });
}

void TaskRunner::begin(const model::Task& task) {
  MutexLock lock(mutex_);
  auto found = lanes_.find(lane_of(task));
  if (found == lanes_.end()) return;
  found->second.begun = clock_.steady();
  found->second.since = clock_.now();
}

Whereabouts TaskRunner::of_first(const Lane& lane) const {
  using enum Whereabouts::State;
  Whereabouts out;
  out.since = lane.since;
  out.waits_for = Whereabouts::For::Worker;
  if (!lane.begun) return out;
  out.step = lane.progress->trail.last();
  out.tried_again = lane.progress->tried_again;
  bool bulk = handlers_.at(lane.first.kind).bulk;
  bool slow = !bulk && clock_.steady() - *lane.begun > kMoment;
  out.state = slow ? Waiting : Running;
  out.waits_for = Whereabouts::For::Nothing;
  if (slow) out.waits_for = Whereabouts::For::Storage;
  if (bulk) out.waits_for = Whereabouts::For::Copy;
  return out;
}

std::optional<Whereabouts> TaskRunner::whereabouts(const model::Task& task) const {
  MutexLock lock(mutex_);
  if (auto found = unended_.find(task.id); found != unended_.end()) {
    Whereabouts out;
    out.state = Whereabouts::State::Waiting;
    out.waits_for = Whereabouts::For::Database;
    out.since = found->second.since;
    out.next_attempt = next_look_;
    return out;
  }
  auto found = lanes_.find(lane_of(task));
  if (found == lanes_.end()) return std::nullopt;
  const Lane& lane = found->second;
  if (lane.first.id == task.id) return of_first(lane);
  const model::Task* before = &lane.first;
  for (const model::Task& next : lane.behind) {
    if (next.id == task.id) {
      Whereabouts out;
      out.waits_for = Whereabouts::For::Turn;
      out.since = task.created_at;
      out.before = *before;
      return out;
    }
    before = &next;
  }
  return std::nullopt;
}

// A copy must see its source as it was when the copy was asked for: before what is asked of the source later.
// A long copy out of a snapshot is in nobody's way.
TaskRunner::LaneKey TaskRunner::lane_of(const model::Task& task) {
  using enum model::TaskKind;
  if (task.kind == BackupVolume || task.kind == DeleteBackup) return task.with<BackupId>();
  if (task.kind == CreateGroupSnapshot) return task.with<GroupSnapshotId>();
  const auto* source = std::get_if<VolumeId>(&task.payload);
  return source != nullptr ? *source : task.volume_id;
}

// The lane's task has ended: its next one may run.
void TaskRunner::free_lane(const LaneKey& key) {
  auto found = lanes_.find(key);
  if (found == lanes_.end()) return;
  std::deque<model::Task>& behind = found->second.behind;
  if (behind.empty()) {
    lanes_.erase(found);
    return;
  }
  model::Task next = std::move(behind.front());
  behind.pop_front();
  make_ready(found->second, std::move(next));
}

std::size_t TaskRunner::waiting() const {
  MutexLock lock(mutex_);
  return pending_;
}

namespace {

// What waits for tasks on an executor of one thread.
struct Outcome {
  explicit Outcome(const asio::any_io_executor& executor) : timer(executor) {}
  void end(const TaskId& task, const std::optional<Error>& with) {
    if (running.erase(task) == 0) return;
    if (with && !fault) fault = with;
    if (running.empty()) timer.cancel();
  }
  asio::steady_timer timer;
  std::set<TaskId> running;
  std::optional<Error> fault;  // the first
};

std::optional<Error> fault_of(const model::Task& task) {
  if (task.state != model::TaskState::Failed) return std::nullopt;
  return Error(parse_error_code(task.error_code.value_or("")).value_or(ErrorCode::Internal), task.error.value_or(""));
}

}  // namespace

asio::awaitable<void> TaskRunner::ended(std::vector<TaskId> tasks, std::chrono::seconds timeout) {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto outcome = std::make_shared<Outcome>(executor);
  outcome->running.insert(tasks.begin(), tasks.end());
  {
    MutexLock lock(mutex_);
    for (const TaskId& task : tasks) {
      waiters_[task] = [outcome, executor, task](std::optional<Error> fault) {
        asio::post(executor, [outcome, task, fault = std::move(fault)] { outcome->end(task, fault); });
      };
    }
  }
  // One that ended before anybody waited for it told nobody: its row does.
  co_await db_.read([&](store::Transaction& tx) {
    for (const TaskId& id : tasks) {
      std::optional<model::Task> task = tx.tasks().find(std::nullopt, id);
      if (task && task->ended_at) outcome->end(id, fault_of(*task));
    }
  });
  if (!outcome->running.empty()) {
    outcome->timer.expires_after(timeout);
    boost::system::error_code cancelled;
    auto token = asio::redirect_error(asio::use_awaitable, cancelled);
    co_await outcome->timer.async_wait(token);
  }
  {
    MutexLock lock(mutex_);
    for (const TaskId& task : tasks) waiters_.erase(task);
  }
  if (!outcome->running.empty())
    throw Error(ErrorCode::Unavailable, "the storage takes longer than usual; the work goes on");
  if (outcome->fault) throw Error(*outcome->fault);
}

void TaskRunner::work(const model::Task& task, Progress& progress) {
  begin(task);
  failpoint::Watched watched(progress.trail);
  try {
    run_task(task, progress);
  } catch (const std::exception& fault) {
    log::error("background work failed", {{"task", task.id}, {"error", fault.what()}});
    note_unended(task);
  }
  MutexLock lock(mutex_);
  --pending_;
  free_lane(lane_of(task));
}

void TaskRunner::look_again() {
  run_unended();
  undos_.look();
  db_.write_blocking([&](store::Transaction& tx) {
    tx.tasks().forget_ended_before(clock_.now() - settings_.task_history);
    tx.messages().forget_expired_before(clock_.now());
  });
}

// A task whose end could not be written stays live: look_again() runs it again, or the next start does.
void TaskRunner::note_unended(const model::Task& task) {
  MutexLock lock(mutex_);
  unended_.insert_or_assign(task.id, Unended{task, clock_.now()});
}

void TaskRunner::run_unended() {
  std::map<TaskId, Unended> again;
  {
    MutexLock lock(mutex_);
    again.swap(unended_);
    next_look_ = clock_.now() + settings_.task_retry;
  }
  for (const auto& [id, unended] : again) enqueue(unended.task);
}

// What became unavailable under it may be there again: a storage daemon that died or was replaced. A second attempt at
// one that does not answer fails at once.
void TaskRunner::run_handler(const model::Task& task, Progress& progress) {
  const TaskHandler& handler = handlers_.at(task.kind);
  try {
    handler.run(task);
  } catch (const Error& fault) {
    if (fault.code() != ErrorCode::Unavailable || handler.bulk || stopping_) throw;
    progress.tried_again = true;
    log::warning("a task is tried once more", {{"task", task.id}, {"error", fault.message()}});
    handler.run(task);
  }
}

void TaskRunner::run_task(model::Task task, Progress& progress) {
  auto started = clock_.steady();
  std::optional<Error> fault;
  try {
    if (task.attempts > attempts_limit()) {
      throw Error(ErrorCode::BackendFailed,
                  std::string(kGivenUp) + std::to_string(task.attempts - 1) + " interrupted attempts");
    }
    FAILPOINT("task.before_run");
    run_handler(task, progress);
    FAILPOINT("task.before_finish");
  } catch (const Error& error) {
    fault = error;
  } catch (const std::exception& error) {
    fault = Error(ErrorCode::Internal, error.what());
  }
  if (fault && stopping_ && handlers_.at(task.kind).bulk) {
    log::info("task interrupted; the next start goes on", {{"task", task.id}, {"kind", to_string(task.kind)}});
    return;
  }
  if (fault) task.undo_left = !undo(task);
  model::Task ended = end_task(task, fault);
  FAILPOINT("task.after_finish");
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady() - started).count();
  if (fault) {
    if (ended.undo_left) undos_.add(ended);
    log::error("task failed", {{"task", task.id},
                               {"kind", to_string(task.kind)},
                               {"volume", task.volume_id},
                               {"request_id", task.request_id},
                               {"ms", took},
                               {"error", fault->message()}});
  } else {
    log::info("task done", {{"task", task.id},
                            {"kind", to_string(task.kind)},
                            {"volume", task.volume_id},
                            {"request_id", task.request_id},
                            {"ms", took}});
  }
}

// A fault here must not hide the task's own.
bool TaskRunner::undo(const model::Task& task) {
  const TaskHandler& handler = handlers_.at(task.kind);
  if (!handler.undo) return true;
  try {
    handler.undo(task);
    return true;
  } catch (const std::exception& fault) {
    // Of one that is tried again and again, once is enough.
    auto* tell = task.undo_left ? &log::debug : &log::error;
    tell("a failed task left something behind; it will be taken away", {{"task", task.id}, {"error", fault.what()}});
    return false;
  }
}

model::Task TaskRunner::end_task(const model::Task& task, const std::optional<Error>& fault) {
  const TaskHandler& handler = handlers_.at(task.kind);
  // What is kept of a fault is read by clients; where the host's files lie is for the log.
  std::optional<Error> told;
  if (fault) told.emplace(fault->code(), without_paths(fault->message()), fault->reason());
  model::Task ended = task;
  ended.state = fault ? model::TaskState::Failed : model::TaskState::Done;
  ended.ended_at = clock_.now();
  if (told) {
    ended.error = told->message();
    ended.error_code = std::string(to_string(told->code()));
  }
  db_.write_blocking([&](store::Transaction& tx) {
    tx.tasks().update(ended);
    if (told) {
      handler.fail(tx, task, *told);
      messages_.task_failed(tx, task, *told);
    } else {
      handler.finish(tx, task);
    }
  });
  Waiter waiter;
  {
    MutexLock lock(mutex_);
    auto found = waiters_.find(task.id);
    if (found != waiters_.end()) {
      waiter = std::move(found->second);
      waiters_.erase(found);
    }
  }
  if (waiter) waiter(fault);
  return ended;
}

}  // namespace varve::services
