// The contract of what serves a block device to a client.
//
// An export exists for an attachment and only as long as it does. Calls are idempotent and block for milliseconds. Any
// thread. Errors: Unavailable, BackendFailed.
#pragma once

#include <optional>
#include <string>

#include "backends/device.h"
#include "base/id.h"
#include "model/connection.h"

namespace varve::exports {

class Exporter {
 public:
  virtual ~Exporter() = default;

  // Serves the device; returns how clients reach it. previous: what the export had before its daemon died, which is
  // taken again if it can be.
  virtual model::Connection add(const backends::Device& device, const AttachmentId& attachment, bool read_only,
                                const std::optional<model::Connection>& previous) = 0;

  // The same for varved itself, as an NBD URI: never reachable from another host, unless clients of the device are.
  virtual std::string add_local(const backends::Device& device, const AttachmentId& name, bool read_only) = 0;

  // Whether the daemon of the source answers; waits for it, but not for ever.
  virtual bool answers(const model::Source& source) = 0;

  // Whether it is known already that the daemon owes an answer for too long. Never waits.
  virtual bool stalled(const model::Source& source) const = 0;

  // Cuts the clients off and ends the export. Nothing happens if there is none.
  virtual void remove(const model::Source& source, const AttachmentId& attachment) = 0;
};

}  // namespace varve::exports
