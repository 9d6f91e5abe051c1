// Keeps what is served in step with the attachments: an export exists exactly for the attachments that have an export
// URI. Called by tasks, on worker threads; blocks. Calls about one volume are serialised.
#pragma once

#include <string>

#include "backends/backend.h"
#include "base/keyed_mutex.h"
#include "exports/exporter.h"
#include "store/database.h"

namespace varve::services {

class Exports {
 public:
  Exports(store::Database& db, backends::Backend& backend, exports::Exporter& exporter)
      : db_(db), backend_(backend), exporter_(exporter) {}

  // Opens the volume and serves it to the attachment; returns the URI.
  std::string start(const VolumeId& volume, const AttachmentId& attachment);

  // Ends the attachment's export; the volume is closed with its last one.
  void stop(const VolumeId& volume, const AttachmentId& attachment);

  // Brings back the exports of a volume whose storage daemon is gone, at their old addresses.
  void restore(const VolumeId& volume);

  // Runs `change` while the volume's exports are taken away, then brings them back. Clients reconnect.
  void without_exports(const VolumeId& volume, const std::function<void()>& change);

 private:
  struct State {
    model::QosLimits qos;
    std::vector<model::Attachment> exported;
    std::optional<model::Attachment> wanted;
  };
  State read(const VolumeId& volume, const std::optional<AttachmentId>& wanted);
  void serve_all(const VolumeId& volume);

  store::Database& db_;
  backends::Backend& backend_;
  exports::Exporter& exporter_;
  KeyedMutex locks_;
};

}  // namespace varve::services
