// The tables of what volume types are associated with; the same rules as store/tables.h.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/type_extras.h"
#include "store/tables.h"

namespace varve::store {

template <>
struct Table<model::QosSpec> {
  static constexpr std::string_view name = "qos_specs";
  static void columns(auto& q, auto&& f) {
    f("id", q.id), f("name", q.name), f("consumer", q.consumer), f("specs", q.specs), f("created_at", q.created_at);
    f("updated_at", q.updated_at);
  }
};

template <>
struct Table<model::TypeEncryption> {
  static constexpr std::string_view name = "type_encryptions";
  static void columns(auto& e, auto&& f) {
    f("id", e.id), f("volume_type_id", e.volume_type_id), f("provider", e.provider);
    f("control_location", e.control_location), f("cipher", e.cipher), f("key_size", e.key_size);
    f("created_at", e.created_at), f("updated_at", e.updated_at);
  }
};

class QosSpecs {
 public:
  explicit QosSpecs(Connection& db) : db_(db) {}
  void insert(const model::QosSpec& spec) { store::insert(db_, spec); }
  void update(const model::QosSpec& spec) { store::update(db_, spec); }
  void remove(const QosSpecId& id);
  std::optional<model::QosSpec> find(const QosSpecId& id);
  model::QosSpec get(const QosSpecId& id);
  std::optional<model::QosSpec> find_by_name(const std::string& name);
  model::Page<model::QosSpec> list(const model::PageQuery& query);
  std::vector<model::VolumeType> types(const QosSpecId& id);  // that are associated

 private:
  Connection& db_;
};

class TypeEncryptions {
 public:
  explicit TypeEncryptions(Connection& db) : db_(db) {}
  void insert(const model::TypeEncryption& encryption) { store::insert(db_, encryption); }
  void update(const model::TypeEncryption& encryption) { store::update(db_, encryption); }
  void remove(const EncryptionId& id);
  std::optional<model::TypeEncryption> of_type(const VolumeTypeId& type);

 private:
  Connection& db_;
};

class DefaultTypes {
 public:
  explicit DefaultTypes(Connection& db) : db_(db) {}
  void set(const ProjectId& project, const VolumeTypeId& type);
  bool clear(const ProjectId& project);
  std::optional<VolumeTypeId> of_project(const ProjectId& project);
  std::vector<std::pair<ProjectId, VolumeTypeId>> all();

 private:
  Connection& db_;
};

}  // namespace varve::store
