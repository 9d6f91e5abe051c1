// Resources as Cinder shows them. Field names, their order and the microversions that bring them: API reference and
// recorded replies of a real Cinder.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "api/common/replies.h"
#include "model/resources.h"
#include "services/volumes.h"

namespace varve::api {

json::object volume_summary_view(const Call& call, const model::Volume& volume);
// full: as show and detail have it; the replies of create and update lack the last fields.
json::object volume_view(const Call& call, const services::VolumeDetail& detail, const services::Settings& settings,
                         bool full);

// What EVS shows beside that: tags, service_type, the SCSI disk's wwn and the reserved fields. Part of every volume in
// profile evs, and of the routes that only EVS has.
void add_evs_fields(json::object& out, const services::VolumeDetail& detail);

// Listed: as lists without details have it, the same at every microversion; Extended: with progress and project id.
enum class SnapshotFields : std::uint8_t { Listed, Plain, Extended };
json::object snapshot_view(const Call& call, const model::Snapshot& snapshot, SnapshotFields fields);

json::object attachment_view(const model::Attachment& attachment, bool detail);
// Of one that has a connection: {"driver_volume_type": "nbd", "data": {...}}; flat: the data beside the type, as the
// attachments API has it.
json::object connection_view(const model::Attachment& attachment, bool flat);

// Extra specs: those that are for users, or all of them for administrators.
model::Metadata visible_specs(const Call& call, const model::VolumeType& type);

enum class TypeFields : std::uint8_t { Shown, Created, Updated };  // each reply has less, as at Cinder
json::object type_view(const Call& call, const model::VolumeType& type, TypeFields fields);

}  // namespace varve::api
