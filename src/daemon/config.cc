#include "daemon/config.h"

#include <functional>
#include <limits>
#include <set>
#include <sstream>

#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

#include "base/error.h"
#include "base/paths.h"

namespace varve::daemon {

namespace {

[[noreturn]] void bad(const std::string& message) {
  throw Error(ErrorCode::InvalidInput, "configuration: " + message);
}

// Reads known keys out of the tables and remembers which there are.
class Reader {
 public:
  explicit Reader(const toml::table& root) : root_(root) {}

  void text(const char* section, const char* key, std::string& out) {
    if (const toml::node* node = find(section, key)) {
      auto value = node->value_exact<std::string>();
      if (!value) bad(name(section, key) + " must be a string");
      out = *value;
    }
  }

  template <class Int>
  void integer(const char* section, const char* key, Int& out, std::int64_t min,
               std::int64_t max = std::numeric_limits<std::int32_t>::max()) {
    if (const toml::node* node = find(section, key)) {
      auto value = node->value_exact<std::int64_t>();
      if (!value) bad(name(section, key) + " must be a whole number");
      if (*value < min || *value > max) {
        bad(name(section, key) + " must be between " + std::to_string(min) + " and " + std::to_string(max));
      }
      out = static_cast<Int>(*value);
    }
  }

  template <class Duration>
  void duration(const char* section, const char* key, Duration& out, std::int64_t min) {
    std::int64_t count = std::chrono::duration_cast<Duration>(out).count();
    integer(section, key, count, min);
    out = Duration(count);
  }

  template <class Choice>
  void choice(const char* section, const char* key, Choice& out, const std::map<std::string, Choice>& choices) {
    std::string word;
    text(section, key, word);
    if (word.empty()) return;
    auto found = choices.find(word);
    if (found == choices.end()) {
      std::string all;
      for (const auto& [choice, value] : choices) all += (all.empty() ? "" : ", ") + choice;
      bad(name(section, key) + " must be one of: " + all);
    }
    out = found->second;
  }

  void list(const char* section, const char* key, std::vector<std::string>& out) {
    const toml::node* node = find(section, key);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr || array->empty()) bad(name(section, key) + " must be a list of strings with at least one");
    out.clear();
    for (const toml::node& item : *array) {
      auto value = item.value_exact<std::string>();
      if (!value || value->empty()) bad(name(section, key) + " must be a list of strings");
      out.push_back(*value);
    }
  }

  void refuse_unknown() const {
    for (const auto& [section, node] : root_) {
      const toml::table* table = node.as_table();
      if (table == nullptr) bad("unknown key '" + std::string(section.str()) + "'");
      for (const auto& [key, value] : *table) {
        std::string full = name(section.str(), key.str());
        if (!known_.contains(full)) bad("unknown key '" + full + "'");
      }
    }
  }

  const std::vector<std::string>& keys() const { return keys_; }

 private:
  static std::string name(std::string_view section, std::string_view key) {
    return std::string(section) + "." + std::string(key);
  }

  const toml::node* find(const char* section, const char* key) {
    if (known_.insert(name(section, key)).second) keys_.push_back(name(section, key));
    const toml::table* table = root_[section].as_table();
    return table == nullptr ? nullptr : table->get(key);
  }

