// What may happen next, and what happens in the middle of what happens.

#include <algorithm>

#include "base/failpoint.h"
#include "base/fault.h"
#include "world.h"

namespace varve::sim {

using namespace std::chrono_literals;

namespace {

constexpr int kDeepest = 4;  // steps in steps
constexpr int kMany = 1000;  // more commits than a step makes

}  // namespace

void World::step(bool nested) {
  ++steps_;
  if (!calm_ && crash_at_.erase(steps_) > 0) throw failpoint::Crash{};
  ++depth_;
  while (!take_step(nested)) advance();
  --depth_;
  look_at_commits();
}

// False: there is nothing to do at this time.
bool World::take_step(bool nested) {
  std::vector<SeededScheduler::Step*> loops = scheduler_.ready();
  // Tasks hold locks of volumes while they wait, and there is one stack only: none begins within another's wait.
  if (nested) std::erase_if(loops, [](const auto* loop) { return loop->name() == "worker"; });
  auto writer = std::ranges::find(loops, "store", &SeededScheduler::Step::name);
  if (depth_ > kDeepest && writer != loops.end()) {
    run_loop(**writer);
    return true;
  }
  if (!calm_ && random_.below(1000) < weather_.daemons_die) kill_daemon();
  if (!calm_ && random_.chance(5)) clock_.advance(std::chrono::milliseconds(random_.between(1, 2000)));
  std::vector<Client*> clients;
  for (Client& client : clients_) {
    if (serves_ && (client.waits() || !calm_)) clients.push_back(&client);
  }
  while (!loops.empty() || !clients.empty()) {
    std::size_t at = random_.below(loops.size() + clients.size());
    if (at < loops.size()) {
      run_loop(*loops[at]);
      return true;
    }
    Client& client = *clients[at - loops.size()];
    if (!client.waits()) {
      client.begin(*service_, view_, weather_.calls);
      return true;
    }
    if (client.poll()) return true;
    std::erase(clients, &client);
  }
  return false;
}

void World::run_loop(SeededScheduler::Step& loop) {
  if (!calm_ && loop.name() == "store" && random_.chance(weather_.commits_fail)) {
    bool full = random_.chance(50);
    trace_.line(full ? "the disk is full" : "the disk fails");
    fault::arm(fault::Kind::Commit, 1, full ? ENOSPC : EIO, random_.chance(50) ? 1 : kMany);
  } else if (!calm_ && random_.chance(weather_.statements_fail)) {
    fault::arm(fault::Kind::Statement, static_cast<int>(random_.between(1, 8)));
  }
  if (loop.name() == "worker" || loop.name() == "ticker") trace_.line(loop.name());
  loop.run();
  fault::disarm();
}

// To the time at which something is to be done.
void World::advance() {
  SeededScheduler::Time next = scheduler_.next_due();
  if (next == SeededScheduler::Time::max()) fail("nothing waits for ever: all do");
  auto by = std::chrono::ceil<std::chrono::microseconds>(next - clock_.steady());
  clock_.advance(std::max(by, 1us));
}

void World::kill_daemon() {
  std::vector<model::Source> served;
  for (const auto& [source, attachments] : exporter_.served()) served.push_back(source);
  if (served.empty()) return;
  const model::Source& source = random_.pick(served);
  trace_.line("the daemon of " + trace_.of(source) + " dies");
  exporter_.lose(source);
  backend_.lose(source);
}

// What others do while a call to the storage is under way.
void World::interleave() {
  if (!random_.chance(40)) return;
  for (std::int64_t steps = random_.between(1, 3); steps > 0; --steps) {
    ++steps_;
    if (!calm_ && crash_at_.erase(steps_) > 0) throw failpoint::Crash{};
    ++depth_;
    take_step(true);
    --depth_;
    look_at_commits();
  }
}

void World::require_contract(std::string_view call, const VolumeId& volume) {
  std::map<VolumeId, fake::Kept> contents = backend_.contents();
  auto found = contents.find(volume);
  bool open = found != contents.end() && found->second.open;
  if (open && (call == "delete_volume" || call == "rollback")) {
    fail("the backend's contract: " + std::string(call) + " of an open volume");
  }
  if (open && call == "extend_volume" && exporter_.served().contains({volume})) {
    fail("the backend's contract: extend_volume of a volume that is served");
  }
}

std::optional<fake::Failure> World::backend_called(std::string_view call, const VolumeId& volume) {
  std::optional<fake::Failure> failure = called(call, {volume});
  require_contract(call, volume);
  return failure;
}

std::optional<fake::Failure> World::called(std::string_view call, const model::Source& source) {
  if (dead_) throw failpoint::Crash{};
  trace_.line("  " + std::string(call) + " " + trace_.of(source));
  interleave();
  if (random_.chance(10)) clock_.advance(std::chrono::milliseconds(random_.between(1, 1000)));
  if (calm_ || !random_.chance(weather_.backend_fails)) return std::nullopt;
  fake::Failure failure;
  failure.done = random_.chance(weather_.answers_lost);
  std::vector<ErrorCode> codes{ErrorCode::BackendFailed, ErrorCode::Unavailable};
  if (!failure.done) codes.push_back(ErrorCode::NoSpace);
  failure.code = random_.pick(codes);
  trace_.line("  " + std::string(call) + " " + trace_.of(source) + " fails: " + std::string(to_string(failure.code)) +
              (failure.done ? ", but is done" : ""));
  return failure;
}

}  // namespace varve::sim
