"""What exists before something breaks, the operations under way when it does, and what must be true afterwards."""
import subprocess
import threading

import requests

from varve import qemu_io, wait_until


class World:
    """A volume with bytes and two snapshots, and one that is attached. before_x() makes what the operation x() works on."""

    encrypted = False
    type = "GPSSD"

    def __init__(self, server, admin, glance=None):
        self.server, self.admin, self.glance = server, admin, glance
        self.images_before = glance.ids() if glance else set()
        if self.encrypted:
            admin.create_encrypted_type(self.type)
        self.volume = self.create_volume(name="v")
        assert admin.io(self.volume, "write -P 1 0 1M")
        self.first = admin.create_snapshot(self.volume, name="first")
        assert admin.io(self.volume, "write -P 2 0 1M")
        self.second = admin.create_snapshot(self.volume, name="second")
        self.attached = self.create_volume(name="a")
        self.attachment, self.uri = admin.attach(self.attached)
        assert qemu_io(self.uri, "write -P 3 0 1M", "flush")

    def create_volume(self, **fields):
        return self.admin.create_volume(volume_type=self.type, **fields)

    def prepare(self, operation):
        getattr(self, "before_" + operation, lambda: None)()

    def begin(self, operation):
        """The operation is asked for by a thread, since varved may not reply for long, or never."""
        call = threading.Thread(target=getattr(self, operation))
        call.start()
        return call

    def send(self, method, path, body=None, mv="3.55"):
        """A request whose reply may never come."""
        try:
            self.admin.request(method, path, body, mv)
        except requests.RequestException:
            pass

    def act(self, volume, action, arguments):
        self.send("POST", f"/volumes/{volume}/action", {action: arguments})

    def ask_for_volume(self, **fields):
        self.send("POST", "/volumes", {"volume": {"name": "new", **fields}})

    # Volumes and snapshots

    def create(self):
        self.ask_for_volume(size=1, volume_type=self.type)

    def delete(self):
        self.send("DELETE", f"/volumes/{self.volume}?cascade=true")

    def extend(self):
        self.act(self.volume, "os-extend", {"new_size": 2})

    def extend_attached(self):
        self.act(self.attached, "os-extend", {"new_size": 2})

    def snapshot(self):
        self.send("POST", "/snapshots", {"snapshot": {"volume_id": self.volume, "name": "new"}})

    def snapshot_attached(self):
        self.send("POST", "/snapshots", {"snapshot": {"volume_id": self.attached, "name": "new"}})

    def delete_snapshot(self):
        self.send("DELETE", f"/snapshots/{self.first}")

    def rollback(self):
        self.act(self.volume, "revert", {"snapshot_id": self.first})

    def clone_snapshot(self):
        self.ask_for_volume(snapshot_id=self.first)

    def clone_attached(self):
        self.ask_for_volume(source_volid=self.attached)

    # Attachments

    def attach(self):
        self.send("POST", "/attachments", {"attachment": {"volume_uuid": self.volume, "connector": {"host": "h"}}})

    def attach_snapshot(self):
        self.send("POST", "/attachments", {"attachment": {"volume_uuid": self.volume, "snapshot_uuid": self.first,
                                                          "connector": {"host": "h"}}})

    def detach(self):
        self.send("DELETE", f"/attachments/{self.attachment}")

    # Images

    def from_image(self):
        self.ask_for_volume(size=1, imageRef=self.glance.image, volume_type=self.type)

    def upload(self):
        self.act(self.volume, "os-volume_upload_image", {"image_name": "copy", "disk_format": "qcow2"})

    def upload_attached(self):
        self.act(self.attached, "os-volume_upload_image", {"image_name": "copy", "disk_format": "qcow2", "force": True})

    # Backups, of a volume without snapshots

    def make_plain(self):
        self.plain = self.create_volume(name="m")
        assert self.admin.io(self.plain, "write -P 6 0 1M")

    before_backup = make_plain

    def backup(self):
        self.send("POST", "/backups", {"backup": {"volume_id": self.plain}})

    def before_restore(self):
        self.make_plain()
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

    # Pools and types

    before_migrate = make_plain

    def migrate(self):
        self.act(self.plain, "os-migrate_volume", {"host": "varve@second#second"})

    def make_type(self, name, **extra_specs):
        if self.encrypted:
            made = self.admin.create_encrypted_type(name)
        else:
            made = self.admin.call("POST", "/types", {"volume_type": {"name": name}}, 200)["volume_type"]["id"]
        if extra_specs:
            self.admin.call("POST", f"/types/{made}/extra_specs", {"extra_specs": extra_specs}, 200)
        return made

    def before_retype_attached(self):
        made = self.make_type("fast")
        specs = {"name": "gold", "consumer": "back-end", "total_iops_sec": "5000"}
        spec = self.admin.call("POST", "/qos-specs", {"qos_specs": specs}, 200)["qos_specs"]["id"]
        self.admin.call("GET", f"/qos-specs/{spec}/associate?vol_type_id={made}", None, 202)

    def retype_attached(self):
        self.act(self.attached, "os-retype", {"new_type": "fast", "migration_policy": "never"})

    def before_retype_to_pool(self):
        self.make_plain()
        self.make_type("elsewhere", volume_backend_name="second")

    def retype_to_pool(self):
        self.act(self.plain, "os-retype", {"new_type": "elsewhere", "migration_policy": "on-demand"})

    # Volumes that are taken in; those that are encrypted are not

    def before_manage(self):
        self.make_plain()
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

    # Groups

    def before_group_snapshot(self):
        body = {"group": {"group_type": "default_cgsnapshot_type", "volume_types": [self.type]}}
        self.group = self.admin.call("POST", "/groups", body, 202, "3.54")["group"]["id"]
        both = f"{self.volume},{self.attached}"
        self.admin.call("PUT", f"/groups/{self.group}", {"group": {"add_volumes": both}}, 202, "3.54")

    def group_snapshot(self):
        self.send("POST", "/group_snapshots", {"group_snapshot": {"group_id": self.group, "name": "new"}})

    # Transfers to another project, of a volume with a snapshot

    def before_offer(self):
        self.make_plain()
        self.admin.create_snapshot(self.plain, name="given")

    def offer(self):
        self.send("POST", "/volume-transfers", {"transfer": {"volume_id": self.plain, "name": "t"}})

    def identity(self, method, path, body=None):
        reply = requests.request(method, f"{self.server.url}/identity/v3{path}", json=body, timeout=30,
                                 headers={"X-Auth-Token": self.admin.token})
        assert reply.ok, reply.text
        return reply.json() if reply.text else None

    def before_accept(self):
        self.before_offer()
        body = {"transfer": {"volume_id": self.plain, "name": "t"}}
        self.transfer = self.admin.call("POST", "/volume-transfers", body, 202, "3.55")["transfer"]
        self.team = self.identity("POST", "/projects", {"project": {"name": "team"}})["project"]["id"]
        user, role = self.admin.info["user"]["id"], self.admin.info["roles"][0]["id"]
        self.identity("PUT", f"/projects/{self.team}/users/{user}/roles/{role}")

    def accept(self):
        body = {"accept": {"auth_key": self.transfer["auth_key"]}}
        try:
            self.server.login(project="team").request("POST", f"/volume-transfers/{self.transfer['id']}/accept", body, "3.55")
        except requests.RequestException:
            pass

    before_withdraw = before_accept

    def withdraw(self):
        self.send("DELETE", f"/volume-transfers/{self.transfer['id']}")


