// How encrypted layers are made. Letting QEMU format each would take it a second (it measures the processor to choose
// how often to stretch a passphrase, and on some processors fails to), and a snapshot shall take milliseconds. So QEMU
// formats one empty image a key, the template, and a layer is a copy of it with its own size and backing file written
// into the header (QEMU's docs/interop/qcow2.txt). All layers of a volume so have one LUKS header, as all versions of
// an encrypted disk have. Templates are in `<pool>/templates/<key>.qcow2`; one that is lost is made anew.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/id.h"
#include "base/mutex.h"

namespace varve::qcow2 {

class EncryptedLayers {
 public:
  // Formats an empty image of `size` bytes with that backing-file name (not opened) at the path. Throws.
  using Format = std::function<void(const std::filesystem::path& path, std::int64_t size, const std::string& backing)>;

  // Makes the layer's file, durable when it returns. Any thread.
  void create(const std::filesystem::path& file, const KeyId& key, std::int64_t size_bytes,
              const std::optional<std::string>& backing, const Format& format);

 private:
  std::filesystem::path require_template(const std::filesystem::path& directory, const KeyId& key,
                                         const Format& format);

  Mutex mutex_;  // one template is made at a time
};

}  // namespace varve::qcow2
