// POST /volumes/{id}/action: an object with exactly one member, which names the action.

#include <boost/json.hpp>

#include "api/cinder/cinder_api.h"
#include "api/cinder/connectors.h"
#include "api/cinder/hosts.h"
#include "api/common/body.h"
#include "api/common/resource_views.h"
#include "base/text.h"

namespace varve::api::cinder {

namespace asio = boost::asio;

namespace {

constexpr std::int64_t kMaxSize = 2147483647;

struct Action {
  CallPtr call;
  const Services& services;
  VolumeId volume;
  std::string name;
  json::value arguments;

  Fields fields() const { return Fields(arguments, name); }
};

using ActionPtr = std::shared_ptr<const Action>;
using ActionHandler = asio::awaitable<http::Response> (*)(ActionPtr);

asio::awaitable<http::Response> extend(ActionPtr action) {
  Fields fields = action->fields();
  std::int64_t size = fields.required_integer("new_size", 1, kMaxSize);
  fields.finish();
  co_await action->services.volumes.extend(action->call->actor, action->volume, size);
  co_return empty_reply(202);
}

asio::awaitable<http::Response> revert(ActionPtr action) {
  Fields fields = action->fields();
  SnapshotId snapshot(fields.required_uuid("snapshot_id"));
  fields.finish();
  co_await action->services.volumes.rollback(action->call->actor, action->volume, snapshot);
  co_return empty_reply(202);
}

asio::awaitable<http::Response> retype(ActionPtr action) {
  Fields fields = action->fields();
  std::string type = fields.required_text("new_type");
  std::string policy = fields.text("migration_policy").value_or("never");
  if (policy != "never" && policy != "on-demand") {
    Fields::refuse("migration_policy", json::value(policy), "'never' or 'on-demand' is wanted");
  }
  fields.finish();
  co_await action->services.volumes.retype(action->call->actor, action->volume, type, policy == "on-demand");
  co_return empty_reply(202);
}

asio::awaitable<http::Response> reset_status(ActionPtr action) {
  const Call& call = *action->call;
  call.require_admin();
  Fields fields = action->fields();
  auto lower = [](std::optional<std::string> text) {
    return text && !text->empty() ? std::optional(to_lower(*text)) : std::nullopt;
  };
  services::VolumeReset reset;
  reset.status = lower(fields.text("status"));
  reset.migration_status = lower(fields.text("migration_status"));
  std::optional<std::string> attached = lower(fields.text("attach_status"));
  fields.finish();
  if (!reset.status && !reset.migration_status && !attached) {
    Fields::refuse(action->name, action->arguments, "'status', 'attach_status' or 'migration_status' is wanted");
  }
  if (attached && attached != "attached" && attached != "detached") {
    Fields::refuse("attach_status", json::value(*attached), "'attached' or 'detached' is wanted");
  }
  if (attached == "detached") co_await action->services.attachments.detach_all(call.actor, action->volume);
  // Attached is what has attachments: nothing to mark.
  if (reset.status || reset.migration_status) {
    co_await action->services.volumes.reset_status(call.actor, action->volume, std::move(reset));
  }
  co_return empty_reply(202);
}

asio::awaitable<http::Response> force_delete(ActionPtr action) {
  action->call->require_admin();
  co_await action->services.volumes.remove(action->call->actor, action->volume, false, true);
  co_return empty_reply(202);
}

asio::awaitable<http::Response> set_bootable(ActionPtr action) {
  Fields fields = action->fields();
  std::optional<bool> bootable = fields.boolean("bootable");
  if (!bootable) Fields::refuse(action->name, action->arguments, "'bootable' is a required property");
  fields.finish();
  co_await action->services.volumes.set_bootable(action->call->actor, action->volume, *bootable);
  co_return empty_reply(200);
}

asio::awaitable<http::Response> set_read_only(ActionPtr action) {
  Fields fields = action->fields();
  std::optional<bool> read_only = fields.boolean("readonly");
  if (!read_only) Fields::refuse(action->name, action->arguments, "'readonly' is a required property");
  fields.finish();
  co_await action->services.volumes.set_read_only(action->call->actor, action->volume, *read_only);
  co_return empty_reply(202);
}

asio::awaitable<http::Response> reserve(ActionPtr action) {
  co_await action->services.attachments.reserve(action->call->actor, action->volume);
  co_return empty_reply(202);
}

asio::awaitable<http::Response> unreserve(ActionPtr action) {
  co_await action->services.attachments.unreserve(action->call->actor, action->volume);
  co_return empty_reply(202);
}

asio::awaitable<http::Response> begin_detaching(ActionPtr action) {
  co_await action->services.attachments.begin_detaching(action->call->actor, action->volume);
  co_return empty_reply(202);
}

asio::awaitable<http::Response> roll_detaching(ActionPtr action) {
  co_await action->services.attachments.roll_detaching(action->call->actor, action->volume);
  co_return empty_reply(202);
}

asio::awaitable<http::Response> attach(ActionPtr action) {
  Fields fields = action->fields();
  services::AttachSpec spec;
  spec.instance_id = fields.uuid("instance_uuid");
  spec.host_name = fields.text("host_name");
  spec.mountpoint = fields.required_text("mountpoint");
  std::optional<std::string> mode = fields.text("mode");
  if (mode) spec.mode = read_mode("mode", *mode);
  if (!spec.instance_id && !spec.host_name) {
    Fields::refuse(action->name, action->arguments, "'instance_uuid' or 'host_name' is wanted");
  }
  fields.finish();
  co_await action->services.attachments.attach(action->call->actor, action->volume, std::move(spec));
  co_return empty_reply(202);
}

asio::awaitable<http::Response> detach(ActionPtr action) {
  std::optional<std::string> attachment;
  if (!action->arguments.is_null()) {
    Fields fields = action->fields();
    attachment = fields.uuid("attachment_id");
    fields.finish();
  }
  co_await action->services.attachments.detach(action->call->actor, action->volume, attachment);
  co_return empty_reply(202);
}

asio::awaitable<http::Response> initialize_connection(ActionPtr action) {
  Fields fields = action->fields();
  services::AttachmentSpec spec;
  spec.volume_id = action->volume;
  read_connector(fields, spec);
  fields.finish();
  model::Attachment attachment =
      co_await action->services.attachments.initialize_connection(action->call->actor, std::move(spec));
  co_return json_reply(200, json::object{{"connection_info", connection_view(attachment, false)}});
}

asio::awaitable<http::Response> terminate_connection(ActionPtr action) {
  Fields fields = action->fields();
  services::AttachmentSpec spec;
  read_connector(fields, spec);
  fields.ignore("force");
  fields.finish();
  co_await action->services.attachments.terminate_connection(action->call->actor, action->volume, spec.host_name);
  co_return empty_reply(202);
}

// 3.1 brought visibility and protection; before that an image is private and free.
asio::awaitable<http::Response> upload_image(ActionPtr action) {
  const Call& call = *action->call;
  Fields fields = action->fields();
  services::UploadSpec spec;
  spec.image.name = fields.required_text("image_name");
  spec.image.disk_format = fields.text("disk_format").value_or("raw");
  spec.image.container_format = fields.text("container_format").value_or("bare");
  spec.force = fields.boolean("force").value_or(false);
  std::string visibility = fields.text("visibility").value_or("private");
  bool is_protected = fields.boolean("protected").value_or(false);
  std::optional<std::string> os_type = fields.text("__os_type");
  fields.finish();
  if (call.version.at_least(1)) {
    spec.image.visibility = visibility;
    spec.image.is_protected = is_protected;
    if (visibility == "public") call.require_admin();
  }
  if (os_type) spec.image.properties["__os_type"] = *os_type;
  services::Upload made = co_await action->services.images.upload(call.actor, action->volume, std::move(spec));
  json::object type = type_view(call, made.type, TypeFields::Shown);
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
  if (call.version.at_least(1)) {
    view["visibility"] = visibility;
    view["protected"] = is_protected;
  }
  co_return json_reply(202, json::object{{"os-volume_upload_image", std::move(view)}});
}

json::object image_metadata_reply(const model::Metadata& metadata) {
  return {{"metadata", metadata_view(metadata)}};
}

asio::awaitable<http::Response> set_image_metadata(ActionPtr action) {
  Fields fields = action->fields();
  std::optional<model::Metadata> metadata = fields.metadata("metadata");
  if (!metadata) Fields::refuse(action->name, action->arguments, "'metadata' is a required property");
  fields.finish();
  model::Metadata all =
      co_await action->services.images.set_metadata(action->call->actor, action->volume, std::move(*metadata));
  co_return json_reply(200, image_metadata_reply(all));
}

asio::awaitable<http::Response> unset_image_metadata(ActionPtr action) {
  Fields fields = action->fields();
  std::string key = fields.required_text("key");
  fields.finish();
  co_await action->services.images.remove_metadata(action->call->actor, action->volume, key);
  co_return empty_reply(200);
}

asio::awaitable<http::Response> show_image_metadata(ActionPtr action) {
  services::VolumeDetail detail = co_await action->services.volumes.show(action->call->actor, action->volume);
  co_return json_reply(200, image_metadata_reply(detail.volume.image_metadata));
}

asio::awaitable<http::Response> migrate(ActionPtr action) {
  action->call->require_admin();
  Fields fields = action->fields();
  std::optional<std::string> cluster;
  if (action->call->version.at_least(16)) cluster = fields.text("cluster");
  std::string pool = pool_of_host(host_or_cluster(fields.text("host"), cluster), action->services);
  // Both are about how other storage moves bytes: here the volume can be used meanwhile.
  fields.boolean("force_host_copy");
  fields.boolean("lock_volume");
  fields.finish();
  co_await action->services.volumes.migrate(action->call->actor, action->volume, pool);
  co_return empty_reply(202);
}

// Compute has swapped one volume for another in a server. A migration of our own ends by itself: it is in no need of
// this.
asio::awaitable<http::Response> migrate_completion(ActionPtr action) {
  const Call& call = *action->call;
  call.require_admin();
  Fields fields = action->fields();
  VolumeId other(fields.required_uuid("new_volume"));
  bool failed = fields.boolean("error").value_or(false);
  fields.finish();
  for (const VolumeId& id : {action->volume, other}) co_await action->services.volumes.show(call.actor, id);
  if (!failed) co_await action->services.attachments.swap(call.actor, action->volume, other);
  co_return json_reply(200, json::object{{"save_volume_id", other.str()}});
}

asio::awaitable<http::Response> unmanage(ActionPtr action) {
  action->call->require_admin();
  if (!action->arguments.is_null()) action->fields().finish();
  co_await action->services.managing.unmanage_volume(action->call->actor, action->volume);
  co_return empty_reply(202);
}

asio::awaitable<http::Response> force_detach(ActionPtr action) {
  action->call->require_admin();
  std::optional<std::string> attachment;
  if (!action->arguments.is_null()) {
    Fields fields = action->fields();
    attachment = fields.uuid("attachment_id");
    fields.ignore("connector");
    fields.finish();
  }
  co_await action->services.attachments.detach(action->call->actor, action->volume, attachment);
  co_return empty_reply(202);
}

asio::awaitable<http::Response> reimage(ActionPtr action) {
  action->call->require_version(68);
  Fields fields = action->fields();
  std::string image = fields.required_uuid("image_id");
  bool reserved = fields.boolean("reimage_reserved").value_or(false);
  fields.finish();
  co_await action->services.images.reimage(action->call->actor, action->volume, image, reserved);
  co_return empty_reply(202);
}

struct KnownAction {
  std::string_view name;
  std::string_view permission;
  ActionHandler handler;
};

constexpr KnownAction kActions[] = {
    {"os-extend", "evs:volumes:extend", extend},
    {"revert", "evs:snapshots:rollback", revert},
    {"os-retype", "evs:volumes:update", retype},
    {"os-reset_status", "evs:volumes:update", reset_status},
    {"os-force_delete", "evs:volumes:delete", force_delete},
    {"os-volume_upload_image", "evs:volumes:uploadImage", upload_image},
    {"os-set_image_metadata", "evs:volumes:update", set_image_metadata},
    {"os-unset_image_metadata", "evs:volumes:update", unset_image_metadata},
    {"os-show_image_metadata", "evs:volumes:get", show_image_metadata},
    {"os-migrate_volume", "evs:volumes:update", migrate},
    {"os-migrate_volume_completion", "evs:volumes:update", migrate_completion},
    {"os-unmanage", "evs:volumes:delete", unmanage},
    {"os-force_detach", "evs:volumes:detach", force_detach},
    {"os-reimage", "evs:volumes:update", reimage},
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

}  // namespace

CinderApi::Reply CinderApi::volume_action(CallPtr call) {
  json::object body = parse_body(*call->request);
  if (body.size() != 1) {
    throw Error(ErrorCode::InvalidInput,
                "Malformed request body: exactly one action is wanted, not " + std::to_string(body.size()) + ".");
  }
  std::string name(body.begin()->key());
  for (const auto& [known, permission, handler] : kActions) {
    if (known != name) continue;
    call->require_action(permission);
    auto action =
        std::make_shared<const Action>(Action{call, s_, VolumeId(call->path.get("id")), name, body.begin()->value()});
    co_return co_await handler(action);
  }
  throw Error(ErrorCode::InvalidInput, "There is no such action: " + name.substr(0, 100) +
                                           ". Verify the request body and Content-Type header and try again.");
}

}  // namespace varve::api::cinder
