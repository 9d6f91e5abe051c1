// The statuses of volumes, snapshots and attachments, and the closed tables of moves between them.
// docs/STATES.md explains them; a test compares that page with these tables.
// Sources: EVS disk and snapshot statuses (user guide), Cinder's volume and attachment statuses (API reference).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace varve::model {

enum class VolumeStatus : std::uint8_t {
  Creating,
  Available,
  Reserved,
  Attaching,
  InUse,
  Detaching,
  Extending,
  ErrorExtending,
  Rollbacking,
  ErrorRollbacking,
  Retyping,
  Downloading,
  Uploading,
  BackingUp,
  RestoringBackup,
  ErrorRestoring,
  AwaitingTransfer,
  Maintenance,
  Deleting,
  ErrorDeleting,
  Error,
};

enum class SnapshotStatus : std::uint8_t {
  Creating,
  Available,
  Rollbacking,
  BackingUp,
  Deleting,
  ErrorDeleting,
  Error
};

enum class BackupStatus : std::uint8_t { Creating, Available, Restoring, Deleting, ErrorDeleting, Error };

// Of groups and of group snapshots.
enum class GroupStatus : std::uint8_t { Creating, Available, Updating, Deleting, ErrorDeleting, Error };

enum class AttachmentStatus : std::uint8_t { Reserved, Attaching, Attached, Detaching, ErrorAttaching };

std::string_view to_string(VolumeStatus status);
std::string_view to_string(SnapshotStatus status);
std::string_view to_string(AttachmentStatus status);
std::string_view to_string(BackupStatus status);
std::string_view to_string(GroupStatus status);
std::optional<VolumeStatus> parse_volume_status(std::string_view text);
std::optional<SnapshotStatus> parse_snapshot_status(std::string_view text);
std::optional<AttachmentStatus> parse_attachment_status(std::string_view text);
std::optional<BackupStatus> parse_backup_status(std::string_view text);
std::optional<GroupStatus> parse_group_status(std::string_view text);

// A status that only a live task may hold: the task ends it, whatever happens.
bool is_transitional(VolumeStatus status);
bool is_transitional(SnapshotStatus status);
bool is_transitional(BackupStatus status);
// The names of those.
std::vector<std::string_view> transitional_volume_statuses();
std::vector<std::string_view> transitional_snapshot_statuses();

template <class Status>
struct Move {
  Status from;
  Status to;
  std::string_view cause;
};

std::span<const Move<VolumeStatus>> volume_moves();
std::span<const Move<SnapshotStatus>> snapshot_moves();

bool may_move(VolumeStatus from, VolumeStatus to);
bool may_move(SnapshotStatus from, SnapshotStatus to);

}  // namespace varve::model
