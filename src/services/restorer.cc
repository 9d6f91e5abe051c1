#include "services/restorer.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"

namespace varve::services {

namespace {

using std::chrono::milliseconds;

constexpr auto kLook = milliseconds(250);
constexpr auto kFirstPause = milliseconds(1000);
constexpr auto kLongestPause = milliseconds(30'000);
constexpr std::size_t kMostUntold = 1000;

}  // namespace

void Restorer::start() {
  MutexLock lock(mutex_);
  loop_ = scheduler_.loop("restorer", [this] { return look(); });
}

void Restorer::stop() {
  std::unique_ptr<Loop> loop;  // it ends after the lock is let go of
  MutexLock lock(mutex_);
  loop.swap(loop_);
}

void Restorer::missing(const model::Source& source) {
  MutexLock lock(mutex_);
  // What made it missing may not be over: its task has yet to end.
  want(source, clock_.steady() + kFirstPause);
}

void Restorer::lost(const model::Source& source) {
  MutexLock lock(mutex_);
  want(source, clock_.steady());
  if (untold_.size() < kMostUntold) untold_.push_back(source);
  if (loop_) loop_->wake();
}

void Restorer::want(const model::Source& source, Time due) {
  auto [place, added] = wanted_.try_emplace(source);
  if (added) {
    place->second = {source, due, kFirstPause};
    place->second.since = clock_.now();
  } else {
    place->second.again = place->second.tried;
    place->second.due = std::min(place->second.due, due);
  }
}

Scheduler::Rest Restorer::look() {
  try {
    want_all();
    for (const model::Source& source : take_due()) tasks_.post([this, source] { attempt(source); });
    tell_owners();
    return kLook;
  } catch (const std::exception& fault) {
    log::error("lost exports could not be seen to and will be again", {{"error", fault.what()}});
    return kFirstPause;
  }
}

void Restorer::want_all() {
  {
    MutexLock lock(mutex_);
    if (!all_) return;
  }
  std::vector<model::Source> sources = db_.read_blocking([&](store::Transaction& tx) {
    std::vector<model::Source> out;
    for (const model::Attachment& one : tx.attachments().exported()) out.push_back(one.source());
    return out;
  });
  MutexLock lock(mutex_);
  for (const model::Source& source : sources) want(source, clock_.steady());
  all_ = false;
}

std::vector<model::Source> Restorer::take_due() {
  std::vector<model::Source> out;
  MutexLock lock(mutex_);
  for (auto& [key, wanted] : wanted_) {
    if (wanted.tried || wanted.due > clock_.steady()) continue;
    wanted.tried = true;
    out.push_back(wanted.source);
  }
  return out;
}

// On a thread of the task runner.
void Restorer::attempt(const model::Source& source) {
  std::optional<std::string> error;
  try {
    exports_.restore(source);
  } catch (const Error& fault) {
    // Not found: the volume went, and its exports with it.
    if (fault.code() != ErrorCode::NotFound) error = fault.message();
    log::error("an export could not be brought back", {{"source", source.name()}, {"error", fault.message()}});
  } catch (const std::exception& fault) {
    error = fault.what();
    log::error("an export could not be brought back", {{"source", source.name()}, {"error", fault.what()}});
  }
  ended(source, error);
}

void Restorer::ended(const model::Source& source, const std::optional<std::string>& error) {
  MutexLock lock(mutex_);
  auto found = wanted_.find(source);
  if (found == wanted_.end()) return;
  Wanted& wanted = found->second;
  if (!error && !wanted.again) {
    wanted_.erase(found);
    return;
  }
  if (error) {
    ++wanted.failed;
    wanted.error = *error;
  }
  wanted.due = clock_.steady() + (wanted.again ? milliseconds(0) : wanted.pause);
  wanted.pause = wanted.again ? kFirstPause : std::min<milliseconds>(wanted.pause * 2, kLongestPause);
  wanted.tried = wanted.again = false;
}

std::optional<MissingExport> Restorer::find(const model::Source& source) const {
  MutexLock lock(mutex_);
  auto found = wanted_.find(source);
  if (found == wanted_.end()) return std::nullopt;
  const Wanted& wanted = found->second;
  MissingExport out{wanted.since, wanted.failed, std::nullopt, wanted.error};
  if (!wanted.tried) {
    auto wait = std::max(wanted.due - clock_.steady(), Time::duration(0));
    out.next_attempt = clock_.now() + std::chrono::duration_cast<std::chrono::microseconds>(wait);
  }
  return out;
}

void Restorer::tell_owners() {
  std::vector<model::Source> untold;
  {
    MutexLock lock(mutex_);
    untold = untold_;
  }
  if (untold.empty()) return;
  db_.write_blocking([&](store::Transaction& tx) {
    for (const model::Source& source : untold) {
      if (auto row = tx.volumes().find(std::nullopt, source.volume)) {
        messages_.storage_daemon_died(tx, *row, source.snapshot);
      }
    }
  });
  MutexLock lock(mutex_);
  untold_.erase(untold_.begin(), untold_.begin() + static_cast<std::ptrdiff_t>(untold.size()));
}

}  // namespace varve::services
