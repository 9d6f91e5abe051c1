// What a call changes of a field that may be empty: nullopt leaves it as it is, anything else takes its place.
#pragma once

#include <optional>

namespace varve::model {

template <class T>
using Change = std::optional<std::optional<T>>;

}  // namespace varve::model
