#include "fakes.h"

namespace varve::sim {

void Exporter::perform(std::string_view call, const model::Source& source, const std::function<void()>& work) {
  std::optional<fake::Failure> failure = watch_(call, source);
  if (!failure || failure->done) work();
  if (failure) throw Error(failure->code, "asked to fail");
}

model::Connection Exporter::add(const backends::Device& device, const AttachmentId& attachment, bool,
                                const std::optional<model::Connection>&) {
  perform("export", device.source, [&] { served_[device.source].insert(attachment); });
  return {"sim", {{"export_name", attachment.str()}}};
}

std::string Exporter::add_local(const backends::Device& device, const AttachmentId& name, bool read_only) {
  add(device, name, read_only, std::nullopt);
  return "nbd://sim/" + name.str();
}

void Exporter::remove(const model::Source& source, const AttachmentId& attachment) {
  perform("unexport", source, [&] {
    auto found = served_.find(source);
    if (found == served_.end()) return;
    found->second.erase(attachment);
    if (found->second.empty()) served_.erase(found);
  });
}

}  // namespace varve::sim
