// How the storage daemons of this backend are called beside those of open sources, which have the source's name.
#pragma once

#include <string_view>

namespace varve::qcow2 {

inline constexpr char kPool[] = "pool";                    // makes images
inline constexpr std::string_view kResizeKey = "resize-";  // of a closed volume, while it grows
// A merge of layers that nobody has open has a storage daemon of its own: one that hangs is nobody else's trouble.
inline constexpr std::string_view kMergeKey = "merge-";

}  // namespace varve::qcow2
