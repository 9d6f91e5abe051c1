// What volumes may be, beyond their statuses: sizes, types, zones, and the metadata keys that have a meaning.
// Sources: EVS API reference (metadata of a disk), EVS user guide, Cinder's wording of refusals.
#pragma once

#include <string>

#include "base/error.h"
#include "services/settings.h"
#include "services/volumes.h"
#include "store/database.h"

namespace varve::services {

[[noreturn]] void invalid(std::string message, Reason reason = Reason());

model::VolumeType type_of(store::Transaction& tx, const model::Volume& volume);
// What the storage enforces: of the QoS spec that the type is associated with, else the type's own.
model::QosLimits limits_of(store::Transaction& tx, const model::VolumeType& type, std::int64_t size_gib);

// Is the volume's group of the type that consistency groups have (group_types.h)?
bool in_consistency_group(store::Transaction& tx, const model::Volume& volume);

// Does the type make its volumes multiattach? As Cinder has it. For EVS the same extra spec says that its volumes may
// be shared when their owner asks for that.
bool makes_multiattach(const model::VolumeType& type, Profile profile);

// A volume from a source is at least as large.
void require_size(std::int64_t wanted, std::int64_t source, const char* what);

// Device type and encryption are the source's; they never change.
void inherit_device(const model::Volume& source, model::Volume& volume);
void require_device(const VolumeSpec& spec);

// Profile evs: a volume from a snapshot is of its source's zone and type; what may be retyped to what.
void require_like_source(store::Transaction& tx, const VolumeSpec& spec, const model::Volume& source);
// Profile evs: the type's extra spec RESKEY:availability_zones lists where it is offered.
void require_offered(const model::VolumeType& type, const std::string& zone);
void require_retype(std::string_view from, std::string_view to);

// Keys that tell what a volume is stay as they are: adding, changing or removing one throws Error(Forbidden).
// merge: other keys stay.
void change_metadata(model::Metadata& present, const model::Metadata& wanted, bool merge);
void require_unprotected(const model::Metadata& present, const std::string& key);

}  // namespace varve::services
