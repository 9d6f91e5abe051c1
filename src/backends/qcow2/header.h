// The header of a qcow2 file, as far as the layer tree needs it. Layout: QEMU's docs/interop/qcow2.txt.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>

#include "base/id.h"

namespace varve::qcow2 {

struct Header {
  bool has_backing = false;
  std::optional<LayerId> parent;  // when the backing file is named as a layer is
  std::uint64_t virtual_size = 0;
  std::uint32_t cluster_bytes = 0;
  bool encrypted = false;
  bool foreign_data = false;  // its bytes are in another file
};

// Or why it cannot be read, without the file's name: an I/O fault, or content that is no qcow2 header. Neither says
// that the file is worth nothing.
std::expected<Header, std::string> read_header(const std::filesystem::path& file);

// The same, and the file does not end before what its tables lead to: QEMU reads zeros there. Reads little of a whole
// file, all tables of another one. Of a layer that clients write to the tables alone are looked at: a power cut may
// have taken the room of what was not flushed.
std::expected<Header, std::string> read_whole(const std::filesystem::path& file, bool is_written);

// Throws Error(BackendFailed) naming the file.
Header require_header(const std::filesystem::path& file);

}  // namespace varve::qcow2
