#include "services/undos.h"

#include <algorithm>

#include "base/log.h"

namespace varve::services {

namespace {
constexpr auto kLongestPause = std::chrono::minutes(10);
constexpr unsigned kSpare = 3;  // that may hang beside the one that works
}  // namespace

Undos::Undos(store::Database& db, Clock& clock, const Settings& settings, Undo undo, Scheduler& scheduler)
    : db_(db), clock_(clock), settings_(settings), undo_(std::move(undo)), worker_(1, kSpare, clock, scheduler) {}

void Undos::add(const model::Task& task) {
  MutexLock lock(mutex_);
  waiting_.try_emplace(task.id, Waiting{task, clock_.steady(), settings_.task_retry});
}

void Undos::look() {
  MutexLock lock(mutex_);
  for (auto& [id, waiting] : waiting_) {
    if (waiting.begun || waiting.next > clock_.steady()) continue;
    waiting.begun = true;
    worker_.push([this, task = waiting.task] { try_again(task); });
  }
}

void Undos::try_again(const model::Task& task) {
  bool over = is_over(task);
  MutexLock lock(mutex_);
  if (over) {
    waiting_.erase(task.id);
    return;
  }
  Waiting& waiting = waiting_.at(task.id);
  waiting.begun = false;
  waiting.next = clock_.steady() + waiting.pause;
  waiting.pause = std::min<std::chrono::seconds>(2 * waiting.pause, kLongestPause);
}

bool Undos::is_over(const model::Task& task) {
  bool remembered = clock_.now() - task.ended_at.value_or(task.created_at) < settings_.task_history;
  if (!undo_(task)) return !remembered;
  try {
    db_.write_blocking([&](store::Transaction& tx) { tx.tasks().note_undone(task.id); });
  } catch (const std::exception& fault) {
    log::warning("the end of an undo was not written", {{"task", task.id}, {"error", fault.what()}});
    return false;
  }
  log::info("what a failed task left was taken away", {{"task", task.id}});
  return true;
}

}  // namespace varve::services
