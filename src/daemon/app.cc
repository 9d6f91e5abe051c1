#include "daemon/app.h"

#include <atomic>
#include <chrono>
#include <cstdlib>

#include "api/cinder/cinder_api.h"
#include "api/evs/evs_api.h"
#include "api/identity/identity_api.h"
#include "api/ops/ops_api.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/offload.h"
#include "base/spares.h"
#include "daemon/backup_store.h"
#include "daemon/control.h"
#include "daemon/faults_asked.h"
#include "daemon/object_store.h"
#include "daemon/recover.h"
#include "daemon/stop_watch.h"
#include "daemon/store_lock.h"
#include "images/glance/glance.h"
#include "images/qemu_img/qemu_img.h"
#include "keys/local/local_keys.h"
#include "services/descriptions.h"
#include "services/use_cases.h"
#include "store/mapping.h"

namespace varve::daemon {

namespace {

// The database's index and the daemons' directories are made at a start; on a full disk spares give way to them.
void prepare_room(const Config& config, Spares& spares) {
  constexpr std::uint64_t kSome = 8 << 20;
  if (files::space(config.directory).available >= kSome) {
    spares.keep();
  } else if (!spares.release()) {
    log::warning("the disk is full and there are no spare files; varved may not start");
  }
}

// A damaged or lost database is no reason to serve nobody: what can be saved of it is served.
std::unique_ptr<store::Database> open_database(const Config& config, Spares& spares, Clock& clock, Rng& rng) {
  prepare_room(config, spares);
  recovery::Recovery recovery(recovery_options(config), clock, rng);
  if (std::optional<recovery::Report> report = recovery.mend()) log_report(*report);
  return store::open_sqlite(config.directory / "varve.db", static_cast<std::size_t>(config.write_queue));
}

bool keys_are_needed(store::Database& db) {
  return db.read_blocking([&](store::Transaction& tx) {
    return !store::query<std::string>(tx.connection(),
                                      "SELECT encryption_key_id FROM volumes WHERE encryption_key_id IS NOT NULL "
                                      "UNION ALL SELECT encryption_key_id FROM backups WHERE encryption_key_id IS "
                                      "NOT NULL LIMIT 1")
                .empty();
  });
}

}  // namespace

class App::Impl {
 public:
  explicit Impl(Config config)
      : config_(std::move(config)),
        stop_watch_(config_.directory, config_.http.drain_timeout),
        lock_(lock_store(config_.directory, config_.run_directory)),
        spares_(config_.directory / "spare"),
        server_(
            std::in_place, config_.http,
            [this](std::shared_ptr<http::Request> request) { return dispatcher_.handle(std::move(request)); },
            [this](const Error& error, const std::string&) { return dispatcher_.fault(error, nullptr); }, clock_, rng_),
        db_(open_database(config_, spares_, clock_, rng_)),
        identity_(*db_, clock_, rng_, calls_.passwords, config_.identity),
        keystone_(clock_, calls_.keystone, config_.keystone),
        daemons_(config_.run_directory, config_.storage_daemon, config_.timeouts),
        keys_(config_.directory / "keys", config_.root_key, keys_are_needed(*db_), rng_),
        objects_(object_store(config_)),
        backend_(qcow2::Config{.directory = config_.directory,
                               .min_free_bytes = config_.min_free_bytes,
                               .max_chain_depth = config_.max_chain_depth,
                               .long_chain = config_.long_chain,
                               .pools = config_.pools,
                               .secret_of = [this](const KeyId& key) { return keys_.secret(key); }},
                 spares_, daemons_, clock_, rng_),
        exporter_(config_.nbd, daemons_),
        glance_(config_.glance, [this](const model::Actor& actor) { return token_for(actor); }),
        qemu_img_(config_.directory / "staging"),
        services_({.db = *db_,
                   .backend = backend_,
                   .exporter = exporter_,
                   .keys = keys_,
                   .images = glance_,
                   .converter = qemu_img_,
                   .objects = *objects_,
                   .image_calls = calls_.images,
                   .object_calls = calls_.objects,
                   .clock = clock_,
                   .rng = rng_,
                   .scheduler = threads(),
                   .settings = config_.services,
                   .staging = config_.directory / "staging",
                   .needs_key = [this](const KeyId& key) { return descriptions_.needs_key(key); }}),
        descriptions_(*db_, backend_, clock_, config_.directory),
        control_(control_socket(config_), [this](const boost::json::object& ask) { return answer(ask); }),
        dispatcher_(authenticator(), config_.api) {
    if (!config_.with_keystone) {
      services_.every(std::chrono::hours(1), "the change of the token keys", [this] { identity_.rotate_keys(); });
    }
    services_.types.seed();
    services_.group_types.seed();
    if (!config_.with_keystone) {
      identity_.bootstrap([this](const std::string& password) { write_openrc(password); });
      dispatcher_.mount(api::identity_v3::tables(), identity_api_);
    }
    dispatcher_.mount(api::cinder::tables(), services_);
    dispatcher_.mount(api::evs::tables(), services_);
    dispatcher_.mount(api::ops::tables(), ops_api_);
  }

