// What must hold, by name: after each commit, or when all is at rest. Each file here has those of one kind.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "backends/fake/fake_backend.h"
#include "model/group.h"
#include "model/resources.h"
#include "services/quotas.h"
#include "store/database.h"

namespace varve::sim {

// All that there is at one moment.
struct View {
  std::vector<model::Volume> volumes;
  std::vector<model::Snapshot> snapshots;
  std::vector<model::Attachment> attachments;
  std::vector<model::Transfer> transfers;
  std::vector<model::VolumeGroup> groups;
  std::vector<model::GroupSnapshot> group_snapshots;
  std::map<VolumeTypeId, std::string> types;  // their names
  std::vector<model::Task> tasks;             // live ones; at rest all
  std::map<std::string, std::int64_t> limits;

  // At rest only.
  std::map<VolumeId, fake::Kept> backend;
  std::map<model::Source, std::set<AttachmentId>> served;
  std::map<ProjectId, services::QuotaSet> quotas;
  std::set<VolumeId> acknowledged;  // whose creation was answered

  const model::Volume* find(const VolumeId& id) const;
  const model::Snapshot* find(const SnapshotId& id) const;
};

// The rows. all_tasks: those that have ended, too.
View view_of(store::Database& db, bool all_tasks);

enum class When : std::uint8_t { AfterCommit, AtRest };

struct Invariant {
  std::string_view name;
  When when;
  std::string (*breach)(const View& view);  // in words; "": it holds
};

std::span<const Invariant> invariants();

template <class Rows, class Key, class Column>
bool has(const Rows& rows, const Key& key, Column column) {
  return std::ranges::find(rows, key, column) != rows.end();
}

// owners.cc
std::string ownerless_status(const View& view);
std::string unended_task(const View& view);
// rows.cc
std::string stray_row(const View& view);
std::string wrong_attachments(const View& view);
std::string lost_volume(const View& view);
// quotas.cc
std::string exceeded_limit(const View& view);
std::string miscounted_quota(const View& view);
// bytes.cc
std::string stray_bytes(const View& view);
std::string missing_bytes(const View& view);
// exports.cc
std::string stray_export(const View& view);
std::string missing_export(const View& view);

}  // namespace varve::sim
