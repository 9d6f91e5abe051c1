// The use cases that the dialects of the block-storage API share.
#pragma once

#include "services/attachments.h"
#include "services/backups.h"
#include "services/explaining.h"
#include "services/group_types.h"
#include "services/groups.h"
#include "services/images.h"
#include "services/jobs.h"
#include "services/managing.h"
#include "services/messages.h"
#include "services/operators.h"
#include "services/pools.h"
#include "services/quotas.h"
#include "services/snapshots.h"
#include "services/tags.h"
#include "services/transfers.h"
#include "services/type_extras.h"
#include "services/volume_types.h"
#include "services/volumes.h"

namespace varve::api {

struct Services {
  services::Volumes& volumes;
  services::Snapshots& snapshots;
  services::Attachments& attachments;
  services::Images& images;
  services::Backups& backups;
  services::Groups& groups;
  services::GroupTypes& group_types;
  services::VolumeTypes& types;
  services::TypeExtras& type_extras;
  services::Quotas& quotas;
  services::Messages& messages;
  services::Tags& tags;
  services::Transfers& transfers;
  services::Operators& operators;
  services::Managing& managing;
  services::Explaining& explaining;
  services::Jobs& jobs;
  services::Pools& pools;
  Clock& clock;
  const services::Settings& settings;
};

}  // namespace varve::api
