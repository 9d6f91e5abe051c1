#include "services/transfers.h"

#include "base/digest.h"
#include "base/failpoint.h"
#include "base/text.h"
#include "services/states.h"

namespace varve::services {

namespace asio = boost::asio;
using model::Transfer;
using model::Volume;
using model::VolumeStatus;

namespace {

constexpr std::size_t kKeyBytes = 16;

// The key has 128 random bits: one round of a plain hash keeps it.
std::string hash_key(const std::string& key) {
  return sha256_hex(key);
}

[[noreturn]] void refuse(const Volume& volume, const std::string& why) {
  throw Error(ErrorCode::InvalidState,
              "Invalid volume: Volume " + volume.id.str() + " cannot be transferred: " + why + ".");
}

// Its group stays in the project.
void require_no_group(const Volume& volume) {
  if (volume.group_id) refuse(volume, "it is in group " + volume.group_id->str());
}

}  // namespace

void Transfers::require_transferable(store::Transaction& tx, const Volume& volume, bool no_snapshots) const {
  require_status(volume, {VolumeStatus::Available}, "transfer it");
  if (!tx.attachments().of_volume(volume.id).empty()) refuse(volume, "it has attachments");
  if (tx.tasks().volume_is_source(volume.id)) refuse(volume, "a volume is being created from it");
  require_no_group(volume);
  bool strict = settings_.profile == Profile::Evs;
  for (const model::Snapshot& snapshot : tx.snapshots().of_volume(volume.id)) {
    if (strict || no_snapshots) refuse(volume, "it has snapshots (" + snapshot.id.str() + ")");
    if (snapshot.status != model::SnapshotStatus::Available) {
      refuse(volume, "its snapshot " + snapshot.id.str() + " is " + std::string(to_string(snapshot.status)));
    }
    if (!tx.attachments().of_snapshot(snapshot.id).empty()) {
      refuse(volume, "its snapshot " + snapshot.id.str() + " has attachments");
    }
  }
  if (!strict) return;
  if (volume.bootable) refuse(volume, "it is a system disk");
  auto encrypted = volume.metadata.find("__system__encrypted");
  if (encrypted != volume.metadata.end() && encrypted->second == "1") refuse(volume, "it is encrypted");
}

asio::awaitable<NewTransfer> Transfers::create(model::Actor actor, VolumeId id, std::optional<std::string> name,
                                               bool no_snapshots) {
  NewTransfer made;
  made.auth_key = rng_.hex(kKeyBytes);
  Transfer& transfer = made.transfer;
  transfer.id = TransferId(rng_.uuid());
  transfer.volume_id = id;
  transfer.name = name;
  transfer.key_hash = hash_key(made.auth_key);
  transfer.no_snapshots = no_snapshots;
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    require_transferable(tx, volume, no_snapshots);
    transfer.project_id = volume.project_id;
    transfer.created_at = clock_.now();
    move_to(volume, VolumeStatus::AwaitingTransfer);
    volume.updated_at = transfer.created_at;
    tx.volumes().update(volume);
    tx.transfers().insert(transfer);
    FAILPOINT("transfer.before_commit");
  });
  FAILPOINT("transfer.after_commit");
  co_return made;
}

boost::asio::awaitable<Transfer> Transfers::show(model::Actor actor, TransferId id) const {
  co_return co_await db_.read([&](store::Transaction& tx) { return tx.transfers().get(actor.scope(), id); });
}

boost::asio::awaitable<model::Page<Transfer>> Transfers::list(model::PageQuery query) const {
  co_return co_await db_.read([&](store::Transaction& tx) {
    if (query.marker) tx.transfers().get(query.project_id, TransferId(*query.marker));
    return tx.transfers().list(query);
  });
}

asio::awaitable<void> Transfers::remove(model::Actor actor, TransferId id) {
  co_await db_.write([&](store::Transaction& tx) {
    Transfer transfer = tx.transfers().get(actor.scope(), id);
    Volume volume = tx.volumes().get(std::nullopt, transfer.volume_id);
    if (volume.status == VolumeStatus::AwaitingTransfer) move_to(volume, VolumeStatus::Available);
    volume.updated_at = clock_.now();
    tx.volumes().update(volume);
    tx.transfers().remove(id);
    FAILPOINT("transfer.before_commit");
  });
  FAILPOINT("transfer.after_commit");
}

asio::awaitable<Transfer> Transfers::accept(model::Actor actor, TransferId id, std::string auth_key) {
  std::string guesser = id.str() + "@" + actor.project_id.str();
  guard_.require_calm(guesser);
  Transfer transfer;
  bool good = false;
  co_await db_.write([&](store::Transaction& tx) {
    transfer = tx.transfers().get(std::nullopt, id);
    good = equal_constant_time(transfer.key_hash, hash_key(auth_key));
    if (!good) return;
    Volume volume = tx.volumes().get(std::nullopt, transfer.volume_id);
    require_status(volume, {VolumeStatus::AwaitingTransfer}, "accept its transfer");
    require_no_group(volume);
    model::VolumeType type = tx.volume_types().find(volume.volume_type_id).value();
    bool moves = volume.project_id != actor.project_id;
    if (moves) quotas_.require_volume(tx, actor.project_id, type, volume.size_gib);
    move_to(volume, VolumeStatus::Available);
    volume.project_id = actor.project_id;
    volume.user_id = actor.user_id;
    volume.updated_at = clock_.now();
    tx.volumes().update(volume);
    for (model::Snapshot& snapshot : tx.snapshots().of_volume(volume.id)) {
      if (moves) quotas_.require_snapshot(tx, actor.project_id, type, snapshot.size_gib);
      snapshot.project_id = actor.project_id;
      snapshot.user_id = actor.user_id;
      tx.snapshots().update(snapshot);
    }
    tx.transfers().remove(id);
    FAILPOINT("transfer.before_commit");
  });
  FAILPOINT("transfer.after_commit");
  if (!good) {
    guard_.failed(guesser);
    throw Error(ErrorCode::InvalidInput,
                "Invalid auth key: Attempt to transfer " + id.str() + " with invalid auth key.");
  }
  guard_.succeeded(guesser);
  co_return transfer;
}

}  // namespace varve::services
