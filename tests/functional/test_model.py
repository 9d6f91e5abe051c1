"""Random operations on volumes and snapshots against a model that keeps the bytes in memory; every byte is compared.

Prints its seed; VARVE_SEED runs one again, VARVE_STEPS makes it longer.
"""
import os
import random
import socket
import struct
import urllib.parse

import invariants

GIB = 1 << 30
BLOCK = 64 << 10
# Written and compared are these places: around clusters' borders, in the middle, at the end of the first GiB.
PLACES = [0, 1, 2, 15, 16, 1000, 8192, 8193, 16383]


class Nbd:
    """A small NBD client (fixed newstyle), so that the test sees bytes and not a tool's opinion of them."""

    def __init__(self, uri):
        parsed = urllib.parse.urlparse(uri)
        path = urllib.parse.parse_qs(parsed.query)["socket"][0]
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        name = parsed.path.lstrip("/").encode()
        magic, option, _ = struct.unpack(">8s8sH", self.take(18))
        assert (magic, option) == (b"NBDMAGIC", b"IHAVEOPT")
        self.socket.sendall(struct.pack(">I", 3))  # fixed newstyle, no zeroes
        self.socket.sendall(b"IHAVEOPT" + struct.pack(">II", 1, len(name)) + name)  # NBD_OPT_EXPORT_NAME
        self.size, self.flags = struct.unpack(">QH", self.take(10))

    def take(self, count):
        out = b""
        while len(out) < count:
            chunk = self.socket.recv(count - len(out))
            assert chunk, "the export closed the connection"
            out += chunk
        return out

    def command(self, kind, offset, length, payload=b""):
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, 0, kind, 1, offset, length) + payload)
        magic, error, handle = struct.unpack(">IIQ", self.take(16))
        assert (magic, error, handle) == (0x67446698, 0, 1), f"NBD error {error}"
        return self.take(length) if kind == 0 else b""

    def read(self, offset, length):
        return self.command(0, offset, length)

    def write(self, offset, data):
        self.command(1, offset, len(data), data)

    def flush(self):
        self.command(3, 0, 0)

    def trim(self, offset, length):
        self.command(4, offset, length)

    def write_zeroes(self, offset, length):
        self.command(6, offset, length)

    def close(self):
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 2, 1, 0, 0))
        self.socket.close()


class Volume:
    def __init__(self, volume, size, blocks=None):
        self.id, self.size = volume, size
        self.blocks = dict(blocks or {})  # place: bytes; a missing one is zeros
        self.snapshots = {}               # id: (size, blocks)
        self.attachment = self.nbd = None


