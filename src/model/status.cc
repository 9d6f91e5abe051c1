#include "model/status.h"

#include <algorithm>
#include <array>
#include <utility>

namespace varve::model {

namespace {

using V = VolumeStatus;
using S = SnapshotStatus;
using A = AttachmentStatus;
using B = BackupStatus;
using G = GroupStatus;

constexpr auto kVolumeNames = std::to_array<std::pair<V, std::string_view>>({
    {V::Creating, "creating"},
    {V::Available, "available"},
    {V::Reserved, "reserved"},
    {V::Attaching, "attaching"},
    {V::InUse, "in-use"},
    {V::Detaching, "detaching"},
    {V::Extending, "extending"},
    {V::ErrorExtending, "error_extending"},
    {V::Rollbacking, "rollbacking"},
    {V::ErrorRollbacking, "error_rollbacking"},
    {V::Retyping, "retyping"},
    {V::Downloading, "downloading"},
    {V::Uploading, "uploading"},
    {V::BackingUp, "backing-up"},
    {V::RestoringBackup, "restoring-backup"},
    {V::ErrorRestoring, "error_restoring"},
    {V::AwaitingTransfer, "awaiting-transfer"},
    {V::Maintenance, "maintenance"},
    {V::Deleting, "deleting"},
    {V::ErrorDeleting, "error_deleting"},
    {V::Error, "error"},
});

constexpr auto kSnapshotNames = std::to_array<std::pair<S, std::string_view>>({
    {S::Creating, "creating"},
    {S::Available, "available"},
    {S::Rollbacking, "rollbacking"},
    {S::BackingUp, "backing-up"},
    {S::Deleting, "deleting"},
    {S::ErrorDeleting, "error_deleting"},
    {S::Error, "error"},
});

constexpr auto kAttachmentNames = std::to_array<std::pair<A, std::string_view>>({
    {A::Reserved, "reserved"},
    {A::Attaching, "attaching"},
    {A::Attached, "attached"},
    {A::Detaching, "detaching"},
    {A::ErrorAttaching, "error_attaching"},
});

constexpr auto kBackupNames = std::to_array<std::pair<B, std::string_view>>({
    {B::Creating, "creating"},
    {B::Available, "available"},
    {B::Restoring, "restoring"},
    {B::Deleting, "deleting"},
    {B::ErrorDeleting, "error_deleting"},
    {B::Error, "error"},
});

constexpr auto kGroupNames = std::to_array<std::pair<G, std::string_view>>({
    {G::Creating, "creating"},
    {G::Available, "available"},
    {G::Updating, "updating"},
    {G::Deleting, "deleting"},
    {G::ErrorDeleting, "error_deleting"},
    {G::Error, "error"},
});

constexpr auto kVolumeMoves = std::to_array<Move<V>>({
    {V::Creating, V::Available, "the image is there"},
    {V::Creating, V::Error, "the image could not be made"},
    {V::Creating, V::Downloading, "an image becomes its bytes"},
    {V::Downloading, V::Available, "the image's bytes are there"},
    {V::Downloading, V::Error, "the image could not be taken"},
    {V::Available, V::Downloading, "os-reimage"},
    {V::Error, V::Downloading, "os-reimage"},
    {V::Reserved, V::Downloading, "os-reimage, with reimage_reserved"},
    {V::Downloading, V::Reserved, "the image's bytes are there"},
    {V::Available, V::Reserved, "an attachment without a connector"},
    {V::Available, V::Attaching, "os-reserve, or an attachment with a connector"},
    {V::Available, V::InUse, "os-attach"},
    {V::Reserved, V::Attaching, "the attachment got its connector"},
    {V::Reserved, V::Available, "the last attachment was deleted"},
    {V::Reserved, V::InUse, "the attachment was completed"},
    {V::Attaching, V::InUse, "os-attach, or the attachment was completed"},
    {V::Attaching, V::Available, "os-unreserve, or the attachment was deleted"},
    {V::Attaching, V::Reserved, "the export could not be made"},
    {V::InUse, V::Reserved, "a further attachment of a multiattach volume"},
    {V::InUse, V::Attaching, "a further attachment of a multiattach volume"},
    {V::InUse, V::Detaching, "os-begin_detaching"},
    {V::InUse, V::Available, "the last attachment went"},
    {V::Detaching, V::InUse, "os-roll_detaching, or other attachments remain"},
    {V::Detaching, V::Available, "os-detach"},
    {V::Detaching, V::Reserved, "the attached one went, one waits for its connector"},
    {V::Detaching, V::Attaching, "the attached one went, one is not completed"},
    {V::Available, V::Extending, "os-extend"},
    {V::InUse, V::Extending, "os-extend of an attached volume"},
    {V::ErrorExtending, V::Extending, "os-extend again"},
    {V::Extending, V::Available, "grown"},
    {V::Extending, V::InUse, "grown"},
    {V::Extending, V::ErrorExtending, "the image could not be grown"},
    {V::Available, V::Rollbacking, "revert to a snapshot"},
    {V::ErrorRollbacking, V::Rollbacking, "revert again"},
    {V::Rollbacking, V::Available, "the snapshot's data is the volume's"},
    {V::Rollbacking, V::ErrorRollbacking, "the rollback failed; the old data is still there"},
    {V::Available, V::Retyping, "os-retype"},
    {V::InUse, V::Retyping, "os-retype of an attached volume"},
    {V::Retyping, V::Available, "retyped, or back to the old type"},
    {V::Retyping, V::InUse, "retyped, or back to the old type"},
    {V::Available, V::Uploading, "os-volume_upload_image"},
    {V::InUse, V::Uploading, "os-volume_upload_image of an attached volume, with force"},
    {V::Uploading, V::Available, "the image is there, or could not be made"},
    {V::Uploading, V::InUse, "the image is there, or could not be made"},
    {V::Available, V::BackingUp, "a backup of it"},
    {V::InUse, V::BackingUp, "a backup of an attached volume, with force"},
    {V::BackingUp, V::Available, "the backup ended, well or not"},
    {V::BackingUp, V::InUse, "the backup ended, well or not"},
    {V::Creating, V::RestoringBackup, "a backup becomes its bytes"},
    {V::Available, V::RestoringBackup, "a backup is restored into it"},
    {V::ErrorRestoring, V::RestoringBackup, "restored again"},
    {V::RestoringBackup, V::Available, "the backup's bytes are there"},
    {V::RestoringBackup, V::ErrorRestoring, "the backup could not be restored"},
    {V::Available, V::AwaitingTransfer, "a transfer was created"},
    {V::AwaitingTransfer, V::Available, "the transfer was accepted or deleted"},
    {V::Available, V::Error, "its bytes cannot be read"},
    {V::Error, V::Available, "its bytes can be read again"},
    {V::Reserved, V::Error, "the last attachment went, and its bytes cannot be read"},
    {V::Attaching, V::Error, "the last attachment went, and its bytes cannot be read"},
    {V::InUse, V::Error, "the last attachment went, and its bytes cannot be read"},
    {V::Detaching, V::Error, "os-detach, and its bytes cannot be read"},
    {V::Available, V::Deleting, "delete"},
    {V::Error, V::Deleting, "delete"},
    {V::ErrorExtending, V::Deleting, "delete"},
    {V::ErrorRollbacking, V::Deleting, "delete"},
    {V::ErrorRestoring, V::Deleting, "delete"},
    {V::ErrorDeleting, V::Deleting, "delete again"},
    {V::Deleting, V::ErrorDeleting, "the image could not be removed"},
});

constexpr auto kSnapshotMoves = std::to_array<Move<S>>({
    {S::Creating, S::Available, "the layer is frozen"},
    {S::Creating, S::Error, "the layer could not be frozen"},
    {S::Available, S::Rollbacking, "its volume is being reverted to it"},
    {S::Rollbacking, S::Available, "the rollback ended, well or not"},
    {S::Available, S::Error, "its bytes cannot be read"},
    {S::Error, S::Available, "its bytes can be read again"},
    {S::Available, S::Deleting, "delete"},
    {S::Error, S::Deleting, "delete"},
    {S::ErrorDeleting, S::Deleting, "delete again"},
    {S::Deleting, S::ErrorDeleting, "the layer could not be released"},
    {S::Available, S::BackingUp, "a backup of it"},
    {S::BackingUp, S::Available, "the backup ended, well or not"},
});

template <class Names, class Status>
std::string_view name_of(const Names& names, Status status) {
  for (const auto& [value, name] : names) {
    if (value == status) return name;
  }
  return "error";
}

template <class Status, class Names>
std::optional<Status> value_of(const Names& names, std::string_view text) {
  for (const auto& [value, name] : names) {
    if (name == text) return value;
  }
  return std::nullopt;
}

template <class Moves, class Status>
bool has_move(const Moves& moves, Status from, Status to) {
  return std::any_of(moves.begin(), moves.end(), [&](const auto& move) { return move.from == from && move.to == to; });
}

}  // namespace

std::string_view to_string(VolumeStatus status) {
  return name_of(kVolumeNames, status);
}
std::string_view to_string(SnapshotStatus status) {
  return name_of(kSnapshotNames, status);
}
std::string_view to_string(AttachmentStatus status) {
  return name_of(kAttachmentNames, status);
}

std::string_view to_string(BackupStatus status) {
  return name_of(kBackupNames, status);
}
std::string_view to_string(GroupStatus status) {
  return name_of(kGroupNames, status);
}

std::optional<VolumeStatus> parse_volume_status(std::string_view text) {
  return value_of<V>(kVolumeNames, text);
}
std::optional<SnapshotStatus> parse_snapshot_status(std::string_view text) {
  return value_of<S>(kSnapshotNames, text);
}
std::optional<AttachmentStatus> parse_attachment_status(std::string_view text) {
  return value_of<A>(kAttachmentNames, text);
}

std::optional<BackupStatus> parse_backup_status(std::string_view text) {
  return value_of<B>(kBackupNames, text);
}
std::optional<GroupStatus> parse_group_status(std::string_view text) {
  return value_of<G>(kGroupNames, text);
}

bool is_transitional(VolumeStatus status) {
  return status == V::Creating || status == V::Extending || status == V::Rollbacking || status == V::Retyping ||
         status == V::Downloading || status == V::Uploading || status == V::BackingUp || status == V::RestoringBackup ||
         status == V::Deleting;
}

bool is_transitional(SnapshotStatus status) {
  return status == S::Creating || status == S::Rollbacking || status == S::BackingUp || status == S::Deleting;
}

bool is_transitional(BackupStatus status) {
  return status == BackupStatus::Creating || status == BackupStatus::Restoring || status == BackupStatus::Deleting;
}

namespace {

template <class Names>
std::vector<std::string_view> transitional_of(const Names& names) {
  std::vector<std::string_view> out;
  for (const auto& [status, name] : names) {
    if (is_transitional(status)) out.push_back(name);
  }
  return out;
}

}  // namespace

std::vector<std::string_view> transitional_volume_statuses() {
  return transitional_of(kVolumeNames);
}
std::vector<std::string_view> transitional_snapshot_statuses() {
  return transitional_of(kSnapshotNames);
}

std::span<const Move<VolumeStatus>> volume_moves() {
  return kVolumeMoves;
}
std::span<const Move<SnapshotStatus>> snapshot_moves() {
  return kSnapshotMoves;
}

bool may_move(VolumeStatus from, VolumeStatus to) {
  return has_move(kVolumeMoves, from, to);
}
bool may_move(SnapshotStatus from, SnapshotStatus to) {
  return has_move(kSnapshotMoves, from, to);
}

}  // namespace varve::model
