// The configuration of varved: a TOML file and overrides from the command line. Every key is in kKeys of config.cc and
// in docs/operations/configuration.md (a test compares them); an unknown key, a wrong type or a value out of range is
// an error that names it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "api/common/dispatcher.h"
#include "backends/qcow2/qcow2_backend.h"
#include "backups/s3/s3_store.h"
#include "base/log.h"
#include "exports/nbd/nbd_exporter.h"
#include "http/server.h"
#include "identity/embedded/embedded_identity.h"
#include "identity/keystone/keystone_identity.h"
#include "images/glance/glance.h"
#include "services/settings.h"

namespace varve::daemon {

struct Config {
  std::filesystem::path directory = "var";
  std::filesystem::path run_directory;  // empty: <directory>/run
  std::int64_t write_queue = 10000;
  log::Level log_level = log::Level::Info;
  log::Format log_format = log::Format::Text;
  http::Config http;
  api::DispatcherConfig api;
  std::string region = "RegionOne";
  bool with_keystone = false;
  identity::EmbeddedConfig identity;
  identity::KeystoneConfig keystone;
  images::GlanceConfig glance;
  services::Settings services;
  std::string storage_daemon = "qemu-storage-daemon";
  qemu::Timeouts timeouts;
  std::uint64_t min_free_bytes = 256ULL << 20;
  std::int64_t max_chain_depth = 200;
  std::int64_t long_chain = 3;
  std::vector<std::pair<std::string, std::filesystem::path>> pools;  // beside the default one
  std::filesystem::path root_key;                                    // empty: <directory>/keys/root
  bool backups_in_s3 = false;
  std::filesystem::path backup_directory;  // empty: <directory>/backups
  backups::S3Config s3;
  nbd::Config nbd;
};

// path: empty for the defaults alone. overrides: "section.key=value", the value as TOML writes it.
// Throws Error(InvalidInput).
Config load_config(const std::filesystem::path& path, const std::vector<std::string>& overrides);

// "section.key" of every key there is, in the order of the documentation.
std::vector<std::string> config_keys();

}  // namespace varve::daemon
