"""Kills varved at every failpoint and looks at what the next start makes of it: nothing stuck, nothing lost, nothing left.

Every failpoint that `varved failpoints` lists is killed in a scenario that passes it; a failpoint that no scenario reaches
fails the suite.
"""
import os
import pathlib
import subprocess

import invariants
import pytest
import requests

from glance import Glance
from varve import BINARY, Server, qemu_io, wait_until

ALL = subprocess.run([str(BINARY), "failpoints"], capture_output=True, text=True, check=True, timeout=60).stdout.split()


class World:
    """What exists before the crash: a volume with bytes and two snapshots, and one that is attached."""

    def __init__(self, server, admin):
        self.server, self.admin = server, admin
        self.volume = admin.create_volume(name="v")
        assert admin.io(self.volume, "write -P 1 0 1M")
        self.first = admin.create_snapshot(self.volume, name="first")
        assert admin.io(self.volume, "write -P 2 0 1M")
        self.second = admin.create_snapshot(self.volume, name="second")
        self.attached = admin.create_volume(name="a")
        self.attachment, self.uri = admin.attach(self.attached)
        assert qemu_io(self.uri, "write -P 3 0 1M", "flush")

    def send(self, method, path, body=None, mv="3.54"):
        """A request whose reply may never come."""
        try:
            self.admin.request(method, path, body, mv)
        except requests.RequestException:
            pass

    def create(self):
        self.send("POST", "/volumes", {"volume": {"size": 1, "name": "new"}})

    def delete(self):
        self.send("DELETE", f"/volumes/{self.volume}?cascade=true")

    def extend(self):
        self.send("POST", f"/volumes/{self.volume}/action", {"os-extend": {"new_size": 2}})

    def extend_attached(self):
        self.send("POST", f"/volumes/{self.attached}/action", {"os-extend": {"new_size": 2}})

    def snapshot(self):
        self.send("POST", "/snapshots", {"snapshot": {"volume_id": self.volume, "name": "new"}})

    def snapshot_attached(self):
        self.send("POST", "/snapshots", {"snapshot": {"volume_id": self.attached, "name": "new"}})

    def delete_snapshot(self):
        self.send("DELETE", f"/snapshots/{self.first}")

    def rollback(self):
        self.send("POST", f"/volumes/{self.volume}/action", {"revert": {"snapshot_id": self.first}})

    def clone_snapshot(self):
        self.send("POST", "/volumes", {"volume": {"snapshot_id": self.first, "name": "new"}})

    def clone_attached(self):
        self.send("POST", "/volumes", {"volume": {"source_volid": self.attached, "name": "new"}})

    def attach(self):
        self.send("POST", "/attachments", {"attachment": {"volume_uuid": self.volume, "connector": {"host": "h"}}})

    def attach_snapshot(self):
        self.send("POST", "/attachments", {"attachment": {"volume_uuid": self.volume, "snapshot_uuid": self.first,
                                                          "connector": {"host": "h"}}})

    def from_image(self):
        self.send("POST", "/volumes", {"volume": {"size": 1, "name": "new", "imageRef": self.image}})

    def upload(self):
        self.send("POST", f"/volumes/{self.volume}/action", {"os-volume_upload_image": {"image_name": "copy", "disk_format": "qcow2"}})

    def upload_attached(self):
        self.send("POST", f"/volumes/{self.attached}/action", {"os-volume_upload_image": {"image_name": "copy", "disk_format": "qcow2", "force": True}})

    # Of a volume without snapshots. before_x() makes what x() works on.

    def before_backup(self):
        self.plain = self.admin.create_volume(name="m")
        assert self.admin.io(self.plain, "write -P 6 0 1M")

    def backup(self):
        self.send("POST", "/backups", {"backup": {"volume_id": self.plain}})

    def before_restore(self):
        self.before_backup()
        self.saved = self.admin.create_backup(self.plain)
        assert self.admin.io(self.plain, "write -P 7 0 2M")

    def restore(self):
        self.send("POST", f"/backups/{self.saved}/restore", {"restore": {"volume_id": self.plain}})

    before_restore_new = before_restore

    def restore_new(self):
        self.send("POST", f"/backups/{self.saved}/restore", {"restore": {"name": "new"}})

    before_remove_backup = before_restore

    def remove_backup(self):
        self.send("DELETE", f"/backups/{self.saved}")

    before_migrate = before_backup

    def migrate(self):
        self.send("POST", f"/volumes/{self.plain}/action", {"os-migrate_volume": {"host": "varve@second#second"}})

    def before_manage(self):
        self.before_backup()
        self.admin.action(self.plain, "os-unmanage", {}, 202)

    def manage(self, source=None):
        reference = {"source-name": source or f"volume-{self.plain}"}
        self.send("POST", "/manageable_volumes", {"volume": {"host": "varve@qcow2#default", "ref": reference, "name": "new"}})

    def before_manage_file(self):
        file = self.server.store / "manageable" / "disk.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(file), "700M"], check=True, timeout=60)
        subprocess.run(["qemu-io", "-c", "write -P 6 0 1M", str(file)], check=True, capture_output=True, timeout=60)

    def manage_file(self):
        self.manage("disk.qcow2")

    def before_group_snapshot(self):
        body = {"group": {"group_type": "default_cgsnapshot_type", "volume_types": ["GPSSD"]}}
        self.group = self.admin.call("POST", "/groups", body, 202, "3.54")["group"]["id"]
        both = f"{self.volume},{self.attached}"
        self.admin.call("PUT", f"/groups/{self.group}", {"group": {"add_volumes": both}}, 202, "3.54")

    def group_snapshot(self):
        self.send("POST", "/group_snapshots", {"group_snapshot": {"group_id": self.group, "name": "new"}})

    def detach(self):
        self.send("DELETE", f"/attachments/{self.attachment}")


