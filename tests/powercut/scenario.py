"""What a client does while everything is recorded, and what it may count on at each moment."""
import contextlib
import copy

import invariants
from varve import qemu_io, wait_until

KIB = 1024
PIECE = 64 * KIB
ANY = None  # nobody can say


class Scenario:
    """known: volumes and snapshots by name: whether they are there, their sizes and the bytes at each offset."""

    def __init__(self, server, recording):
        self.server, self.recording = server, recording
        self.known = {"volumes": {}, "snapshots": {}}
        self.ids, self.uris = {}, {}

    def run(self):
        self.server.start(self.recording.environment)
        self.admin = self.server.login()
        self.recording.mark(self.known)
        self.snapshots_of_an_attached_volume()
        self.clones_and_growth()
        self.detached()
        self.encrypted()
        self.moves()
        invariants.settle(self.server)
        self.recording.mark(self.known)

    # What is known before, while and after something is done

    @contextlib.contextmanager
    def unsure(self, kind, name, key, value):
        """While it is under way the key of this object may have its old value or this."""
        entry = self.known[kind][name]
        before = entry[key]
        entry[key] = [*before, *value] if isinstance(value, list) else ANY
        self.recording.mark(self.known)
        yield
        entry[key] = value if value is not ANY else before
        self.recording.mark(self.known)

    @contextlib.contextmanager
    def making(self, kind, name, size, data):
        self.known[kind][name] = {"there": ANY, "size": [size], "bytes": copy.deepcopy(data)}
        self.recording.mark(self.known)
        yield
        self.known[kind][name]["there"] = True
        self.recording.mark(self.known)

    @contextlib.contextmanager
    def removing(self, kind, *names):
        for name in names:
            self.known[kind][name]["there"] = ANY
        self.recording.mark(self.known)
        yield
        for name in names:
            del self.known[kind][name]
        self.recording.mark(self.known)

    # What a client does

    def create(self, name, **fields):
        with self.making("volumes", name, 1, {}):
            self.ids[name] = self.admin.create_volume(name=name, **fields)

    def clone(self, name, snapshot):
        with self.making("volumes", name, 1, self.known["snapshots"][snapshot]["bytes"]):
            self.ids[name] = self.admin.create_volume(name=name, snapshot_id=self.ids[snapshot])

    def attach(self, name):
        self.attachment, self.uris[name] = self.admin.attach(self.ids[name])

    def detach(self, name):
        del self.uris[name]
        self.admin.detach(self.attachment)
        self.admin.wait_volume(self.ids[name])

    def write(self, name, piece, pattern):
        data = self.known["volumes"][name]["bytes"]
        offset = str(piece * PIECE)
        data[offset] = ANY
        self.recording.mark(self.known)
        command = f"write -P {pattern} {offset} {PIECE}"
        if name in self.uris:
            assert qemu_io(self.uris[name], command, "flush")
        else:
            assert self.admin.io(self.ids[name], command, "flush")
        data[offset] = pattern
        self.recording.mark(self.known)

    def snapshot(self, name, volume):
        with self.making("snapshots", name, 1, self.known["volumes"][volume]["bytes"]):
            self.ids[name] = self.admin.create_snapshot(self.ids[volume], name=name)

    def remove_snapshots(self, *names):
        with self.removing("snapshots", *names):
            for name in names:
                self.admin.call("DELETE", f"/snapshots/{self.ids[name]}", None, 202)
            for name in names:
                self.admin.wait_gone(f"/snapshots/{self.ids[name]}")
        invariants.settle(self.server)

    def remove(self, name, *snapshots):
        with self.removing("volumes", name), self.removing("snapshots", *snapshots):
            self.admin.delete_volume(self.ids[name], cascade=True)

    def extend(self, name):
        with self.unsure("volumes", name, "size", [2]):
            self.admin.action(self.ids[name], "os-extend", {"new_size": 2}, 202, "3.42")
            wait_until(lambda: self.admin.call("GET", f"/volumes/{self.ids[name]}")["volume"]["size"] == 2, 30, "the extension")
            self.admin.wait_volume(self.ids[name], "in-use" if name in self.uris else "available")

    def roll_back(self, name, snapshot):
        frozen = self.known["snapshots"][snapshot]["bytes"]
        self.known["volumes"][name]["bytes"] = {offset: ANY for offset in self.known["volumes"][name]["bytes"]}
        self.recording.mark(self.known)
        self.admin.rollback(self.ids[name], self.ids[snapshot])
        self.known["volumes"][name]["bytes"] = copy.deepcopy(frozen)
        self.recording.mark(self.known)

    # The scenes

    def snapshots_of_an_attached_volume(self):
        self.create("v")
        self.attach("v")
        for number in range(1, 7):
            self.write("v", 0, number)
            self.write("v", number, number)
            self.snapshot(f"s{number}", "v")
        self.write("v", 0, 7)
        self.remove_snapshots("s2")
        self.remove_snapshots("s4", "s5")

    def clones_and_growth(self):
        self.clone("c", "s1")
        self.write("c", 9, 9)
        self.extend("v")
        self.write("v", 8, 8)

    def detached(self):
        self.detach("v")
        self.snapshot("late", "v")
        self.write("v", 0, 11)
        self.roll_back("v", "late")
        self.write("v", 1, 12)
        self.remove_snapshots("s1", "s3")
        self.remove("c")

    def encrypted(self):
        self.admin.create_encrypted_type()
        self.create("e", volume_type="secret")
        self.write("e", 0, 1)
        self.snapshot("f", "e")
        self.write("e", 0, 2)
        self.write("e", 1, 2)
        self.remove_snapshots("f")

    def moves(self):
        self.create("m")
        self.write("m", 0, 5)
        self.admin.action(self.ids["m"], "os-migrate_volume", {"host": "varve@second#second"}, 202)
        wait_until(lambda: self.admin.call("GET", f"/volumes/{self.ids['m']}")["volume"]["migration_status"] == "success", 30, "the move")
        self.admin.wait_volume(self.ids["m"])
        self.remove("v", "s6", "late")


