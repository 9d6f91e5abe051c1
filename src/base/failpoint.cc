#include "base/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/text.h"

namespace varve::failpoint {

namespace {

enum Action : std::uint8_t { kNone, kKill, kPause, kError, kCrash };

struct State {
  std::atomic<Action> action{kNone};
  std::atomic<int> passes_left{1};
};

std::array<State, kFailpoints.size()> g_states;
thread_local Trail* t_trail = nullptr;

State& find(std::string_view name) {
  for (std::size_t i = 0; i < kFailpoints.size(); ++i) {
    if (kFailpoints[i] == name) return g_states[i];
  }
  throw Error(ErrorCode::InvalidInput, "VARVE_FAILPOINTS: no failpoint is named '" + std::string(name) + "'");
}

}  // namespace

void arm(std::string_view name, std::string_view action) {
  State& state = find(name);
  int passes = 1;
  if (std::size_t at = action.find('@'); at != std::string_view::npos) {
    std::from_chars(action.data() + at + 1, action.data() + action.size(), passes);
    action = action.substr(0, at);
  }
  state.passes_left = passes;
  if (action == "kill") {
    state.action = kKill;
  } else if (action == "pause") {
    state.action = kPause;
  } else if (action == "error") {
    state.action = kError;
  } else if (action == "crash") {
    state.action = kCrash;
  } else {
    throw Error(ErrorCode::InvalidInput, "VARVE_FAILPOINTS: unknown action '" + std::string(action) + "'");
  }
}

void disarm() {
  for (State& state : g_states) state.action = kNone;
}

void arm_from_environment() {
  const char* text = std::getenv("VARVE_FAILPOINTS");
  if (text == nullptr) return;
  for (std::string_view item : split(text, ',')) {
    std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) throw Error(ErrorCode::InvalidInput, "VARVE_FAILPOINTS: name=action wanted");
    arm(item.substr(0, equals), item.substr(equals + 1));
  }
}

std::string_view Trail::last() const {
  std::size_t passed = passed_.load(std::memory_order_relaxed);
  return passed == 0 ? std::string_view() : kFailpoints[passed - 1];
}

Watched::Watched(Trail& trail) {
  t_trail = &trail;
}

Watched::~Watched() {
  t_trail = nullptr;
}

void hit(std::size_t index) {
  if (t_trail != nullptr) t_trail->passed_.store(index + 1, std::memory_order_relaxed);
  State& state = g_states[index];
  Action action = state.action.load(std::memory_order_relaxed);
  if (action == kNone) [[likely]]
    return;
  if (--state.passes_left != 0) return;
  if (action == kKill) {
    kill(getpid(), SIGKILL);
    pause();
  }
  if (action == kPause) {
    raise(SIGSTOP);  // to this thread, so that it is the one that stands at this place
    return;
  }
  if (action == kCrash) throw Crash{};
  throw Error(ErrorCode::BackendFailed, "failpoint " + std::string(kFailpoints[index]));
}

}  // namespace varve::failpoint