class EncryptedWorld(World):
    encrypted = True
    type = "secret"


def by_name(admin, path, key):
    return {one["name"]: one for one in admin.call("GET", path)[key]}


def check_outcome(world, operation):
    """Everything that was acknowledged is there with its bytes, and the operation has been carried out."""
    admin = world.admin
    Outcome(world).check(operation)
    for snapshot in admin.call("GET", "/snapshots")["snapshots"]:
        assert snapshot["status"] == "available", snapshot
    if operation != "delete":
        check_old_bytes(world, operation)
    check_images(world, operation)


class Outcome:
    """One method an operation, of what is true once it has been carried out."""

    def __init__(self, world):
        self.world, self.admin = world, world.admin
        self.volumes = by_name(self.admin, "/volumes/detail", "volumes")
        self.snapshots = by_name(self.admin, "/snapshots", "snapshots")

    def check(self, operation):
        getattr(self, operation)()

    def require_new(self, pattern):
        assert self.volumes["new"]["status"] == "available"
        assert self.admin.io(self.volumes["new"]["id"], f"read -P {pattern} 0 1M")

    def create(self):
        self.require_new(0)

    def clone_snapshot(self):
        self.require_new(1)

    def clone_attached(self):
        self.require_new(3)

    def from_image(self):
        self.require_new(5)

    def manage(self):
        self.require_new(6)

    manage_file = manage

    def restore_new(self):
        self.require_new(6)

    def backup(self):
        (saved,) = self.admin.call("GET", "/backups/detail")["backups"]
        assert saved["status"] == "available", saved
        self.world.saved = saved["id"]
        self.world.restore_new()
        self.admin.wait_backup(saved["id"])
        self.volumes = by_name(self.admin, "/volumes/detail", "volumes")
        self.admin.wait_volume(self.volumes["new"]["id"])
        assert self.admin.io(self.volumes["new"]["id"], "read -P 6 0 1M")

    def remove_backup(self):
        assert self.admin.call("GET", "/backups")["backups"] == []

    def restore(self):
        assert self.volumes["m"]["status"] == "available"
        assert self.admin.io(self.world.plain, "read -P 6 0 1M", "read -P 0 1M 2M")

    def migrate(self):
        moved = self.volumes["m"]
        assert moved["os-vol-host-attr:host"] == "varve@second#second" and moved["migration_status"] == "success"
        self.restore()

    def retype_to_pool(self):
        assert self.volumes["m"]["volume_type"] == "elsewhere"
        self.migrate()

    def retype_attached(self):
        assert self.volumes["a"]["volume_type"] == "fast" and self.volumes["a"]["status"] == "in-use"

    def group_snapshot(self):
        (made,) = self.admin.call("GET", "/group_snapshots/detail", mv="3.54")["group_snapshots"]
        assert made["status"] == "available"
        assert len(self.admin.call("GET", "/snapshots?name=new")["snapshots"]) == 2

    def snapshot(self):
        assert "new" in self.snapshots

    snapshot_attached = snapshot

    def delete_snapshot(self):
        assert "first" not in self.snapshots

    def delete(self):
        assert "v" not in self.volumes

    def extend(self):
        assert self.volumes["v"]["size"] == 2 and self.volumes["v"]["status"] == "available"

    def extend_attached(self):
        assert self.volumes["a"]["size"] == 2 and self.volumes["a"]["status"] == "in-use"

    def rollback(self):
        pass  # check_old_bytes() reads it

    def attach(self):
        uri = self.uri_of(self.world.volume)
        assert qemu_io(uri, "read -P 2 0 1M", "write -P 2 0 1M")

    def attach_snapshot(self):
        assert qemu_io(self.uri_of(self.world.volume), "read -P 1 0 1M", readonly=True)

    def uri_of(self, volume):
        (made,) = [one for one in self.admin.call("GET", "/attachments/detail", mv="3.54")["attachments"] if one["volume_id"] == volume]
        return self.admin.call("GET", f"/attachments/{made['id']}", mv="3.54")["attachment"]["connection_info"]["uri"]

    def detach(self):
        assert self.volumes["a"]["status"] == "available"
        assert self.admin.io(self.world.attached, "read -P 3 0 1M")

    def upload(self):
        assert self.volumes["v"]["status"] == "available"

    def upload_attached(self):
        assert self.volumes["a"]["status"] == "in-use"

    # A transfer is one commit: all of it happened, or nothing.

    def transfers(self):
        return self.admin.call("GET", "/volume-transfers", mv="3.55")["transfers"]

    def offer(self):
        if self.volumes["m"]["status"] == "available":
            assert not self.transfers()
            self.world.offer()
        (transfer,) = self.transfers()
        self.admin.wait_volume(self.world.plain, "awaiting-transfer")
        self.admin.call("DELETE", f"/volume-transfers/{transfer['id']}", None, 202, "3.55")
        assert self.admin.io(self.world.plain, "read -P 6 0 1M")

    def accept(self):
        world = self.world
        if "m" in self.volumes:
            assert len(self.transfers()) == 1 and self.volumes["m"]["status"] == "awaiting-transfer" and "given" in self.snapshots
            world.accept()
        assert not self.transfers() and not world.server.rows(
            "SELECT id FROM snapshots WHERE volume_id = ? AND project_id <> ?", world.plain, world.team)
        team = world.server.login(project="team")
        assert team.io(world.plain, "read -P 6 0 1M")
        team.delete_volume(world.plain, cascade=True)

    def withdraw(self):
        if self.transfers():
            assert self.volumes["m"]["status"] == "awaiting-transfer"
            self.world.withdraw()
        assert not self.transfers()
        assert self.admin.io(self.world.plain, "read -P 6 0 1M")


