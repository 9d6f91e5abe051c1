// Key-value pairs that users hang on volumes, snapshots and types.
#pragma once

#include <map>
#include <string>

namespace varve::model {

// Ordered, so that equal metadata has one text form.
using Metadata = std::map<std::string, std::string, std::less<>>;

}  // namespace varve::model
