"""Unmodified clients: the openstack command, python-cinderclient, openstacksdk."""
import json

import openstack
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


def test_openstack_volume_commands(server, admin):
    volume = server.openstack("volume", "create", "--size", "1", "--property", "k=v", "cli")["id"]
    admin.wait_volume(volume)
    server.run("openstack", "volume", "set", "--name", "cli2", "--property", "x=y", "--size", "2", volume)
    admin.wait_volume(volume)
    shown = server.openstack("volume", "show", "cli2")
    assert shown["size"] == 2 and shown["properties"] == {"k": "v", "x": "y"}
    server.run("openstack", "volume", "unset", "--property", "x", volume)
    snapshot = server.openstack("volume", "snapshot", "create", "--volume", volume, "snap")["id"]
    admin.wait_snapshot(snapshot)
    server.run("openstack", "volume", "snapshot", "set", "--name", "snap-001", "--description", "Daily backup", snapshot)
    assert server.openstack("volume", "snapshot", "show", "snap-001")["description"] == "Daily backup"
    clone = server.openstack("volume", "create", "--snapshot", snapshot, "copy")["id"]
    admin.wait_volume(clone)
    assert {v["Name"] for v in server.openstack("volume", "list")} >= {"cli2", "copy"}
    server.run("openstack", "volume", "snapshot", "delete", snapshot)
    admin.wait_gone(f"/snapshots/{snapshot}")
    server.run("openstack", "volume", "delete", volume, clone)
    admin.wait_gone(f"/volumes/{volume}")
    assert server.openstack("volume", "service", "list")
    assert server.openstack("volume", "type", "list")


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


def test_openstacksdk(session, admin):
    connection = openstack.connection.Connection(session=session, region_name="RegionOne")
    volume = connection.create_volume(1, name="by-sdk", wait=True, timeout=30)
    assert volume["status"] == "available"
    snapshot = connection.create_volume_snapshot(volume["id"], name="s", wait=True, timeout=30)
    copy = connection.create_volume(1, snapshot_id=snapshot["id"], wait=True, timeout=30)
    assert connection.get_volume("by-sdk")["id"] == volume["id"]
    assert [s["id"] for s in connection.list_volume_snapshots()] == [snapshot["id"]]
    assert connection.block_storage.get_snapshot(snapshot["id"]).name == "s"
    connection.delete_volume_snapshot(snapshot["id"], wait=True, timeout=30)
    connection.delete_volume(copy["id"], wait=True, timeout=30)
    connection.delete_volume(volume["id"], wait=True, timeout=30)
    assert connection.get_volume(volume["id"]) is None


def test_openstack_type_qos_and_backup_commands(server, admin):
    server.openstack("volume", "type", "create", "--encryption-provider", "luks", "--encryption-control-location", "back-end",
                     "--encryption-cipher", "aes-xts-plain64", "--encryption-key-size", "256", "cli-secret")
    spec = server.openstack("volume", "qos", "create", "--consumer", "back-end", "--property", "total_iops_sec=1000", "cli-gold")["id"]
    server.run("openstack", "volume", "qos", "associate", "cli-gold", "cli-secret")
    (row,) = [row for row in server.openstack("volume", "qos", "list") if row["ID"] == spec]
    assert row["Associations"] == ["cli-secret"]
    volume = server.openstack("volume", "create", "--size", "1", "--type", "cli-secret", "cli-vault")["id"]
    admin.wait_volume(volume)
    assert server.openstack("volume", "show", volume)["encrypted"] is True
    assert admin.io(volume, "write -P 7 0 1M")
    backup = server.openstack("volume", "backup", "create", "--name", "cli-backup", volume)["id"]
    admin.wait_backup(backup)
    assert server.openstack("volume", "backup", "show", "cli-backup")["status"] == "available"
    # This release of the client restores and then trips over the reply.
    server.run("openstack", "volume", "backup", "restore", backup, check=False)
    (restored,) = [v["id"] for v in admin.call("GET", f"/volumes?name=restore_backup_{backup}")["volumes"]]
    admin.wait_volume(restored, timeout=60)
    assert admin.io(restored, "read -P 7 0 1M")
    admin.wait_backup(backup)
    server.run("openstack", "volume", "backup", "delete", "cli-backup")
    admin.wait_gone(f"/backups/{backup}")
    server.run("openstack", "volume", "delete", volume, restored)
    admin.wait_gone(f"/volumes/{volume}")
    admin.wait_gone(f"/volumes/{restored}")
    server.run("openstack", "volume", "qos", "disassociate", "--all", "cli-gold")
    server.run("openstack", "volume", "qos", "delete", "cli-gold")
    server.run("openstack", "volume", "type", "delete", "cli-secret")


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
