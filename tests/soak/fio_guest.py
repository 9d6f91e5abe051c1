"""fio as a guest: every block that it writes has a checksum, which fio verifies itself.

fio ends when its connection breaks, so the storage daemon of its volume is killed between its phases only, when everything is flushed.
A checksum does not tell an old block from a new one: what a phase has left is told by a digest of all of it.
"""
import hashlib
import os
import subprocess

from guest import Connection
from model import UNIT, Mismatch

BYTES = 12 << 20


class Fio:
    def __init__(self, directory, counters):
        self.directory = directory
        self.counters = counters

    def begin(self, uri, seed):
        """Writes every block once, in random order, verifying behind itself; flushes; verifies all. See finish()."""
        return self.process(uri, seed, "--do_verify=1", "--verify_backlog=64", "--fsync=64", "--end_fsync=1")

    def finish(self, process):
        said, _ = process.communicate(timeout=300)
        if process.returncode != 0 or "verify:" in said:
            raise Mismatch(f"fio: {said[:1000]}")

    def verify(self, uri, seed, digest):
        if self.digest(uri) != digest:
            raise Mismatch(f"fio: the volume does not hold what the phase of seed {seed} has left")
        self.finish(self.process(uri, seed, "--verify_only=1"))
        self.counters.add("fio phases verified again")

    def process(self, uri, seed, *options):
        command = ["fio", "--name=soak", "--ioengine=nbd", f"--uri={uri}", "--rw=randwrite", "--bs=16k", f"--size={BYTES}", "--iodepth=8", "--thread",
                   f"--randseed={seed}", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--output-format=terse", *options]
        return subprocess.Popen(command, cwd=self.directory, env=dict(os.environ, TMPDIR=str(self.directory)), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def digest(self, uri):
        connection = Connection(uri)
        hashed = hashlib.sha256()
        for unit in range(0, BYTES // UNIT, 256):
            hashed.update(connection.read(unit, 256))
        connection.close()
        self.counters.add("fio bytes verified", BYTES)
        return hashed.digest()
