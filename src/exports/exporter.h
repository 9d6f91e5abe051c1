// The contract of what serves a block device to a client.
//
// An export exists for an attachment and only as long as it does; its name is the attachment's id. Calls are idempotent
// and block for milliseconds. Any thread. Errors: Unavailable, BackendFailed.
#pragma once

#include <optional>
#include <string>

#include "base/id.h"
#include "model/block_device.h"

namespace varve::exports {

class Exporter {
 public:
  virtual ~Exporter() = default;

  // Serves the device; returns the URI for clients. previous: the URI the export had before its daemon died, which is
  // taken again.
  virtual std::string add(const model::BlockDevice& device, const AttachmentId& attachment, bool read_only,
                          const std::optional<std::string>& previous) = 0;

  // The same for varved itself: never reachable from another host, unless clients of the device are.
  virtual std::string add_local(const model::BlockDevice& device, const AttachmentId& name, bool read_only) = 0;

  // Whether the daemon of the device (BlockDevice::daemon) answers; waits for it, but not for ever.
  virtual bool answers(const std::string& daemon) = 0;

  // Whether it is known already that the daemon owes an answer for too long. Never waits.
  virtual bool stalled(const std::string& daemon) const = 0;

  // Cuts the clients off and ends the export. Nothing happens if there is none.
  virtual void remove(const std::string& daemon, const AttachmentId& attachment) = 0;
};

}  // namespace varve::exports
