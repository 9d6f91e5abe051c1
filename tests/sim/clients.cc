#include "clients.h"

#include <boost/asio/co_spawn.hpp>
#include <iterator>

#include "base/failpoint.h"

namespace varve::sim {

namespace asio = boost::asio;
using namespace std::string_literals;

namespace {

constexpr std::size_t kMostVolumes = 6;
const std::vector<std::string> kTypes{"SSD", "GPSSD", "SAS"};
const std::vector<std::string> kHosts{"h1", "h2"};

std::string connector_of(const std::string& host) {
  return R"({"host":")" + host + R"("})";
}

}  // namespace

struct Client::Kind {
  void (Client::*make)(Service&, const View&);
};

const std::vector<Client::Kind>& Client::all() {
  static const std::vector<Kind> kinds{{&Client::create_volume},
                                       {&Client::copy_volume},
                                       {&Client::remove_volume},
                                       {&Client::extend},
                                       {&Client::rollback},
                                       {&Client::retype},
                                       {&Client::create_snapshot},
                                       {&Client::remove_snapshot},
                                       {&Client::rename_snapshot},
                                       {&Client::create_attachment},
                                       {&Client::change_attachment},
                                       {&Client::remove_attachment},
                                       {&Client::old_attach},
                                       {&Client::old_detach},
                                       {&Client::swap},
                                       {&Client::create_group},
                                       {&Client::change_group},
                                       {&Client::remove_group},
                                       {&Client::copy_group},
                                       {&Client::group_snapshot},
                                       {&Client::create_transfer},
                                       {&Client::end_transfer}};
  return kinds;
}

std::size_t Client::kinds() {
  return all().size();
}

Client::Client(int number, bool admin, Random& random, Trace& trace, Told& told)
    : number_(number), random_(random), trace_(trace), told_(told), io_(std::make_unique<asio::io_context>(1)) {
  actor_.project_id = ProjectId(number % 2 == 0 ? "p0" : "p1");
  actor_.user_id = UserId("u" + std::to_string(number));
  actor_.admin = admin;
  actor_.request_id = "req-" + std::to_string(number);
}

void Client::forget() {
  io_ = std::make_unique<asio::io_context>(1);
  call_.reset();
}

bool Client::poll() {
  if (io_->stopped()) io_->restart();  // it stops whenever it has nothing to do
  return io_->poll_one() > 0;
}

void Client::begin(Service& service, const View& view, const std::vector<unsigned>& weights) {
  unsigned sum = 0;
  for (unsigned weight : weights) sum += weight;
  std::size_t at = random_.below(sum);
  std::size_t kind = 0;
  while (at >= weights[kind]) at -= weights[kind++];
  (this->*all()[kind].make)(service, view);
}

template <class T>
void Client::run(std::string what, asio::awaitable<T> call, std::function<void(const T&)> then) {
  call_ = "client " + std::to_string(number_) + ": " + what;
  trace_.line(*call_);
  auto done = [this, then = std::move(then)](const std::exception_ptr& fault, const T& answer) {
    if (!fault && then) then(answer);
    ended(fault);
  };
  asio::co_spawn(*io_, std::move(call), std::move(done));
}

void Client::run(std::string what, asio::awaitable<void> call) {
  call_ = "client " + std::to_string(number_) + ": " + what;
  trace_.line(*call_);
  asio::co_spawn(*io_, std::move(call), [this](const std::exception_ptr& fault) { ended(fault); });
}

void Client::ended(const std::exception_ptr& fault) {
  std::string what = *std::exchange(call_, std::nullopt);
  try {
    if (fault) std::rethrow_exception(fault);
    trace_.line(what + ": done");
  } catch (const Error& error) {
    trace_.line(what + ": " + std::string(to_string(error.code())));
    if (error.code() == ErrorCode::Internal) told_.breach = "no call fails by our own fault: " + error.message();
  } catch (const failpoint::Crash&) {
    told_.crashed = true;
  } catch (const std::exception& error) {
    told_.breach = "no call fails by our own fault: "s + error.what();
  }
}

template <class Row>
const Row& Client::pick(const std::vector<Row>& rows) {
  constexpr int kTries = 4;
  const Row* row = &random_.pick(rows);
  for (int i = 1; i < kTries && !actor_.admin && row->project_id != actor_.project_id; ++i) row = &random_.pick(rows);
  return *row;
}

namespace {

// Reads more easily below: what is created is known to be there once it is answered.
std::function<void(const services::CreatedVolumes&)> acknowledge(Told& told) {
  return [&told](const services::CreatedVolumes& created) {
    for (const services::VolumeDetail& one : created.volumes) told.acknowledged.insert(one.volume.id);
  };
}

}  // namespace

void Client::create_volume(Service& service, const View& view) {
  if (view.volumes.size() >= kMostVolumes) return;
  services::VolumeSpec spec;
  spec.size_gib = random_.between(1, 4);
  spec.volume_type = random_.pick(kTypes);
  spec.multiattach = random_.chance(30);
  if (random_.chance(10)) spec.count = 2;
  if (!view.groups.empty() && random_.chance(30)) spec.group_id = pick(view.groups).id;
  run("creates a volume", service.volumes.create(actor_, spec), acknowledge(told_));
}

void Client::copy_volume(Service& service, const View& view) {
  if (view.volumes.empty() || view.volumes.size() >= kMostVolumes) return;
  services::VolumeSpec spec;
  if (view.snapshots.empty() || random_.chance(50)) {
    const model::Volume& source = volume(view);
    spec.source_volume_id = source.id;
    run("copies volume " + trace_.of(source.id), service.volumes.create(actor_, spec), acknowledge(told_));
  } else {
    const model::Snapshot& source = snapshot(view);
    spec.snapshot_id = source.id;
    run("copies snapshot " + trace_.of(source.id), service.volumes.create(actor_, spec), acknowledge(told_));
  }
}

void Client::remove_volume(Service& service, const View& view) {
  if (view.volumes.empty()) return;
  const model::Volume& one = volume(view);
  bool cascade = random_.chance(60);
  bool force = actor_.admin && random_.chance(50);
  std::string how = (cascade ? " with its snapshots"s : ""s) + (force ? ", by force" : "");
  run("deletes volume " + trace_.of(one.id) + how, service.volumes.remove(actor_, one.id, cascade, force));
}

void Client::extend(Service& service, const View& view) {
  if (view.volumes.empty()) return;
  const model::Volume& one = volume(view);
  std::int64_t size = one.size_gib + random_.between(0, 3);
  run("extends volume " + trace_.of(one.id) + " to " + std::to_string(size),
      service.volumes.extend(actor_, one.id, size));
}

void Client::rollback(Service& service, const View& view) {
  if (view.snapshots.empty()) return;
  const model::Snapshot& one = snapshot(view);
  run("rolls volume " + trace_.of(one.volume_id) + " back to " + trace_.of(one.id),
      service.volumes.rollback(actor_, one.volume_id, one.id));
}

void Client::retype(Service& service, const View& view) {
  if (view.volumes.empty()) return;
  const model::Volume& one = volume(view);
  const std::string& type = random_.pick(kTypes);
  run("retypes volume " + trace_.of(one.id) + " to " + type, service.volumes.retype(actor_, one.id, type, true));
}

void Client::create_snapshot(Service& service, const View& view) {
  if (view.volumes.empty()) return;
  services::SnapshotSpec spec;
  spec.volume_id = volume(view).id;
  spec.force = random_.chance(50);
  run("snapshots volume " + trace_.of(spec.volume_id), service.snapshots.create(actor_, spec));
}

void Client::remove_snapshot(Service& service, const View& view) {
  if (view.snapshots.empty()) return;
  const model::Snapshot& one = snapshot(view);
  bool force = actor_.admin && random_.chance(50);
  run("deletes snapshot " + trace_.of(one.id), service.snapshots.remove(actor_, one.id, force));
}

void Client::rename_snapshot(Service& service, const View& view) {
  if (view.snapshots.empty()) return;
  const model::Snapshot& one = snapshot(view);
  services::SnapshotChange change;
  change.name = "name" + std::to_string(random_.below(10));
  run("renames snapshot " + trace_.of(one.id), service.snapshots.update(actor_, one.id, change));
}

void Client::create_attachment(Service& service, const View& view) {
  if (view.volumes.empty()) return;
  services::AttachmentSpec spec;
  spec.volume_id = volume(view).id;
  std::string of = "volume " + trace_.of(spec.volume_id);
  if (!view.snapshots.empty() && random_.chance(30)) {
    const model::Snapshot& source = snapshot(view);
    spec.volume_id = source.volume_id;
    spec.snapshot_id = source.id;
    of = "snapshot " + trace_.of(source.id);
  }
  if (random_.chance(70)) {
    spec.host_name = random_.pick(kHosts);
    spec.connector = connector_of(*spec.host_name);
  }
  run((spec.connector ? "attaches " : "reserves ") + of, service.attachments.create(actor_, spec));
}

void Client::change_attachment(Service& service, const View& view) {
  if (view.attachments.empty()) return;
  const model::Attachment& one = pick(view.attachments);
  if (random_.chance(50)) {
    run("completes attachment " + trace_.of(one.id), service.attachments.complete(actor_, one.id));
    return;
  }
  services::AttachmentSpec spec;
  spec.host_name = random_.pick(kHosts);
  spec.connector = connector_of(*spec.host_name);
  run("connects attachment " + trace_.of(one.id), service.attachments.connect(actor_, one.id, spec));
}

void Client::remove_attachment(Service& service, const View& view) {
  if (view.attachments.empty()) return;
  const model::Attachment& one = pick(view.attachments);
  run("deletes attachment " + trace_.of(one.id), service.attachments.remove(actor_, one.id));
}

void Client::old_attach(Service& service, const View& view) {
  if (view.volumes.empty()) return;
  const model::Volume& one = volume(view);
  std::string of = " volume " + trace_.of(one.id);
  const std::string& host = random_.pick(kHosts);
  services::AttachmentSpec spec;
  switch (random_.below(4)) {
    case 0:
      run("reserves" + of, service.attachments.reserve(actor_, one.id));
      return;
    case 1:
      run("unreserves" + of, service.attachments.unreserve(actor_, one.id));
      return;
    case 2:
      spec.volume_id = one.id;
      spec.host_name = host;
      spec.connector = connector_of(host);
      run("initializes a connection of" + of, service.attachments.initialize_connection(actor_, spec));
      return;
    default:
      services::AttachSpec attach;
      attach.host_name = host;
      attach.mountpoint = "/dev/vdb";
      run("says that it attached" + of, service.attachments.attach(actor_, one.id, attach));
  }
}

void Client::old_detach(Service& service, const View& view) {
  if (view.volumes.empty()) return;
  const model::Volume& one = volume(view);
  std::string of = " volume " + trace_.of(one.id);
  std::optional<std::string> host;
  if (random_.chance(50)) host = random_.pick(kHosts);
  switch (random_.below(4)) {
    case 0:
      run("begins to detach" + of, service.attachments.begin_detaching(actor_, one.id));
      return;
    case 1:
      run("does not detach" + of, service.attachments.roll_detaching(actor_, one.id));
      return;
    case 2:
      run("terminates the connections of" + of, service.attachments.terminate_connection(actor_, one.id, host));
      return;
    default:
      run("says that it detached" + of, service.attachments.detach(actor_, one.id, std::nullopt));
  }
}

void Client::swap(Service& service, const View& view) {
  if (view.volumes.empty()) return;
  VolumeId from = volume(view).id;
  VolumeId to = volume(view).id;
  run("swaps volume " + trace_.of(from) + " for " + trace_.of(to), service.attachments.swap(actor_, from, to));
}

void Client::create_group(Service& service, const View& view) {
  if (view.groups.size() >= 3) return;
  services::GroupSpec spec;
  spec.group_type = "default_cgsnapshot_type";
  spec.volume_types = kTypes;
  run("creates a group", service.groups.create(actor_, spec));
}

void Client::change_group(Service& service, const View& view) {
  if (view.groups.empty() || view.volumes.empty()) return;
  const model::VolumeGroup& group = pick(view.groups);
  const model::Volume& one = volume(view);
  services::GroupChange change;
  bool adds = random_.chance(70);
  (adds ? change.add_volumes : change.remove_volumes).push_back(one.id.str());
  run((adds ? "adds volume " : "takes volume ") + trace_.of(one.id) + (adds ? " to group " : " out of group ") +
          trace_.of(group.id),
      service.groups.update(actor_, group.id, change));
}

void Client::remove_group(Service& service, const View& view) {
  if (view.groups.empty()) return;
  const model::VolumeGroup& group = pick(view.groups);
  run("deletes group " + trace_.of(group.id), service.groups.remove(actor_, group.id, random_.chance(70)));
}

void Client::copy_group(Service& service, const View& view) {
  if (view.groups.empty() || view.volumes.size() >= kMostVolumes) return;
  services::GroupCopySpec spec;
  if (!view.group_snapshots.empty() && random_.chance(50)) {
    const model::GroupSnapshot& source = pick(view.group_snapshots);
    spec.group_snapshot_id = source.id;
    run("copies group snapshot " + trace_.of(source.id), service.groups.copy(actor_, spec));
  } else {
    const model::VolumeGroup& source = pick(view.groups);
    spec.source_group_id = source.id;
    run("copies group " + trace_.of(source.id), service.groups.copy(actor_, spec));
  }
}

void Client::group_snapshot(Service& service, const View& view) {
  if (!view.group_snapshots.empty() && random_.chance(50)) {
    const model::GroupSnapshot& one = pick(view.group_snapshots);
    run("deletes group snapshot " + trace_.of(one.id), service.groups.remove_snapshot(actor_, one.id));
  } else if (!view.groups.empty()) {
    services::GroupSnapshotSpec spec;
    spec.group_id = pick(view.groups).id;
    run("snapshots group " + trace_.of(spec.group_id), service.groups.create_snapshot(actor_, spec));
  }
}

void Client::create_transfer(Service& service, const View& view) {
  if (view.volumes.empty()) return;
  VolumeId id = volume(view).id;
  std::function<void(const services::NewTransfer&)> keep = [&told = told_](const services::NewTransfer& made) {
    told.keys[made.transfer.id] = made.auth_key;
  };
  run("offers volume " + trace_.of(id), service.transfers.create(actor_, id, std::nullopt, random_.chance(20)), keep);
}

void Client::end_transfer(Service& service, const View& view) {
  if (view.transfers.empty()) return;
  TransferId id = random_.pick(view.transfers).id;
  auto key = told_.keys.find(id);
  if (key != told_.keys.end() && random_.chance(70)) {
    run("accepts transfer " + trace_.of(id), service.transfers.accept(actor_, id, key->second));
  } else {
    run("withdraws transfer " + trace_.of(id), service.transfers.remove(actor_, id));
  }
}

}  // namespace varve::sim
