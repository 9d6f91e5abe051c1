// Whose bytes: a volume's present ones, or those of one of its snapshots.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "base/id.h"

namespace varve::model {

inline constexpr std::string_view kSnapshotPrefix = "snapshot-";

struct Source {
  VolumeId volume;
  std::optional<SnapshotId> snapshot = {};

  auto operator<=>(const Source&) const = default;

  // What it is called where one word has to do: by locks, in the log, by its storage daemon.
  std::string name() const { return snapshot ? std::string(kSnapshotPrefix) + snapshot->str() : volume.str(); }
};

}  // namespace varve::model
