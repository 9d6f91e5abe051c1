#include "services/type_extras.h"

#include <fmt/format.h>

#include "base/error.h"

namespace varve::services {

namespace asio = boost::asio;
using model::QosSpec;
using model::TypeEncryption;

namespace {

model::VolumeType type_of(store::Transaction& tx, const std::string& id) {
  std::optional<model::VolumeType> type = tx.volume_types().find(VolumeTypeId(id));
  if (!type) throw Error(ErrorCode::NotFound, "Volume type " + id + " could not be found.");
  return std::move(*type);
}

void require_unused(store::Transaction& tx, const model::VolumeType& type) {
  if (!tx.volume_types().in_use(type.id)) return;
  throw Error(ErrorCode::InvalidState,
              "Cannot create, change or delete encryption of type " + type.id.str() + ": volumes of the type exist.");
}

TypeEncryption encryption_of(store::Transaction& tx, const model::VolumeType& type) {
  std::optional<TypeEncryption> found = tx.type_encryptions().of_type(type.id);
  if (!found) throw Error(ErrorCode::NotFound, "Volume type encryption for type " + type.id.str() + " does not exist.");
  return std::move(*found);
}

}  // namespace

boost::asio::awaitable<model::Page<QosSpec>> TypeExtras::list_specs(model::PageQuery query) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    if (query.marker) tx.qos_specs().get(QosSpecId(*query.marker));
    return tx.qos_specs().list(query);
  });
}

boost::asio::awaitable<QosSpec> TypeExtras::show_spec(std::string id) const {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.qos_specs().get(QosSpecId(id)); });
}

asio::awaitable<QosSpec> TypeExtras::create_spec(QosSpec spec) {
  spec.id = QosSpecId(rng_.uuid());
  spec.created_at = clock_.now();
  co_await db_.write([&](store::Transaction& tx) {
    if (tx.qos_specs().find_by_name(spec.name)) {
      throw Error(ErrorCode::Conflict, "QoS Specs " + spec.name + " already exists.");
    }
    tx.qos_specs().insert(spec);
  });
  co_return spec;
}

asio::awaitable<void> TypeExtras::set_keys(std::string id, model::Metadata specs, std::optional<std::string> consumer) {
  co_await db_.write([&](store::Transaction& tx) {
    QosSpec spec = tx.qos_specs().get(QosSpecId(id));
    for (const auto& [key, value] : specs) spec.specs[key] = value;
    if (consumer) spec.consumer = *consumer;
    spec.updated_at = clock_.now();
    tx.qos_specs().update(spec);
  });
}

asio::awaitable<void> TypeExtras::remove_keys(std::string id, std::vector<std::string> keys) {
  co_await db_.write([&](store::Transaction& tx) {
    QosSpec spec = tx.qos_specs().get(QosSpecId(id));
    for (const std::string& key : keys) {
      if (spec.specs.erase(key) == 0) {
        throw Error(ErrorCode::InvalidInput, fmt::format("QoS spec {} has no spec with key {}.", id, key));
      }
    }
    spec.updated_at = clock_.now();
    tx.qos_specs().update(spec);
  });
}

asio::awaitable<void> TypeExtras::remove_spec(std::string id, bool force) {
  co_await db_.write([&](store::Transaction& tx) {
    QosSpec spec = tx.qos_specs().get(QosSpecId(id));
    std::vector<model::VolumeType> types = tx.qos_specs().types(spec.id);
    if (!types.empty() && !force) {
      throw Error(ErrorCode::InvalidState, "QoS Specs " + id + " is still associated with entities: volume type " +
                                               types.front().id.str() + ".");
    }
    for (model::VolumeType& type : types) {
      type.qos_spec_id.reset();
      tx.volume_types().update(type);
    }
    tx.qos_specs().remove(spec.id);
  });
}

boost::asio::awaitable<std::vector<model::VolumeType>> TypeExtras::associations(std::string id) const {
  co_return co_await db_.read(
      [&](store::Transaction& tx) { return tx.qos_specs().types(tx.qos_specs().get(QosSpecId(id)).id); });
}

