#include "services/exports.h"

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "services/volume_rules.h"

namespace varve::services {

ExportSource source_of(const model::Attachment& attachment) {
  ExportSource source{attachment.volume_id, std::nullopt};
  if (attachment.snapshot_id) source.snapshot = SnapshotId(*attachment.snapshot_id);
  return source;
}

Exports::State Exports::read(const ExportSource& source, const std::optional<AttachmentId>& wanted) {
  return db_.read_blocking([&](store::Transaction& tx) {
    State state;
    if (auto row = tx.volumes().find(std::nullopt, source.volume)) {
      auto type = tx.volume_types().find(row->volume_type_id);
      if (type) state.qos = limits_of(tx, *type, row->size_gib);
    }
    auto attachments =
        source.snapshot ? tx.attachments().of_snapshot(*source.snapshot) : tx.attachments().of_volume(source.volume);
    for (model::Attachment& attachment : attachments) {
      if (wanted && attachment.id == *wanted) {
        state.wanted = attachment;
      } else if (attachment.export_uri) {
        bool ends = attachment.status == model::AttachmentStatus::Detaching;
        (ends ? state.ending : state.exported).push_back(attachment);
      } else {
        state.unrecorded.push_back(attachment);
      }
    }
    return state;
  });
}

model::BlockDevice Exports::open(const ExportSource& source, const State& state) {
  if (source.snapshot) return backend_.open_snapshot(source.volume, *source.snapshot);
  return backend_.open(source.volume, state.qos);
}

void Exports::close(const ExportSource& source) {
  {
    MutexLock borrowed(borrowed_mutex_);
    if (borrowed_.contains(source.key())) return;
  }
  if (source.snapshot) {
    backend_.close_snapshot(source.volume, *source.snapshot);
  } else {
    backend_.close(source.volume);
  }
}

void Exports::start(const ExportSource& source, const AttachmentId& attachment) {
  KeyedMutex::Lock lock(locks_, source.key());
  State state = read(source, attachment);
  if (!state.wanted) throw Error(ErrorCode::NotFound, "the attachment " + attachment.str() + " is gone");
  model::BlockDevice device = open(source, state);
  std::string uri =
      exporter_.add(device, attachment, state.wanted->mode == model::AttachMode::ReadOnly, state.wanted->export_uri);
  FAILPOINT("attach.after_export");
  // Still under the lock: should the daemon die just now, who brings exports back finds this one.
  record(attachment, uri);
}

void Exports::record(const AttachmentId& attachment, const std::string& uri) {
  db_.write_blocking([&](store::Transaction& tx) {
    if (auto row = tx.attachments().find(std::nullopt, attachment)) {
      row->export_uri = uri;
      tx.attachments().update(*row);
    }
  });
}

void Exports::stop(const ExportSource& source, const AttachmentId& attachment) {
  KeyedMutex::Lock lock(locks_, source.key());
  try {
    exporter_.remove(source.key(), attachment);
    FAILPOINT("detach.after_unexport");
    if (read(source, attachment).exported.empty()) close(source);
  } catch (const Error&) {
    may_miss(source);  // the attachment stays
    throw;
  }
}

std::string Exports::lend(const ExportSource& source, const AttachmentId& name, bool read_only) {
  KeyedMutex::Lock lock(locks_, source.key());
  State state = read(source, std::nullopt);
  state.qos = {};
  model::BlockDevice device = open(source, state);
  {
    MutexLock borrowed(borrowed_mutex_);
    borrowed_[source.key()].insert(name);
  }
  // A program of a varved that was killed may still be connected and write.
  exporter_.remove(source.key(), name);
  return exporter_.add_local(device, name, read_only);
}

void Exports::release(const ExportSource& source, const AttachmentId& name) {
  KeyedMutex::Lock lock(locks_, source.key());
  {
    MutexLock borrowed(borrowed_mutex_);
    auto found = borrowed_.find(source.key());
    // Others that have borrowed it go on.
    if (found != borrowed_.end() && found->second.erase(name) > 0 && found->second.empty()) borrowed_.erase(found);
  }
  exporter_.remove(source.key(), name);
  if (read(source, std::nullopt).exported.empty()) close(source);
}

// The daemon is asked at every eighth look.
std::function<bool()> Exports::cut_off(const std::string& daemon) {
  constexpr unsigned kLooks = 8;
  auto looks = std::make_shared<unsigned>(0);
  return [this, daemon, looks] { return ++*looks % kLooks == 0 && !exporter_.answers(daemon); };
}

void Exports::borrow(const ExportSource& source, const AttachmentId& name, bool read_only, const Use& use) {
  try {
    use(lend(source, name, read_only), cut_off(source.key()));
  } catch (...) {
    try {
      release(source, name);
    } catch (const Error& fault) {  // must not hide the first
      log::error("what was lent was not given back", {{"source", source.key()}, {"error", fault.message()}});
    }
    throw;
  }
  release(source, name);
}

void Exports::serve_all(const ExportSource& source) {
  State state = read(source, std::nullopt);
  if (state.exported.empty()) return;
  model::BlockDevice device = open(source, state);
  for (const model::Attachment& attachment : state.exported) {
    std::string uri =
        exporter_.add(device, attachment.id, attachment.mode == model::AttachMode::ReadOnly, attachment.export_uri);
    if (uri == attachment.export_uri) continue;
    record(attachment.id, uri);
    log::warning("an export came back at another address", {{"attachment", attachment.id}, {"uri", uri}});
  }
}

void Exports::restore(const ExportSource& source) {
  KeyedMutex::Lock lock(locks_, source.key());
  serve_all(source);
  log::info("exports checked", {{"source", source.key()}});
}

void Exports::without_exports(std::vector<VolumeId> volumes, const std::function<void()>& change) {
  // In one order, so that two calls cannot wait for each other.
  std::ranges::sort(volumes);
  volumes.erase(std::ranges::unique(volumes).begin(), volumes.end());
  std::deque<KeyedMutex::Lock> locks;
  std::vector<ExportSource> sources;
  for (const VolumeId& volume : volumes) {
    sources.push_back({volume, std::nullopt});
    locks.emplace_back(locks_, sources.back().key());
  }
  auto bring_all_back = [&] {
    for (const ExportSource& source : sources) bring_back(source);
  };
  try {
    for (const ExportSource& source : sources) take_away(source);
    change();
  } catch (...) {
    bring_all_back();
    throw;
  }
  bring_all_back();
}

void Exports::take_away(const ExportSource& source) {
  State state = read(source, std::nullopt);
  // What waits for its end is still served, and does not come back.
  for (const auto* those : {&state.exported, &state.ending, &state.unrecorded}) {
    for (const model::Attachment& attachment : *those) exporter_.remove(source.key(), attachment.id);
  }
}

// Does not throw: what the exports were taken away for is done or has failed, and that is what counts.
void Exports::bring_back(const ExportSource& source) {
  try {
    serve_all(source);
  } catch (const Error& fault) {
    log::error("an export could not be brought back", {{"source", source.key()}, {"error", fault.message()}});
    may_miss(source);
  }
}

void Exports::may_miss(const ExportSource& source) {
  if (on_missing_) on_missing_(source);
}

}  // namespace varve::services
