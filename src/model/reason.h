// What precisely is wrong with what was asked for, beside the ErrorCode: for dialects that have codes of their own for
// it. Closed: api/evs/faults.cc has one row for each. Most errors need none.
#pragma once

#include <cstddef>

#include "base/error.h"

namespace varve {

enum class Reason : std::uint8_t {
  None,
  // of a request
  InvalidBody,
  InvalidVolumeId,
  InvalidName,
  InvalidDescription,
  InvalidBackupId,
  NothingToUpdate,
  NoVolumeInBody,
  NoChangeInBody,
  NoExtensionInBody,
  InvalidSize,
  SeveralSources,
  InvalidVolumeType,
  InvalidCount,
  InvalidLimit,
  LimitTooLarge,
  InvalidMarker,
  InvalidStatusFilter,
  InvalidZone,
  InvalidZoneFilter,
  InvalidSortKey,
  InvalidSortDirection,
  InvalidMetadataFilter,
  InvalidShareable,
  InvalidPassthrough,
  InvalidFullClone,
  InvalidEncryption,
  InheritedProperty,
  ProtectedMetadata,
  InvalidSnapshotId,
  InvalidImage,
  BackupTooLarge,
  BatchFromBackup,
  InvalidTag,
  TooManyTags,
  UnknownJob,
  // of a state or a limit
  VolumeQuota,
  GigabytesQuota,
  NewSizeNotGreater,
  VolumeNotDeletable,
  VolumeNotExtendable,
  SharedVolumeInUse,
  SnapshotNotDeletable,
  SnapshotNotUsable,
  BackupNotUsable,
  SnapshotInOtherZone,
  SnapshotOfOtherType,
  TypeUnknown,
  TypeNotInZone,
  RetypeNotAllowed,
  RoleMissing,
  ActionDenied,
};
inline constexpr std::size_t kReasons = static_cast<std::size_t>(Reason::ActionDenied) + 1;

}  // namespace varve