SCENARIOS = {
    "task.": ["create", "delete", "extend", "snapshot_attached", "delete_snapshot", "rollback", "clone_snapshot", "attach", "detach"],
    "volume.create.": ["create"],
    "volume.migrate.": ["migrate"],
    "volume.adopt.": ["manage", "manage_file"],
    "backup.after_helper": ["backup"],
    "backup.after_archive": ["backup"],
    "backup.after_remove": ["remove_backup"],
    "backup.": ["restore", "restore_new"],
    "group_snapshot.": ["group_snapshot"],
    "volume.delete.": ["delete"],
    "volume.extend.": ["extend", "extend_attached"],
    "volume.rollback.": ["rollback"],
    "snapshot.create.after_switch": ["snapshot", "snapshot_attached", "migrate"],
    "snapshot.create.": ["snapshot", "snapshot_attached"],
    "snapshot.delete.": ["delete_snapshot"],
    "clone.after_freeze": ["clone_attached"],
    "clone.": ["clone_snapshot", "clone_attached"],
    "layer.merge.before_root": ["clone_snapshot", "clone_attached"],
    "layer.commit.": ["create", "snapshot", "rollback", "clone_snapshot"],
    "layer.merge.": ["delete_snapshot", "clone_snapshot", "clone_attached"],
    "layer.remove.": ["delete_snapshot", "delete"],
    "attach.after_open": ["attach"],  # a snapshot has no filter to wait for
    "attach.": ["attach", "attach_snapshot"],
    "detach.": ["detach"],
    "image.before_download": ["from_image"],
    "image.after_download": ["from_image"],
    "image.after_fill": ["from_image"],
    "image.": ["upload", "upload_attached"],
}


def scenarios():
    for failpoint in ALL:
        prefix = next((p for p in SCENARIOS if failpoint.startswith(p)), None)
        for scenario in SCENARIOS.get(prefix, ["none"]):
            yield pytest.param(failpoint, scenario, id=f"{failpoint}-{scenario}")


def names(admin):
    return {v["name"]: v for v in admin.call("GET", "/volumes/detail")["volumes"]}


@pytest.fixture(scope="module")
def glance():
    made = Glance().start()
    made.image = made.create(None, b"\x05" * 2**20)
    yield made
    made.destroy()


@pytest.mark.parametrize("failpoint, scenario", scenarios())
def test_killed_at(own_server, glance, failpoint, scenario):
    assert scenario != "none", f"no scenario reaches {failpoint}"
    own_server.add_pool("second").options.append(f"images.endpoint={glance.endpoint}")
    world = World(own_server.start(), own_server.login())
    world.image, images_before = glance.image, glance.ids()
    getattr(world, "before_" + scenario, lambda: None)()
    invariants.settle(own_server)
    before = {row[0] for row in own_server.rows("SELECT id FROM volumes")}
    own_server.stop()

    # At its start varved opens the attached volume again, which passes these two once.
    at_start = failpoint in ("attach.after_daemon", "attach.after_open")
    own_server.start({"VARVE_FAILPOINTS": f"{failpoint}={'kill@2' if at_start else 'kill'}"})
    world.admin = own_server.login()
    getattr(world, scenario)()
    assert own_server.process.wait(30) == -9, f"{scenario} does not reach {failpoint}"

    # What was attached is still served: its storage daemon is another process.
    if scenario not in ("detach", "extend_attached", "group_snapshot"):
        assert qemu_io(world.uri, "read -P 3 0 1M")
    own_server.start()
    world.admin = admin = own_server.login()
    invariants.settle(own_server)
    invariants.check(own_server)
    check_outcome(world, admin, scenario, before)
    for image in glance.ids() - images_before:
        expected = 3 if scenario == "upload_attached" else 2
        file = own_server.directory / "copy.qcow2"
        file.write_bytes(glance.data(None, image))
        subprocess.run(["qemu-io", "-c", f"read -P {expected} 0 1M", "-c", "read -P 0 1M 1023M", str(file)], check=True, timeout=60)
        glance.request(None, "DELETE", f"/{image}")

    # Everything can be used and removed without a human's hand.
    for attachment in admin.call("GET", "/attachments", mv="3.27")["attachments"]:
        admin.detach(attachment["id"])
    for group in admin.call("GET", "/group_snapshots", mv="3.54")["group_snapshots"]:
        admin.call("DELETE", f"/group_snapshots/{group['id']}", None, 202, "3.54")
        wait_until(lambda: not admin.call("GET", "/group_snapshots", mv="3.54")["group_snapshots"], 30, "the group snapshot to go")
    for backup in admin.call("GET", "/backups")["backups"]:
        admin.call("DELETE", f"/backups/{backup['id']}", None, 202)
        admin.wait_gone(f"/backups/{backup['id']}")
    assert not list((own_server.store / "backups").iterdir())
    for volume in admin.call("GET", "/volumes")["volumes"]:
        admin.delete_volume(volume["id"], cascade=True)
    invariants.settle(own_server)
    invariants.check(own_server)
    assert own_server.layers() == set()
    own_server.stop()


