"""python-cinderclient."""
import pytest
from cinderclient import client as cinder
from keystoneauth1 import session as ks
from keystoneauth1.identity import v3

from varve import wait_until


@pytest.fixture(scope="module")
def session(server):
    rc = server.openrc()
    return ks.Session(auth=v3.Password(rc["OS_AUTH_URL"], username=rc["OS_USERNAME"], password=rc["OS_PASSWORD"],
                                       project_name=rc["OS_PROJECT_NAME"], user_domain_name="Default",
                                       project_domain_name="Default"))


def test_cinderclient(session, admin):
    client = cinder.Client("3.70", session=session)
    volume = client.volumes.create(1, name="by-cinderclient")
    wait_until(lambda: client.volumes.get(volume.id).status == "available")
    client.volumes.update(volume, name="renamed")
    client.volumes.extend(volume, 2)
    wait_until(lambda: client.volumes.get(volume.id).status == "available")
    snapshot = client.volume_snapshots.create(volume.id, force=True, name="s")
    wait_until(lambda: client.volume_snapshots.get(snapshot.id).status == "available")
    client.volume_snapshots.update(snapshot, name="snap-001", description="Daily backup")
    assert client.volume_snapshots.get(snapshot.id).name == "snap-001"
    client.volumes.revert_to_snapshot(volume, snapshot)
    wait_until(lambda: client.volumes.get(volume.id).status == "available")
    attachment = client.attachments.create(volume.id, {"host": "h"}, mode="rw")
    assert attachment["connection_info"]["driver_volume_type"] == "nbd"
    client.attachments.complete(attachment["id"])
    client.attachments.delete(attachment["id"])
    client.volumes.delete(volume, cascade=True)
    admin.wait_gone(f"/volumes/{volume.id}")
    assert client.limits.get().to_dict()["absolute"]["totalVolumesUsed"] >= 0
    assert client.quotas.get(admin.project, usage=True).volumes["in_use"] >= 0
    assert len(client.volume_types.list()) >= 5
    assert client.pools.list(detailed=True)


def test_cinderclient_groups_and_backups(session, admin):
    client = cinder.Client("3.70", session=session)
    group = client.groups.create("default_cgsnapshot_type", "GPSSD", name="cc-group")
    volume = client.volumes.create(1, group_id=group.id, volume_type="GPSSD")
    wait_until(lambda: client.volumes.get(volume.id).status == "available")
    snapshot = client.group_snapshots.create(group.id, name="cc-snapshot")
    wait_until(lambda: client.group_snapshots.get(snapshot.id).status == "available")
    client.groups.create_from_src(snapshot.id, None, name="cc-copy")
    (copy,) = [one for one in client.groups.list() if one.name == "cc-copy"]
    wait_until(lambda: client.groups.get(copy.id).status == "available")
    backup = client.backups.create(volume.id, name="cc-backup")
    wait_until(lambda: client.backups.get(backup.id).status == "available", 60)
    restored = client.restores.restore(backup.id)
    wait_until(lambda: client.volumes.get(restored.volume_id).status == "available", 60)
    client.backups.delete(backup.id)
    client.group_snapshots.delete(snapshot.id)
    wait_until(lambda: not client.group_snapshots.list())
    for one in (group, copy):
        client.groups.delete(one.id, delete_volumes=True)
    wait_until(lambda: not client.groups.list())
    assert [pool.name for pool in client.pools.list(detailed=True)] == ["varve@qcow2#default"]
    assert client.resource_filters.list("volume")[0].filters
