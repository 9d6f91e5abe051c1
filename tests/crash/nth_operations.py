"""What the n-th failure loop makes fail: each operation of the API, on what exists, and how its success is seen.

An operation can be done again and again on the same store: before() makes ready what it needs, done() says whether it
holds, leaving what the client would have to clear away to remove(), which is called before it is repeated and after it.
"""
import subprocess

from varve import qemu_io, wait_until


class Operation:
    images = False  # it needs the image service
    share = 2  # failures that are tried, unless all are wanted

    def __init__(self, world):
        self.world, self.admin, self.server = world, world.admin, world.server
        self.prepare()

    def prepare(self):
        """Once."""

    def before(self):
        """Before each round."""

    def send(self):
        """The request; its reply."""
        raise NotImplementedError

    def over(self):
        """Besides the tasks: what it has begun has ended."""
        return True

    def done(self):
        raise NotImplementedError

    def remove(self):
        """What it has made, whole or not."""

    def post(self, path, body, **options):
        return self.admin.request("POST", path, body, "3.54", **options)

    def act(self, volume, name, arguments=None):
        return self.post(f"/volumes/{volume}/action", {name: arguments})

    def volume(self, volume):
        return self.admin.call("GET", f"/volumes/{volume}")["volume"]

    def named(self, kind="volumes", name="new"):
        return [one for one in self.admin.call("GET", f"/{kind}/detail")[kind] if one["name"] == name]

    def plain_volume(self, pattern=1):
        made = self.admin.create_volume(name="v")
        assert self.admin.io(made, f"write -P {pattern} 0 1M")
        return made


class Creation(Operation):
    """Of a volume, with these bytes."""
    pattern = 0

    def fields(self):
        return {}

    def send(self):
        return self.post("/volumes", {"volume": {"size": 1, "name": "new", **self.fields()}})

    def done(self):
        found = self.named()
        return len(found) == 1 and found[0]["status"] == "available" and self.admin.io(found[0]["id"], f"read -P {self.pattern} 0 1M")

    def remove(self):
        for volume in self.named():
            self.admin.delete_volume(volume["id"], cascade=True)


class Create(Creation):
    pass


class CreateOverEvs(Creation):
    """With a job that tells how it ended."""

    def send(self):
        body = {"volume": {"availability_zone": "az-1", "volume_type": "SSD", "size": 10, "name": "new"}}
        reply = self.admin.request("POST", "/cloudvolumes", body, version="v2")
        self.job = reply.json().get("job_id")
        return reply

    def done(self):
        if self.job:
            told = self.admin.request("GET", f"/jobs/{self.job}", version="v1").json()
            assert told["status"] in ("SUCCESS", "FAIL"), told
            assert told["status"] == "SUCCESS" or told["fail_reason"], told
        return super().done()


class CloneSnapshot(Creation):
    pattern = 1

    def prepare(self):
        self.source = self.plain_volume()
        self.snapshot = self.admin.create_snapshot(self.source)

    def fields(self):
        return {"snapshot_id": self.snapshot}


class CloneAttached(Creation):
    pattern = 3

    def fields(self):
        return {"source_volid": self.world.attached}


class FromImage(Creation):
    images = True
    share = 1
    pattern = 5

    def fields(self):
        return {"imageRef": self.world.glance.image}


class RestoreNew(Creation):
    pattern = 1

    def prepare(self):
        self.backup = self.admin.create_backup(self.plain_volume())

    def send(self):
        return self.post(f"/backups/{self.backup}/restore", {"restore": {"name": "new"}})

    def done(self):
        self.admin.wait_backup(self.backup)
        return super().done()


class Delete(Operation):
    def before(self):
        self.target = self.admin.create_volume(name="new")
        self.admin.create_snapshot(self.target)

    def send(self):
        return self.admin.request("DELETE", f"/volumes/{self.target}?cascade=true")

    def done(self):
        return not self.named()


class Extend(Operation):
    status = "available"

    def prepare(self):
        self.target = self.plain_volume()

    def before(self):
        self.size = self.volume(self.target)["size"] + 1

    def send(self):
        return self.act(self.target, "os-extend", {"new_size": self.size})

    def done(self):
        seen = self.volume(self.target)
        return seen["size"] == self.size and seen["status"] == self.status and self.has_bytes()

    def has_bytes(self):
        return self.admin.io(self.target, "read -P 1 0 1M", f"read -P 0 {self.size - 1}G 1M")


