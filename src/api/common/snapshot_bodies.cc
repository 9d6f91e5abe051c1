#include "api/common/snapshot_bodies.h"

#include <boost/json.hpp>

namespace varve::api {

services::SnapshotChange read_snapshot_names(Fields& fields) {
  services::SnapshotChange change;
  change.name = fields.nullable_text("display_name");
  change.description = fields.nullable_text("display_description");
  if (fields.has("name")) change.name = fields.nullable_text("name");
  if (fields.has("description")) change.description = fields.nullable_text("description");
  return change;
}

services::SnapshotSpec read_snapshot_spec(const Call& call) {
  Body body(*call.request, "snapshot");
  Fields& fields = body.fields();
  services::SnapshotSpec spec;
  services::SnapshotChange names = read_snapshot_names(fields);
  // null names a volume that is not there (Cinder says so too).
  spec.volume_id = VolumeId(fields.is_null("volume_id") ? fields.uuid("volume_id").value_or("None")
                                                        : fields.required_uuid("volume_id"));
  spec.name = names.name.value_or(std::nullopt);
  spec.description = names.description.value_or(std::nullopt);
  spec.metadata = fields.metadata("metadata").value_or(model::Metadata());
  std::optional<bool> force = fields.boolean("force");
  // From 3.66 on an attached volume needs no force, and false is refused (API reference, microversion 3.66).
  if (call.version.at_least(66) && force == false) {
    Fields::refuse("force", json::value(false), "Since microversion 3.66 only true is accepted, or nothing");
  }
  spec.force = force.value_or(false);
  fields.finish();
  return spec;
}

services::SnapshotChange read_snapshot_change(const Call& call) {
  Body body(*call.request, "snapshot");
  services::SnapshotChange change = read_snapshot_names(body.fields());
  body.fields().finish();
  if (!change.name && !change.description) {
    Fields::refuse("snapshot", json::object(), "At least one of name and description is wanted");
  }
  return change;
}

}  // namespace varve::api
