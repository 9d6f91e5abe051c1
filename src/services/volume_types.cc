#include "services/volume_types.h"

#include "base/error.h"
#include "base/text.h"
#include "model/reason.h"

namespace varve::services {

namespace {

struct Seed {
  const char* name;
  const char* description;
  model::Qos qos;
};

// EVS user guide, "Disk types and performance". Where the guide contradicts itself on SATA (90 or 50 MiB/s) the
// formula's constant 50 is taken.
constexpr Seed kSeeds[] = {
    {"ESSD", "Extreme SSD", {1800, 50, 128000, 64000, 120, 50, 1000}},
    {"GPSSD", "General Purpose SSD", {1800, 12, 20000, 8000, 100, 50, 250}},
    {"SAS", "High I/O", {100, 2, 3000, 3000, 100, 15, 150}},
    {"SATA", "Common I/O", {100, 1, 1000, 1000, 50, 0, 50}},
    {"SSD", "Ultra-high I/O", {100, 50, 20000, 10000, 120, 50, 350}},
};

}  // namespace

void VolumeTypes::seed() {
  db_.write_blocking([&](store::Transaction& tx) {
    if (!tx.volume_types().all().empty()) return;
    std::string zones;
    for (const std::string& zone : settings_.availability_zones) zones += (zones.empty() ? "" : ",") + zone;
    for (const Seed& seed : kSeeds) {
      model::VolumeType type;
      type.id = VolumeTypeId(rng_.uuid());
      type.name = seed.name;
      type.description = seed.description;
      type.qos = seed.qos;
      type.created_at = clock_.now();
      // Terraform's provider for EVS reads this key of every type.
      type.extra_specs = {{"RESKEY:availability_zones", zones}};
      if (settings_.profile == Profile::Evs) type.extra_specs["multiattach"] = "<is> True";
      tx.volume_types().insert(type);
    }
  });
}

namespace {

bool may_use(store::Transaction& tx, const model::Actor& actor, const model::VolumeType& type) {
  return type.is_public || actor.admin || tx.volume_types().has_access(type.id, actor.project_id);
}

}  // namespace

boost::asio::awaitable<std::vector<model::VolumeType>> VolumeTypes::list(model::Actor actor) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    std::vector<model::VolumeType> types = tx.volume_types().all();
    std::erase_if(types, [&](const model::VolumeType& type) { return !may_use(tx, actor, type); });
    return types;
  });
}

boost::asio::awaitable<model::VolumeType> VolumeTypes::show(model::Actor actor, std::string id) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    model::VolumeType type = get(tx, id);
    if (!may_use(tx, actor, type)) not_found(id);
    return type;
  });
}

boost::asio::awaitable<std::vector<ProjectId>> VolumeTypes::access(std::string id) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    model::VolumeType type = get(tx, id);
    if (type.is_public) {
      throw Error(ErrorCode::NotFound, "Access list not available for public volume types.");
    }
    return tx.volume_types().projects_with_access(type.id);
  });
}

boost::asio::awaitable<void> VolumeTypes::grant(std::string id, ProjectId project) {
  co_await db_.write([&](store::Transaction& tx) {
    model::VolumeType type = get(tx, id);
    if (type.is_public) {
      throw Error(ErrorCode::Conflict, "Type access modification is not applicable to public volume type " + id + ".");
    }
    if (tx.volume_types().has_access(type.id, project)) {
      throw Error(ErrorCode::Conflict,
                  "Volume type access for " + id + " / " + project.str() + " combination already exists.");
    }
    tx.volume_types().grant(type.id, project);
  });
}

boost::asio::awaitable<void> VolumeTypes::revoke(std::string id, ProjectId project) {
  co_await db_.write([&](store::Transaction& tx) {
    model::VolumeType type = get(tx, id);
    if (!tx.volume_types().revoke(type.id, project)) {
      throw Error(ErrorCode::NotFound,
                  "Volume type access not found for " + id + " / " + project.str() + " combination.");
    }
  });
}

boost::asio::awaitable<model::VolumeType> VolumeTypes::named(model::Actor actor, std::string name_or_id) const {
  co_return co_await db_.read([&](store::Transaction& tx) { return resolve(tx, actor, name_or_id); });
}

boost::asio::awaitable<model::VolumeType> VolumeTypes::default_type(model::Actor actor) const {
  model::Actor everybody = actor;
  everybody.admin = true;
  co_return co_await db_.read([&](store::Transaction& tx) { return resolve(tx, everybody, std::nullopt); });
}

model::VolumeType VolumeTypes::resolve(store::Transaction& tx, const model::Actor& actor,
                                       const std::optional<std::string>& name_or_id) const {
  std::string wanted = name_or_id.value_or(settings_.default_volume_type);
  if (!name_or_id) {
    if (auto own = tx.default_types().of_project(actor.project_id)) wanted = own->str();
  }
  std::optional<model::VolumeType> type = tx.volume_types().find_by_name(wanted);
  if (!type) type = tx.volume_types().find(VolumeTypeId(wanted));
  if (type && !may_use(tx, actor, *type)) type.reset();
  if (!type)
    throw Error(ErrorCode::NotFound, "Volume type with name " + wanted + " could not be found.", Reason::TypeUnknown);
  return std::move(*type);
}

void VolumeTypes::require_removable(const model::VolumeType& type) const {
  if (type.name != settings_.default_volume_type) return;
  throw Error(ErrorCode::Forbidden,
              "The volume type " + type.id.str() + " is the default volume type and cannot be deleted.");
}

}  // namespace varve::services