class ExtendAttached(Extend):
    status = "in-use"

    def prepare(self):
        self.target = self.world.attached

    def has_bytes(self):
        """The export was taken away meanwhile, and is brought back until it is there."""
        served = wait_until(lambda: qemu_io(self.world.uri, f"read {self.size - 1}G 1M"), 30, "the export to be back")
        return served and qemu_io(self.world.uri, "read -P 3 0 1M", f"read -P 0 {self.size - 1}G 1M")


class Snapshot(Operation):
    def prepare(self):
        self.target = self.plain_volume()

    def send(self):
        return self.post("/snapshots", {"snapshot": {"volume_id": self.target, "name": "new", "force": True}})

    def done(self):
        return [one["status"] for one in self.named("snapshots")] == ["available"]

    def remove(self):
        for snapshot in self.named("snapshots"):
            self.admin.call("DELETE", f"/snapshots/{snapshot['id']}", None, 202)
            self.admin.wait_gone(f"/snapshots/{snapshot['id']}")


class SnapshotAttached(Snapshot):
    def prepare(self):
        self.target = self.world.attached


class DeleteSnapshot(Operation):
    def prepare(self):
        self.target = self.plain_volume()

    def before(self):
        self.snapshot = self.admin.create_snapshot(self.target, name="new")

    def send(self):
        return self.admin.request("DELETE", f"/snapshots/{self.snapshot}")

    def done(self):
        return not self.named("snapshots") and self.volume(self.target)["status"] == "available"


class Rollback(Operation):
    def prepare(self):
        self.target = self.plain_volume()
        self.snapshot = self.admin.create_snapshot(self.target)

    def before(self):
        assert self.admin.io(self.target, "write -P 2 0 1M")

    def send(self):
        return self.act(self.target, "revert", {"snapshot_id": self.snapshot})

    def done(self):
        self.admin.wait_snapshot(self.snapshot)
        return self.volume(self.target)["status"] == "available" and self.admin.io(self.target, "read -P 1 0 1M")


class Attach(Operation):
    def prepare(self):
        self.target = self.plain_volume()

    def send(self):
        return self.post("/attachments", {"attachment": {"volume_uuid": self.target, "connector": {"host": "h"}}})

    def present(self):
        found = self.admin.call("GET", f"/attachments/detail?volume_id={self.target}", mv="3.54")["attachments"]
        return [self.admin.call("GET", f"/attachments/{one['id']}", mv="3.54")["attachment"] for one in found]

    def done(self):
        found = self.present()
        return [one["status"] for one in found] == ["attaching"] and qemu_io(found[0]["connection_info"]["uri"], "read -P 1 0 1M")

    def remove(self):
        for one in self.present():
            self.admin.detach(one["id"])
        self.admin.wait_volume(self.target)


class Detach(Attach):
    def before(self):
        self.attachment, _ = self.admin.attach(self.target)

    def send(self):
        return self.admin.request("DELETE", f"/attachments/{self.attachment}", None, "3.54")

    def done(self):
        return not self.present() and self.volume(self.target)["status"] == "available"

    def remove(self):
        pass


class Upload(Operation):
    images = True
    share = 1

    def prepare(self):
        self.target = self.plain_volume()
        self.present = self.world.glance.ids()

    def send(self):
        return self.act(self.target, "os-volume_upload_image", {"image_name": "copy", "disk_format": "qcow2"})

    def made(self):
        return self.world.glance.ids() - self.present

    def done(self):
        assert self.volume(self.target)["status"] == "available"
        glance = self.world.glance
        return [glance.show(None, image)["status"] for image in self.made()] == ["active"]

    def remove(self):
        for image in self.made():
            self.world.glance.request(None, "DELETE", f"/{image}")


class Backup(Operation):
    def prepare(self):
        self.target = self.plain_volume()
        self.archives = self.present_archives()

    def present_archives(self):
        return set((self.server.store / "backups").iterdir())

    def send(self):
        return self.post("/backups", {"backup": {"volume_id": self.target, "name": "new"}})

    def done(self):
        assert self.volume(self.target)["status"] == "available"
        return [one["status"] for one in self.named("backups")] == ["available"]

    def remove(self):
        for one in self.named("backups"):
            self.admin.call("DELETE", f"/backups/{one['id']}", None, 202)
            self.admin.wait_gone(f"/backups/{one['id']}")
        assert self.present_archives() == self.archives, "something of the backup is left"


class RemoveBackup(Backup):
    def before(self):
        self.backup = self.admin.create_backup(self.target, name="new")

    def send(self):
        return self.admin.request("DELETE", f"/backups/{self.backup}")

    def done(self):
        return not self.named("backups") and self.present_archives() == self.archives

    def remove(self):
        pass