def check(server, known):
    """Everything that was known is there, what was under way is done or not, nothing needs a human's hand."""
    admin = server.login()
    invariants.settle(server)
    invariants.check(server)
    for kind in ("volumes", "snapshots"):
        found = {one["name"]: one for one in admin.call("GET", f"/{kind}/detail")[kind]}
        for name in found:
            assert name in known[kind], f"{kind}: {name} should not be there"
        for name, entry in known[kind].items():
            assert name in found or entry["there"] is ANY, f"{kind}: {name} is lost"
            if name in found:
                check_one(admin, kind, found[name], entry)


def check_one(admin, kind, found, entry):
    # One that is being attached waits for its client.
    assert found["status"] in ("available", "in-use", "attaching"), found
    assert kind == "snapshots" or found["size"] in entry["size"], f"{found['name']}: {found['size']}"
    reads = [f"read -P {pattern} {offset} {PIECE}" for offset, pattern in entry["bytes"].items() if pattern is not ANY]
    attachments = admin.call("GET", f"/attachments/detail?volume_id={found['id']}", mv="3.54")["attachments"]
    volume = found["volume_id"] if kind == "snapshots" else found["id"]
    if kind == "volumes" and attachments:
        uri = admin.call("GET", f"/attachments/{attachments[0]['id']}", mv="3.54")["attachment"]["connection_info"]["uri"]
        wait_until(lambda: qemu_io(uri, "read 0 4096"), 30, "what was attached to be served again")
        assert qemu_io(uri, *reads), f"{found['name']}: other bytes than {reads}"
        return
    snapshot = {"snapshot_uuid": found["id"]} if kind == "snapshots" else {}
    body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h"}, **snapshot}}
    made = admin.call("POST", "/attachments", body, 200, "3.54")["attachment"]
    assert qemu_io(made["connection_info"]["uri"], *reads, readonly=True), f"{found['name']}: other bytes than {reads}"
    admin.detach(made["id"])


def remove_everything(server):
    admin = server.login()
    for attachment in admin.call("GET", "/attachments/detail", mv="3.54")["attachments"]:
        admin.detach(attachment["id"])
    for volume in admin.call("GET", "/volumes")["volumes"]:
        admin.delete_volume(volume["id"], cascade=True)
    invariants.settle(server)
    assert server.layers() == set()
