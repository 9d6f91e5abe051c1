// POST /volumes/{id}/action: an object with exactly one member, which names the action.

#include <boost/json.hpp>

#include "api/cinder/connectors.h"
#include "api/cinder/hosts.h"
#include "api/cinder/rows.h"
#include "api/common/action_rows.h"
#include "api/common/body.h"
#include "api/common/resource_views.h"
#include "base/text.h"

namespace varve::api::cinder {

namespace {

constexpr std::int64_t kMaxSize = 2147483647;

VolumeId volume_of(const Call& call) {
  return VolumeId(call.path.get("id"));
}

Reply extend(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  std::int64_t size = fields.required_integer("new_size", 1, kMaxSize);
  fields.finish();
  co_await s.volumes.extend(call->actor, volume_of(*call), size);
  co_return empty_reply(202);
}

Reply revert(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  SnapshotId snapshot(fields.required_uuid("snapshot_id"));
  fields.finish();
  co_await s.volumes.rollback(call->actor, volume_of(*call), snapshot);
  co_return empty_reply(202);
}

Reply retype(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  std::string type = fields.required_text("new_type");
  std::string policy = fields.text("migration_policy").value_or("never");
  if (policy != "never" && policy != "on-demand") {
    Fields::refuse("migration_policy", json::value(policy), "'never' or 'on-demand' is wanted");
  }
  fields.finish();
  co_await s.volumes.retype(call->actor, volume_of(*call), type, policy == "on-demand");
  co_return empty_reply(202);
}

Reply reset_status(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  auto lower = [](std::optional<std::string> text) {
    return text && !text->empty() ? std::optional(to_lower(*text)) : std::nullopt;
  };
  services::VolumeReset reset;
  reset.status = lower(fields.text("status"));
  reset.migration_status = lower(fields.text("migration_status"));
  std::optional<std::string> attached = lower(fields.text("attach_status"));
  fields.finish();
  if (!reset.status && !reset.migration_status && !attached) {
    Fields::refuse(given.name, given.value, "'status', 'attach_status' or 'migration_status' is wanted");
  }
  if (attached && attached != "attached" && attached != "detached") {
    Fields::refuse("attach_status", json::value(*attached), "'attached' or 'detached' is wanted");
  }
  if (attached == "detached") co_await s.attachments.detach_all(call->actor, volume_of(*call));
  // Attached is what has attachments: nothing to mark.
  if (reset.status || reset.migration_status) {
    co_await s.volumes.reset_status(call->actor, volume_of(*call), std::move(reset));
  }
  co_return empty_reply(202);
}

Reply force_delete(Services& s, CallPtr call, Arguments given) {
  co_await s.volumes.remove(call->actor, volume_of(*call), false, true);
  co_return empty_reply(202);
}

Reply set_bootable(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  std::optional<bool> bootable = fields.boolean("bootable");
  if (!bootable) Fields::refuse(given.name, given.value, "'bootable' is a required property");
  fields.finish();
  co_await s.volumes.set_bootable(call->actor, volume_of(*call), *bootable);
  co_return empty_reply(200);
}

Reply set_read_only(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  std::optional<bool> read_only = fields.boolean("readonly");
  if (!read_only) Fields::refuse(given.name, given.value, "'readonly' is a required property");
  fields.finish();
  co_await s.volumes.set_read_only(call->actor, volume_of(*call), *read_only);
  co_return empty_reply(202);
}

Reply reserve(Services& s, CallPtr call, Arguments given) {
  co_await s.attachments.reserve(call->actor, volume_of(*call));
  co_return empty_reply(202);
}

Reply unreserve(Services& s, CallPtr call, Arguments given) {
  co_await s.attachments.unreserve(call->actor, volume_of(*call));
  co_return empty_reply(202);
}

Reply begin_detaching(Services& s, CallPtr call, Arguments given) {
  co_await s.attachments.begin_detaching(call->actor, volume_of(*call));
  co_return empty_reply(202);
}

Reply roll_detaching(Services& s, CallPtr call, Arguments given) {
  co_await s.attachments.roll_detaching(call->actor, volume_of(*call));
  co_return empty_reply(202);
}

Reply attach(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  services::AttachSpec spec;
  spec.instance_id = fields.uuid("instance_uuid");
  spec.host_name = fields.text("host_name");
  spec.mountpoint = fields.required_text("mountpoint");
  std::optional<std::string> mode = fields.text("mode");
  if (mode) spec.mode = read_mode("mode", *mode);
  if (!spec.instance_id && !spec.host_name) {
    Fields::refuse(given.name, given.value, "'instance_uuid' or 'host_name' is wanted");
  }
  fields.finish();
  co_await s.attachments.attach(call->actor, volume_of(*call), std::move(spec));
  co_return empty_reply(202);
}

Reply detach(Services& s, CallPtr call, Arguments given) {
  std::optional<std::string> attachment;
  if (!given.value.is_null()) {
    Fields fields = given.fields();
    attachment = fields.uuid("attachment_id");
    fields.finish();
  }
  co_await s.attachments.detach(call->actor, volume_of(*call), attachment);
  co_return empty_reply(202);
}

Reply initialize_connection(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  services::AttachmentSpec spec;
  spec.volume_id = volume_of(*call);
  read_connector(fields, spec);
  fields.finish();
  model::Attachment attachment = co_await s.attachments.initialize_connection(call->actor, std::move(spec));
  co_return json_reply(200, json::object{{"connection_info", connection_view(attachment, false)}});
}

Reply terminate_connection(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  services::AttachmentSpec spec;
  read_connector(fields, spec);
  fields.ignore("force");
  fields.finish();
  co_await s.attachments.terminate_connection(call->actor, volume_of(*call), spec.host_name);
  co_return empty_reply(202);
}

// 3.1 brought visibility and protection; before that an image is private and free.
Reply upload_image(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  services::UploadSpec spec;
  spec.image.name = fields.required_text("image_name");
  spec.image.disk_format = fields.text("disk_format").value_or("raw");
  spec.image.container_format = fields.text("container_format").value_or("bare");
  spec.force = fields.boolean("force").value_or(false);
  std::string visibility = fields.text("visibility").value_or("private");
  bool is_protected = fields.boolean("protected").value_or(false);
  std::optional<std::string> os_type = fields.text("__os_type");
  fields.finish();
  if (call->version.at_least(1)) {
    spec.image.visibility = visibility;
    spec.image.is_protected = is_protected;
    if (visibility == "public") call->require_admin();
  }
  if (os_type) spec.image.properties["__os_type"] = *os_type;
  services::Upload made = co_await s.images.upload(call->actor, volume_of(*call), std::move(spec));
  json::object type = type_view(*call, made.type, TypeFields::Shown);
  type["created_at"] = format_time(made.type.created_at);
  type["updated_at"] = time_or_null(made.type.updated_at);
  type["deleted"] = false;
  type["deleted_at"] = nullptr;
  json::object view{{"id", made.volume.id.str()},
                    {"updated_at", time_or_null(made.volume.updated_at)},
                    {"status", to_string(made.volume.status)},
                    {"display_description", text_or_null(made.volume.description)},
                    {"size", made.volume.size_gib},
                    {"volume_type", std::move(type)},
                    {"image_id", made.image.id},
                    {"container_format", made.image.container_format},
                    {"disk_format", made.image.disk_format},
                    {"image_name", made.image.name}};
  if (call->version.at_least(1)) {
    view["visibility"] = visibility;
    view["protected"] = is_protected;
  }
  co_return json_reply(202, json::object{{"os-volume_upload_image", std::move(view)}});
}

json::object image_metadata_reply(const model::Metadata& metadata) {
  return {{"metadata", metadata_view(metadata)}};
}

Reply set_image_metadata(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  std::optional<model::Metadata> metadata = fields.metadata("metadata");
  if (!metadata) Fields::refuse(given.name, given.value, "'metadata' is a required property");
  fields.finish();
  model::Metadata all = co_await s.images.set_metadata(call->actor, volume_of(*call), std::move(*metadata));
  co_return json_reply(200, image_metadata_reply(all));
}

Reply unset_image_metadata(Services& s, CallPtr call, Arguments given) {
  std::string key = given.only("key");
  co_await s.images.remove_metadata(call->actor, volume_of(*call), key);
  co_return empty_reply(200);
}

Reply show_image_metadata(Services& s, CallPtr call, Arguments given) {
  services::VolumeDetail detail = co_await s.volumes.show(call->actor, volume_of(*call));
  co_return json_reply(200, image_metadata_reply(detail.volume.image_metadata));
}

Reply migrate(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  std::optional<std::string> cluster;
  if (call->version.at_least(16)) cluster = fields.text("cluster");
  std::string pool = pool_of_host(host_or_cluster(fields.text("host"), cluster), s);
  // Both are about how other storage moves bytes: here the volume can be used meanwhile.
  fields.boolean("force_host_copy");
  fields.boolean("lock_volume");
  fields.finish();
  co_await s.volumes.migrate(call->actor, volume_of(*call), pool);
  co_return empty_reply(202);
}

// Compute has swapped one volume for another in a server. A migration of our own ends by itself: it is in no need of
// this.
Reply migrate_completion(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  VolumeId other(fields.required_uuid("new_volume"));
  bool failed = fields.boolean("error").value_or(false);
  fields.finish();
  for (const VolumeId& id : {volume_of(*call), other}) co_await s.volumes.show(call->actor, id);
  if (!failed) co_await s.attachments.swap(call->actor, volume_of(*call), other);
  co_return json_reply(200, json::object{{"save_volume_id", other.str()}});
}

Reply unmanage(Services& s, CallPtr call, Arguments given) {
  given.expect_none();
  co_await s.adoption.unmanage_volume(call->actor, volume_of(*call));
  co_return empty_reply(202);
}

Reply force_detach(Services& s, CallPtr call, Arguments given) {
  std::optional<std::string> attachment;
  if (!given.value.is_null()) {
    Fields fields = given.fields();
    attachment = fields.uuid("attachment_id");
    fields.ignore("connector");
    fields.finish();
  }
  co_await s.attachments.detach(call->actor, volume_of(*call), attachment);
  co_return empty_reply(202);
}

Reply reimage(Services& s, CallPtr call, Arguments given) {
  Fields fields = given.fields();
  std::string image = fields.required_uuid("image_id");
  bool reserved = fields.boolean("reimage_reserved").value_or(false);
  fields.finish();
  co_await s.images.reimage(call->actor, volume_of(*call), image, reserved);
  co_return empty_reply(202);
}

constexpr ActionRow<Services> kActions[] = {
    {"os-extend", "evs:volumes:extend", extend},
    {"revert", "evs:snapshots:rollback", revert},
    {"os-retype", "evs:volumes:update", retype},
    {"os-reset_status", "admin evs:volumes:update", reset_status},
    {"os-force_delete", "admin evs:volumes:delete", force_delete},
    {"os-volume_upload_image", "evs:volumes:uploadImage", upload_image},
    {"os-set_image_metadata", "evs:volumes:update", set_image_metadata},
    {"os-unset_image_metadata", "evs:volumes:update", unset_image_metadata},
    {"os-show_image_metadata", "evs:volumes:get", show_image_metadata},
    {"os-migrate_volume", "admin evs:volumes:update", migrate},
    {"os-migrate_volume_completion", "admin evs:volumes:update", migrate_completion},
    {"os-unmanage", "admin evs:volumes:delete", unmanage},
    {"os-force_detach", "admin evs:volumes:detach", force_detach},
    {"os-reimage", "evs:volumes:update", reimage, 68},
    {"os-set_bootable", "evs:volumes:update", set_bootable},
    {"os-update_readonly_flag", "evs:volumes:update", set_read_only},
    {"os-reserve", "evs:volumes:attach", reserve},
    {"os-unreserve", "evs:volumes:attach", unreserve},
    {"os-begin_detaching", "evs:volumes:detach", begin_detaching},
    {"os-roll_detaching", "evs:volumes:detach", roll_detaching},
    {"os-attach", "evs:volumes:attach", attach},
    {"os-detach", "evs:volumes:detach", detach},
    {"os-initialize_connection", "evs:volumes:attach", initialize_connection},
    {"os-terminate_connection", "evs:volumes:detach", terminate_connection},
};

constexpr Row<Services> kRows[] = {action_row<kActions, Services>("/volumes/{id}/action")};

}  // namespace

Rows volume_actions_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
