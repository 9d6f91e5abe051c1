#include "api/common/actions.h"

namespace varve::api {

namespace {

using http::Verb;

struct Row {
  Verb method;
  std::string_view pattern;
  std::string_view actions;  // separated by blanks
};

constexpr Row kRows[] = {
    // disks, EVS's own calls
    {Verb::post, "/cloudvolumes", "evs:volumes:create"},
    {Verb::get, "/cloudvolumes", "evs:volumes:list"},
    {Verb::get, "/cloudvolumes/detail", "evs:volumes:list"},
    {Verb::get, "/cloudvolumes/{id}", "evs:volumes:get"},
    {Verb::put, "/cloudvolumes/{id}", "evs:volumes:update"},
    {Verb::delete_, "/cloudvolumes/{id}", "evs:volumes:delete"},
    {Verb::post, "/cloudvolumes/{id}/action", "evs:volumes:extend"},
    {Verb::post, "/volumes/{id}/retype", "evs:volumes:update"},
    {Verb::get, "/os-vendor-volumes/detail", "evs:volumes:list"},
    {Verb::get, "/os-vendor-volumes/{id}", "evs:volumes:get"},
    {Verb::get, "/os-vendor-volumes/{id}/internal-info", "evs:volumes:get"},
    {Verb::get, "/jobs/{id}", ""},
    // disks, Cinder's calls
    {Verb::post, "/volumes", "evs:volumes:create evs:volumes:get"},
    {Verb::get, "/volumes", "evs:volumes:list"},
    {Verb::get, "/volumes/detail", "evs:volumes:list"},
    {Verb::get, "/volumes/summary", "evs:volumes:get evs:volumes:list"},
    {Verb::get, "/volumes/{id}", "evs:volumes:get"},
    {Verb::put, "/volumes/{id}", "evs:volumes:update evs:volumes:get"},
    {Verb::delete_, "/volumes/{id}", "evs:volumes:delete evs:volumes:get"},
    {Verb::get, "/volumes/{id}/usage", "evs:volumes:get"},
    {Verb::get, "/volumes/{id}/explain", "evs:volumes:get"},
    {Verb::post, "/volumes/{id}/action", ""},
    {Verb::get, "/volumes/{id}/metadata", "evs:volumes:get"},
    {Verb::post, "/volumes/{id}/metadata", "evs:volumes:update evs:volumes:get"},
    {Verb::put, "/volumes/{id}/metadata", "evs:volumes:update evs:volumes:get"},
    {Verb::get, "/volumes/{id}/metadata/{key}", "evs:volumes:get"},
    {Verb::put, "/volumes/{id}/metadata/{key}", "evs:volumes:update evs:volumes:get"},
    {Verb::delete_, "/volumes/{id}/metadata/{key}", "evs:volumes:delete evs:volumes:get"},
    {Verb::get, "/types", "evs:types:get"},
    {Verb::get, "/types/{id}", "evs:types:get"},
    {Verb::get, "/types/{id}/extra_specs", "evs:types:get"},
    {Verb::get, "/types/{id}/extra_specs/{key}", "evs:types:get"},
    {Verb::get, "/os-quota-sets/{target}", "evs:quotas:get"},
    {Verb::get, "/os-quota-sets/{target}/defaults", "evs:quotas:get"},
    {Verb::get, "/limits", "evs:quotas:get"},
    {Verb::get, "/extensions", ""},
    {Verb::get, "/extensions/{alias}", ""},
    {Verb::get, "/os-availability-zone", ""},
    // attachments
    {Verb::get, "/attachments", "evs:volumes:get"},
    {Verb::get, "/attachments/detail", "evs:volumes:get"},
    {Verb::get, "/attachments/{id}", "evs:volumes:get"},
    {Verb::get, "/attachments/{id}/explain", "evs:volumes:get"},
    {Verb::post, "/attachments", "evs:volumes:attach evs:volumes:get"},
    {Verb::put, "/attachments/{id}", "evs:volumes:attach evs:volumes:get"},
    {Verb::post, "/attachments/{id}/action", "evs:volumes:attach evs:volumes:get"},
    {Verb::delete_, "/attachments/{id}", "evs:volumes:detach evs:volumes:get"},
    // snapshots
    {Verb::post, "/snapshots", "evs:snapshots:create evs:volumes:get"},
    {Verb::get, "/snapshots", "evs:snapshots:list"},
    {Verb::get, "/snapshots/detail", "evs:snapshots:list"},
    {Verb::get, "/snapshots/{id}", "evs:snapshots:get"},
    {Verb::put, "/snapshots/{id}", "evs:snapshots:update evs:snapshots:get"},
    {Verb::delete_, "/snapshots/{id}", "evs:snapshots:delete evs:snapshots:get evs:volumes:get"},
    {Verb::get, "/snapshots/{id}/usage", "evs:snapshots:get"},
    {Verb::get, "/snapshots/{id}/explain", "evs:snapshots:get"},
    {Verb::get, "/snapshots/{id}/metadata", "evs:snapshots:get"},
    {Verb::post, "/snapshots/{id}/metadata", "evs:snapshots:update evs:snapshots:get"},
    {Verb::put, "/snapshots/{id}/metadata", "evs:snapshots:update evs:snapshots:get"},
    {Verb::get, "/snapshots/{id}/metadata/{key}", "evs:snapshots:get"},
    {Verb::put, "/snapshots/{id}/metadata/{key}", "evs:snapshots:update evs:snapshots:get"},
    {Verb::delete_, "/snapshots/{id}/metadata/{key}", "evs:snapshots:delete evs:snapshots:get"},
    {Verb::post, "/cloudsnapshots", "evs:snapshots:create"},
    {Verb::get, "/cloudsnapshots/detail", "evs:snapshots:list"},
    {Verb::get, "/cloudsnapshots/{id}", "evs:snapshots:get"},
    {Verb::put, "/cloudsnapshots/{id}", "evs:snapshots:update"},
    {Verb::delete_, "/cloudsnapshots/{id}", "evs:snapshots:delete"},
    {Verb::post, "/cloudsnapshots/{id}/rollback", "evs:snapshots:rollback"},
    {Verb::post, "/os-vendor-snapshots/{id}/rollback", "evs:snapshots:rollback evs:snapshots:get evs:volumes:get"},
    // tags
    {Verb::get, "/os-vendor-volumes/{id}/tags", "evs:volumeTags:getById"},
    {Verb::post, "/os-vendor-volumes/{id}/tags/action", ""},
    {Verb::post, "/os-vendor-volumes/resource_instances/action", "evs:volumeTags:get"},
    {Verb::get, "/cloudvolumes/tags", ""},
    {Verb::get, "/cloudvolumes/{id}/tags", "evs:volumeTags:getById"},
    {Verb::post, "/cloudvolumes/{id}/tags/action", ""},
    {Verb::post, "/cloudvolumes/resource_instances/action", "evs:volumeTags:get"},
    {Verb::get, "/os-vendor-tags/{type}", ""},
    {Verb::get, "/os-vendor-tags/{type}/resource_instances", ""},
    {Verb::get, "/os-vendor-tags/{type}/{id}", ""},
    {Verb::post, "/os-vendor-tags/{type}/{id}", ""},
    {Verb::put, "/os-vendor-tags/{type}/{id}", ""},
    {Verb::post, "/os-vendor-tags/{type}/{id}/action", ""},
    {Verb::get, "/os-vendor-tags/{type}/{id}/{key}", ""},
    {Verb::put, "/os-vendor-tags/{type}/{id}/{key}", ""},
    {Verb::delete_, "/os-vendor-tags/{type}/{id}/{key}", ""},
    // transfers
    {Verb::post, "/os-volume-transfer", "evs:transfers:create"},
    {Verb::get, "/os-volume-transfer", "evs:transfers:list"},
    {Verb::get, "/os-volume-transfer/detail", "evs:transfers:list"},
    {Verb::get, "/os-volume-transfer/{id}", "evs:transfers:get"},
    {Verb::delete_, "/os-volume-transfer/{id}", "evs:transfers:delete"},
    {Verb::post, "/os-volume-transfer/{id}/accept", "evs:transfers:accept"},
    {Verb::post, "/volume-transfers", "evs:transfers:create"},
    {Verb::get, "/volume-transfers", "evs:transfers:list"},
    {Verb::get, "/volume-transfers/detail", "evs:transfers:list"},
    {Verb::get, "/volume-transfers/{id}", "evs:transfers:get"},
    {Verb::delete_, "/volume-transfers/{id}", "evs:transfers:delete"},
    {Verb::post, "/volume-transfers/{id}/accept", "evs:transfers:accept"},
};

}  // namespace

std::optional<std::vector<std::string_view>> actions_of(http::Verb method, std::string_view pattern) {
  for (const Row& row : kRows) {
    if (row.method != method || row.pattern != pattern) continue;
    std::vector<std::string_view> out;
    std::string_view rest = row.actions;
    while (!rest.empty()) {
      std::size_t blank = rest.find(' ');
      out.push_back(rest.substr(0, blank));
      rest = blank == std::string_view::npos ? std::string_view() : rest.substr(blank + 1);
    }
    return out;
  }
  return std::nullopt;
}

}  // namespace varve::api
