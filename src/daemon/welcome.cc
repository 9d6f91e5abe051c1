#include "daemon/welcome.h"

namespace varve::daemon {

std::string welcome(const std::string& url, const std::filesystem::path& openrc) {
  return "\nVarve serves at " + url + " (stop it with Ctrl-C). In another terminal:\n\n" + "  . " + openrc.string() +
         R"(
  openstack volume create --size 1 disk
  cinder --os-volume-api-version 3.54 attachment-create --connect True --mode rw \
    $(openstack volume show disk -f value -c id) | tee attachment
  NBD=$(grep -o 'nbd[^ ]*://[^ ]*' attachment)
  qemu-io -f raw -c 'write -P 0x11 0 1M' "$NBD"
  openstack volume snapshot create --force --volume disk before

The README's tour goes on from there: rename the snapshot, write something else, roll back, read the old bytes.

)";
}

}  // namespace varve::daemon
