#include "services/volume_rules.h"

#include "model/reason.h"
#include "services/group_types.h"

namespace varve::services {

using model::Volume;

void invalid(std::string message, Reason reason) {
  throw Error(ErrorCode::InvalidInput, "Invalid input received: " + std::move(message), reason);
}

model::VolumeType type_of(store::Transaction& tx, const Volume& volume) {
  std::optional<model::VolumeType> type = tx.volume_types().find(volume.volume_type_id);
  if (!type) throw Error(ErrorCode::Internal, "volume " + volume.id.str() + " has an unknown type");
  return std::move(*type);
}

model::QosLimits limits_of(store::Transaction& tx, const model::VolumeType& type, std::int64_t size_gib) {
  if (type.qos_spec_id) {
    std::optional<model::QosSpec> spec = tx.qos_specs().find(*type.qos_spec_id);
    if (spec && spec->consumer != "front-end") return model::qos_limits(*spec, size_gib);
  }
  return model::qos_limits(type.qos, size_gib);
}

bool in_consistency_group(store::Transaction& tx, const model::Volume& volume) {
  if (!volume.group_id) return false;
  std::optional<model::VolumeGroup> group = tx.groups().find(std::nullopt, *volume.group_id);
  std::optional<model::GroupType> type = tx.group_types().find_by_name(kConsistencyGroupType);
  return group && type && group->group_type_id == type->id;
}

bool makes_multiattach(const model::VolumeType& type, Profile profile) {
  auto found = type.extra_specs.find("multiattach");
  return profile != Profile::Evs && found != type.extra_specs.end() && found->second == "<is> True";
}

void require_size(std::int64_t wanted, std::int64_t source, const char* what) {
  if (wanted < source) {
    invalid("Volume size '" + std::to_string(wanted) + "'GB cannot be smaller than the " + what + " size " +
                std::to_string(source) + "GB. They must be >= original " + what + " size.",
            Reason::InvalidSize);
  }
}

// Device type and encryption are the source's; they never change.
void inherit_device(const Volume& source, Volume& volume) {
  for (const char* key : {"hw:passthrough", "__system__encrypted", "__system__cmkid"}) {
    auto found = source.metadata.find(key);
    if (found != source.metadata.end()) volume.metadata.emplace(key, found->second);
  }
}

// Keys with a meaning of their own (EVS API reference, metadata of a disk).
void require_device(const VolumeSpec& spec) {
  auto value = [&](const char* key) {
    auto found = spec.metadata.find(key);
    return found == spec.metadata.end() ? std::optional<std::string>() : found->second;
  };
  bool from_source = spec.snapshot_id || spec.source_volume_id || spec.backup_id;
  for (const char* key : {"hw:passthrough", "__system__encrypted", "__system__cmkid"}) {
    if (from_source && value(key)) {
      invalid(std::string(key) + " is inherited from the source and must not be given.", Reason::InheritedProperty);
    }
  }
  std::string passthrough = value("hw:passthrough").value_or("false");
  if (passthrough != "true" && passthrough != "false") {
    invalid("hw:passthrough is '" + passthrough + "', not true or false.", Reason::InvalidPassthrough);
  }
  std::string full_clone = value("full_clone").value_or("0");
  if (full_clone != "0" && full_clone != "1") {
    invalid("full_clone is '" + full_clone + "', not 0 or 1.", Reason::InvalidFullClone);
  }
  std::string encrypted = value("__system__encrypted").value_or("0");
  if (encrypted != "0" && encrypted != "1") {
    invalid("__system__encrypted is '" + encrypted + "', not 0 or 1.", Reason::InvalidEncryption);
  }
  if (encrypted == "1" && value("__system__cmkid").value_or("").size() != 36) {
    invalid("__system__cmkid must be the 36 characters of a key's id.", Reason::InvalidEncryption);
  }
}

// EVS makes disks from a snapshot only in its source's zone and of its type.
void require_like_source(store::Transaction& tx, const VolumeSpec& spec, const Volume& source) {
  if (spec.availability_zone && *spec.availability_zone != source.availability_zone) {
    invalid("the snapshot is in zone " + source.availability_zone + ".", Reason::SnapshotInOtherZone);
  }
  std::string type = type_of(tx, source).name;
  if (spec.volume_type && *spec.volume_type != type && *spec.volume_type != source.volume_type_id.str()) {
    invalid("the snapshot's volume is of type " + type + ".", Reason::SnapshotOfOtherType);
  }
}

void require_offered(const model::VolumeType& type, const std::string& zone) {
  auto zones = type.extra_specs.find("RESKEY:availability_zones");
  if (zones == type.extra_specs.end()) return;
  if (("," + zones->second + ",").find("," + zone + ",") != std::string::npos) return;
  invalid("type " + type.name + " is offered in " + zones->second + ", not in " + zone + ".", Reason::TypeNotInZone);
}

// EVS user guide, "Changing the Disk Type": what may become what. Types of an operator's own may become anything.
void require_retype(std::string_view from, std::string_view to) {
  constexpr std::pair<std::string_view, std::string_view> kAllowed[] = {
      {"ESSD", "SSD GPSSD"},     {"SSD", "ESSD GPSSD"},          {"GPSSD", "ESSD SSD"},
      {"SAS", "ESSD SSD GPSSD"}, {"SATA", "ESSD SSD GPSSD SAS"},
  };
  for (const auto& [source, targets] : kAllowed) {
    if (source != from || (" " + std::string(targets) + " ").find(" " + std::string(to) + " ") != std::string::npos)
      continue;
    invalid("A volume of type " + std::string(from) + " can become " + std::string(targets) + ", not " +
                std::string(to) + ".",
            Reason::RetypeNotAllowed);
  }
}

namespace {

// What a volume is, and not what its owner says about it.
bool is_protected(std::string_view key) {
  return key.starts_with("__system__") || key == "hw:passthrough" || key == "full_clone";
}

[[noreturn]] void refuse_protected(const std::string& key) {
  throw Error(ErrorCode::Forbidden, "metadata can not be operated: " + key + " is fixed when a volume is created.",
              Reason::ProtectedMetadata);
}

}  // namespace

void require_unprotected(const model::Metadata& present, const std::string& key) {
  if (is_protected(key) && present.contains(key)) refuse_protected(key);
}

void change_metadata(model::Metadata& present, const model::Metadata& wanted, bool merge) {
  for (const auto& [key, value] : wanted) {
    if (!is_protected(key)) continue;
    auto found = present.find(key);
    if (found == present.end() || found->second != value) refuse_protected(key);
  }
  if (!merge) std::erase_if(present, [](const auto& pair) { return !is_protected(pair.first); });
  for (const auto& [key, value] : wanted) present[key] = value;
}

}  // namespace varve::services
