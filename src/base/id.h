// Strong identifiers: a volume's id cannot be passed where a snapshot's is wanted. The text is a UUID made by
// Rng::uuid(), or whatever a client wrote in a path: such an id is looked up, never used to build a path or a command.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <utility>

namespace varve {

template <class Tag>
class Id {
 public:
  Id() = default;
  explicit Id(std::string text) : text_(std::move(text)) {}

  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const Id&) const = default;

 private:
  std::string text_;
};

using VolumeId = Id<struct VolumeTag>;
using SnapshotId = Id<struct SnapshotTag>;
using AttachmentId = Id<struct AttachmentTag>;
using VolumeTypeId = Id<struct VolumeTypeTag>;
using TransferId = Id<struct TransferTag>;
using BackupId = Id<struct BackupTag>;
using GroupId = Id<struct GroupTag>;
using GroupTypeId = Id<struct GroupTypeTag>;
using GroupSnapshotId = Id<struct GroupSnapshotTag>;
using QosSpecId = Id<struct QosSpecTag>;
using EncryptionId = Id<struct EncryptionTag>;
using ImageId = Id<struct ImageTag>;

using KeyId = Id<struct KeyTag>;
using MessageId = Id<struct MessageTag>;
using TaskId = Id<struct TaskTag>;
using JobId = Id<struct JobTag>;
using LayerId = Id<struct LayerTag>;
using ProjectId = Id<struct ProjectTag>;
using UserId = Id<struct UserTag>;

}  // namespace varve

template <class Tag>
struct std::hash<varve::Id<Tag>> {
  std::size_t operator()(const varve::Id<Tag>& id) const { return std::hash<std::string>()(id.str()); }
};
