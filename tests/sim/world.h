// One run of the simulator: the service, its clients and all that happens to it, in an order that follows from a seed.
// Everything is on one thread: a step after the other, and where a step waits for another one, others in between.
// At the end of the run faults stop, and all must come to rest.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "clients.h"
#include "fakes.h"
#include "random.h"
#include "scheduler.h"
#include "service.h"
#include "trace.h"

namespace varve::sim {

struct Outcome {
  std::string breach;  // "name of the invariant: how"; "": all of them held
  std::uint64_t trace_hash = 0;
  std::deque<std::string> last;  // lines of the trace
};

// The database that each run begins with: migrated and with the catalogue of a first start.
void make_template(const std::filesystem::path& database);

class World {
 public:
  // directory: the run's own. print: the trace, as it happens.
  World(std::uint64_t seed, const std::filesystem::path& template_database, std::filesystem::path directory,
        bool print);
  ~World();

  Outcome run();

 private:
  // What this seed is like.
  struct Weather {
    unsigned backend_fails = 0;    // percent of calls
    unsigned answers_lost = 0;     // of those: the work was done
    unsigned commits_fail = 0;     // percent of the writer's steps
    unsigned statements_fail = 0;  // percent of steps
    unsigned daemons_die = 0;      // per mille of steps
    unsigned crashes = 0;
    std::string failpoint;
    std::vector<unsigned> calls;  // weights
  };
  struct Breach {
    std::string what;
  };

  void choose_weather();
  services::Settings settings();

  void start();
  void destroy(bool dead);
  void restart();
  void crash(const std::string& how);

  void step(bool nested);
  bool take_step(bool nested);
  void run_loop(SeededScheduler::Step& loop);
  void advance();
  void kill_daemon();
  void interleave();
  std::optional<fake::Failure> called(std::string_view call, const model::Source& source);
  std::optional<fake::Failure> backend_called(std::string_view call, const VolumeId& volume);
  void require_contract(std::string_view call, const VolumeId& volume);

  void live();
  void come_to_rest();
  bool at_rest();
  void note(const store::Touched& touched);
  void look_at_commits();
  View whole_view();
  void check(const View& view, When when);
  [[noreturn]] void fail(const std::string& what);

  Random random_;
  SeededRng rng_;
  const std::filesystem::path directory_;
  ManualClock clock_;
  Trace trace_;
  SeededScheduler scheduler_;
  fake::FakeBackend backend_;
  Exporter exporter_;
  Keys keys_;
  NoImages images_;
  NoObjects objects_;
  Weather weather_;
  Told told_;
  std::vector<Client> clients_;
  std::unique_ptr<Service> service_;
  store::Database::Subscription commits_;
  View view_;
  bool committed_ = false;
  bool serves_ = false;  // clients, who are only let in when all has started
  bool calm_ = false;    // no more faults
  bool dead_ = false;
  int depth_ = 0;  // of steps in steps
  std::uint64_t steps_ = 0;
  std::uint64_t length_ = 0;
  std::set<std::uint64_t> crash_at_;  // steps
};

}  // namespace varve::sim
