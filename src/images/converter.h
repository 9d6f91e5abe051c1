// The contract of what moves bytes between image files and exports. Blocks as long as the data is large; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "images/image_service.h"

namespace varve::images {

class Converter {
 public:
  virtual ~Converter() = default;

  // Bytes of the disk in the file, whose format is taken as said and not guessed. Throws Error(InvalidInput) for a
  // file that is not of that format, refers to other files, or is encrypted.
  virtual std::uint64_t inspect(const std::filesystem::path& file, const std::string& format) = 0;

  // Writes the disk to the export, zeros included; what is behind its end stays. Durable at the return.
  virtual void write_to_export(const std::filesystem::path& file, const std::string& format, const std::string& uri,
                               const Cancelled& cancelled) = 0;

  virtual void read_from_export(const std::string& uri, const std::filesystem::path& file, const std::string& format,
                                const Cancelled& cancelled) = 0;
};

}  // namespace varve::images
