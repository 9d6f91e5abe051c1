#include "base/ticker.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace varve {

void Ticker::every(std::chrono::seconds period, std::string what, std::function<void()> work) {
  duties_.push_back({period, std::move(what), std::move(work), {}});
}

void Ticker::start() {
  if (duties_.empty()) return;
  for (Duty& duty : duties_) duty.due = clock_.steady() + duty.period;
  loop_ = scheduler_.loop("ticker", [this] { return look(); });
}

void Ticker::stop() {
  loop_.reset();
}

// What is due first, if it is due; then as long as nothing is. Never at once, so that an end comes.
Scheduler::Rest Ticker::look() {
  Duty& first = *std::ranges::min_element(duties_, {}, &Duty::due);
  if (clock_.steady() >= first.due) {
    first.due = clock_.steady() + first.period;
    try {
      first.work();
    } catch (const std::exception& fault) {
      log::error(first.what + " failed and will be tried again", {{"error", fault.what()}});
    }
  }
  auto wait = std::ranges::min_element(duties_, {}, &Duty::due)->due - clock_.steady();
  return std::max(std::chrono::ceil<Scheduler::Rest>(wait), Scheduler::Rest(1));
}

}  // namespace varve
