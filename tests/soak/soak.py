"""Guests write, snapshots come and go, volumes grow, move and are rolled back, while varved and storage daemons are killed.

VARVE_BUILD=build/release SOAK_SECONDS=3600 SOAK_SEED=1 python3 tests/soak/soak.py
Prints what was done, and fails on anything that was read and must not be there, that is stuck, or that is left.
"""
import os
import pathlib
import random
import signal
import sys
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

import invariants  # noqa: E402
from counters import Counters  # noqa: E402
from fio_guest import Fio  # noqa: E402
from model import Mismatch  # noqa: E402
from varve import Server  # noqa: E402
from world import HOSTS, SECRET_TYPE, World, check_all, make_secret_type  # noqa: E402

OPERATORS = 3


class Soak:
    def __init__(self, seconds, seed, disks=5, kill_every=4.0):
        self.seconds, self.seed, self.disk_count, self.kill_every = seconds, seed, disks, kill_every
        self.counters = Counters()
        self.server = Server().add_pool(HOSTS[1].rsplit("#", 1)[1])
        self.stop = threading.Event()
        self.faults = []
        self.started = time.monotonic()

    def run(self):
        """True if everything held. The server is left for a look when not."""
        self.server.start()
        self.world = World(self.server, self.counters, random.Random(self.seed))
        make_secret_type(self.world.client)
        api = self.world.api()
        for number in range(self.disk_count):
            self.world.add_disk(api, **({"volume_type": SECRET_TYPE} if number == 0 else {}))
        workers = [self.killing, self.fio, *[self.operating] * OPERATORS]
        threads = [threading.Thread(target=self.guarded, args=(work, self.seed + number)) for number, work in enumerate(workers)]
        for thread in threads:
            thread.start()
        self.stop.wait(self.seconds)
        self.stop.set()
        for thread in threads:
            thread.join()
        if not self.faults:
            self.guarded(self.finish, 0)
        return not self.faults

    def guarded(self, work, seed):
        try:
            work(random.Random(seed))
        except BaseException as fault:  # noqa: B902: told at the end, whatever it is
            self.faults.append(fault)
            self.counters.add("mismatches", isinstance(fault, Mismatch))
            traceback.print_exception(fault)
            self.stop.set()

    # Workers, each in a thread

    def operating(self, _):
        api = self.world.api()
        while not self.stop.is_set():
            if not self.world.operate(api):
                self.stop.wait(0.01)

    def killing(self, chance):
        while not self.stop.wait(chance.expovariate(1 / self.kill_every)):
            kind = chance.random()
            if kind < 0.5:
                self.world.kill_daemon(chance.choice(list(self.world.disks)))
            if kind > 0.4:
                self.server.kill()
                self.counters.add("kills: varved")
                if chance.random() < 0.3:
                    self.world.kill_daemon(chance.choice(list(self.world.disks)))
                self.server.start()
            if kind > 0.8:
                self.kill_helper(chance)
            assert self.server.process.poll() is None, "varved ended by itself:\n" + self.server.log()[-3000:]

    def kill_helper(self, chance):
        """A daemon that makes images or merges."""
        helpers = [pid for key, pid in self.server.storage_daemons().items() if key == "pool" or key.startswith("merge-")]
        if helpers:
            try:
                os.kill(chance.choice(helpers), signal.SIGKILL)
                self.counters.add("kills: storage daemon that makes images or merges")
            except ProcessLookupError:  # its work was done
                pass

    def fio(self, chance):
        """Phases of fio on a volume of its own. Each is seen again after a kill, some after a rollback."""
        api, world = self.world.api(), self.world
        volume = api.create("volume", "fio", size=1)
        world.usable(api, volume)
        fio = Fio(self.server.directory, self.counters)
        attachment, uri = api.attach(volume)
        kept = None  # (snapshot, seed, digest)
        while not self.stop.is_set():
            seed = chance.randrange(1 << 30)
            digest = self.fio_phase(api, fio, volume, uri, seed)
            pid = self.server.storage_daemons().get(volume)
            os.kill(pid, signal.SIGKILL)
            self.counters.add("kills: storage daemon of a volume")
            api.reach(uri)
            fio.verify(uri, seed, digest)
            if kept and chance.random() < 0.5:
                api.detach(attachment)
                world.usable(api, volume)
                assert api.action(volume, "revert", {"snapshot_id": kept[0]}, "3.40")
                world.usable(api, volume)
                attachment, uri = api.attach(volume)
                self.counters.add("rollbacks")
                fio.verify(uri, kept[1], kept[2])
                seed, digest = kept[1:]
            if kept:
                api.delete("snapshot", kept[0])
            kept = (self.fio_snapshot(api, volume), seed, digest)
        api.detach(attachment)
        world.usable(api, volume)
        api.delete("snapshot", kept[0])
        api.delete("volume", volume)

    def fio_phase(self, api, fio, volume, uri, seed):
        """Snapshots come and go under it."""
        process = fio.begin(uri, seed)
        passing = self.fio_snapshot(api, volume)
        api.delete("snapshot", passing)
        fio.finish(process)
        self.counters.add("fio phases")
        return fio.digest(uri)

    def fio_snapshot(self, api, volume):
        made = api.create("snapshot", self.world.name("fio"), volume_id=volume, force=True)
        shown = api.wait(f"/snapshots/{made}", ("available", "error"))
        assert shown["status"] == "available", shown
        self.counters.add("snapshots made")
        return made

    # The end

    def finish(self, _):
        world, api = self.world, self.world.api()
        for disk in world.disks:
            disk.guest.pause()
            check_all(disk.uri, disk.size_gib, disk.guest.journal.content, disk.name, self.counters)
            for snapshot in disk.snapshots:
                world.check_snapshot(api, disk, snapshot)
            world.detach(api, disk)
        invariants.settle(self.server, 300)
        invariants.check(self.server)
        self.server.stop()
        invariants.check_images(self.server)
        self.server.start()
        for disk in list(world.disks):
            world.attach(api, disk)
            world.remove(api, disk)
        invariants.settle(self.server, 300)
        invariants.check(self.server)
        left = self.server.layers() | {volume["name"] for volume in api.get("/volumes")}
        assert not left, f"left: {left}"
        self.server.stop()
        self.counters.add("mismatches", 0)

    def report(self):
        log = self.server.log()
        self.counters.add("merges", log.count("layers merged"))
        self.counters.add("seconds", int(time.monotonic() - self.started))
        return f"seed {self.seed}\n{self.counters.table()}"


def main():
    seconds = int(os.environ.get("SOAK_SECONDS", 3600))
    seed = int(os.environ.get("SOAK_SEED", random.randrange(1 << 30)))
    print(f"soak of {seconds} seconds, seed {seed}", flush=True)
    soak = Soak(seconds, seed)
    good = soak.run()
    print(soak.report())
    if good:
        soak.server.destroy()
        return 0
    print(f"FAILED: {soak.faults[0]!r}; the store is in {soak.server.directory}", file=sys.stderr)
    os._exit(1)  # whatever still runs


if __name__ == "__main__":
    sys.exit(main())
