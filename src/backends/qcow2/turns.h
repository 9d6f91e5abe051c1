// Who is to be looked at, each after the same wait, those first that have waited longest. Every call takes logarithmic
// time, however many there are. Not thread-safe.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <utility>

namespace varve::qcow2 {

template <typename Id>
class Turns {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit Turns(std::chrono::steady_clock::duration wait) : wait_(wait) {}

  // Who is there already keeps its turn.
  void add(const Id& id, Time now) {
    if (!due_.contains(id)) enqueue(id, now);
  }

  void remove(const Id& id) { due_.erase(id); }

  // Whose turn it is; it has its next one after the wait, unless it is removed. nullopt: nobody's yet.
  std::optional<Id> next(Time now) {
    while (!turns_.empty() && turns_.front().first <= now) {
      auto [due, id] = std::move(turns_.front());
      turns_.pop_front();
      auto found = due_.find(id);
      if (found == due_.end() || found->second != due) continue;  // was removed since
      enqueue(id, now);
      return id;
    }
    return std::nullopt;
  }

 private:
  void enqueue(const Id& id, Time now) {
    due_[id] = now + wait_;
    turns_.emplace_back(now + wait_, id);
  }

  const std::chrono::steady_clock::duration wait_;
  std::map<Id, Time> due_;
  std::deque<std::pair<Time, Id>> turns_;  // by time, as all wait equally long
};

}  // namespace varve::qcow2