class Model:
    def __init__(self, server, rng):
        self.server, self.rng = server, rng
        self.admin = server.login()
        self.volumes = []

    def pick(self, condition=lambda volume: True):
        choices = [volume for volume in self.volumes if condition(volume)]
        return self.rng.choice(choices) if choices else None

    # operations; each returns what it did, or None when it cannot be done now

    def create(self):
        if len(self.volumes) >= 6:
            return None
        volume = Volume(self.admin.create_volume(size=1), 1)
        self.volumes.append(volume)
        return f"create {volume.id}"

    def attach(self):
        volume = self.pick(lambda v: not v.attachment)
        if not volume:
            return None
        volume.attachment, uri = self.admin.attach(volume.id)
        volume.nbd = Nbd(uri)
        assert volume.nbd.size == volume.size * GIB
        return f"attach {volume.id}"

    def detach(self):
        volume = self.pick(lambda v: v.attachment)
        if not volume:
            return None
        volume.nbd.close()
        self.admin.detach(volume.attachment)
        volume.attachment = volume.nbd = None
        return f"detach {volume.id}"

    def write(self):
        volume = self.pick(lambda v: v.attachment)
        if not volume:
            return None
        for _ in range(self.rng.randint(1, 4)):
            place = self.rng.choice(PLACES) + self.rng.randrange(volume.size) * (GIB // BLOCK)
            chance = self.rng.random()
            if chance < 0.1:
                volume.nbd.write_zeroes(place * BLOCK, BLOCK)
                volume.blocks.pop(place, None)
            elif chance < 0.2:
                self.trim(volume, place)
            else:
                data = self.rng.randbytes(16) * (BLOCK // 16)
                volume.nbd.write(place * BLOCK, data)
                volume.blocks[place] = data
        volume.nbd.flush()
        return f"write {volume.id}"

    def trim(self, volume, place):
        """A hint: QEMU drops it while a merge runs. Zeros or what was there, and then always the same."""
        before = volume.blocks.pop(place, bytes(BLOCK))
        volume.nbd.trim(place * BLOCK, BLOCK)
        after = volume.nbd.read(place * BLOCK, BLOCK)
        assert after in (before, bytes(BLOCK)), f"volume {volume.id}, block {place} after a trim"
        if after != bytes(BLOCK):
            volume.blocks[place] = after

    def snapshot(self):
        volume = self.pick(lambda v: len(v.snapshots) < 6)
        if not volume:
            return None
        snapshot = self.admin.create_snapshot(volume.id)
        volume.snapshots[snapshot] = (volume.size, dict(volume.blocks))
        return f"snapshot {volume.id} {snapshot}"

    def delete_snapshot(self):
        volume = self.pick(lambda v: v.snapshots)
        if not volume:
            return None
        snapshot = self.rng.choice(list(volume.snapshots))
        self.admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
        self.admin.wait_gone(f"/snapshots/{snapshot}")
        del volume.snapshots[snapshot]
        return f"delete snapshot {snapshot}"

    def rollback(self):
        volume = self.pick(lambda v: v.snapshots and not v.attachment)
        if not volume:
            return None
        snapshot = self.rng.choice(list(volume.snapshots))
        self.admin.rollback(volume.id, snapshot)
        volume.blocks = dict(volume.snapshots[snapshot][1])
        return f"rollback {volume.id} to {snapshot}"

    def clone(self):
        if len(self.volumes) >= 6:
            return None
        volume = self.pick()
        if not volume:
            return None
        if volume.snapshots and self.rng.random() < 0.6:
            snapshot = self.rng.choice(list(volume.snapshots))
            source, (size, blocks) = {"snapshot_id": snapshot}, volume.snapshots[snapshot]
        else:
            source, size, blocks = {"source_volid": volume.id}, volume.size, volume.blocks
        size += self.rng.randint(0, 1)
        clone = Volume(self.admin.create_volume(size=size, **source), size, blocks)
        self.volumes.append(clone)
        return f"clone {clone.id} of {source}"

    def extend(self):
        volume = self.pick(lambda v: v.size < 4)
        if not volume:
            return None
        self.admin.action(volume.id, "os-extend", {"new_size": volume.size + 1}, 202)
        self.admin.wait_volume(volume.id, "in-use" if volume.attachment else "available")
        volume.size += 1
        if volume.attachment:
            info = self.admin.call("GET", f"/attachments/{volume.attachment}", mv="3.27")["attachment"]["connection_info"]
            volume.nbd = Nbd(info["uri"])
            assert volume.nbd.size == volume.size * GIB
        return f"extend {volume.id}"

    def delete(self):
        volume = self.pick(lambda v: not v.attachment)
        if not volume or len(self.volumes) < 2:
            return None
        self.admin.delete_volume(volume.id, cascade=True)
        self.volumes.remove(volume)
        return f"delete {volume.id}"

    def restart(self):
        if self.rng.random() < 0.5:
            self.server.stop()
        else:
            self.server.kill()
        self.server.start()
        self.admin = self.server.login()
        return "restart"

    def compare(self):
        volume = self.pick()
        if volume:
            self.compare_one(volume)
            return f"compare {volume.id}"
        return None

    def compare_one(self, volume):
        attachment, nbd = volume.attachment, volume.nbd
        if not attachment:
            attachment, uri = self.admin.attach(volume.id, "ro")
            nbd = Nbd(uri)
        for gib in range(volume.size):
            for place in PLACES:
                at = place + gib * (GIB // BLOCK)
                assert nbd.read(at * BLOCK, BLOCK) == volume.blocks.get(at, bytes(BLOCK)), f"volume {volume.id}, block {at}"
        if not volume.attachment:
            nbd.close()
            self.admin.detach(attachment)


def test_random_operations(own_server):
    seed = int(os.environ.get("VARVE_SEED") or random.SystemRandom().randrange(1 << 32))
    steps = int(os.environ.get("VARVE_STEPS", "150"))
    print(f"VARVE_SEED={seed}")
    rng = random.Random(seed)
    own_server.options.append("qcow2.long_chain=3")
    model = Model(own_server.start(), rng)
    weighted = {model.create: 3, model.attach: 4, model.detach: 3, model.write: 8, model.snapshot: 6, model.delete_snapshot: 4,
                model.rollback: 3, model.clone: 3, model.extend: 2, model.delete: 1, model.restart: 1, model.compare: 4}
    done = []
    try:
        while len(done) < steps:
            what = rng.choices(list(weighted), weighted.values())[0]()
            if what:
                done.append(what)
        for volume in model.volumes:
            model.compare_one(volume)
            for snapshot in list(volume.snapshots):
                if volume.attachment:
                    volume.nbd.close()
                    model.admin.detach(volume.attachment)
                    volume.attachment = volume.nbd = None
                model.admin.rollback(volume.id, snapshot)
                volume.blocks = dict(volume.snapshots[snapshot][1])
                model.compare_one(volume)
    except BaseException:
        print(f"seed {seed}, after:\n  " + "\n  ".join(done[-20:]))
        raise
    for volume in model.volumes:
        if volume.attachment:
            volume.nbd.close()
            model.admin.detach(volume.attachment)
    invariants.settle(own_server)
    invariants.check(own_server)
    own_server.stop()
    invariants.check_images(own_server)
