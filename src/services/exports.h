// Keeps what is served in step with the attachments: an export exists exactly for the attachments that have a
// connection. Called by tasks, on worker threads; blocks. Calls about one volume or snapshot are serialised.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "backends/backend.h"
#include "base/keyed_mutex.h"
#include "base/mutex.h"
#include "exports/exporter.h"
#include "model/source.h"
#include "store/database.h"

namespace varve::services {

class Exports {
 public:
  Exports(store::Database& db, backends::Backend& backend, exports::Exporter& exporter)
      : db_(db), backend_(backend), exporter_(exporter) {}

  // Opens the bytes, serves them to the attachment and records the connection. When it is run again after a crash the
  // address is the same.
  void start(const model::Source& source, const AttachmentId& attachment);

  // Ends the attachment's export; the bytes are closed with their last one.
  void stop(const model::Source& source, const AttachmentId& attachment);
  // The same if `is_still` says so once nobody else begins or ends an export of the source.
  void stop_if(const model::Source& source, const AttachmentId& attachment, const std::function<bool()>& is_still);

  // Brings back the exports of a source whose storage daemon is gone, at their old addresses.
  void restore(const model::Source& source);

  // Serves the bytes to varved itself under a name of its own while `use` runs, which is to give up when `cut_off`,
  // called several times a second or less, says that their storage daemon is gone or does not answer.
  using Use = std::function<void(const std::string& uri, const std::function<bool()>& cut_off)>;
  void borrow(const model::Source& source, const AttachmentId& name, bool read_only, const Use& use);
  // Ends what a borrow() that was cut off by a crash has left.
  void release(const model::Source& source, const AttachmentId& name);

  // Runs `change` while the exports of all these volumes are taken away, then brings them back. Clients reconnect.
  void without_exports(std::vector<VolumeId> volumes, const std::function<void()>& change);

  // Whether it is known that the storage daemon of the source, if it has one, does not answer. Never waits.
  bool stalled(const model::Source& source) const { return exporter_.stalled(source); }

  // Called, from any thread and while calls run, when an export that should be served may be missing. Before calls.
  void on_missing(std::function<void(const model::Source&)> callback) { on_missing_ = std::move(callback); }

 private:
  struct State {
    model::QosLimits qos;
    std::vector<model::Attachment> exported;  // but for those that end
    std::vector<model::Attachment> ending;
    std::vector<model::Attachment> unrecorded;  // of a start that failed or has not begun: it may be served
    std::optional<model::Attachment> wanted;
  };
  State read(const model::Source& source, const std::optional<AttachmentId>& wanted);
  void close(const model::Source& source);
  void serve_all(const model::Source& source);
  void record(const AttachmentId& attachment, const model::Connection& connection);
  void take_away(const model::Source& source);
  void bring_back(const model::Source& source);
  void may_miss(const model::Source& source);
  std::function<bool()> cut_off(const model::Source& source);
  std::string lend(const model::Source& source, const AttachmentId& name, bool read_only);

  store::Database& db_;
  backends::Backend& backend_;
  exports::Exporter& exporter_;
  std::function<void(const model::Source&)> on_missing_;
  KeyedMutex locks_;
  Mutex borrowed_mutex_;
  // For whom borrow() has it open.
  std::map<model::Source, std::set<AttachmentId>> borrowed_ VARVE_GUARDED_BY(borrowed_mutex_);
};

}  // namespace varve::services
