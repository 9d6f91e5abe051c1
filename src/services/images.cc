#include "services/images.h"

#include <algorithm>

#include "base/failpoint.h"
#include "base/files.h"
#include "base/log.h"
#include "blocks/device.h"
#include "model/reason.h"
#include "services/states.h"
#include "services/volume_rules.h"

namespace varve::services {

namespace asio = boost::asio;
using model::Task;
using model::TaskKind;
using model::Volume;
using model::VolumeStatus;

namespace {

constexpr std::int64_t kGib = std::int64_t{1} << 30;
constexpr std::int64_t kMaxImageGib = 1 << 20;

model::Actor actor_of(const Task& task) {
  return {task.user_id, task.project_id, false, task.request_id, ""};
}

std::int64_t gib_of(std::int64_t bytes) {
  return bytes / kGib + (bytes % kGib != 0 ? 1 : 0);
}

// The volume's bytes as they are when the copy begins, under this id.
SnapshotId helper_of(const Task& task) {
  return SnapshotId(task.id.str());
}

// What the image service itself says of an image; the rest is its owner's.
constexpr std::string_view kOfTheImage[] = {"image_id", "image_name",  "checksum",
                                            "min_disk", "min_ram",     "container_format",
                                            "size",     "disk_format", "signature_verified"};

}  // namespace

// A file of one task, gone when the task is.
class Images::Staged {
 public:
  Staged(const std::filesystem::path& directory, const Task& task) : file_(directory / task.id.str()) {}
  ~Staged() {
    std::error_code ignored;
    std::filesystem::remove(file_, ignored);
  }
  Staged(const Staged&) = delete;
  Staged& operator=(const Staged&) = delete;
  const std::filesystem::path& file() const { return file_; }

