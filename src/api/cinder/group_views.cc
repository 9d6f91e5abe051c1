#include "api/cinder/group_views.h"

#include "api/common/replies.h"
#include "base/text.h"

namespace varve::api::cinder {

json::object summary_view(const model::VolumeGroup& group) {
  return {{"id", group.id.str()}, {"name", text_or_null(group.name)}};
}

json::object summary_view(const model::GroupSnapshot& snapshot) {
  return {{"id", snapshot.id.str()}, {"name", text_or_null(snapshot.name)}};
}

json::object common_view(const model::VolumeGroup& group) {
  json::object out = summary_view(group);
  out["status"] = to_string(group.status);
  out["availability_zone"] = group.availability_zone;
  out["created_at"] = format_time(group.created_at);
  out["description"] = text_or_null(group.description);
  json::array types;
  for (const VolumeTypeId& id : group.volume_types) types.emplace_back(id.str());
  out["volume_types"] = std::move(types);
  return out;
}

json::object common_view(const model::GroupSnapshot& snapshot) {
  json::object out = summary_view(snapshot);
  out["status"] = to_string(snapshot.status);
  out["created_at"] = format_time(snapshot.created_at);
  out["description"] = text_or_null(snapshot.description);
  return out;
}

}  // namespace varve::api::cinder
