// What the database knows, beside the images, so that losing it loses no names: `<store>/descriptions/`
//
//   volumes/<id>.json   {"version":1, "volume":{row}, "type":"<its type's name>", "snapshots":[rows],
//                        "attachments":[rows]}; {"version":1, "given_up":true}: the row was given up, the bytes stay
//   catalogue.json      {"version":1, "tables":{"<table>":[rows]}}: types, projects, users, quotas, backups ...
//                       No password, secret or key is in it.
//
// Rows are plain_rows.h's. A thread of its own writes them, a moment after the commit and each at most once in a while;
// at its start it compares all of them with the database, so that a crash in between is made good. It never makes a
// caller wait and never fails a call: what cannot be written now (a full disk) is tried again later. Writing takes at
// most a quarter of the thread's time.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <unordered_set>

#include "backends/backend.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "store/database.h"
#include "store/plain_rows.h"

namespace varve::services {

struct VolumeDescription {
  bool given_up = false;
  boost::json::object volume;
  std::string type;
  boost::json::array snapshots;
  boost::json::array attachments;
  boost::json::array damages;
};

// Where they are, under the store's directory.
std::filesystem::path volume_descriptions(const std::filesystem::path& store);
std::filesystem::path catalogue_file(const std::filesystem::path& store);

// nullopt: it is not there, or cannot be read as one.
std::optional<VolumeDescription> read_description(const std::filesystem::path& file);
// Of a described row; "" when that has no such text.
std::string text_in(const boost::json::object& row, std::string_view key);
// Rows by table; empty when there is none.
boost::json::object read_catalogue(const std::filesystem::path& store);

class Descriptions {
 public:
  Descriptions(store::Database& db, backends::Backend& backend, Clock& clock, std::filesystem::path store);
  ~Descriptions();

  void start();
  void stop();  // writes what still waits, for some seconds at most

  // A backup needs the key that is described and has no row: the database is an older one, and what the object store
  // has is not known. From start() on; any thread.
  bool needs_key(const KeyId& key) const;

 private:
  struct Pending {
    std::unordered_set<VolumeId> volumes;
    bool catalogue = false;
    bool everything = false;  // more changed than is worth remembering, or nothing is known yet

    bool empty() const { return volumes.empty() && !catalogue && !everything; }
  };

  void note(const store::Touched& touched);
  void run();
  void write(Pending pending);
  void sweep();
  void find_lost_backups();
  void write_catalogue();
  void describe(const VolumeId& volume, bool changed);
  std::optional<std::string> text_of(const VolumeId& volume);
  // False: there is no time left.
  bool attempt(const std::function<void()>& work, const std::function<void(Pending&)>& put_back);
  void put_off(const std::function<void(Pending&)>& put_back) VARVE_EXCLUDES(mutex_);
  void replace(const std::filesystem::path& file, const std::string& text);

  // Of one volume.
  struct Tables {
    store::PlainTable volumes;
    store::PlainTable snapshots;
    store::PlainTable attachments;
    store::PlainTable damages;
  };

  store::Database& db_;
  backends::Backend& backend_;
  Clock& clock_;
  const std::filesystem::path store_;
  boost::json::array lost_backups_;  // go on being described; since start() as they are
  // Of the thread.
  std::optional<Tables> tables_;
  bool failing_ = false;

  Mutex mutex_;
  Condition wake_;
  Pending pending_ VARVE_GUARDED_BY(mutex_);
  bool stopping_ VARVE_GUARDED_BY(mutex_) = false;
  std::optional<std::chrono::steady_clock::time_point> deadline_ VARVE_GUARDED_BY(mutex_);  // of a stop
  store::Database::Subscription commits_;
  Thread thread_;
};

}  // namespace varve::services