def check_old_bytes(world, operation):
    """The volume and its snapshots read as they did; the snapshots by going back to them."""
    admin = world.admin
    if operation != "attach":
        assert admin.io(world.volume, f"read -P {1 if operation == 'rollback' else 2} 0 1M")
    detach_from(admin, world.volume)
    kept = [(world.second, 2)] + ([] if operation == "delete_snapshot" else [(world.first, 1)])
    for snapshot, pattern in kept:
        admin.rollback(world.volume, snapshot)
        assert admin.io(world.volume, f"read -P {pattern} 0 1M")


def detach_from(admin, volume=None):
    for attachment in admin.call("GET", "/attachments/detail", mv="3.27")["attachments"]:
        if volume in (None, attachment["volume_id"]):
            admin.detach(attachment["id"])


def check_images(world, operation):
    """What was uploaded is the volume; nothing half-done was left in the image service."""
    made = world.glance.ids() - world.images_before if world.glance else set()
    assert len(made) == (1 if operation.startswith("upload") else 0)
    for image in made:
        expected = 3 if operation == "upload_attached" else 2
        file = world.server.directory / "copy.qcow2"
        file.write_bytes(world.glance.data(None, image))
        subprocess.run(["qemu-io", "-c", f"read -P {expected} 0 1M", "-c", "read -P 0 1M 1023M", str(file)], check=True, timeout=60)
        world.glance.request(None, "DELETE", f"/{image}")


