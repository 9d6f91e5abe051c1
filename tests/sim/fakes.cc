#include "fakes.h"

namespace varve::sim {

void Exporter::perform(std::string_view call, const std::string& daemon, const std::function<void()>& work) {
  std::optional<fake::Failure> failure = watch_(call, daemon);
  if (!failure || failure->done) work();
  if (failure) throw Error(failure->code, "asked to fail");
}

std::string Exporter::add(const model::BlockDevice& device, const AttachmentId& attachment, bool,
                          const std::optional<std::string>&) {
  perform("export", device.daemon, [&] { served_[device.daemon].insert(attachment); });
  return "nbd://sim/" + attachment.str();
}

std::string Exporter::add_local(const model::BlockDevice& device, const AttachmentId& name, bool read_only) {
  return add(device, name, read_only, std::nullopt);
}

void Exporter::remove(const std::string& daemon, const AttachmentId& attachment) {
  perform("unexport", daemon, [&] {
    auto found = served_.find(daemon);
    if (found == served_.end()) return;
    found->second.erase(attachment);
    if (found->second.empty()) served_.erase(found);
  });
}

}  // namespace varve::sim