asio::awaitable<void> TypeExtras::associate(std::string id, std::string type_id) {
  co_await db_.write([&](store::Transaction& tx) {
    QosSpec spec = tx.qos_specs().get(QosSpecId(id));
    model::VolumeType type = type_of(tx, type_id);
    if (type.qos_spec_id && type.qos_spec_id != spec.id) {
      throw Error(ErrorCode::InvalidInput, "Type " + type_id + " is already associated with another qos specs: " +
                                               type.qos_spec_id->str() + ".");
    }
    type.qos_spec_id = spec.id;
    tx.volume_types().update(type);
  });
}

asio::awaitable<void> TypeExtras::disassociate(std::string id, std::optional<std::string> type_id) {
  co_await db_.write([&](store::Transaction& tx) {
    QosSpec spec = tx.qos_specs().get(QosSpecId(id));
    if (type_id) type_of(tx, *type_id);
    for (model::VolumeType& type : tx.qos_specs().types(spec.id)) {
      if (type_id && type.id.str() != *type_id) continue;
      type.qos_spec_id.reset();
      tx.volume_types().update(type);
    }
  });
}

boost::asio::awaitable<std::optional<TypeEncryption>> TypeExtras::encryption(std::string type) const {
  co_return co_await db_.read(
      [&](store::Transaction& tx) { return tx.type_encryptions().of_type(type_of(tx, type).id); });
}

asio::awaitable<TypeEncryption> TypeExtras::create_encryption(TypeEncryption encryption) {
  encryption.id = EncryptionId(rng_.uuid());
  encryption.created_at = clock_.now();
  co_await db_.write([&](store::Transaction& tx) {
    model::VolumeType type = type_of(tx, encryption.volume_type_id.str());
    if (tx.type_encryptions().of_type(type.id)) {
      throw Error(ErrorCode::InvalidState, "Volume type encryption for type " + type.id.str() + " already exists.");
    }
    require_unused(tx, type);
    tx.type_encryptions().insert(encryption);
  });
  co_return encryption;
}

asio::awaitable<TypeEncryption> TypeExtras::update_encryption(std::string type_id, EncryptionChange change) {
  co_return co_await db_.write([&](store::Transaction& tx) {
    TypeEncryption encryption;
    model::VolumeType type = type_of(tx, type_id);
    encryption = encryption_of(tx, type);
    require_unused(tx, type);
    if (change.provider) encryption.provider = *change.provider;
    if (change.control_location) encryption.control_location = *change.control_location;
    if (change.cipher) encryption.cipher = *change.cipher;
    if (change.key_size) encryption.key_size = *change.key_size;
    encryption.updated_at = clock_.now();
    tx.type_encryptions().update(encryption);
    return encryption;
  });
}

asio::awaitable<void> TypeExtras::remove_encryption(std::string type_id) {
  co_await db_.write([&](store::Transaction& tx) {
    model::VolumeType type = type_of(tx, type_id);
    TypeEncryption encryption = encryption_of(tx, type);
    require_unused(tx, type);
    tx.type_encryptions().remove(encryption.id);
  });
}

boost::asio::awaitable<std::vector<DefaultType>> TypeExtras::defaults() const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    std::vector<DefaultType> out;
    for (auto& [project, type] : tx.default_types().all()) out.push_back({project, type});
    return out;
  });
}

boost::asio::awaitable<std::optional<VolumeTypeId>> TypeExtras::default_of(ProjectId project) const {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.default_types().of_project(project); });
}

asio::awaitable<VolumeTypeId> TypeExtras::set_default(ProjectId project, std::string name_or_id) {
  co_return co_await db_.write([&](store::Transaction& tx) {
    VolumeTypeId id;
    std::optional<model::VolumeType> type = tx.volume_types().find_by_name(name_or_id);
    id = type ? type->id : type_of(tx, name_or_id).id;
    tx.default_types().set(project, id);
    return id;
  });
}

asio::awaitable<void> TypeExtras::clear_default(ProjectId project) {
  co_await db_.write([&](store::Transaction& tx) {
    if (!tx.default_types().clear(project)) {
      throw Error(ErrorCode::NotFound, "Default type for project " + project.str() + " not found.");
    }
  });
}

}  // namespace varve::services
