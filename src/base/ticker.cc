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
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  thread_.join();
}

void Ticker::run() {
  while (!duties_.empty()) {
    Duty& next = *std::ranges::min_element(duties_, {}, &Duty::due);
    {
      MutexLock lock(mutex_);
      stopped_.wait_for(mutex_, next.due - clock_.steady(), [&]() VARVE_REQUIRES(mutex_) { return stopping_; });
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
