#include <signal.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/files.h"
#include "daemon/app.h"
#include "daemon/backup_store.h"
#include "daemon/doctor.h"
#include "daemon/recover.h"
#include "daemon/routes.h"
#include "daemon/store_lock.h"
#include "daemon/welcome.h"
#include "store/migrations.h"
#include "store/sql.h"

namespace varve::daemon {
namespace {

constexpr char kVersion[] = "0.1.0";

struct Options {
  std::string config;
  std::vector<std::string> overrides;
  bool welcome = false;
  bool dry_run = false;
  bool json = false;
  std::string target;
};

// Signals are taken by the main thread alone; threads started later inherit the mask.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return set;
}

int serve(const Options& options) {
  Config config = load_config(options.config, options.overrides);
  log::configure(config.log_level, config.log_format);
  failpoint::arm_from_environment();
  umask(0077);
  sigset_t signals = block_signals();
  App app(std::move(config));
  app.start();
  if (options.welcome) std::fputs(welcome(app.url(), app.openrc()).c_str(), stdout);
  std::fflush(stdout);
  while (sigwaitinfo(&signals, nullptr) < 0) continue;
  app.stop();
  return 0;
}

int check_config(const Options& options) {
  load_config(options.config, options.overrides);
  std::puts("the configuration is good");
  return 0;
}

int migrate(const Options& options) {
  Config config = load_config(options.config, options.overrides);
  StoreLock lock = lock_store(config.directory, config.run_directory);
  SystemClock clock;
  SystemRng rng;
  // A lost database must not be taken for a new one.
  if (auto report = recovery::Recovery(recovery_options(config), clock, rng).mend()) log_report(*report);
  store::Connection db((config.directory / "varve.db").string(), false);
  int before = store::schema_version(db);
  store::migrate(db);
  std::printf("schema version %d -> %d\n", before, store::newest_schema_version());
  return 0;
}

// Else a mistyped directory, or one whose disk is not mounted, would become a new and empty store.
Config config_of_a_store(const Options& options) {
  Config config = load_config(options.config, options.overrides);
  if (files::exists(config.directory / "volumes")) return config;
  throw Error(ErrorCode::InvalidInput, "there is no store in " + config.directory.string());
}

int recover_store(const Options& options) {
  Config config = config_of_a_store(options);
  log::configure(config.log_level, config.log_format);
  umask(0077);
  return recover(config, options.dry_run, options.json);
}

// 2: the store could not be looked at, which is neither well nor unwell.
int examine(const Options& options) {
  try {
    Config config = load_config(options.config, options.overrides);
    log::configure(log::Level::Error, config.log_format);
    return doctor(config, options.json);
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "varved: %s\n", fault.what());
    return 2;
  }
}

int back_up(const Options& options) {
  Config config = config_of_a_store(options);
  log::configure(config.log_level, config.log_format);
  umask(0077);
  signal(SIGPIPE, SIG_IGN);
  return backup_store(config, options.target);
}

int list_failpoints() {
  for (std::string_view name : kFailpoints) std::printf("%.*s\n", static_cast<int>(name.size()), name.data());
  return 0;
}

int run(int argc, char** argv) {
  CLI::App cli("Varve: a self-hosted elastic volume service");
  cli.require_subcommand(1);
  Options options;
  auto with_config = [&](CLI::App* command) {
    command->add_option("-c,--config", options.config, "TOML configuration file")->check(CLI::ExistingFile);
    command->add_option("-o,--option", options.overrides, "section.key=value, overrides the file")
        ->allow_extra_args(false);
    return command;
  };
  auto* serve_command = with_config(cli.add_subcommand("serve", "run the service until SIGTERM"));
  serve_command->add_flag("--welcome", options.welcome, "print how to use the service when it is ready");
  auto* check_command = with_config(cli.add_subcommand("check-config", "check a configuration and exit"));
  auto* migrate_command = with_config(cli.add_subcommand("migrate", "bring the database's schema up to date and exit"));
  auto* recover_command = with_config(cli.add_subcommand(
      "recover", "rebuild a damaged or lost database from what lies beside it; nothing is destroyed"));
  recover_command->add_flag("--dry-run", options.dry_run, "only tell what would be done");
  recover_command->add_flag("--json", options.json, "print a JSON object");
  auto* doctor_command = with_config(cli.add_subcommand(
      "doctor",
      "tell what is wrong with the store, running or not; changes nothing. Exit status: 0 well, 1 not, 2 unknown"));
  doctor_command->add_flag("--json", options.json, "print a JSON object");
  auto* backup_command =
      with_config(cli.add_subcommand("backup-store", "copy the whole store, running or not, into a new directory"));
  backup_command->add_option("DIRECTORY", options.target, "where to; it must not be there yet")->required();
  auto* version_command = cli.add_subcommand("version", "print the version");
  auto* failpoints_command = cli.add_subcommand("failpoints", "list the places where tests can make varved fail");
  auto* routes_command =
      cli.add_subcommand("routes", "list the routes: what each needs, and since which microversion it is there");
  routes_command->add_flag("--json", options.json, "print a JSON array");
  CLI11_PARSE(cli, argc, argv);
  try {
    if (serve_command->parsed()) return serve(options);
    if (check_command->parsed()) return check_config(options);
    if (migrate_command->parsed()) return migrate(options);
    if (recover_command->parsed()) return recover_store(options);
    if (doctor_command->parsed()) return examine(options);
    if (backup_command->parsed()) return back_up(options);
    if (failpoints_command->parsed()) return list_failpoints();
    if (routes_command->parsed()) return list_routes(options.json);
    if (version_command->parsed()) std::printf("varved %s\n", kVersion);
    return 0;
  } catch (const Error& fault) {
    std::fprintf(stderr, "varved: %s\n", fault.message().c_str());
    return fault.code() == ErrorCode::InvalidInput ? 2 : 1;
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "varved: %s\n", fault.what());
    return 1;
  }
}

}  // namespace
}  // namespace varve::daemon

int main(int argc, char** argv) {
  return varve::daemon::run(argc, argv);
}
