#include "store/type_tables.h"

#include "store/find.h"
#include "store/page_select.h"

namespace varve::store {

void QosSpecs::insert(const model::QosSpec& spec) {
  store::insert(db_, spec);
}

void QosSpecs::update(const model::QosSpec& spec) {
  store::update(db_, spec);
}

void QosSpecs::remove(const QosSpecId& id) {
  run(db_, "DELETE FROM qos_specs WHERE id = :id", id);
}

std::optional<model::QosSpec> QosSpecs::find(const QosSpecId& id) {
  return select_one<model::QosSpec>(db_, "WHERE id = :id", id);
}

model::QosSpec QosSpecs::get(const QosSpecId& id) {
  std::optional<model::QosSpec> spec = find(id);
  if (!spec) not_found("QoS spec", id.str());
  return std::move(*spec);
}

std::optional<model::QosSpec> QosSpecs::find_by_name(const std::string& name) {
  return select_one<model::QosSpec>(db_, "WHERE name = :name", name);
}

model::Page<model::QosSpec> QosSpecs::list(const model::PageQuery& query) {
  return select_page<model::QosSpec>(db_, query);
}

std::vector<model::VolumeType> QosSpecs::types(const QosSpecId& id) {
  return select<model::VolumeType>(db_, "WHERE qos_spec_id = :spec ORDER BY name", id);
}

void TypeEncryptions::insert(const model::TypeEncryption& encryption) {
  store::insert(db_, encryption);
}

void TypeEncryptions::update(const model::TypeEncryption& encryption) {
  store::update(db_, encryption);
}

void TypeEncryptions::remove(const EncryptionId& id) {
  run(db_, "DELETE FROM type_encryptions WHERE id = :id", id);
}

std::optional<model::TypeEncryption> TypeEncryptions::of_type(const VolumeTypeId& type) {
  return select_one<model::TypeEncryption>(db_, "WHERE volume_type_id = :type", type);
}

void DefaultTypes::set(const ProjectId& project, const VolumeTypeId& type) {
  run(db_,
      "INSERT INTO default_types (id, volume_type_id) VALUES (:id, :type) "
      "ON CONFLICT (id) DO UPDATE SET volume_type_id = excluded.volume_type_id",
      project, type);
}

bool DefaultTypes::clear(const ProjectId& project) {
  return run(db_, "DELETE FROM default_types WHERE id = :id", project) > 0;
}

std::optional<VolumeTypeId> DefaultTypes::of_project(const ProjectId& project) {
  auto rows = query<VolumeTypeId>(db_, "SELECT volume_type_id FROM default_types WHERE id = :id", project);
  if (rows.empty()) return std::nullopt;
  return std::get<0>(rows.front());
}

std::vector<std::pair<ProjectId, VolumeTypeId>> DefaultTypes::all() {
  std::vector<std::pair<ProjectId, VolumeTypeId>> out;
  auto rows = query<ProjectId, VolumeTypeId>(db_, "SELECT id, volume_type_id FROM default_types ORDER BY id");
  for (auto& [project, type] : rows) out.emplace_back(std::move(project), std::move(type));
  return out;
}

}  // namespace varve::store
