// What each kind of list can be filtered by, where the lists are; resource_filters (3.33) shows it.
#pragma once

#include <span>

#include "api/common/paging.h"

namespace varve::api::cinder {

std::span<const FilterSpec> volume_filters();
std::span<const FilterSpec> snapshot_filters();
std::span<const FilterSpec> backup_filters();
std::span<const FilterSpec> group_filters();
std::span<const FilterSpec> group_snapshot_filters();
std::span<const FilterSpec> attachment_filters();
std::span<const FilterSpec> message_filters();

// Of groups under either of their names.
ListSpec group_list();
ListSpec group_snapshot_list();

}  // namespace varve::api::cinder
