#include "model/resources.h"

#include <algorithm>
#include <array>
#include <utility>

namespace varve::model {

namespace {

constexpr auto kTaskKinds = std::to_array<std::pair<TaskKind, std::string_view>>({
    {TaskKind::CreateVolume, "volume.create"},
    {TaskKind::CreateVolumeFromImage, "volume.create_from_image"},
    {TaskKind::CreateVolumeFromBackup, "volume.create_from_backup"},
    {TaskKind::DeleteVolume, "volume.delete"},
    {TaskKind::ExtendVolume, "volume.extend"},
    {TaskKind::RollbackVolume, "volume.rollback"},
    {TaskKind::RetypeVolume, "volume.retype"},
    {TaskKind::UploadVolume, "volume.upload"},
    {TaskKind::MigrateVolume, "volume.migrate"},
    {TaskKind::ReimageVolume, "volume.reimage"},
    {TaskKind::BackupVolume, "backup.create"},
    {TaskKind::RestoreBackup, "backup.restore"},
    {TaskKind::DeleteBackup, "backup.delete"},
    {TaskKind::ManageVolume, "volume.manage"},
    {TaskKind::ManageSnapshot, "snapshot.manage"},
    {TaskKind::CreateGroupSnapshot, "group_snapshot.create"},
    {TaskKind::CreateSnapshot, "snapshot.create"},
    {TaskKind::DeleteSnapshot, "snapshot.delete"},
    {TaskKind::StartExport, "export.start"},
    {TaskKind::StopExport, "export.stop"},
});

}  // namespace

QosLimits qos_limits(const Qos& qos, std::int64_t size_gib) {
  auto capped = [](std::int64_t value, std::int64_t max) { return max > 0 ? std::min(value, max) : value; };
  QosLimits limits;
  limits.iops = capped(qos.iops_base + qos.iops_per_gib * size_gib, qos.iops_max);
  limits.iops_burst = qos.iops_burst > limits.iops ? qos.iops_burst : 0;
  // The product names are in MiB/s and the slope in hundredths, so the order of the operations keeps the fraction.
  std::int64_t kibps = qos.mibps_base * 1024 + qos.mibps_per_100_gib * size_gib * 1024 / 100;
  limits.bytes_per_second = capped(kibps, qos.mibps_max * 1024) * 1024;
  return limits;
}

std::string_view to_string(TaskKind kind) {
  for (const auto& [value, name] : kTaskKinds) {
    if (value == kind) return name;
  }
  return "unknown";
}

std::optional<TaskKind> parse_task_kind(std::string_view text) {
  for (const auto& [value, name] : kTaskKinds) {
    if (name == text) return value;
  }
  return std::nullopt;
}

std::string_view to_string(TaskState state) {
  switch (state) {
    case TaskState::Live:
      return "live";
    case TaskState::Done:
      return "done";
    case TaskState::Failed:
      return "failed";
  }
  return "failed";
}

std::optional<TaskState> parse_task_state(std::string_view text) {
  if (text == "live") return TaskState::Live;
  if (text == "done") return TaskState::Done;
  if (text == "failed") return TaskState::Failed;
  return std::nullopt;
}

std::string_view to_string(AttachMode mode) {
  return mode == AttachMode::ReadOnly ? "ro" : "rw";
}

std::optional<AttachMode> parse_attach_mode(std::string_view text) {
  if (text == "ro") return AttachMode::ReadOnly;
  if (text == "rw") return AttachMode::ReadWrite;
  return std::nullopt;
}

}  // namespace varve::model
