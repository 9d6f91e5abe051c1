// Backups: copies in an object store, whole or incremental, and volumes from them.

#include <boost/json.hpp>

#include "api/cinder/filters.h"
#include "api/cinder/rows.h"
#include "api/common/action_rows.h"
#include "api/common/body.h"
#include "api/common/paging.h"
#include "api/common/replies.h"
#include "base/base64.h"
#include "base/parse_time.h"

namespace varve::api::cinder {

using http::Verb;
using model::Backup;
using services::BackupDetail;

namespace {

constexpr int kUpdate = 9;
constexpr int kMetadata = 43;
constexpr std::size_t kMaxRecord = 64 << 10;
constexpr std::int64_t kMaxSize = 2147483647;
constexpr std::string_view kServicePrefix = "cinder.backup.drivers.varve.";

constexpr FilterSpec kFilters[] = {
    {"name", "name"},
    {"status", "status"},
    {"volume_id", "volume_id"},
    {"snapshot_id", "snapshot_id"},
    {"container", "container"},
    {"id", "id"},
    {"user_id", "user_id"},
    {"size", "size_gib", FilterSpec::Kind::Integer},
    {"metadata", "metadata", FilterSpec::Kind::Metadata},
    {"created_at", "created_at", FilterSpec::Kind::Time},
    {"updated_at", "updated_at", FilterSpec::Kind::Time},
};
constexpr SortSpec kSortKeys[] = {
    {"id", "id"},
    {"name", "name"},
    {"display_name", "name"},
    {"status", "status"},
    {"size", "size_gib"},
    {"volume_id", "volume_id"},
    {"created_at", "created_at"},
    {"updated_at", "updated_at"},
    {"data_timestamp", "data_timestamp"},
};

json::object summary_view(const Call& call, const Backup& backup) {
  std::string rest = call.actor.project_id.str() + "/backups/" + backup.id.str();
  json::array links{json::object{{"rel", "self"}, {"href", call.base_url + "/v3/" + rest}},
                    json::object{{"rel", "bookmark"}, {"href", call.base_url + "/" + rest}}};
  return {{"id", backup.id.str()}, {"name", text_or_null(backup.name)}, {"links", std::move(links)}};
}

json::object detail_view(const Call& call, const BackupDetail& detail) {
  const Backup& backup = detail.backup;
  json::object out = summary_view(call, backup);
  out["status"] = to_string(backup.status);
  out["size"] = backup.size_gib;
  out["object_count"] = backup.object_count;
  out["availability_zone"] = backup.availability_zone;
  out["container"] = backup.container;
  out["created_at"] = format_time(backup.created_at);
  out["updated_at"] = time_or_null(backup.updated_at);
  out["description"] = text_or_null(backup.description);
  out["fail_reason"] = text_or_null(backup.fail_reason);
  out["volume_id"] = backup.volume_id.str();
  out["snapshot_id"] = text_or_null(backup.snapshot_id);
  out["is_incremental"] = backup.parent_id.has_value();
  out["has_dependent_backups"] = detail.has_dependents;
  out["data_timestamp"] = format_time(backup.data_timestamp);
  if (call.version.at_least(18) && call.actor.admin) out["os-backup-project-attr:project_id"] = backup.project_id.str();
  if (call.version.at_least(kMetadata)) out["metadata"] = metadata_view(backup.metadata);
  if (call.version.at_least(56)) out["user_id"] = backup.user_id.str();
  if (call.version.at_least(64)) out["encryption_key_id"] = text_or_null(backup.encryption_key_id);
  return out;
}

// What import_record() needs to make the row again.
std::string encode_record(const Backup& backup) {
  json::object out{{"id", backup.id.str()},
                   {"archive", backup.archive},
                   {"volume_id", backup.volume_id.str()},
                   {"snapshot_id", text_or_null(backup.snapshot_id)},
                   {"parent_id", text_or_null(backup.parent_id)},
                   {"display_name", text_or_null(backup.name)},
                   {"display_description", text_or_null(backup.description)},
                   {"availability_zone", backup.availability_zone},
                   {"container", backup.container},
                   {"size", backup.size_gib},
                   {"object_count", backup.object_count},
                   {"encryption_key_id", text_or_null(backup.encryption_key_id)},
                   {"metadata", metadata_view(backup.metadata)},
                   {"data_timestamp", format_time(backup.data_timestamp)},
                   {"created_at", format_time(backup.created_at)}};
  return to_base64(json::serialize(out));
}

[[noreturn]] void bad_record(const std::string& why) {
  throw Error(ErrorCode::InvalidInput, "Invalid backup: Can't parse backup record: " + why + ".");
}

Backup decode_record(const std::string& text) {
  std::optional<std::string> plain = from_base64(text);
  boost::system::error_code fault;
  json::value parsed = plain ? json::parse(*plain, fault) : json::value();
  if (fault || !parsed.is_object()) bad_record("it is no JSON object in base64");
  Fields fields(parsed, "backup_url");
  Backup backup;
  backup.id = fields.required_id<BackupId>("id");
  backup.archive = fields.required_uuid("archive");
  backup.volume_id = fields.required_id<VolumeId>("volume_id");
  backup.snapshot_id = fields.id<SnapshotId>("snapshot_id");
  backup.parent_id = fields.id<BackupId>("parent_id");
  backup.name = fields.text("display_name");
  backup.description = fields.text("display_description");
  backup.availability_zone = fields.text("availability_zone").value_or("");
  backup.container = fields.text("container").value_or("");
  backup.size_gib = fields.required_integer("size", 1, kMaxSize);
  backup.object_count = fields.required_integer("object_count", 0, INT64_MAX);
  backup.encryption_key_id = fields.id<KeyId>("encryption_key_id");
  backup.metadata = fields.metadata("metadata").value_or(model::Metadata());
  std::optional<Timestamp> data = parse_time(fields.required_text("data_timestamp"));
  std::optional<Timestamp> created = parse_time(fields.required_text("created_at"));
  if (!data || !created) bad_record("its times are none");
  backup.data_timestamp = *data;
  backup.created_at = *created;
  return backup;
}

Reply create_backup(Services& s, CallPtr call) {
  Body body(*call->request, "backup");
  Fields& fields = body.fields();
  services::BackupSpec spec;
  spec.volume_id = fields.required_id<VolumeId>("volume_id");
  spec.snapshot_id = fields.id<SnapshotId>("snapshot_id");
  spec.name = fields.text("name");
  spec.description = fields.text("description");
  spec.container = fields.text("container");
  spec.incremental = fields.boolean("incremental").value_or(false);
  spec.force = fields.boolean("force").value_or(false);
  if (call->version.at_least(kMetadata)) spec.metadata = fields.metadata("metadata").value_or(model::Metadata());
  if (call->version.at_least(51)) spec.availability_zone = fields.text("availability_zone");
  fields.finish();
  if (spec.container && spec.container->empty()) spec.container.reset();
  Backup made = co_await s.backups.create(call->actor, std::move(spec));
  co_return json_reply(202, json::object{{"backup", summary_view(*call, made)}});
}

template <bool kDetail>
Reply list_backups(Services& s, CallPtr call) {
  model::PageQuery query = parse_page(*call, ListSpec{kFilters, kSortKeys});
  model::Page<BackupDetail> page = co_await s.backups.list(query);
  auto view = [&](const BackupDetail& row) {
    return kDetail ? detail_view(*call, row) : summary_view(*call, row.backup);
  };
  co_return page_reply(*call, "backups", query, page, view);
}

Reply show_backup(Services& s, CallPtr call) {
  BackupDetail detail = co_await s.backups.show(call->actor, BackupId(call->path.get("id")));
  co_return json_reply(200, json::object{{"backup", detail_view(*call, detail)}});
}

Reply update_backup(Services& s, CallPtr call) {
  Body body(*call->request, "backup");
  Fields& fields = body.fields();
  services::BackupChange change;
  change.name = fields.nullable_text("name");
  change.description = fields.nullable_text("description");
  if (call->version.at_least(kMetadata)) change.metadata = fields.metadata("metadata");
  fields.finish();
  if (fields.count() == 0) Fields::refuse("backup", json::object(), "At least one of name, description is wanted");
  Backup backup = co_await s.backups.update(call->actor, BackupId(call->path.get("id")), std::move(change));
  co_return json_reply(200, json::object{{"backup", summary_view(*call, backup)}});
}

Reply delete_backup(Services& s, CallPtr call) {
  co_await s.backups.remove(call->actor, BackupId(call->path.get("id")), false);
  co_return empty_reply(202);
}

// Into the volume that is named, else into a new one.
Reply restore_backup(Services& s, CallPtr call) {
  BackupId id(call->path.get("id"));
  Body body(*call->request, "restore");
  Fields& fields = body.fields();
  std::optional<std::string> volume_id = fields.uuid("volume_id");
  std::optional<std::string> name = fields.text("name");
  fields.finish();
  model::Volume volume;
  if (volume_id) {
    volume = co_await s.backups.restore(call->actor, id, VolumeId(*volume_id));
  } else {
    services::VolumeSpec spec;
    spec.backup_id = id;
    spec.name = name.value_or("restore_backup_" + id.str());
    spec.description = "auto-created_from_restore_from_backup";
    services::CreatedVolumes made = co_await s.volumes.create(call->actor, std::move(spec));
    volume = made.volumes.front().volume;
  }
  json::object view{{"backup_id", id.str()}, {"volume_id", volume.id.str()}};
  view["volume_name"] = text_or_null(volume.name);
  co_return json_reply(202, json::object{{"restore", std::move(view)}});
}

Reply reset_status(Services& s, CallPtr call, Arguments given) {
  co_await s.backups.reset_status(call->actor, BackupId(call->path.get("id")), given.only("status"));
  co_return empty_reply(202);
}

Reply force_delete(Services& s, CallPtr call, Arguments) {
  co_await s.backups.remove(call->actor, BackupId(call->path.get("id")), true);
  co_return empty_reply(202);
}

constexpr ActionRow<Services> kActions[] = {
    {"os-reset_status", "admin", reset_status},
    {"os-force_delete", "admin", force_delete},
};

Reply export_backup(Services& s, CallPtr call) {
  BackupDetail detail = co_await s.backups.show(call->actor, BackupId(call->path.get("id")));
  if (detail.backup.status != model::BackupStatus::Available) {
    throw Error(ErrorCode::InvalidState, "Invalid backup: Backup status must be available and not " +
                                             std::string(to_string(detail.backup.status)) + ".");
  }
  json::object record{{"backup_service", std::string(kServicePrefix) + detail.backup.service},
                      {"backup_url", encode_record(detail.backup)}};
  co_return json_reply(200, json::object{{"backup-record", std::move(record)}});
}

Reply import_backup(Services& s, CallPtr call) {
  Body body(*call->request, "backup-record");
  std::string service = body.fields().required_text("backup_service");
  std::string record = body.fields().required_text("backup_url", kMaxRecord);
  body.fields().finish();
  if (service != std::string(kServicePrefix) + s.backups.kind()) {
    Fields::refuse("backup_service", json::value(service),
                   "Backups are kept by " + std::string(kServicePrefix) + s.backups.kind() + " here");
  }
  Backup backup = co_await s.backups.import_record(call->actor, decode_record(record));
  co_return json_reply(201, json::object{{"backup", summary_view(*call, backup)}});
}

constexpr Row<Services> kRows[] = {
    {Verb::post, "/backups", "member", create_backup},
    {Verb::get, "/backups", "member", list_backups<false>},
    {Verb::get, "/backups/detail", "member", list_backups<true>},
    {Verb::post, "/backups/import_record", "admin", import_backup},
    {Verb::get, "/backups/{id}", "member", show_backup},
    {Verb::put, "/backups/{id}", "member", update_backup, kUpdate},
    {Verb::delete_, "/backups/{id}", "member", delete_backup},
    {Verb::post, "/backups/{id}/restore", "member", restore_backup},
    action_row<kActions, Services>("/backups/{id}/action"),
    {Verb::get, "/backups/{id}/export_record", "admin", export_backup},
};

}  // namespace

std::span<const FilterSpec> backup_filters() {
  return kFilters;
}

Rows backups_rows() {
  return kRows;
}

}  // namespace varve::api::cinder