 private:
  const std::filesystem::path file_;
};

Images::Images(store::Database& db, backends::Backend& backend, images::ImageService& service,
               images::Converter& converter, Placement& placement, Exports& exports, TaskRunner& tasks, Offload& calls,
               Clock& clock, std::filesystem::path staging)
    : db_(db),
      backend_(backend),
      service_(service),
      converter_(converter),
      placement_(placement),
      exports_(exports),
      tasks_(tasks),
      calls_(calls),
      clock_(clock),
      staging_(std::move(staging)) {
  std::filesystem::remove_all(staging_);
  files::make_directory(staging_);
  register_tasks();
}

images::Cancelled Images::cancelled() const {
  return [this] { return tasks_.stopping(); };
}

asio::awaitable<images::Image> Images::usable(model::Actor actor, std::string id) {
  auto show = [this, actor, id] { return service_.show(actor, id); };
  images::Image image;
  try {
    image = co_await calls_.run(std::move(show));
  } catch (const Error& fault) {
    if (fault.code() != ErrorCode::NotFound) throw;
    invalid("Invalid image identifier or unable to access requested image " + id + ".", Reason::InvalidImage);
  }
  if (image.status != "active") {
    invalid("Image " + id + " is not active: it is " + image.status + ".", Reason::InvalidImage);
  }
  if (image.disk_format == "vmdk" || image.disk_format == "iso" || image.disk_format == "ami") {
    invalid("Image " + id + " has the disk format " + image.disk_format + ", which cannot become a volume.",
            Reason::InvalidImage);
  }
  co_return image;
}

std::int64_t Images::least_size(const images::Image& image) {
  std::int64_t of_bytes = gib_of(std::max(image.size, image.virtual_size));
  return std::max({std::int64_t{1}, image.min_disk_gib, of_bytes});
}

model::Metadata Images::metadata_of(const images::Image& image) {
  model::Metadata out = image.properties;
  out["image_id"] = image.id;
  out["image_name"] = image.name;
  out["checksum"] = image.checksum;
  out["disk_format"] = image.disk_format;
  out["container_format"] = image.container_format;
  out["size"] = std::to_string(image.size);
  out["min_disk"] = std::to_string(image.min_disk_gib);
  out["min_ram"] = std::to_string(image.min_ram_mib);
  return out;
}

Volume Images::volume_of(const Task& task) {
  return db_.read_blocking([&](store::Transaction& tx) { return tx.volumes().get(std::nullopt, task.volume_id); });
}

void Images::run_create(const Task& task) {
  Volume volume = placement_.schedule(task.volume_id, std::nullopt);
  db_.write_blocking([&](store::Transaction& tx) {
    volume = tx.volumes().get(std::nullopt, task.volume_id);
    move_to(volume, VolumeStatus::Downloading);
    tx.volumes().update(volume);
  });
  fill(task, volume);
}

void Images::fill(const Task& task, const Volume& volume) {
  FAILPOINT("image.before_download");
  images::Image image = service_.show(actor_of(task), task.with<ImageId>().str());
  std::uint64_t room = files::space(staging_).available;
  if (static_cast<std::uint64_t>(image.size) > room) {
    throw Error(ErrorCode::NoSpace, "image " + image.id + " has " + std::to_string(image.size) +
                                        " bytes, the store has room for " + std::to_string(room));
  }
  Staged staged(staging_, task);
  service_.download(actor_of(task), image, staged.file(), cancelled());
  FAILPOINT("image.after_download");
  std::uint64_t bytes = converter_.inspect(staged.file(), image.disk_format);
  if (bytes > static_cast<std::uint64_t>(volume.size_gib * kGib) || bytes > std::uint64_t{kMaxImageGib} * kGib) {
    throw Error(ErrorCode::InvalidInput, "image " + image.id + " is a disk of " + std::to_string(bytes) +
                                             " bytes: more than the volume's " + std::to_string(volume.size_gib) +
                                             " GiB");
  }
  placement_.create_empty(volume);
  bool used = task.kind == TaskKind::ReimageVolume;
  Exports::Use write = [&](const std::string& uri, const std::function<bool()>& cut_off) {
    auto give_up = [&] { return tasks_.stopping() || cut_off(); };
    if (used) {
      blocks::Device device(uri, give_up);
      device.zero(0, device.size());
    }
    converter_.write_to_export(staged.file(), image.disk_format, uri, give_up);
  };
  exports_.borrow({volume.id, std::nullopt}, AttachmentId(task.id.str()), false, write);
  FAILPOINT("image.after_fill");
}

asio::awaitable<void> Images::reimage(model::Actor actor, VolumeId id, std::string image_id, bool reserved) {
  images::Image image = co_await usable(actor, image_id);
  Task task = tasks_.make(TaskKind::ReimageVolume, actor, id);
  task.payload = ImageId(image.id);
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    if (reserved) {
      require_status(volume, {VolumeStatus::Available, VolumeStatus::Error, VolumeStatus::Reserved}, "re-image it");
    } else {
      require_status(volume, {VolumeStatus::Available, VolumeStatus::Error}, "re-image it");
    }
    require_size(volume.size_gib, least_size(image), "image");
    task.resume_status = volume.status;
    task.project_id = volume.project_id;
    move_to(volume, VolumeStatus::Downloading);
    volume.image_metadata = metadata_of(image);
    volume.bootable = true;
    volume.updated_at = clock_.now();
    tx.volumes().update(volume);
    tx.tasks().insert(task);
  });
}

asio::awaitable<Upload> Images::upload(model::Actor actor, VolumeId id, UploadSpec spec) {
  // Looked at before the image is made, and again when it is: it is not made in vain, nor of a volume in motion.
  auto require = [&](const Volume& volume) {
    if (spec.force) {
      require_status(volume, {VolumeStatus::Available, VolumeStatus::InUse}, "upload it as an image");
    } else {
      require_status(volume, {VolumeStatus::Available}, "upload it as an image (in-use: with force)");
    }
  };
  Upload made = co_await db_.read([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    require(volume);
    return Upload{volume, type_of(tx, volume), {}};
  });
  for (const auto& [key, value] : made.volume.image_metadata) {
    if (std::ranges::find(kOfTheImage, key) == std::end(kOfTheImage)) spec.image.properties[key] = value;
  }
  auto create = [this, actor, image = spec.image] { return service_.create(actor, image); };
  made.image = co_await calls_.run(std::move(create));
  Task task = tasks_.make(TaskKind::UploadVolume, actor, id);
  task.payload = ImageId(made.image.id);
  auto begin = [&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    require(volume);
    task.resume_status = volume.status;
    move_to(volume, VolumeStatus::Uploading);
    volume.updated_at = clock_.now();
    tx.volumes().update(volume);
    tx.tasks().insert(task);
    return volume;
  };
  std::exception_ptr fault;
  try {
    made.volume = co_await db_.write(begin);
  } catch (const Error&) {
    fault = std::current_exception();
  }
  if (fault) {
    auto remove = [this, actor, image = made.image.id] { service_.remove(actor, image); };
    co_await calls_.run(std::move(remove));
    std::rethrow_exception(fault);
  }
  co_return made;
}