def check_outcome(world, admin, scenario, before):
    volumes = names(admin)
    statuses = {v["name"]: v["status"] for v in volumes.values()}
    snapshots = {s["name"]: s for s in admin.call("GET", "/snapshots")["snapshots"]}
    assert all(s["status"] == "available" for s in snapshots.values()), snapshots
    if scenario == "backup":
        world.saved = admin.call("GET", "/backups")["backups"][0]["id"]
        world.restore_new()
        admin.wait_backup(world.saved)
        volumes = names(admin)
        admin.wait_volume(volumes["new"]["id"])
        statuses["new"] = "available"
    if scenario == "remove_backup":
        assert admin.call("GET", "/backups")["backups"] == []
    if scenario in ("restore", "migrate"):
        assert statuses["m"] == "available" and admin.io(world.plain, "read -P 6 0 1M", "read -P 0 1M 2M")
    if scenario == "migrate":
        moved = admin.call("GET", f"/volumes/{world.plain}")["volume"]
        assert moved["os-vol-host-attr:host"] == "varve@second#second" and moved["migration_status"] == "success"
    if scenario == "group_snapshot":
        (made,) = admin.call("GET", "/group_snapshots/detail", mv="3.54")["group_snapshots"]
        assert made["status"] == "available"
        assert len([s for s in admin.call("GET", "/snapshots?name=new")["snapshots"]]) == 2
    if scenario in ("create", "clone_snapshot", "clone_attached", "from_image", "backup", "restore_new", "manage", "manage_file"):
        assert statuses["new"] == "available"
        expected = {"create": 0, "clone_snapshot": 1, "clone_attached": 3, "from_image": 5}.get(scenario, 6)
        assert admin.io(volumes["new"]["id"], f"read -P {expected} 0 1M")
    if scenario in ("snapshot", "snapshot_attached"):
        assert "new" in snapshots
    if scenario == "delete":
        assert "v" not in volumes
        return
    if scenario in ("extend", "extend_attached"):
        grown = volumes["v" if scenario == "extend" else "a"]
        assert grown["size"] == 2 and grown["status"] in ("available", "in-use")
    if scenario == "attach":
        return
    expected = 1 if scenario == "rollback" else 2
    assert statuses["v"] == "available"
    assert admin.io(world.volume, f"read -P {expected} 0 1M")
    if scenario == "delete_snapshot":
        assert "first" not in snapshots
    # The bytes of the remaining snapshots are what they were.
    for snapshot, pattern in ((world.second, 2), (world.first, 1)):
        if scenario == "delete_snapshot" and snapshot == world.first:
            continue
        admin.rollback(world.volume, snapshot)
        assert admin.io(world.volume, f"read -P {pattern} 0 1M")


def mapped_layers(server, key):
    """The layer files that a storage daemon has open."""
    pid = server.storage_daemons()[key]
    paths = (os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir())
    return {pathlib.Path(path.removesuffix(" (deleted)")).stem for path in paths if ".qcow2" in path}


@pytest.mark.parametrize("failpoint", ["layer.merge.before_stream", "layer.merge.after_stream"])
def test_a_merge_cut_off_in_an_attached_volume_hinders_no_other(own_server, failpoint):
    """The storage daemon outlives varved with the nodes of the half-done merge: they must not keep what is below them."""
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    snapshots = []
    for pattern in range(1, 6):
        assert qemu_io(uri, f"write -P {pattern} {pattern}M 1M", "flush")
        snapshots.append(admin.create_snapshot(volume))
    daemon = own_server.storage_daemons()[volume]
    for snapshot in (snapshots[3], snapshots[1]):
        own_server.stop()
        own_server.start({"VARVE_FAILPOINTS": f"{failpoint}=kill"})
        admin = own_server.login()
        admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
        assert own_server.process.wait(30) == -9, f"no merge reached {failpoint}"
        own_server.start()
        admin = own_server.login()
        invariants.settle(own_server)
    for snapshot in (snapshots[0], snapshots[2], snapshots[4]):
        admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
        admin.wait_gone(f"/snapshots/{snapshot}")
        invariants.settle(own_server)
    assert own_server.storage_daemons()[volume] == daemon, "the storage daemon died"
    assert mapped_layers(own_server, volume) == own_server.layers()
    assert qemu_io(uri, *(f"read -P {pattern} {pattern}M 1M" for pattern in range(1, 6)))
    assert "merge failed" not in own_server.log()
    admin.detach(attachment)
    admin.delete_volume(volume)
    own_server.stop()
