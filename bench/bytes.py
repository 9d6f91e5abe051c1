"""The path of the bytes: fio against volumes of varved and against a plain qemu-storage-daemon, turn by turn.

A row's ratio is the median of its turns' ratios: what a machine does meanwhile falls on the two halves of a turn alike.
"""
import json
import statistics
import subprocess
import sys

from varve import qemu_io, wait_until

import invariants

MIB = 512  # written beforehand, and read and written by every row
PLAIN = {"aio": "io_uring", "cache.direct": "on", "discard": "unmap"}
READS = (("randread", "4k", 1), ("randread", "4k", 32), ("read", "1m", 4))
WRITES = (("randwrite", "4k", 1), ("randwrite", "4k", 32), ("write", "1m", 4))


def fio(uri, pattern, block, depth, seconds):
    """Operations a second."""
    done = subprocess.run(
        ["fio", "--name=row", "--ioengine=nbd", f"--uri={uri}", f"--rw={pattern}", f"--bs={block}", f"--iodepth={depth}",
         "--time_based", f"--runtime={seconds}", f"--size={MIB}m", "--randrepeat=0", "--output-format=json"],
        capture_output=True, text=True, check=True, timeout=seconds + 60)
    job = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    return job["read" if "read" in pattern else "write"]["iops"]


def fill(uri):
    for at in range(0, MIB, 64):
        assert qemu_io(uri, f"write -P 7 {at}M 64M")
    assert qemu_io(uri, "flush")


class Plain:
    """One image, one qemu-storage-daemon, nothing else. overlay: the image is frozen, and an empty one lies on it."""

    def __init__(self, directory, name, secret=None, overlay=False):
        self.directory, self.name = directory, name
        self.image, self.socket = directory / f"{name}.qcow2", directory / f"{name}.sock"
        create = ["qemu-img", "create", "-q", "-f", "qcow2"]
        if secret:
            create += ["--object", f"secret,id=s,data={secret}", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"]
        # With a secret QEMU measures the processor, and now and then cannot.
        wait_until(lambda: subprocess.run([*create, str(self.image), "1G"], capture_output=True).returncode == 0, 30, "an image")
        self.secret, self.process = secret, None
        self.start(self.image)
        fill(self.uri)
        if overlay:
            self.stop()
            top = directory / f"{name}-top.qcow2"
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(self.image), "-F", "qcow2", str(top)], check=True)
            self.start(top)

    @property
    def uri(self):
        return f"nbd+unix:///x?socket={self.socket}"

    def start(self, image):
        def options(**fields):
            return ",".join(f"{key}={value}" for key, value in fields.items())
        layer = {"driver": "qcow2", "node-name": "layer", "file": "file", "cache.direct": "on", "discard": "unmap", "detect-zeroes": "unmap"}
        command = ["qemu-storage-daemon", "--blockdev", options(driver="file", **{"node-name": "file"}, filename=image, **PLAIN)]
        if self.secret:
            command[1:1] = ["--object", f"secret,id=s,data={self.secret}"]
            layer |= {"encrypt.format": "luks", "encrypt.key-secret": "s"}
        command += ["--blockdev", options(**layer), "--nbd-server", f"addr.type=unix,addr.path={self.socket}",
                    "--export", options(type="nbd", id="e", name="x", writable="on", **{"node-name": "layer"})]
        self.process = subprocess.Popen(command)
        wait_until(lambda: qemu_io(self.uri, "read 0 4k"), 30, "the plain daemon to serve")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class Comparison:
    """Rows of one kind of volume against one plain daemon."""

    def __init__(self, options, bars):
        self.seconds, self.turns, self.bars = min(options.seconds, 2), options.turns, bars

    def row(self, name, plain, uri, load, bar=None):
        pattern, block, depth = load
        theirs, ours = [], []
        for turn in range(self.turns):
            # By turns the first: what a daemon leaves to be done falls on its successor.
            halves = [(theirs, plain), (ours, uri)]
            for rates, target in halves if turn % 2 else reversed(halves):
                rates.append(fio(target, *load, self.seconds))
        ratio = statistics.median(mine / other for mine, other in zip(ours, theirs))
        title = f"{name}: {pattern} {block}, depth {depth}"
        print(f"  {title:56} {statistics.median(theirs):9.0f} {statistics.median(ours):9.0f} {ratio:8.2f}")
        sys.stdout.flush()
        if bar:
            self.bars.append((f"{title}, against a plain daemon", f"{ratio:.2f}", f">= {bar}", ratio >= bar))


def chain_depth(server, volume):
    parents = invariants.parents(server)
    layer, depth = server.manifests()[volume]["active"], 1
    while layer := parents.get(layer):
        depth += 1
    return depth


def snapshots_with_writes(admin, volume, uri, count, layers):
    """Snapshots with a few blocks written between them, and a chain that has been made as short as that."""
    for i in range(count):
        assert qemu_io(uri, *(f"write -P {i % 250} {(i * 97 + k * 31) % MIB}M 4k" for k in range(16)))
        admin.create_snapshot(volume)
    wait_until(lambda: chain_depth(admin.server, volume) <= layers, 120, "the chain to be short")


def compare_bytes(server, admin, options, bars):
    print(f"\n  {'operations a second':56} {'plain':>9} {'varve':>9} {'ratio':>8}")
    compare = Comparison(options, bars)
    directory = server.directory
    plain = Plain(directory, "plain")
    admin.call("POST", "/types", {"volume_type": {"name": "unlimited"}}, 200)
    volume = admin.create_volume(volume_type="unlimited")
    attachment, uri = admin.attach(volume)
    fill(uri)
    for load in (*READS, *WRITES):
        compare.row("a volume", plain.uri, uri, load, 0.95)
    made = 0
    for count, layers, bar in ((1, 2, 0.9), (8, 4, 0.8), (64, 6, 0.6)):
        snapshots_with_writes(admin, volume, uri, count - made, layers)
        made = count
        for load in READS:
            compare.row(f"after {count} snapshots", plain.uri, uri, load, bar)
        print(f"    ({chain_depth(server, volume)} layers)")
    plain.stop()
    admin.detach(attachment)
    admin.delete_volume(volume, cascade=True)

    under = Plain(directory, "frozen", overlay=True)
    volume = admin.create_volume(volume_type="unlimited")
    attachment, uri = admin.attach(volume)
    fill(uri)
    admin.create_snapshot(volume)
    compare.turns = 1  # a block is written for the first time only once
    compare.row("first writes after a snapshot", under.uri, uri, ("randwrite", "4k", 32))
    under.stop()
    admin.detach(attachment)
    admin.delete_volume(volume, cascade=True)

    compare.turns = 5
    secret = Plain(directory, "secret", secret="c2VjcmV0")
    volume = admin.create_volume(volume_type=admin.create_encrypted_type("bench-secret"))
    attachment, uri = admin.attach(volume)
    fill(uri)
    for load in (READS[1], READS[2], WRITES[1]):
        compare.row("encrypted", secret.uri, uri, load, 0.95)
    secret.stop()
    admin.detach(attachment)
    admin.delete_volume(volume)