def remove_group_snapshots(admin):
    def listed():
        return admin.call("GET", "/group_snapshots", mv="3.54")["group_snapshots"]
    for group in listed():
        admin.call("DELETE", f"/group_snapshots/{group['id']}", None, 202, "3.54")
    wait_until(lambda: not listed(), 30, "the group snapshots to go")


def remove_everything(world):
    """Everything can be removed without a human's hand."""
    admin = world.admin
    detach_from(admin)
    remove_group_snapshots(admin)
    for backup in admin.call("GET", "/backups")["backups"]:
        admin.call("DELETE", f"/backups/{backup['id']}", None, 202)
        admin.wait_gone(f"/backups/{backup['id']}")
    assert not list((world.server.store / "backups").iterdir())
    for volume in admin.call("GET", "/volumes")["volumes"]:
        admin.delete_volume(volume["id"], cascade=True)


def remove_failed(world):
    """What a failed operation made, as its owner would remove it before another try."""
    admin = world.admin
    for attachment in admin.call("GET", "/attachments/detail", mv="3.54")["attachments"]:
        if attachment["status"] == "error_attaching":
            admin.detach(attachment["id"])
    remove_group_snapshots(admin)
    for path, key in (("/snapshots", "snapshots"), ("/backups/detail", "backups"), ("/volumes/detail", "volumes")):
        path_of = "/" + key
        for one in admin.call("GET", path)[key]:
            # One that is attached is not removed: what failed is done again with it.
            if one["status"].startswith("error") and not one.get("attachments"):
                admin.call("DELETE", f"{path_of}/{one['id']}", None, 202)
                admin.wait_gone(f"{path_of}/{one['id']}")