  // Calls that outlast the drain still come back to the server's threads, and what a connection holds may use the rest.
  ~Impl() {
    calls_.end();
    // Nobody waits any more for what was asked of the pools.
    stop_watch_.allow(std::chrono::seconds(1));
    services_.pools.end();
    stop_watch_.allow(StopWatch::kLongest);
    server_.reset();
  }

  void start() {
    descriptions_.start();  // tasks ask what they know of keys
    services_.start();
    start_control();
    server_->start();
    fault::arm_from_environment();
    log::info("varved is ready", {{"url", url()}, {"store", config_.directory.string()}});
  }

  void stop() {
    if (draining_.exchange(true)) return;
    log::info("varved drains");
    stop_watch_.begin();
    daemons_.hurry();
    server_->stop();
    control_.stop();
    services_.stop();
    descriptions_.stop();
    daemons_.end("pool");
    log::info("varved has stopped");
  }

  std::string url() const {
    if (!config_.api.public_url.empty()) return config_.api.public_url;
    std::string scheme = config_.http.tls_certificate.empty() ? "http://" : "https://";
    return scheme + config_.http.address + ":" + std::to_string(server_->port());
  }

  std::filesystem::path openrc() const { return config_.directory / "openrc"; }
  recovery::BackupReport back_up(const std::filesystem::path& target) {
    auto between = [this] {
      if (draining_) throw Error(ErrorCode::Unavailable, "varved stops: the backup is not complete");
    };
    // Fails when another database is at the path of ours.
    db_->write_blocking([](store::Transaction&) {});
    return recovery::back_up_store(config_.directory, backend_, target, between);
  }

 private:
  // A full disk is no reason not to serve.
  void start_control() {
    try {
      control_.start();
    } catch (const Error& fault) {
      if (fault.code() != ErrorCode::NoSpace) throw;
      log::error("varved backup-store will not reach this varved", {{"error", fault.message()}});
    }
  }

  boost::json::object answer(const boost::json::object& ask) {
    return ask.contains(kFaultsAsk) ? faults_asked(ask) : backup_asked(ask, *this);
  }

  identity::Authenticator& authenticator() {
    if (config_.with_keystone) return keystone_;
    return identity_;
  }

  // What varved asks of another service is asked as the user; once the request is over, with Keystone, as the service
  // user, for what was allowed when it was asked.
  std::string token_for(const model::Actor& actor) {
    if (!config_.with_keystone) return identity_.issue(actor.user_id, actor.project_id);
    return actor.token.empty() ? keystone_.service_token() : actor.token;
  }

  void write_openrc(const std::string& password) {
    std::string text;
    auto put = [&](const std::string& name, const std::string& value) {
      text += "export " + name + "='" + value + "'\n";
    };
    put("OS_AUTH_URL", url() + "/identity/v3");
    put("OS_IDENTITY_API_VERSION", "3");
    put("OS_USERNAME", "admin");
    put("OS_PASSWORD", password);
    put("OS_PROJECT_NAME", "admin");
    put("OS_USER_DOMAIN_NAME", "Default");
    put("OS_PROJECT_DOMAIN_NAME", "Default");
    put("OS_REGION_NAME", config_.region);
    put("OS_VOLUME_API_VERSION", "3");
    files::replace_atomically(openrc(), text);
  }

  // Of requests, which wait for them.
  struct Calls {
    Offload passwords{1};
    Offload keystone{4};
    Offload images{2};
    Offload objects{2};

    void end() {
      for (Offload* calls : {&passwords, &keystone, &images, &objects}) calls->end();
    }
  };

  const Config config_;
  StopWatch stop_watch_;
  StoreLock lock_;
  Spares spares_;
  SystemClock clock_;
  SystemRng rng_;
  std::atomic<bool> draining_{false};
  Calls calls_;
  std::optional<http::Server> server_;  // has its address before anything else is begun; serves when all is there
  std::unique_ptr<store::Database> db_;
  identity::EmbeddedIdentity identity_;
  identity::KeystoneIdentity keystone_;
  qemu::StorageDaemons daemons_;
  keys::LocalKeys keys_;
  std::unique_ptr<backups::ObjectStore> objects_;
  qcow2::Qcow2Backend backend_;
  nbd::NbdExporter exporter_;
  images::Glance glance_;
  images::QemuImg qemu_img_;
  services::UseCases services_;
  services::Descriptions descriptions_;
  Control control_;
  api::identity_v3::Context identity_api_{identity_, {config_.region, config_.glance.endpoint}};
  api::ops::Context ops_api_{services_.health, services_.pools, draining_};
  api::Dispatcher dispatcher_;
};

App::App(Config config) : impl_(std::make_unique<Impl>(std::move(config))) {}
App::~App() {
  impl_->stop();
}
void App::start() {
  impl_->start();
}
void App::stop() {
  impl_->stop();
}
std::string App::url() const {
  return impl_->url();
}
std::filesystem::path App::openrc() const {
  return impl_->openrc();
}
recovery::BackupReport App::back_up(const std::filesystem::path& target) {
  return impl_->back_up(target);
}

}  // namespace varve::daemon
