#include "base/ticker.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace varve {

void Ticker::every(std::chrono::seconds period, std::string what, std::function<void()> work) {
  duties_.push_back({period, std::move(what), std::move(work), {}});
}

void Ticker::start() {
  for (Duty& duty : duties_) duty.due = clock_.steady() + duty.period;
  thread_ = Thread("ticker", [this] { run(); });
}

void Ticker::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  thread_.join();
}

void Ticker::run() {
  while (!duties_.empty()) {
    Duty& next = *std::ranges::min_element(duties_, {}, &Duty::due);
    {
      std::unique_lock lock(mutex_);
      stopped_.wait_for(lock, next.due - clock_.steady(), [&] { return stopping_; });
      if (stopping_) return;
    }
    if (clock_.steady() < next.due) continue;
    next.due = clock_.steady() + next.period;
    try {
      next.work();
    } catch (const std::exception& fault) {
      log::error(next.what + " failed and will be tried again", {{"error", fault.what()}});
    }
  }
}

}  // namespace varve