void Images::run_upload(const Task& task) {
  Volume volume = volume_of(task);
  images::Image image = service_.show(actor_of(task), task.with<ImageId>().str());
  if (image.status == "active") return undo_helper(task);  // a run that was cut off had sent it
  SnapshotId helper = helper_of(task);
  backend_.make_way(volume.id);
  backend_.create_snapshot(volume.id, helper);
  FAILPOINT("image.after_helper");
  Staged staged(staging_, task);
  Exports::Use copy = [&](const std::string& uri, const std::function<bool()>& cut_off) {
    auto give_up = [&] { return tasks_.stopping() || cut_off(); };
    converter_.read_from_export(uri, staged.file(), image.disk_format, give_up);
  };
  exports_.borrow({volume.id, helper}, AttachmentId(task.id.str()), true, copy);
  FAILPOINT("image.after_copy");
  backend_.delete_snapshot(volume.id, helper);
  service_.upload(actor_of(task), task.with<ImageId>().str(), staged.file(), cancelled());
  FAILPOINT("image.after_upload");
}

void Images::undo_helper(const Task& task) {
  exports_.release({task.volume_id, helper_of(task)}, AttachmentId(task.id.str()));
  backend_.delete_snapshot(task.volume_id, helper_of(task));
}

void Images::undo_upload(const Task& task) {
  undo_helper(task);
  try {
    // One that has its bytes is whole, whoever sent them.
    if (service_.show(actor_of(task), task.with<ImageId>().str()).status == "active") return;
  } catch (const Error& fault) {
    if (fault.code() == ErrorCode::NotFound) return;
    throw;
  }
  service_.remove(actor_of(task), task.with<ImageId>().str());
}

asio::awaitable<model::Metadata> Images::set_metadata(model::Actor actor, VolumeId id, model::Metadata metadata) {
  co_return co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    for (const auto& [key, value] : metadata) volume.image_metadata[key] = value;
    tx.volumes().update(volume);
    return volume.image_metadata;
  });
}

asio::awaitable<void> Images::remove_metadata(model::Actor actor, VolumeId id, std::string key) {
  co_await db_.write([&](store::Transaction& tx) {
    Volume volume = tx.volumes().get(actor.scope(), id);
    if (volume.image_metadata.erase(key) == 0) {
      throw Error(ErrorCode::NotFound, "Volume " + id.str() + " has no image metadata with key " + key + ".");
    }
    tx.volumes().update(volume);
  });
}

void Images::register_tasks() {
  auto to = [this](store::Transaction& tx, const Task& task, VolumeStatus status) {
    end_at(tx, task, status, clock_.now());
  };
  auto resume = [this](store::Transaction& tx, const Task& task) { resume_volume(tx, task, clock_.now()); };
  TaskHandler create;
  create.run = [this](const Task& task) { run_create(task); };
  create.undo = [this](const Task& task) {
    exports_.release({task.volume_id, std::nullopt}, AttachmentId(task.id.str()));
  };
  create.finish = [to](store::Transaction& tx, const Task& task) { to(tx, task, VolumeStatus::Available); };
  create.fail = [to](store::Transaction& tx, const Task& task, const Error&) { to(tx, task, VolumeStatus::Error); };
  create.bulk = true;
  TaskHandler reimage = create;
  tasks_.handle(TaskKind::CreateVolumeFromImage, std::move(create));
  reimage.run = [this](const Task& task) { fill(task, volume_of(task)); };
  reimage.finish = [to](store::Transaction& tx, const Task& task) {
    bool reserved = task.resume_status == VolumeStatus::Reserved && !tx.attachments().of_volume(task.volume_id).empty();
    to(tx, task, reserved ? VolumeStatus::Reserved : VolumeStatus::Available);
  };
  tasks_.handle(TaskKind::ReimageVolume, std::move(reimage));
  TaskHandler upload;
  upload.run = [this](const Task& task) { run_upload(task); };
  upload.undo = [this](const Task& task) { undo_upload(task); };
  upload.finish = resume;
  upload.fail = [resume](store::Transaction& tx, const Task& task, const Error&) { resume(tx, task); };
  upload.bulk = true;
  tasks_.handle(TaskKind::UploadVolume, std::move(upload));
}

}  // namespace varve::services