  const toml::table& root_;
  std::set<std::string> known_;
  std::vector<std::string> keys_;
};

// "name=/directory"
std::pair<std::string, std::filesystem::path> parse_pool(
    const std::string& text, const std::vector<std::pair<std::string, std::filesystem::path>>& others) {
  std::size_t equals = text.find('=');
  std::string name = text.substr(0, equals);
  bool fit =
      equals != std::string::npos && !name.empty() && equals + 1 < text.size() &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == std::string::npos;
  if (!fit) bad("qcow2.pools: '" + text + "' is not of the form name=/directory (letters, digits, '-', '_', '.')");
  bool taken = name == "default";
  for (const auto& [other, directory] : others) taken = taken || other == name;
  if (taken) bad("qcow2.pools: there are two pools '" + name + "'");
  return {name, std::filesystem::absolute(text.substr(equals + 1)).lexically_normal()};
}

// A layer's file in two pools at once would be taken for a double, and for rubbish.
void require_apart(const Config& config) {
  std::vector<std::filesystem::path> taken{config.directory};
  for (const auto& [name, directory] : config.pools) {
    for (const std::filesystem::path& other : taken) {
      if (is_within(directory, other) || is_within(other, directory)) {
        bad("qcow2.pools: the pool '" + name +
            "' and another pool or the store have one directory: " + directory.string());
      }
    }
    taken.push_back(directory);
  }
}

void read_store(Reader& in, Config& config) {
  std::string directory = config.directory.string();
  std::string run_directory;
  in.text("store", "directory", directory);
  in.text("store", "run_directory", run_directory);
  in.integer("store", "write_queue", config.write_queue, 1);
  config.directory = directory;
  config.run_directory = run_directory;
}

void read_log(Reader& in, Config& config) {
  in.choice<log::Level>("log", "level", config.log_level,
                        {{"debug", log::Level::Debug},
                         {"info", log::Level::Info},
                         {"warning", log::Level::Warning},
                         {"error", log::Level::Error}});
  in.choice<log::Format>("log", "format", config.log_format,
                         {{"text", log::Format::Text}, {"json", log::Format::Json}});
}

void read_http(Reader& in, Config& config) {
  http::Config& http = config.http;
  http.request_id_headers = {"x-openstack-request-id", "X-Request-Id"};
  in.text("http", "address", http.address);
  in.integer("http", "port", http.port, 0, 65535);
  in.integer("http", "threads", http.threads, 0, 256);
  in.integer("http", "max_connections", http.max_connections, 1);
  in.integer("http", "max_header_bytes", http.max_header_bytes, 1024, 1 << 20);
  in.integer("http", "max_body_bytes", http.max_body_bytes, 1024, 64 << 20);
  in.duration("http", "header_timeout_s", http.header_timeout, 1);
  in.duration("http", "body_timeout_s", http.body_timeout, 1);
  in.duration("http", "idle_timeout_s", http.idle_timeout, 1);
  in.duration("http", "drain_timeout_s", http.drain_timeout, 0);
  in.text("http", "tls_certificate", http.tls_certificate);
  in.text("http", "tls_key", http.tls_key);
  in.text("http", "public_url", config.api.public_url);
  if (http.tls_certificate.empty() != http.tls_key.empty()) {
    bad("http.tls_certificate and http.tls_key belong together: give both or none");
  }
}

void read_api(Reader& in, Config& config) {
  in.choice<api::ErrorCodes>("api", "error_codes", config.api.error_codes,
                             {{"evs", api::ErrorCodes::Evs}, {"openstack", api::ErrorCodes::Openstack}});

  in.choice<services::Profile>(
      "api", "profile", config.services.profile,
      {{"open", services::Profile::Open}, {"evs", services::Profile::Evs}, {"cinder", services::Profile::Cinder}});
}

void read_identity(Reader& in, Config& config) {
  in.text("identity", "region", config.region);
  in.duration("identity", "token_lifetime_s", config.identity.token_lifetime, 60);
  in.duration("identity", "key_rotation_h", config.identity.key_rotation, 1);

  in.choice<bool>("identity", "provider", config.with_keystone, {{"embedded", false}, {"keystone", true}});
  in.text("identity", "keystone_url", config.keystone.url);
  in.text("identity", "keystone_username", config.keystone.username);
  in.text("identity", "keystone_password", config.keystone.password);
  in.text("identity", "keystone_project", config.keystone.project);
  in.text("identity", "keystone_user_domain", config.keystone.user_domain);
  in.text("identity", "keystone_project_domain", config.keystone.project_domain);
  in.text("identity", "keystone_service_role", config.keystone.service_role);
  in.text("identity", "keystone_ca_file", config.keystone.client.ca_file);
  in.duration("identity", "keystone_cache_s", config.keystone.cache, 0);
  while (config.keystone.url.ends_with('/')) config.keystone.url.pop_back();
  if (config.with_keystone && (config.keystone.url.empty() || config.keystone.username.empty())) {
    bad("identity.provider is keystone: identity.keystone_url and identity.keystone_username are needed");
  }
}

void read_images(Reader& in, Config& config) {
  in.text("images", "endpoint", config.glance.endpoint);
  in.text("images", "ca_file", config.glance.client.ca_file);
  while (config.glance.endpoint.ends_with('/')) config.glance.endpoint.pop_back();
}

void read_volumes_and_quotas(Reader& in, Config& config) {
  services::Settings& services = config.services;
  in.list("volumes", "availability_zones", services.availability_zones);
  in.text("volumes", "default_type", services.default_volume_type);
  in.text("volumes", "host_name", services.host_name);
  in.integer("volumes", "max_size_gib", services.max_volume_gib, 1);
  in.integer("volumes", "max_snapshots", services.max_snapshots_per_volume, 1, 10000);
  in.integer("volumes", "max_attachments", services.max_attachments_per_volume, 1, 64);

  for (const char* resource :
       {"volumes", "snapshots", "gigabytes", "per_volume_gigabytes", "backups", "backup_gigabytes", "groups"}) {
    std::int64_t& limit = services.default_quotas.try_emplace(resource, -1).first->second;
    in.integer("quotas", resource, limit, -1);
  }
}

void read_tasks(Reader& in, Config& config) {
  services::Settings& services = config.services;
  in.integer("tasks", "workers", services.task_workers, 1, 64);
  in.integer("tasks", "bulk_workers", services.bulk_workers, 1, 64);
  in.duration("tasks", "retry_s", services.task_retry, 1);
  in.duration("tasks", "history_h", services.task_history, 0);
  in.duration("tasks", "message_lifetime_h", services.message_lifetime, 1);
  in.duration("tasks", "export_timeout_s", services.export_timeout, 1);
}

void read_keys(Reader& in, Config& config) {
  std::string root_key;
  in.text("keys", "root_key_file", root_key);
  config.root_key = root_key;
}

void read_backups(Reader& in, Config& config) {
  std::string backup_directory;
  in.choice<bool>("backups", "store", config.backups_in_s3, {{"directory", false}, {"s3", true}});
  in.text("backups", "directory", backup_directory);
  in.text("backups", "s3_endpoint", config.s3.endpoint);
  in.text("backups", "s3_bucket", config.s3.bucket);
  in.text("backups", "s3_prefix", config.s3.prefix);
  in.text("backups", "s3_region", config.s3.region);
  in.text("backups", "s3_access_key", config.s3.access_key);
  in.text("backups", "s3_secret_key", config.s3.secret_key);
  in.text("backups", "s3_ca_file", config.s3.client.ca_file);
  config.backup_directory = backup_directory;
  while (config.s3.endpoint.ends_with('/')) config.s3.endpoint.pop_back();
  if (config.backups_in_s3 && (config.s3.endpoint.empty() || config.s3.bucket.empty())) {
    bad("backups.store is s3: backups.s3_endpoint and backups.s3_bucket are needed");
  }
}

void read_qcow2(Reader& in, Config& config) {
  std::vector<std::string> pools;
  in.list("qcow2", "pools", pools);
  for (const std::string& pool : pools) config.pools.push_back(parse_pool(pool, config.pools));
  std::int64_t min_free_mib = static_cast<std::int64_t>(config.min_free_bytes >> 20);
  in.text("qcow2", "storage_daemon", config.storage_daemon);
  in.duration("qcow2", "answer_timeout_ms", config.timeouts.answer, 100);
  in.duration("qcow2", "launch_timeout_ms", config.timeouts.launch, 100);
  in.integer("qcow2", "min_free_mib", min_free_mib, 0);
  in.integer("qcow2", "max_chain_depth", config.max_chain_depth, 2, 1000);
  in.integer("qcow2", "long_chain", config.long_chain, 0, 1000);
  config.min_free_bytes = static_cast<std::uint64_t>(min_free_mib) << 20;
}

void read_nbd(Reader& in, Config& config) {
  in.choice<bool>("nbd", "transport", config.nbd.tcp, {{"unix", false}, {"tcp", true}});
  in.text("nbd", "host", config.nbd.host);
  in.integer("nbd", "first_port", config.nbd.first_port, 1, 65535);
  in.integer("nbd", "last_port", config.nbd.last_port, 1, 65535);
  if (config.nbd.first_port > config.nbd.last_port) bad("nbd.first_port is greater than nbd.last_port");
}

// In the order of the configuration's reference.
void read(Reader& in, Config& config) {
  read_store(in, config);
  read_log(in, config);
  read_http(in, config);
  read_api(in, config);
  read_identity(in, config);
  read_images(in, config);
  read_volumes_and_quotas(in, config);
  read_tasks(in, config);
  read_keys(in, config);
  read_backups(in, config);
  read_qcow2(in, config);
  read_nbd(in, config);
}

void override_with(toml::table& root, const std::string& text) {
  std::size_t equals = text.find('=');
  std::size_t dot = text.find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot > equals) {
    bad("'" + text + "' is not of the form section.key=value");
  }
  std::string section = text.substr(0, dot);
  std::string key = text.substr(dot + 1, equals - dot - 1);
  std::string value = text.substr(equals + 1);
  toml::table parsed;
  try {
    parsed = toml::parse(key + " = " + value);
  } catch (const toml::parse_error&) {
    // A bare word is meant as a string.
    parsed.insert_or_assign(key, value);
  }
  if (!root.contains(section)) root.insert(section, toml::table());
  toml::table* table = root[section].as_table();
  if (table == nullptr) bad("'" + section + "' is not a section");
  for (auto&& [name, node] : parsed) table->insert_or_assign(name, node);
}

}  // namespace

