// Puts back the rows that the database has not, out of what lies beside it.
//
// A volume comes back with its id. With a description it is as it was described; without one it has no name, belongs
// to the administrators' project and has the default type. Size, pool and key are the manifest's. A volume that was
// given up stays so. A row whose bytes are gone comes back in an error status, to be deleted by its owner. A volume
// that a storage daemon serves gets the attachment that this export belongs to.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "recovery/remains.h"
#include "services/settings.h"
#include "store/database.h"

namespace varve::recovery {

struct Restored {
  std::int64_t catalogue = 0;  // rows
  std::vector<std::string> volumes;
  std::vector<std::string> undescribed;  // of them, those without a description
  std::vector<std::string> snapshots;
  std::vector<std::string> attachments;
  std::vector<std::string> backups;        // that a sound database lacked
  std::vector<std::string> without_bytes;  // volumes and snapshots
  std::vector<std::string> projects;       // that had to be made up
  std::vector<std::string> types;          // alike
};

// Gives the row the size and the pool that its bytes have; false: it had them.
bool follow_bytes(model::Volume& volume, const Bytes& bytes);

class Rows {
 public:
  // whole: the database is a new one, and everything that is known goes into it. Else only what it
  // lacks and has bytes: what was removed from a sound one must not come back.
  Rows(store::Transaction& tx, const Remains& remains, const services::Settings& settings, bool own_identity,
       bool whole, Timestamp now)
      : tx_(tx), remains_(remains), settings_(settings), own_identity_(own_identity), whole_(whole), now_(now) {}

  // For a new database, before its types are seeded: types, projects, users ...
  void put_catalogue();
  // Afterwards. Types must be there.
  void put_volumes();
  // Of a sound database.
  void put_backups();

  const Restored& restored() const { return restored_; }

 private:
  void put_lost_types();
  bool put_described_row(const std::string& table, const std::string& id);
  void put_volume(const VolumeId& id, const Bytes* bytes, const services::VolumeDescription* description);
  bool put_described(const VolumeId& id, const Bytes* bytes, const services::VolumeDescription& description);
  void put_snapshots(const model::Volume& volume, const Bytes* bytes, const services::VolumeDescription* description,
                     bool row_was_there);
  void put_damages(const VolumeId& id, const services::VolumeDescription* description);
  void note_lost(const std::string& id, const VolumeId& volume);
  void put_attachments(const VolumeId& id, const services::VolumeDescription* description);
  void put_export(const LiveExport& one);
  void put_silent(const VolumeId& id);
  void settle_status(const VolumeId& id);
  bool is_task(const AttachmentId& name);
  bool is_of_task(const LiveExport& one);
  ProjectId home_project();
  void require_project(const ProjectId& project);
  VolumeTypeId type_for(const std::string& id, const std::string& name);

  store::Transaction& tx_;
  const Remains& remains_;
  const services::Settings& settings_;
  const bool own_identity_;
  const bool whole_;
  const Timestamp now_;
  std::set<std::string> exported_;  // sources of live exports
  Restored restored_;
};

}  // namespace varve::recovery