class Restore(Operation):
    def prepare(self):
        self.target = self.plain_volume()
        self.backup = self.admin.create_backup(self.target)

    def before(self):
        assert self.admin.io(self.target, "write -P 7 0 2M")

    def send(self):
        return self.post(f"/backups/{self.backup}/restore", {"restore": {"volume_id": self.target}})

    def done(self):
        self.admin.wait_backup(self.backup)
        return self.volume(self.target)["status"] == "available" and self.admin.io(self.target, "read -P 1 0 1M", "read -P 0 1M 1M")


class Migrate(Operation):
    hosts = ("varve@qcow2#default", "varve@second#second")

    def prepare(self):
        self.target = self.plain_volume()

    def before(self):
        self.host = self.hosts[self.volume(self.target)["os-vol-host-attr:host"] == self.hosts[0]]

    def send(self):
        return self.act(self.target, "os-migrate_volume", {"host": self.host})

    def done(self):
        seen = self.volume(self.target)
        assert seen["status"] == "available"
        return seen["os-vol-host-attr:host"] == self.host and self.admin.io(self.target, "read -P 1 0 1M")


class Manage(Creation):
    pattern = 6

    def before(self):
        self.file = self.server.store / "manageable" / "disk.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(self.file), "700M"], check=True, timeout=60)
        subprocess.run(["qemu-io", "-c", "write -P 6 0 1M", str(self.file)], check=True, capture_output=True, timeout=60)

    def send(self):
        reference = {"source-name": "disk.qcow2"}
        return self.post("/manageable_volumes", {"volume": {"host": "varve@qcow2#default", "ref": reference, "name": "new"}})

    def done(self):
        found = super().done()
        assert found or self.file.exists(), "the file is gone and no volume has it"
        return found


class Retype(Operation):
    def prepare(self):
        self.target = self.plain_volume()

    def before(self):
        self.type = "SSD" if self.volume(self.target)["volume_type"] == "GPSSD" else "GPSSD"

    def send(self):
        return self.act(self.target, "os-retype", {"new_type": self.type, "migration_policy": "never"})

    def done(self):
        seen = self.volume(self.target)
        assert seen["status"] == "available"
        return seen["volume_type"] == self.type


class Describe(Operation):
    """A change of rows alone; then the volume's description beside the images follows it."""
    share = 1

    def prepare(self):
        self.target = self.plain_volume()
        self.round = 0

    def before(self):
        self.round += 1
        self.name = f"name {self.round}"

    def send(self):
        reply = self.admin.request("PUT", f"/volumes/{self.target}", {"volume": {"name": self.name}})
        self.refused = reply.status_code >= 400
        return reply

    def over(self):
        description = self.server.store / "descriptions" / "volumes" / f"{self.target}.json"
        return self.refused or (description.exists() and f'"{self.name}"' in description.read_text())

    def done(self):
        return self.volume(self.target)["name"] == self.name


class GroupSnapshot(Operation):
    def prepare(self):
        body = {"group": {"group_type": "default_cgsnapshot_type", "volume_types": ["GPSSD"]}}
        self.group = self.admin.call("POST", "/groups", body, 202, "3.54")["group"]["id"]
        both = f"{self.plain_volume()},{self.world.attached}"
        self.admin.call("PUT", f"/groups/{self.group}", {"group": {"add_volumes": both}}, 202, "3.54")

    def send(self):
        return self.post("/group_snapshots", {"group_snapshot": {"group_id": self.group, "name": "new"}})

    def present(self):
        return self.admin.call("GET", "/group_snapshots/detail", mv="3.54")["group_snapshots"]

    def done(self):
        frozen = [one["status"] for one in self.admin.call("GET", "/snapshots?name=new")["snapshots"]]
        return [one["status"] for one in self.present()] == ["available"] and frozen == ["available"] * 2

    def remove(self):
        for one in self.present():
            self.admin.call("DELETE", f"/group_snapshots/{one['id']}", None, 202, "3.54")
        wait_until(lambda: not self.present(), 30, "the group snapshots to go")


ALL = [Create, CreateOverEvs, CloneSnapshot, CloneAttached, FromImage, RestoreNew, Delete, Extend, ExtendAttached, Snapshot,
       SnapshotAttached, DeleteSnapshot, Rollback, Attach, Detach, Upload, Backup, RemoveBackup, Restore, Migrate, Manage,
       Retype, Describe, GroupSnapshot]
