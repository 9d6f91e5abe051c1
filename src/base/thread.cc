#include "base/thread.h"

#include <pthread.h>

#include <chrono>
#include <exception>
#include <utility>

#include "base/log.h"

namespace varve {

namespace {

constexpr auto kPause = std::chrono::milliseconds(200);
constexpr std::size_t kLongestName = 15;

bool ends(const std::string& name, const std::function<void()>& run) {
  try {
    run();
    return true;
  } catch (const std::exception& fault) {
    log::error("a thread met what it does not know and begins anew", {{"thread", name}, {"error", fault.what()}});
    return false;
  }
}

void run_until_it_ends(const std::string& name, const std::function<void()>& run) {
  pthread_setname_np(pthread_self(), name.substr(0, kLongestName).c_str());
  while (!ends(name, run)) std::this_thread::sleep_for(kPause);
}

}  // namespace

Thread::Thread(std::string name, std::function<void()> run)
    : thread_([name = std::move(name), run = std::move(run)] { run_until_it_ends(name, run); }) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  join();
  thread_ = std::move(other.thread_);
  return *this;
}

void Thread::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace varve
