"""The volumes of a soak, and what happens to them while guests write. One operation a volume at a time."""
import itertools
import os
import signal
import threading

from api import Api
from guest import Guest, check_all

MOST_SNAPSHOTS = 5
LARGEST_GIB = 4
USABLE = ("available", "in-use")
HOSTS = ("varve@qcow2#default", "varve@second#second")
SECRET_TYPE = "secret"


def make_secret_type(client):
    """Its volumes are encrypted."""
    made = client.call("POST", "/types", {"volume_type": {"name": SECRET_TYPE}}, 200)["volume_type"]["id"]
    body = {"encryption": {"provider": "luks", "control_location": "back-end", "cipher": "aes-xts-plain64", "key_size": 256}}
    client.call("POST", f"/types/{made}/encryption", body, 200)


class Snapshot:
    def __init__(self, snapshot, moment, size_gib):
        self.id, self.moment, self.size_gib = snapshot, moment, size_gib


class Disk:
    """A volume with its guest. lock: held by whoever operates on it."""

    def __init__(self, name, volume, guest, size_gib):
        self.name, self.volume, self.guest, self.size_gib = name, volume, guest, size_gib
        self.attachment = None
        self.uri = None
        self.snapshots = []
        self.lock = threading.Lock()


class World:
    def __init__(self, server, counters, random):
        self.server = server
        self.client = server.login()
        self.counters = counters
        self.random = random
        self.serials = itertools.count(1)
        self.disks = []

    def api(self):
        return Api(self.client, self.counters)

    def name(self, what):
        return f"{what}-{next(self.serials)}"

    # Disks

    def add_disk(self, api, **fields):
        name = self.name("disk")
        volume = api.create("volume", name, size=1, **fields)
        self.usable(api, volume)
        guest = Guest(name, next(self.serials), self.random.random(), self.counters)
        disk = Disk(name, volume, guest, 1)
        guest.start()
        self.attach(api, disk)
        self.disks.append(disk)
        return disk

    def usable(self, api, volume):
        """Waits for what is going on to end."""
        shown = api.wait(f"/volumes/{volume}", (*USABLE, "error", "error_extending", "error_rollbacking", "error_deleting"))
        assert shown and shown["status"] in USABLE, f"volume {volume} is {shown and shown['status']}"
        return shown

    def attach(self, api, disk):
        disk.attachment, disk.uri = api.attach(disk.volume)
        disk.guest.resume(disk.uri, disk.size_gib)

    def detach(self, api, disk):
        """Everything is flushed first."""
        disk.guest.pause()
        api.detach(disk.attachment)
        disk.attachment = None
        self.usable(api, disk.volume)

    def kill_daemon(self, disk):
        pid = self.server.storage_daemons().get(disk.volume)
        if pid is None:
            return
        disk.guest.journal.kill(lambda: os.kill(pid, signal.SIGKILL))
        self.counters.add("kills: storage daemon of a volume")

    # Operations. Each leaves the disk attached and its guest at work.

    def snapshot(self, api, disk):
        if len(disk.snapshots) >= MOST_SNAPSHOTS:
            return self.delete_snapshot(api, disk)
        journal = disk.guest.journal
        moment = journal.begin_moment()
        made = api.create("snapshot", self.name("snapshot"), volume_id=disk.volume, force=True)
        shown = made and api.wait(f"/snapshots/{made}", ("available", "error"))
        journal.end_moment(moment)
        if shown and shown["status"] == "available":
            disk.snapshots.append(Snapshot(made, moment, disk.size_gib))
            return self.counters.add("snapshots made")
        self.counters.add("snapshots that failed")
        if made:
            api.delete("snapshot", made)

    def delete_snapshot(self, api, disk):
        if disk.snapshots:
            chosen = self.random.choice(disk.snapshots)
            api.delete("snapshot", chosen.id)
            disk.snapshots.remove(chosen)
            self.counters.add("snapshots deleted")

    def read_snapshot(self, api, disk):
        if disk.snapshots:
            self.check_snapshot(api, disk, self.random.choice(disk.snapshots))

    def check_snapshot(self, api, disk, snapshot):
        attachment, uri = api.attach(disk.volume, snapshot.id)
        check_all(uri, snapshot.size_gib, snapshot.moment.content, f"a snapshot of {disk.name}", self.counters, snapshot.moment)
        api.detach(attachment)
        self.counters.add("snapshots verified")

    def clone_snapshot(self, api, disk):
        if disk.snapshots:
            snapshot = self.random.choice(disk.snapshots)
            clone = api.create("volume", self.name("clone"), snapshot_id=snapshot.id)
            self.check_clone(api, disk, clone, snapshot.size_gib, snapshot.moment)

    def clone_disk(self, api, disk):
        moment = disk.guest.journal.begin_moment()
        clone = api.create("volume", self.name("clone"), source_volid=disk.volume)
        shown = clone and api.wait(f"/volumes/{clone}", ("available", "error"))
        disk.guest.journal.end_moment(moment)
        if shown:
            self.check_clone(api, disk, clone, disk.size_gib, moment)

    def check_clone(self, api, disk, clone, size_gib, moment):
        if not clone or api.wait(f"/volumes/{clone}", ("available", "error"))["status"] == "error":
            self.counters.add("clones that failed")
        else:
            attachment, uri = api.attach(clone)
            check_all(uri, size_gib, moment.content, f"a clone of {disk.name}", self.counters, moment)
            api.detach(attachment)
            self.usable(api, clone)
            self.counters.add("clones verified")
        if clone:
            api.delete("volume", clone)

    def grow(self, api, disk):
        if disk.size_gib >= LARGEST_GIB:
            return
        api.action(disk.volume, "os-extend", {"new_size": disk.size_gib + 1}, "3.42")
        disk.size_gib = self.usable(api, disk.volume)["size"]
        disk.guest.pause()  # a client sees the new size when it connects again
        disk.guest.resume(disk.uri, disk.size_gib)
        self.counters.add("volumes grown")

    def migrate(self, api, disk):
        if disk.snapshots:
            return
        here = api.get(f"/volumes/{disk.volume}")["os-vol-host-attr:host"]
        there = next(host for host in HOSTS if host != here)
        if api.action(disk.volume, "os-migrate_volume", {"host": there}):
            self.usable(api, disk.volume)
            self.counters.add("volumes moved to another pool")

    def rollback(self, api, disk):
        if not disk.snapshots:
            return
        chosen = self.random.choice(disk.snapshots)
        self.detach(api, disk)
        if api.action(disk.volume, "revert", {"snapshot_id": chosen.id}, "3.40"):
            self.usable(api, disk.volume)
            disk.guest.journal.content = chosen.moment.content.copy()
            self.counters.add("rollbacks")
        self.attach(api, disk)

    def reattach(self, api, disk):
        self.detach(api, disk)
        self.attach(api, disk)
        disk.guest.pause()
        check_all(disk.uri, disk.size_gib, disk.guest.journal.content, disk.name, self.counters)
        disk.guest.resume(disk.uri, disk.size_gib)
        self.counters.add("volumes attached again and verified")

    def replace(self, api, disk):
        """The volume goes with its snapshots, another comes."""
        self.remove(api, disk)
        self.add_disk(api)
        self.counters.add("volumes deleted")

    def remove(self, api, disk):
        self.detach(api, disk)
        disk.guest.end()
        for snapshot in disk.snapshots:
            api.delete("snapshot", snapshot.id)
        api.delete("volume", disk.volume)
        self.disks.remove(disk)

    def operations(self):
        """What may happen, and how often."""
        return {self.snapshot: 8, self.delete_snapshot: 5, self.read_snapshot: 2, self.clone_snapshot: 2, self.clone_disk: 2, self.grow: 1, self.migrate: 2,
                self.rollback: 2, self.reattach: 1, self.replace: 0.3}

    def operate(self, api):
        """One operation on a disk that nobody operates on."""
        disk = self.random.choice(list(self.disks))
        if not disk.lock.acquire(blocking=False):
            return False
        try:
            disk.guest.require_sound()
            chances = self.operations()
            (chosen,) = self.random.choices(list(chances), chances.values())
            chosen(api, disk)
        finally:
            disk.lock.release()
        return True
