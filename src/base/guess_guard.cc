#include "base/guess_guard.h"

#include <algorithm>

#include "base/error.h"

namespace varve {

namespace {
constexpr int kFreeFailures = 5;
constexpr std::size_t kMaxRecords = 10000;
constexpr std::chrono::seconds kLongestWait{60};
}  // namespace

void GuessGuard::require_calm(const std::string& key) {
  MutexLock lock(mutex_);
  auto found = records_.find(key);
  if (found == records_.end()) return;
  auto left = found->second.wait_until - clock_.steady();
  if (left <= std::chrono::seconds(0)) return;
  auto seconds = std::chrono::ceil<std::chrono::seconds>(left).count();
  throw Error(ErrorCode::TooManyRequests,
              "Too many failed attempts; try again in " + std::to_string(seconds) + " seconds.");
}

void GuessGuard::failed(const std::string& key) {
  MutexLock lock(mutex_);
  if (records_.size() >= kMaxRecords) {
    auto now = clock_.steady();
    std::erase_if(records_, [&](const auto& entry) { return entry.second.wait_until < now; });
  }
  if (records_.size() >= kMaxRecords && !records_.contains(key)) return;
  Record& record = records_[key];
  ++record.failures;
  if (record.failures < kFreeFailures) return;
  int doublings = std::min(record.failures - kFreeFailures, 6);
  record.wait_until = clock_.steady() + std::min(kLongestWait, std::chrono::seconds(1 << doublings));
}

void GuessGuard::succeeded(const std::string& key) {
  MutexLock lock(mutex_);
  records_.erase(key);
}

}  // namespace varve
