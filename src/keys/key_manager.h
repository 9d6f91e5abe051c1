// The contract of what keeps the secrets of encrypted volumes. A key is a random secret under an id that the caller
// chose (and committed) before. It is wrapped by a master key: one a project, or the one that an EVS client names as
// `__system__cmkid`, which is made at its first use. Calls block for moments; any thread. Errors: NotFound,
// Unavailable, BackendFailed.
#pragma once

#include <string>

#include "base/id.h"

namespace varve::keys {

class KeyManager {
 public:
  virtual ~KeyManager() = default;

  // Nothing happens if the key is there.
  virtual void create(const KeyId& id, const ProjectId& project, const std::string& master) = 0;
  virtual std::string secret(const KeyId& id) = 0;  // 32 bytes
  // What was encrypted with it can never be read again. Nothing happens if it is gone.
  virtual void remove(const KeyId& id) = 0;
};

}  // namespace varve::keys
