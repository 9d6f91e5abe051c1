// A copy of a volume for another store, taken while clients write.
//
// A layer that a storage daemon writes must not be copied: QEMU keeps tables of it in memory, so that data and tables
// of a copy are of different moments (`qemu-img check` finds clusters without references then). So the active layer is
// frozen first, as a snapshot does it; frozen layers change only by merges, which are held off until they are copied.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "backends/qcow2/holds.h"
#include "backends/qcow2/qcow2_backend.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/unique_fd.h"

namespace varve::qcow2 {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kChunk = 4 << 20;

[[noreturn]] void fail(const fs::path& path) {
  int fault = errno;
  throw Error(fault == ENOSPC || fault == EDQUOT ? ErrorCode::NoSpace : ErrorCode::BackendFailed,
              "cannot copy " + path.filename().string() + ": " + std::strerror(fault));
}

// Between file systems, and where the kernel does not do it by itself.
void copy_by_hand(int from, int to, off_t begin, off_t end, const fs::path& path,
                  const std::function<void()>& between) {
  std::vector<char> buffer(kChunk);
  while (begin < end) {
    between();
    ssize_t got =
        ::pread(from, buffer.data(), std::min<std::size_t>(kChunk, static_cast<std::size_t>(end - begin)), begin);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path);
    if (got == 0)
      throw Error(ErrorCode::BackendFailed, "cannot copy " + path.filename().string() + ": it ends too early");
    for (ssize_t done = 0; done < got;) {
      ssize_t put = fault::fails(fault::Kind::Write)
                        ? -1
                        : ::pwrite(to, buffer.data() + done, static_cast<std::size_t>(got - done), begin + done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) fail(path);
      done += put;
    }
    begin += got;
  }
}

bool cannot_by_itself(int fault) {
  return fault == EXDEV || fault == ENOSYS || fault == EOPNOTSUPP || fault == EINVAL;
}

void copy_range(int from, int to, off_t begin, off_t end, const fs::path& path, const std::function<void()>& between) {
  while (begin < end) {
    between();
    auto wanted = std::min<std::size_t>(kChunk, static_cast<std::size_t>(end - begin));
    off_t target = begin;
    ssize_t done = fault::fails(fault::Kind::Write) ? -1 : ::copy_file_range(from, &begin, to, &target, wanted, 0);
    if (done < 0 && errno == EINTR) continue;
    if (done == 0 || (done < 0 && cannot_by_itself(errno))) {
      return copy_by_hand(from, to, begin, end, path, between);
    }
    if (done < 0) fail(path);
  }
}

// Shares the blocks where the file system can; else holes stay holes. The target has its name when it is whole: another
// volume takes it for that.
void copy_file(const fs::path& source, const fs::path& target, const std::function<void()>& between) {
  UniqueFd from(::open(source.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from) fail(source);
  fs::path part = target.string() + ".part";
  UniqueFd to(fault::fails(fault::Kind::Create) ? -1
                                                : ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!to) fail(target);
  if (::ioctl(to.get(), FICLONE, from.get()) != 0) {
    off_t size = ::lseek(from.get(), 0, SEEK_END);
    for (off_t begin = 0; begin < size;) {
      begin = ::lseek(from.get(), begin, SEEK_DATA);
      if (begin < 0 && errno == ENXIO) break;  // only a hole is left
      if (begin < 0) fail(source);
      off_t end = ::lseek(from.get(), begin, SEEK_HOLE);
      if (end < 0) fail(source);
      copy_range(from.get(), to.get(), begin, end, target, between);
      begin = end;
    }
    if (::ftruncate(to.get(), size) != 0) fail(target);
  }
  if (fault::fails(fault::Kind::Fsync) || ::fsync(to.get()) != 0) fail(target);
  if (::rename(part.c_str(), target.c_str()) != 0) fail(target);
}

// Where a pool's layers are in the copy.
fs::path layers_in(const fs::path& directory, const Pool& pool, bool is_default) {
  return is_default ? directory / "layers" : directory / "pools" / pool.name / "layers";
}

}  // namespace

// While it lives the layers are neither merged nor removed.
class Qcow2Backend::Kept {
 public:
  // The caller holds the volume: no merge runs in its layers.
  Kept(Qcow2Backend& backend, const Manifest& manifest) : backend_(backend) { hold(manifest); }
  ~Kept() { backend_.let_go_of(layers_); }
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  const std::set<LayerId>& layers() const { return layers_; }

 private:
  void hold(const Manifest& manifest) {
    MutexLock graph(backend_.graph_mutex_);
    layers_ = backend_.layers_of(manifest);
    backend_.hold_layers(layers_);
  }

  Qcow2Backend& backend_;
  std::set<LayerId> layers_;
};

void Qcow2Backend::copy_volume(const VolumeId& volume, const fs::path& directory,
                               const std::function<void()>& between) {
  Manifest copied;
  std::optional<Kept> kept;
  std::uintmax_t empty = 0;  // size of the overlay before anything is written to it
  {
    Hold hold(*this, volume);
    if (!has_volume(volume)) return;
    copied = manifest(volume);
    freeze(volume, SnapshotId(), "");
    empty = fs::file_size(images_.file(manifest(volume).active));
    kept.emplace(*this, copied);
  }
  const std::string& default_pool = images_.pools().front().name;
  std::set<fs::path> changed;
  for (const LayerId& layer : kept->layers()) {
    const Pool& pool = images_.pool_of(layer);
    fs::path to = layers_in(directory, pool, pool.name == default_pool);
    files::make_directory(to);
    // Volumes share layers; what a shared one reads does not change.
    fs::path file = to / (layer.str() + ".qcow2");
    if (!fs::exists(file)) copy_file(images_.file(layer), file, between);
    changed.insert(to);
  }
  for (const fs::path& layers : changed) files::sync_directory(layers);
  files::make_directory(directory / "volumes");
  save(directory / "volumes" / (volume.str() + ".json"), copied);
  thaw(copied, empty);
}

// A closed volume into which nothing was written meanwhile goes back to its own layer: merging all of its bytes into an
// empty one would be waste.
void Qcow2Backend::thaw(const Manifest& before, std::uintmax_t empty) {
  Hold hold(*this, before.volume);
  if (!has_volume(before.volume) || daemon_of(before.volume.str())) return;
  Manifest changed = manifest(before.volume);
  std::expected<Header, std::string> top = read_header(images_.file(changed.active));
  bool same = top && top->parent == before.active && changed.size_gib == before.size_gib &&
              fs::file_size(images_.file(changed.active)) == empty;
  if (!same) return;
  changed.active = before.active;
  commit(changed);
}

}  // namespace varve::qcow2
