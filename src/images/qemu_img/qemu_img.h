#pragma once

#include <filesystem>
#include <vector>

#include "images/converter.h"

namespace varve::images {

class QemuImg final : public Converter {
 public:
  // Output of the tool goes to files in `directory`, removed afterwards.
  explicit QemuImg(std::filesystem::path directory) : directory_(std::move(directory)) {}

  std::uint64_t inspect(const std::filesystem::path& file, const std::string& format) override;
  void write_to_export(const std::filesystem::path& file, const std::string& format, const std::string& uri,
                       const Cancelled& cancelled) override;
  void read_from_export(const std::string& uri, const std::filesystem::path& file, const std::string& format,
                        const Cancelled& cancelled) override;

 private:
  std::string run(std::vector<std::string> argv, const std::string& name, const Cancelled& cancelled);

  const std::filesystem::path directory_;
};

}  // namespace varve::images
