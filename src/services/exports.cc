#include "services/exports.h"

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "services/volume_rules.h"

namespace varve::services {

Exports::State Exports::read(const model::Source& source, const std::optional<AttachmentId>& wanted) {
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
      } else if (attachment.connection) {
        bool ends = attachment.status == model::AttachmentStatus::Detaching;
        (ends ? state.ending : state.exported).push_back(attachment);
      } else {
        state.unrecorded.push_back(attachment);
      }
    }
    return state;
  });
}

void Exports::close(const model::Source& source) {
  {
    MutexLock borrowed(borrowed_mutex_);
    if (borrowed_.contains(source)) return;
  }
  backend_.close(source);
}

void Exports::start(const model::Source& source, const AttachmentId& attachment) {
  KeyedMutex::Lock lock(locks_, source.name());
  State state = read(source, attachment);
  if (!state.wanted) throw Error(ErrorCode::NotFound, "the attachment " + attachment.str() + " is gone");
  backends::Device device = backend_.open(source, state.qos);
  model::Connection connection =
      exporter_.add(device, attachment, state.wanted->mode == model::AttachMode::ReadOnly, state.wanted->connection);
  FAILPOINT("attach.after_export");
  // Still under the lock: should the daemon die just now, who brings exports back finds this one.
  record(attachment, connection);
}

void Exports::record(const AttachmentId& attachment, const model::Connection& connection) {
  db_.write_blocking([&](store::Transaction& tx) {
    if (auto row = tx.attachments().find(std::nullopt, attachment)) {
      row->connection = connection;
      tx.attachments().update(*row);
    }
  });
}

void Exports::stop(const model::Source& source, const AttachmentId& attachment) {
  stop_if(source, attachment, [] { return true; });
}

void Exports::stop_if(const model::Source& source, const AttachmentId& attachment,
                      const std::function<bool()>& is_still) {
  KeyedMutex::Lock lock(locks_, source.name());
  if (!is_still()) return;
  try {
    exporter_.remove(source, attachment);
    FAILPOINT("detach.after_unexport");
    if (read(source, attachment).exported.empty()) close(source);
  } catch (const Error&) {
    may_miss(source);  // the attachment stays
    throw;
  }
}

std::string Exports::lend(const model::Source& source, const AttachmentId& name, bool read_only) {
  KeyedMutex::Lock lock(locks_, source.name());
  backends::Device device = backend_.open(source, model::QosLimits{});
  {
    MutexLock borrowed(borrowed_mutex_);
    borrowed_[source].insert(name);
  }
  // A program of a varved that was killed may still be connected and write.
  exporter_.remove(source, name);
  return exporter_.add_local(device, name, read_only);
}

void Exports::release(const model::Source& source, const AttachmentId& name) {
  KeyedMutex::Lock lock(locks_, source.name());
  {
    MutexLock borrowed(borrowed_mutex_);
    auto found = borrowed_.find(source);
    // Others that have borrowed it go on.
    if (found != borrowed_.end() && found->second.erase(name) > 0 && found->second.empty()) borrowed_.erase(found);
  }
  exporter_.remove(source, name);
  if (read(source, std::nullopt).exported.empty()) close(source);
}

// The daemon is asked at every eighth look.
std::function<bool()> Exports::cut_off(const model::Source& source) {
  constexpr unsigned kLooks = 8;
  auto looks = std::make_shared<unsigned>(0);
  return [this, source, looks] { return ++*looks % kLooks == 0 && !exporter_.answers(source); };
}

void Exports::borrow(const model::Source& source, const AttachmentId& name, bool read_only, const Use& use) {
  try {
    use(lend(source, name, read_only), cut_off(source));
  } catch (...) {
    try {
      release(source, name);
    } catch (const Error& fault) {  // must not hide the first
      log::error("what was lent was not given back", {{"source", source.name()}, {"error", fault.message()}});
    }
    throw;
  }
  release(source, name);
}

void Exports::serve_all(const model::Source& source) {
  State state = read(source, std::nullopt);
  if (state.exported.empty()) return;
  backends::Device device = backend_.open(source, state.qos);
  for (const model::Attachment& attachment : state.exported) {
    model::Connection connection =
        exporter_.add(device, attachment.id, attachment.mode == model::AttachMode::ReadOnly, attachment.connection);
    if (connection == attachment.connection) continue;
    record(attachment.id, connection);
    log::warning("an export came back at another address",
                 {{"attachment", attachment.id}, {"protocol", connection.protocol}});
  }
}

void Exports::restore(const model::Source& source) {
  KeyedMutex::Lock lock(locks_, source.name());
  serve_all(source);
  log::info("exports checked", {{"source", source.name()}});
}

void Exports::without_exports(std::vector<VolumeId> volumes, const std::function<void()>& change) {
  // In one order, so that two calls cannot wait for each other.
  std::ranges::sort(volumes);
  volumes.erase(std::ranges::unique(volumes).begin(), volumes.end());
  std::deque<KeyedMutex::Lock> locks;
  std::vector<model::Source> sources;
  for (const VolumeId& volume : volumes) {
    sources.push_back({volume, std::nullopt});
    locks.emplace_back(locks_, sources.back().name());
  }
  auto bring_all_back = [&] {
    for (const model::Source& source : sources) bring_back(source);
  };
  try {
    for (const model::Source& source : sources) take_away(source);
    change();
  } catch (...) {
    bring_all_back();
    throw;
  }
  bring_all_back();
}

void Exports::take_away(const model::Source& source) {
  State state = read(source, std::nullopt);
  // What waits for its end is still served, and does not come back.
  for (const auto* those : {&state.exported, &state.ending, &state.unrecorded}) {
    for (const model::Attachment& attachment : *those) exporter_.remove(source, attachment.id);
  }
}

// Does not throw: what the exports were taken away for is done or has failed, and that is what counts.
void Exports::bring_back(const model::Source& source) {
  try {
    serve_all(source);
  } catch (const Error& fault) {
    log::error("an export could not be brought back", {{"source", source.name()}, {"error", fault.message()}});
    may_miss(source);
  }
}

void Exports::may_miss(const model::Source& source) {
  if (on_missing_) on_missing_(source);
}

}  // namespace varve::services
