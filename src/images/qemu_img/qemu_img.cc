#include "images/qemu_img/qemu_img.h"

#include <array>
#include <boost/json.hpp>
#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "qemu/process.h"

namespace varve::images {

namespace json = boost::json;

namespace {

struct Format {
  std::string_view name;  // of the Image API
  const char* driver;     // of QEMU
  bool readable;          // vmdk images name their extents' files: never read one of a stranger
};

constexpr Format kFormats[] = {{"raw", "raw", true}, {"qcow2", "qcow2", true}, {"vdi", "vdi", true},
                               {"vhd", "vpc", true}, {"vhdx", "vhdx", true},   {"vmdk", "vmdk", false}};

const Format& format_of(const std::string& name, bool to_read) {
  for (const Format& format : kFormats) {
    if (format.name == name && (format.readable || !to_read)) return format;
  }
  throw Error(ErrorCode::InvalidInput, "Images of disk format '" + name + "' cannot be used.");
}

std::uint64_t big_endian(const std::array<unsigned char, 104>& header, std::size_t at, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | header[at + i];
  return value;
}

// The fields of docs/interop/qcow2.txt that make an image more than its own file.
void require_self_contained(const std::filesystem::path& file) {
  std::array<unsigned char, 104> header{};
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(header.data()), header.size());
  auto refuse = [](const std::string& why) { throw Error(ErrorCode::InvalidInput, "The qcow2 image " + why + "."); };
  if (in.gcount() < 72 || big_endian(header, 0, 4) != 0x514649fb) refuse("is none: its header is something else");
  constexpr std::uint64_t kExternalDataFile = 4;
  if (big_endian(header, 8, 8) != 0) refuse("has a backing file");
  if (big_endian(header, 32, 4) != 0) refuse("is encrypted");
  bool newer = big_endian(header, 4, 4) >= 3;
  if (newer && (big_endian(header, 72, 8) & kExternalDataFile) != 0) refuse("has an external data file");
}

}  // namespace

std::string QemuImg::run(std::vector<std::string> argv, const std::string& name, const Cancelled& cancelled) {
  argv.insert(argv.begin(), "qemu-img");
  std::filesystem::path output = directory_ / (name + ".out");
  bool interrupted = false;
  auto give_up = [&] { return interrupted = cancelled && cancelled(); };
  int status = qemu::run_process(argv, output, give_up);
  std::string text = files::read(output);
  std::filesystem::remove(output);
  if (status == 0) return text;
  if (interrupted) throw Error(ErrorCode::Unavailable, "qemu-img was interrupted");
  log::error("qemu-img failed", {{"verb", argv[1]}, {"status", status}, {"output", text.substr(0, 500)}});
  if (text.find("No space left") != std::string::npos) throw Error(ErrorCode::NoSpace, "the store is full");
  throw Error(ErrorCode::BackendFailed, "qemu-img " + argv[1] + " failed");
}

std::uint64_t QemuImg::inspect(const std::filesystem::path& file, const std::string& format) {
  const Format& known = format_of(format, true);
  if (known.name == "raw") return std::filesystem::file_size(file);
  if (known.name == "qcow2") require_self_contained(file);
  try {
    std::string info = run({"info", "--output=json", "-f", known.driver, file.string()}, file.filename(), {});
    json::value parsed = json::parse(info);
    if (parsed.as_object().contains("backing-filename")) {
      throw Error(ErrorCode::InvalidInput, "The image has a backing file.");
    }
    return static_cast<std::uint64_t>(parsed.at("virtual-size").to_number<std::int64_t>());
  } catch (const Error& fault) {
    if (fault.code() != ErrorCode::BackendFailed) throw;
    throw Error(ErrorCode::InvalidInput, "The image is not in the format " + format + ".");
  }
}

void QemuImg::write_to_export(const std::filesystem::path& file, const std::string& format, const std::string& uri,
                              const Cancelled& cancelled) {
  const Format& known = format_of(format, true);
  run({"convert", "-n", "-t", "writeback", "-f", known.driver, "-O", "raw", file.string(), uri}, file.filename(),
      cancelled);
}

void QemuImg::read_from_export(const std::string& uri, const std::filesystem::path& file, const std::string& format,
                               const Cancelled& cancelled) {
  const Format& known = format_of(format, false);
  run({"convert", "-f", "raw", "-O", known.driver, uri, file.string()}, file.filename(), cancelled);
}

}  // namespace varve::images
