// The part of Keystone's v3 API that clients of a block-storage service use, over the embedded identity.
// Sources: OpenStack's Identity API reference, v3; for custom policies (OS-ROLE) and access keys (OS-CREDENTIAL) the
// IAM of the clouds that offer EVS.
#pragma once

#include "api/common/routes.h"
#include "api/identity/identity_views.h"
#include "identity/directory.h"

namespace varve::api::identity_v3 {

struct Context {
  identity::Directory& directory;
  Catalog catalog;
};

Tables<Context> tables();

}  // namespace varve::api::identity_v3
