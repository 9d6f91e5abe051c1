#include "world.h"

#include <algorithm>

#include "base/failpoint.h"
#include "base/fault.h"
#include "services/group_types.h"

namespace varve::sim {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr Timestamp kBegin{std::chrono::sys_days{std::chrono::year{2030} / 1 / 1}};
constexpr auto kRestAfter = std::chrono::minutes(1);  // so that what is tried again soon has been
constexpr auto kRestWithin = std::chrono::hours(3);
constexpr int kClients = 4;

// Calls that a client waits for in another thread: none of what is simulated makes any.
Offload& calls() {
  static Offload none(0);
  return none;
}

}  // namespace

void make_template(const fs::path& database) {
  ManualClock clock(kBegin);
  SeededRng rng(0);
  services::Settings settings;
  auto db = store::open_sqlite(database, 100);
  services::VolumeTypes(*db, clock, rng, settings).seed();
  services::GroupTypes(*db, clock, rng).seed();
}

World::World(std::uint64_t seed, const fs::path& template_database, fs::path directory, bool print)
    : random_(seed),
      rng_(seed + 1),
      directory_(std::move(directory)),
      clock_(kBegin),
      trace_(clock_, print),
      scheduler_(clock_, [this] { step(true); }),
      exporter_([this](std::string_view call, const model::Source& source) { return called(call, source); }) {
  fs::create_directories(directory_);
  fs::copy_file(template_database, directory_ / "varve.db", fs::copy_options::overwrite_existing);
  backend_.watch([this](std::string_view call, const VolumeId& volume) { return backend_called(call, volume); });
  choose_weather();
  clients_.reserve(kClients);
  for (int i = 0; i < kClients; ++i) clients_.emplace_back(i, i == 3, random_, trace_, told_);
}

