// The tables of what volume types are associated with; the same rules as store/tables.h.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/type_extras.h"
#include "store/tables.h"

namespace varve::store {

class QosSpecs {
 public:
  explicit QosSpecs(Connection& db) : db_(db) {}
  void insert(const model::QosSpec& spec);
  void update(const model::QosSpec& spec);
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
  void insert(const model::TypeEncryption& encryption);
  void update(const model::TypeEncryption& encryption);
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
