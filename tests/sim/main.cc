// varve_sim: many seeds, or one with its trace. Exit status 1: a seed breaks an invariant.
//
//   varve_sim [--first SEED] [--seeds COUNT] [--all] [--directory DIR]      --all: goes on after a breach
//   varve_sim --seed SEED [--log] [--directory DIR]

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "world.h"

namespace {

namespace fs = std::filesystem;

std::uint64_t g_seed = 0;  // that is being run

struct Options {
  std::uint64_t first = 1;
  std::uint64_t count = 1000;
  bool one = false;
  bool log = false;
  bool all = false;
  fs::path directory = "/dev/shm";  // nothing is to survive, and fsync is to cost nothing
};

// What ends the process by itself, a broken VARVE_CHECK or a sanitizer, says of which seed it was.
void tell_seed(int) {
  char text[64];
  int size = std::snprintf(text, sizeof(text), "\nmake sim SEED=%llu\n", static_cast<unsigned long long>(g_seed));
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, text, static_cast<std::size_t>(size));
  signal(SIGABRT, SIG_DFL);
  raise(SIGABRT);
}

[[noreturn]] void usage() {
  std::fputs("varve_sim [--first SEED] [--seeds COUNT] [--all] | --seed SEED [--log]   [--directory DIR]\n", stderr);
  std::exit(2);
}

std::uint64_t number(std::string_view text) {
  std::uint64_t out = 0;
  auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (fault != std::errc() || end != text.data() + text.size()) usage();
  return out;
}

Options options_of(int argc, char** argv) {
  Options out;
  for (int i = 1; i < argc; ++i) {
    std::string_view name = argv[i];
    if (name == "--log") {
      out.log = true;
      continue;
    }
    if (name == "--all") {
      out.all = true;
      continue;
    }
    if (++i == argc) usage();
    if (name == "--seed") {
      out.one = true;
      out.first = number(argv[i]);
      out.count = 1;
    } else if (name == "--first") {
      out.first = number(argv[i]);
    } else if (name == "--seeds") {
      out.count = number(argv[i]);
    } else if (name == "--directory") {
      out.directory = argv[i];
    } else {
      usage();
    }
  }
  return out;
}

// Files do not grow over this, so that the store's reserve is not taken anew at each start: most of the time would go
// into clearing its memory.
void limit_files() {
  constexpr rlim_t kMost = 16 << 20;
  rlimit limit{kMost, kMost};
  setrlimit(RLIMIT_FSIZE, &limit);
  signal(SIGXFSZ, SIG_IGN);
}

bool good(std::uint64_t seed, const fs::path& directory, const Options& options) {
  g_seed = seed;
  varve::sim::World world(seed, directory / "template.db", directory / "run", options.one);
  varve::sim::Outcome outcome = world.run();
  if (options.one) std::printf("trace %016llx\n", static_cast<unsigned long long>(outcome.trace_hash));
  if (outcome.breach.empty()) return true;
  if (!options.one && !options.all) {
    for (const std::string& line : outcome.last) std::puts(line.c_str());
  }
  std::printf("seed %llu breaks an invariant: %s\nmake sim SEED=%llu\n", static_cast<unsigned long long>(seed),
              outcome.breach.c_str(), static_cast<unsigned long long>(seed));
  return false;
}

bool run(const Options& options) {
  std::string pattern = options.directory / "varve-sim-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no directory can be made in " + pattern);
  fs::path directory = pattern;
  varve::sim::make_template(directory / "template.db");
  auto began = varve::steady_now();
  bool all_good = true;
  std::uint64_t done = 0;
  while ((all_good || options.all) && done < options.count) {
    all_good = good(options.first + done++, directory, options) && all_good;
  }
  double seconds = std::chrono::duration<double>(varve::steady_now() - began).count();
  std::printf("%llu seeds from %llu, %.0f a minute\n", static_cast<unsigned long long>(done),
              static_cast<unsigned long long>(options.first), 60.0 * static_cast<double>(done) / seconds);
  fs::remove_all(directory);
  return all_good;
}

}  // namespace

int main(int argc, char** argv) {
  Options options = options_of(argc, argv);
  varve::log::configure(options.log ? varve::log::Level::Debug : varve::log::Level::Off, varve::log::Format::Text);
  signal(SIGABRT, tell_seed);
  limit_files();
  try {
    return run(options) ? 0 : 1;
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "%s\n", fault.what());
    return 2;
  }
}
