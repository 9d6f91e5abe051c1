#include "services/exports.h"

#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"

namespace varve::services {

Exports::State Exports::read(const VolumeId& volume, const std::optional<AttachmentId>& wanted) {
  State state;
  store::Work work = [&](store::Transaction& tx) {
    model::Volume row = tx.volumes().get(std::nullopt, volume);
    if (auto type = tx.volume_types().find(row.volume_type_id)) state.qos = model::qos_limits(type->qos, row.size_gib);
    for (model::Attachment& attachment : tx.attachments().of_volume(volume)) {
      if (wanted && attachment.id == *wanted) {
        state.wanted = attachment;
      } else if (attachment.export_uri && attachment.status != model::AttachmentStatus::Detaching) {
        state.exported.push_back(attachment);
      }
    }
  };
  db_.read(work);
  return state;
}

std::string Exports::start(const VolumeId& volume, const AttachmentId& attachment) {
  KeyedMutex::Lock lock(locks_, volume.str());
  State state = read(volume, attachment);
  if (!state.wanted) throw Error(ErrorCode::NotFound, "the attachment " + attachment.str() + " is gone");
  model::BlockDevice device = backend_.open(volume, state.qos);
  std::string uri =
      exporter_.add(device, attachment, state.wanted->mode == model::AttachMode::ReadOnly, state.wanted->export_uri);
  FAILPOINT("attach.after_export");
  return uri;
}

void Exports::stop(const VolumeId& volume, const AttachmentId& attachment) {
  KeyedMutex::Lock lock(locks_, volume.str());
  exporter_.remove(volume.str(), attachment);
  FAILPOINT("detach.after_unexport");
  if (read(volume, attachment).exported.empty()) backend_.close(volume);
}

void Exports::serve_all(const VolumeId& volume) {
  State state = read(volume, std::nullopt);
  if (state.exported.empty()) return;
  model::BlockDevice device = backend_.open(volume, state.qos);
  for (const model::Attachment& attachment : state.exported) {
    std::string uri =
        exporter_.add(device, attachment.id, attachment.mode == model::AttachMode::ReadOnly, attachment.export_uri);
    if (uri == attachment.export_uri) continue;
    store::Work write = [&](store::Transaction& tx) {
      if (auto row = tx.attachments().find(std::nullopt, attachment.id)) {
        row->export_uri = uri;
        tx.attachments().update(*row);
      }
    };
    db_.write_blocking(write);
    log::warning("an export came back at another address", {{"attachment", attachment.id}, {"uri", uri}});
  }
}

void Exports::restore(const VolumeId& volume) {
  KeyedMutex::Lock lock(locks_, volume.str());
  serve_all(volume);
  log::info("exports checked", {{"volume", volume}});
}

void Exports::without_exports(const VolumeId& volume, const std::function<void()>& change) {
  KeyedMutex::Lock lock(locks_, volume.str());
  for (const model::Attachment& attachment : read(volume, std::nullopt).exported) {
    exporter_.remove(volume.str(), attachment.id);
  }
  try {
    change();
  } catch (...) {
    serve_all(volume);
    throw;
  }
  serve_all(volume);
}

}  // namespace varve::services
