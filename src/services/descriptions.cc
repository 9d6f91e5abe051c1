#include "services/descriptions.h"

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"
#include "store/mapping.h"

namespace varve::services {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr int kVersion = 1;
constexpr std::size_t kMaxPending = 100000;
constexpr std::int64_t kSweepPage = 200;
constexpr auto kPause = std::chrono::seconds(1);       // changes of so long are written together
constexpr auto kRetry = std::chrono::seconds(5);       // after a fault
constexpr auto kStopWithin = std::chrono::seconds(5);  // the next start's sweep does the rest

json::object parse(const fs::path& file) {
  try {
    if (!files::exists(file)) return {};
    return json::parse(files::read(file)).as_object();
  } catch (const std::exception& fault) {
    log::warning("a description cannot be read", {{"file", file.filename().string()}, {"error", fault.what()}});
    return {};
  }
}

json::array array_in(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  return value != nullptr && value->is_array() ? value->as_array() : json::array();
}

}  // namespace

std::string text_in(const json::object& row, std::string_view key) {
  const json::value* value = row.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

fs::path volume_descriptions(const fs::path& store) {
  return store / "descriptions" / "volumes";
}

fs::path catalogue_file(const fs::path& store) {
  return store / "descriptions" / "catalogue.json";
}

std::optional<VolumeDescription> read_description(const fs::path& file) {
  json::object in = parse(file);
  VolumeDescription out;
  const json::value* given_up = in.if_contains("given_up");
  out.given_up = given_up != nullptr && given_up->is_bool() && given_up->as_bool();
  const json::value* volume = in.if_contains("volume");
  if (volume != nullptr && volume->is_object()) out.volume = volume->as_object();
  if (out.volume.empty() && !out.given_up) return std::nullopt;
  const json::value* type = in.if_contains("type");
  if (type != nullptr && type->is_string()) out.type = std::string(type->as_string());
  out.snapshots = array_in(in, "snapshots");
  out.attachments = array_in(in, "attachments");
  out.damages = array_in(in, "damages");
  return out;
}

json::object read_catalogue(const fs::path& store) {
  json::object in = parse(catalogue_file(store));
  const json::value* tables = in.if_contains("tables");
  return tables != nullptr && tables->is_object() ? tables->as_object() : json::object();
}

Descriptions::Descriptions(store::Database& db, backends::Backend& backend, Clock& clock, fs::path store)
    : db_(db), backend_(backend), clock_(clock), store_(std::move(store)) {}

Descriptions::~Descriptions() {
  stop();
}

void Descriptions::start() {
  {
    MutexLock lock(mutex_);
    pending_.everything = true;
  }
  find_lost_backups();
  commits_ = db_.on_commit([this](const store::Touched& touched) { note(touched); });
  thread_ = Thread("descriptions", [this] { run(); });
}

void Descriptions::stop() {
  commits_.reset();
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    deadline_ = clock_.steady() + kStopWithin;
  }
  wake_.notify_all();
  thread_.join();
}

void Descriptions::note(const store::Touched& touched) {
  bool first = false;
  {
    MutexLock lock(mutex_);
    first = pending_.empty();
    pending_.catalogue |= touched.catalogue;
    pending_.volumes.insert(touched.volumes.begin(), touched.volumes.end());
    if (pending_.volumes.size() > kMaxPending) {
      pending_.volumes.clear();
      pending_.everything = true;
    }
  }
  if (first) wake_.notify_all();
}

void Descriptions::run() {
  for (;;) {
    Pending pending;
    {
      MutexLock lock(mutex_);
      wake_.wait(mutex_, [&]() VARVE_REQUIRES(mutex_) { return stopping_ || !pending_.empty(); });
      wake_.wait_for(mutex_, failing_ ? kRetry : kPause, [&]() VARVE_REQUIRES(mutex_) { return stopping_; });
      if (stopping_ && (pending_.empty() || failing_)) return;
      std::swap(pending, pending_);
    }
    failing_ = false;
    write(std::move(pending));
  }
}

void Descriptions::write(Pending pending) {
  std::error_code unknown;
  bool removed = !fs::exists(volume_descriptions(store_), unknown) && !unknown;
  // Without its database, this is not the store: its disk is not mounted, or it was moved.
  if (removed && fs::exists(store_ / "varve.db", unknown)) pending.everything = true;
  if (pending.everything) {
    auto again = [](Pending& later) { later.everything = true; };
    attempt([this] { sweep(); }, again);
  }
  if (pending.catalogue || pending.everything) {
    auto again = [](Pending& later) { later.catalogue = true; };
    attempt([this] { write_catalogue(); }, again);
  }
  for (const VolumeId& volume : pending.volumes) {
    auto again = [&](Pending& later) { later.volumes.insert(volume); };
    if (!attempt([this, &volume] { describe(volume, true); }, again)) return;
  }
  if (pending.volumes.empty()) return;
  attempt([this] { files::sync_directory(volume_descriptions(store_)); }, [](Pending&) {});
}

// Nobody waits for this and nobody must be harmed by it: whatever goes wrong is told once and tried again.
bool Descriptions::attempt(const std::function<void()>& work, const std::function<void(Pending&)>& put_back) {
  {
    MutexLock lock(mutex_);
    if (deadline_ && clock_.steady() > *deadline_) return false;
    if (failing_) {
      put_back(pending_);
      return true;
    }
  }
  try {
    work();
  } catch (const std::exception& fault) {
    log::warning("a description was not written and will be tried again", {{"error", fault.what()}});
    failing_ = true;
    put_off(put_back);
  }
  return true;
}

