// Groups and their snapshots in JSON, as far as both names that Cinder has for them share it.
#pragma once

#include <boost/json/object.hpp>

#include "model/group.h"

namespace varve::api::cinder {

boost::json::object summary_view(const model::VolumeGroup& group);
boost::json::object summary_view(const model::GroupSnapshot& snapshot);

// The members that a group had before there were group types.
boost::json::object common_view(const model::VolumeGroup& group);
boost::json::object common_view(const model::GroupSnapshot& snapshot);

}  // namespace varve::api::cinder
