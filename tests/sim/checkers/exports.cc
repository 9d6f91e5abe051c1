// What is served is what attachments say, and what is open is served.

#include <algorithm>

#include "invariants.h"
#include "services/exports.h"

namespace varve::sim {

std::string stray_export(const View& view) {
  for (const auto& [source, attachments] : view.served) {
    for (const AttachmentId& id : attachments) {
      if (!has(view.attachments, id, &model::Attachment::id)) {
        return "attachment " + id.str() + " is gone and still served";
      }
    }
  }
  auto has_attachment = [&](const model::Source& source) {
    return std::ranges::any_of(view.attachments, [&](const model::Attachment& one) { return one.source() == source; });
  };
  for (const auto& [id, kept] : view.backend) {
    if (kept.open && !has_attachment({id, std::nullopt})) return "volume " + id.str() + " is open for nobody";
    for (const SnapshotId& snapshot : kept.open_snapshots) {
      if (!has_attachment({id, snapshot})) return "snapshot " + snapshot.str() + " is open for nobody";
    }
  }
  return {};
}

std::string missing_export(const View& view) {
  for (const model::Attachment& one : view.attachments) {
    if (!one.connection) continue;
    model::Source source = one.source();
    auto served = view.served.find(source);
    if (served == view.served.end() || !served->second.contains(one.id)) {
      return "attachment " + one.id.str() + " is not served";
    }
    auto kept = view.backend.find(one.volume_id);
    bool open = kept != view.backend.end() &&
                (source.snapshot ? kept->second.open_snapshots.contains(*source.snapshot) : kept->second.open);
    if (!open) return "attachment " + one.id.str() + " is served from what is not open";
  }
  return {};
}

}  // namespace varve::sim
