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
