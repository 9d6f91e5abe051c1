#include "api/evs/faults.h"

#include <array>
#include <utility>

#include "model/reason.h"

namespace varve::api::evs {

namespace {

struct Code {
  unsigned status;
  std::string_view code;
  std::string_view message;
};

// EVS API reference, "Error Codes"; the messages as they stand there.
constexpr std::array<std::pair<Reason, Code>, kReasons - 1> kCodes{{
    {Reason::InvalidBody, {400, "EVS.1052", "invalid http body!"}},
    {Reason::InvalidVolumeId, {400, "EVS.1002", "invalid volume id!"}},
    {Reason::InvalidName, {400, "EVS.1003", "invalid volume name!"}},
    {Reason::InvalidDescription, {400, "EVS.1004", "invalid volume description!"}},
    {Reason::InvalidBackupId, {400, "EVS.1006", "invalid backup id!"}},
    {Reason::NothingToUpdate, {400, "EVS.1007", "volume name and description can not both be empty!"}},
    {Reason::NoChangeInBody, {400, "EVS.1001", "null volume!"}},
    {Reason::NoVolumeInBody, {400, "EVS.1008", "null createVolumeReq!"}},
    {Reason::NoExtensionInBody, {400, "EVS.1011", "null extendVolumeReq!"}},
    {Reason::InvalidSize, {400, "EVS.1010", "invalid volume size!"}},
    {Reason::SeveralSources,
     {400, "EVS.1016", "Invalid input received: May specify only one of imageRef, snapshot_id, backup_id!"}},
    {Reason::InvalidVolumeType, {400, "EVS.1020", "invalid volume type!"}},
    {Reason::InvalidCount, {400, "EVS.1021", "the quantity of volume is invalid!"}},
    {Reason::InvalidLimit, {400, "EVS.1023", "invalid filter limit!"}},
    {Reason::LimitTooLarge, {400, "EVS.2142", "invalid filter limit, can not greater than 1000."}},
    {Reason::InvalidMarker, {400, "EVS.1024", "invalid filter marker!"}},
    {Reason::InvalidStatusFilter, {400, "EVS.1031", "invalid resources status!"}},
    {Reason::InvalidZone, {400, "EVS.1036", "invalid availability zone!"}},
    {Reason::InvalidZoneFilter, {400, "EVS.1041", "invalid filter availablity-zone!"}},
    {Reason::InvalidSortKey, {400, "EVS.1039", "invalid sort_key!"}},
    {Reason::InvalidSortDirection, {400, "EVS.1040", "invalid sort_dir!"}},
    {Reason::InvalidMetadataFilter, {400, "EVS.1058", "invalid metadata filter!"}},
    {Reason::InvalidShareable, {400, "EVS.1054", "invalid shareable parameter!"}},
    {Reason::InvalidPassthrough, {400, "EVS.1057", "invalid hw:passthrough in metadata!"}},
    {Reason::InvalidFullClone, {400, "EVS.1063", "invalid full_clone in metadata!"}},
    {Reason::InvalidEncryption, {400, "EVS.2041", "The encrypt Param is invalid!"}},
    {Reason::InheritedProperty,
     {400, "EVS.1043",
      "encrypt and cmk and passthrougth in metadata is not support when create volume from snapshot or image!"}},
    {Reason::ProtectedMetadata, {400, "EVS.2047", "the metadata Param is not allowed to be updated!"}},
    {Reason::InvalidSnapshotId, {400, "EVS.2045", "invalid snapshot_id!"}},
    {Reason::InvalidImage, {400, "EVS.2046", "invalid imageRef!"}},
    {Reason::BackupTooLarge, {400, "EVS.1022", "the size param is less than backup size!"}},
    {Reason::BatchFromBackup, {400, "EVS.1051", "can not batch create volume from backup!"}},
    {Reason::InvalidTag, {400, "EVS.1062", "invalid tag!"}},
    {Reason::TooManyTags, {400, "EVS.1061", "The Volume Tags is Exceed Max Limit Num."}},
    {Reason::UnknownJob, {400, "Common.0011", "query job fail."}},
    {Reason::VolumeQuota, {400, "EVS.1034", "volume count exceeded volume count quota!"}},
    {Reason::GigabytesQuota, {400, "EVS.1042", "volume gigabytes exceeded volume gigabytes quota!"}},
    {Reason::NewSizeNotGreater, {400, "EVS.1015", "new volume Size must be greater than old Size!"}},
    {Reason::VolumeNotDeletable,
     {400, "EVS.1046",
      "volume status must be available, error, error_extending, error_restoring, error_rollbacking when delete "
      "volume!"}},
    {Reason::VolumeNotExtendable, {400, "EVS.1064", "volume status must be available or in-use when extending!"}},
    {Reason::SharedVolumeInUse, {400, "EVS.1065", "multiattach volume status must be available when extending!"}},
    {Reason::SnapshotNotDeletable,
     {400, "EVS.1047", "snapshot status must be available or error when delete snapshot!"}},
    {Reason::SnapshotNotUsable, {400, "EVS.2043", "The status of snapshot is not available or backing-up."}},
    {Reason::BackupNotUsable, {400, "EVS.1044", "backup status must be available when create a volume from it!"}},
    {Reason::SnapshotInOtherZone, {400, "EVS.2054", "Cannot create volume from snapshot as the az is invalid!"}},
    {Reason::SnapshotOfOtherType, {400, "EVS.2096", "Target volumeType is not matched with snapshot !"}},
    {Reason::TypeUnknown, {400, "EVS.2070", "VolumeTypes are not supported !"}},
    {Reason::TypeNotInZone, {400, "EVS.2071", "Invalid input received: Availability zone do not have volume type"}},
    {Reason::RetypeNotAllowed,
     {400, "EVS.2087", "retype failed. please make sure that type is supported and the new one is higher than origin"}},
    {Reason::RoleMissing, {403, "EVS.0003", "invalid token roles!"}},
    {Reason::ActionDenied, {403, "EVS.2056", "action in pdp check deny!"}},
}};

consteval bool is_complete() {
  for (std::size_t wanted = 1; wanted < kReasons; ++wanted) {
    std::size_t rows = 0;
    for (const auto& [reason, code] : kCodes) rows += static_cast<std::size_t>(reason) == wanted ? 1 : 0;
    if (rows != 1) return false;
  }
  return true;
}
static_assert(is_complete(), "every Reason but None has one row");

const Code* code_of(const Error& error) {
  for (const auto& [reason, code] : kCodes) {
    if (reason == error.reason()) return &code;
  }
  return nullptr;
}

// What EVS documents first, then what it is about here.
FaultReply write_fault(const Error& error, const std::string& message, ErrorCodes) {
  auto reply = [&](unsigned status, std::string_view code, const std::string& text) {
    return FaultReply{status, fault_body("error", error, status, text, json::value(code))};
  };
  if (error.code() == ErrorCode::MalformedUrl) return reply(400, "EVS.0001", "invalid tenant id! " + message);
  if (error.code() == ErrorCode::MalformedBody) return reply(400, "EVS.1052", "invalid http body! " + message);
  if (const Code* code = code_of(error))
    return reply(code->status, code->code, std::string(code->message) + " " + message);
  const Fault& fault = fault_of(error.code());
  return reply(fault.status, fault.evs_code, message);
}

}  // namespace

const Envelope kFaults{"evs", write_fault};

JobFault job_fault(model::TaskKind kind) {
  switch (kind) {
    case model::TaskKind::CreateVolume:
    case model::TaskKind::CreateVolumeFromImage:
    case model::TaskKind::CreateVolumeFromBackup:
      return {"EVS.2024", "volume is error!"};
    case model::TaskKind::DeleteVolume:
      return {"EVS.2020", "volume is error_deleting!"};
    case model::TaskKind::ExtendVolume:
      return {"EVS.2026", "volume is error_extending!"};
    case model::TaskKind::RestoreBackup:
      return {"EVS.2025", "volume is error_restoring!"};
    case model::TaskKind::StartExport:
    case model::TaskKind::StopExport:
      return {"EVS.2021", "volume is error_detaching!"};
    case model::TaskKind::DeleteSnapshot:
      return {"EVS.2019", "snapshot is error_deleting!"};
    case model::TaskKind::RetypeVolume:
      return {"EVS.2050", "set volume Qos failed!"};
    default:
      return {"EVS.2002", "internal error!"};
  }
}

}  // namespace varve::api::evs