void Descriptions::put_off(const std::function<void(Pending&)>& put_back) {
  MutexLock lock(mutex_);
  put_back(pending_);
}

// Compares every row with its description, and every description with its row.
void Descriptions::sweep() {
  files::make_directory(volume_descriptions(store_));
  auto stopping = [this] {
    MutexLock lock(mutex_);
    return stopping_;
  };
  std::vector<VolumeId> ids;
  VolumeId last;
  do {
    db_.read_blocking([&](store::Transaction& tx) { ids = tx.volumes().ids_after(last, kSweepPage); });
    for (const VolumeId& id : ids) {
      if (stopping()) return;
      describe(id, false);
      last = id;
    }
  } while (!ids.empty());
  for (const fs::path& path : files::list(volume_descriptions(store_))) {
    if (stopping()) return;
    if (path.extension() == ".json") {
      describe(VolumeId(path.stem().string()), false);
    } else {
      files::remove_durably(path);  // a writing that was cut off
    }
  }
  files::sync_directory(volume_descriptions(store_));
}

void Descriptions::find_lost_backups() {
  json::array described = array_in(read_catalogue(store_), "backups");
  if (described.empty()) return;
  lost_backups_ = db_.read_blocking([&](store::Transaction& tx) {
    json::array lost;
    for (json::value& row : described) {
      std::string id = row.is_object() ? text_in(row.as_object(), "id") : std::string();
      if (is_uuid(id) && !tx.backups().find(std::nullopt, BackupId(id))) lost.push_back(std::move(row));
    }
    return lost;
  });
  for (const json::value& row : lost_backups_) {
    log::warning(
        "a backup has a description but no row; a start or varved recover makes it one when all its objects "
        "are there",
        {{"backup", text_in(row.as_object(), "id")}});
  }
}

bool Descriptions::needs_key(const KeyId& key) const {
  return std::ranges::any_of(lost_backups_, [&](const json::value& row) {
    return text_in(row.as_object(), "encryption_key_id") == key.str();
  });
}

void Descriptions::write_catalogue() {
  json::object tables = db_.read_blocking([this](store::Transaction& tx) {
    json::object out;
    for (std::string_view name : store::catalogue_tables()) {
      store::PlainTable table(tx.connection(), std::string(name), {"password_hash"});
      out[name] = table.select(tx.connection(), "ORDER BY 1, 2", {});
    }
    for (const json::value& row : lost_backups_) {
      bool is_back = tx.backups().find(std::nullopt, BackupId(text_in(row.as_object(), "id"))).has_value();
      if (!is_back) out["backups"].as_array().push_back(row);
    }
    return out;
  });
  replace(catalogue_file(store_), json::serialize(json::object{{"version", kVersion}, {"tables", std::move(tables)}}));
}

std::optional<std::string> Descriptions::text_of(const VolumeId& volume) {
  return db_.read_blocking([&](store::Transaction& tx) -> std::optional<std::string> {
    store::Connection& db = tx.connection();
    if (!tables_) tables_ = {{db, "volumes"}, {db, "snapshots"}, {db, "attachments"}, {db, "damages"}};
    std::vector<store::Value> id = store::values(volume);
    json::array rows = tables_->volumes.select(db, "WHERE id = :id", id);
    if (rows.empty()) return std::nullopt;
    std::string type;
    if (auto row = tx.volumes().find(std::nullopt, volume)) {
      if (auto found = tx.volume_types().find(row->volume_type_id)) type = found->name;
    }
    constexpr std::string_view kOfVolume = "WHERE volume_id = :id ORDER BY created_at, id";
    json::object out{{"version", kVersion},
                     {"volume", rows.front()},
                     {"type", type},
                     {"snapshots", tables_->snapshots.select(db, kOfVolume, id)},
                     {"attachments", tables_->attachments.select(db, kOfVolume, id)},
                     {"damages", tables_->damages.select(db, "WHERE volume_id = :id ORDER BY id", id)}};
    return json::serialize(out);
  });
}

// changed: this very volume was, so that a missing row was given up. Else the database may be an older one than what is
// beside it, and the description all that is known of the volume's name.
void Descriptions::describe(const VolumeId& volume, bool changed) {
  if (!is_uuid(volume.str())) return;  // not an id that varved made: no file is named after it
  fs::path file = volume_descriptions(store_) / (volume.str() + ".json");
  if (std::optional<std::string> text = text_of(volume)) {
    replace(file, *text);
  } else if (backend_.has_volume(volume)) {
    std::optional<VolumeDescription> present = changed ? std::nullopt : read_description(file);
    if (present && !present->given_up) {
      log::warning("a volume has bytes and a description but no row; varved recover makes it one",
                   {{"volume", volume}});
      return;
    }
    replace(file, json::serialize(json::object{{"version", kVersion}, {"given_up", true}}));
  } else {
    files::remove_durably(file);
  }
}

void Descriptions::replace(const fs::path& file, const std::string& text) {
  if (fs::exists(file) && files::read(file) == text) return;
  auto began = clock_.steady();
  files::replace_atomically(file, text);
  MutexLock lock(mutex_);
  wake_.wait_for(mutex_, 3 * (clock_.steady() - began), [&]() VARVE_REQUIRES(mutex_) { return stopping_; });
}

}  // namespace varve::services