World::~World() {
  failpoint::disarm();
  fault::disarm();
  destroy(true);
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

// Each seed leaves much out, so that what remains happens often.
void World::choose_weather() {
  auto perhaps = [this](unsigned percent, std::int64_t most) {
    return random_.chance(percent) ? static_cast<unsigned>(random_.between(1, most)) : 0U;
  };
  weather_.backend_fails = perhaps(60, 25);
  weather_.answers_lost = perhaps(60, 100);
  weather_.commits_fail = perhaps(40, 25);
  weather_.statements_fail = perhaps(30, 8);
  weather_.daemons_die = perhaps(40, 20);
  weather_.crashes = random_.chance(60) ? perhaps(100, random_.chance(20) ? 8 : 3) : 0;
  if (random_.chance(40)) weather_.failpoint = std::string(kFailpoints[random_.below(kFailpoints.size())]);
  length_ = 100 + random_.below(400);
  for (unsigned i = 0; i < weather_.crashes; ++i) crash_at_.insert(1 + random_.below(length_));
  for (std::size_t i = 0; i < Client::kinds(); ++i) {
    weather_.calls.push_back(random_.chance(40) ? 0 : static_cast<unsigned>(random_.between(1, 5)));
  }
  weather_.calls.front() += 3;  // without volumes nothing happens
}

services::Settings World::settings() {
  services::Settings settings;
  settings.default_quotas = {{"volumes", 5}, {"gigabytes", 24}, {"snapshots", 4}, {"groups", 2}, {"volumes_SSD", 2}};
  settings.export_timeout = 1h;  // of the system's clock: nobody gives up
  return settings;
}

void World::start() {
  Surroundings around{directory_ / "varve.db",
                      backend_,
                      exporter_,
                      keys_,
                      images_,
                      objects_,
                      calls(),
                      clock_,
                      rng_,
                      scheduler_,
                      settings()};
  service_ = std::make_unique<Service>(around);
  commits_ = service_->db().on_commit([this](const store::Touched& touched) { note(touched); });
  if (!calm_ && !weather_.failpoint.empty()) {
    failpoint::arm(weather_.failpoint, "crash@" + std::to_string(random_.between(1, 4)));
  }
  service_->start();
  serves_ = true;
  trace_.line("the service has started");
}

void World::destroy(bool dead) {
  serves_ = false;
  dead_ = dead;
  scheduler_.kill(dead);
  commits_.reset();
  service_.reset();
  for (Client& client : clients_) client.forget();
  told_.crashed = false;
  depth_ = 0;
  dead_ = false;
  scheduler_.kill(false);
}

void World::crash(const std::string& how) {
  trace_.line(how);
  failpoint::disarm();
  fault::disarm();
  destroy(true);
  restart();
}

// A start that fails is tried again, as an operator or a supervisor does.
void World::restart() {
  for (;;) {
    try {
      start();
      return;
    } catch (const failpoint::Crash&) {
      trace_.line("the start is cut off");
    } catch (const Error& error) {
      trace_.line("the start fails: " + error.message());
    }
    failpoint::disarm();
    fault::disarm();
    destroy(true);
  }
}

void World::fail(const std::string& what) {
  dead_ = true;
  scheduler_.kill(true);
  throw Breach{what};
}

Outcome World::run() {
  Outcome out;
  try {
    restart();
    live();
    come_to_rest();
  } catch (const Breach& breach) {
    out.breach = trace_.named(breach.what);
    trace_.line("BREACH " + out.breach);
  }
  out.trace_hash = trace_.hash();
  out.last = trace_.last();
  return out;
}

void World::live() {
  while (steps_ < length_) {
    try {
      step(false);
      if (told_.crashed) crash("the process ends at " + weather_.failpoint);
    } catch (const failpoint::Crash&) {
      crash("the process ends");
    }
  }
}

void World::come_to_rest() {
  trace_.line("no more faults");
  calm_ = true;
  failpoint::disarm();
  Timestamp begin = clock_.now();
  while (clock_.now() - begin < kRestAfter || !at_rest()) {
    if (clock_.now() - begin > kRestWithin) {
      check(whole_view(), When::AtRest);
      fail("all comes to rest: it does not");
    }
    step(false);
  }
  check(whole_view(), When::AtRest);
}

bool World::at_rest() {
  if (!scheduler_.ready().empty()) return false;
  if (std::ranges::any_of(clients_, &Client::waits)) return false;
  if (service_->tasks().waiting() > 0) return false;
  view_ = view_of(service_->db(), true);
  bool works = std::ranges::any_of(
      view_.tasks, [](const model::Task& task) { return task.state == model::TaskState::Live || task.undo_left; });
  return !works && std::ranges::none_of(view_.attachments, [this](const model::Attachment& one) {
    return service_->reconciler().restorer().find(one.source()).has_value();
  });
}

View World::whole_view() {
  View view = view_of(service_->db(), true);
  view.limits = settings().default_quotas;
  view.backend = backend_.contents();
  view.served = exporter_.served();
  view.acknowledged = told_.acknowledged;
  for (const char* project : {"p0", "p1"}) {
    boost::asio::io_context io(1);
    std::function<void(std::exception_ptr, services::QuotaSet)> keep = [&](const std::exception_ptr& fault,
                                                                           services::QuotaSet set) {
      if (fault) std::rethrow_exception(fault);
      view.quotas[ProjectId(project)] = std::move(set);
    };
    boost::asio::co_spawn(io, service_->quotas.show(ProjectId(project), true), keep);
    io.run();
  }
  return view;
}

void World::note(const store::Touched& touched) {
  committed_ = true;
  std::string line = "  commit";
  for (const VolumeId& volume : touched.volumes) line += " " + trace_.of(volume);
  for (const model::Task& task : touched.begun) {
    line += ", begins " + trace_.of(task.id) + " (" + std::string(to_string(task.kind)) + " " +
            trace_.of(task.volume_id) + ")";
  }
  trace_.line(line);
}

void World::look_at_commits() {
  fault::disarm();  // what is looked at here is not to fail
  if (!told_.breach.empty()) fail(told_.breach);
  if (!std::exchange(committed_, false)) return;
  view_ = view_of(service_->db(), false);
  view_.limits = settings().default_quotas;
  check(view_, When::AfterCommit);
}

void World::check(const View& view, When when) {
  for (const Invariant& invariant : invariants()) {
    if (invariant.when == When::AtRest && when != When::AtRest) continue;
    std::string breach = invariant.breach(view);
    if (!breach.empty()) fail(std::string(invariant.name) + ": " + breach);
  }
}

}  // namespace varve::sim