Config load_config(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  toml::table root;
  if (!path.empty()) {
    try {
      root = toml::parse_file(path.string());
    } catch (const toml::parse_error& fault) {
      std::ostringstream where;
      where << path.string() << ": " << fault.description() << " (" << fault.source().begin << ")";
      bad(where.str());
    }
  }
  for (const std::string& text : overrides) override_with(root, text);
  Config config;
  Reader reader(root);
  read(reader, config);
  reader.refuse_unknown();
  if (config.run_directory.empty()) config.run_directory = config.directory / "run";
  if (config.root_key.empty()) config.root_key = config.directory / "keys" / "root";
  if (config.backup_directory.empty()) config.backup_directory = config.directory / "backups";
  config.directory = std::filesystem::absolute(config.directory).lexically_normal();
  config.run_directory = std::filesystem::absolute(config.run_directory).lexically_normal();
  require_apart(config);
  // A unix socket's path has at most 107 bytes; the longest is <run>/snapshot-<uuid>/nbd.sock.
  constexpr std::size_t kLongest = 107 - sizeof("/snapshot-/nbd.sock") + 1 - 36;
  if (config.run_directory.string().size() > kLongest) {
    bad("store.run_directory is too long for unix sockets (" + config.run_directory.string() + "): at most " +
        std::to_string(kLongest) + " bytes");
  }
  return config;
}

std::vector<std::string> config_keys() {
  toml::table root;
  Config config;
  Reader reader(root);
  read(reader, config);
  return reader.keys();
}

}  // namespace varve::daemon
