"""Merges keep up with deletions: many at once, and on a volume that never rests. The sizes can be raised: VARVE_MERGE_VOLUMES,
VARVE_MERGE_SNAPSHOTS, VARVE_MERGE_SECONDS."""
import concurrent.futures
import os
import threading
import time

import invariants
from varve import qemu_io, wait_until

VOLUMES = int(os.environ.get("VARVE_MERGE_VOLUMES", 4))
SNAPSHOTS = int(os.environ.get("VARVE_MERGE_SNAPSHOTS", 12))
SECONDS = int(os.environ.get("VARVE_MERGE_SECONDS", 12))


def all_snapshots(admin):
    """Page by page."""
    ids, marker = [], ""
    while page := admin.call("GET", f"/snapshots?sort=created_at:asc{marker}")["snapshots"]:
        ids += [snapshot["id"] for snapshot in page]
        marker = f"&marker={ids[-1]}"
    return ids


def test_many_deleted_snapshots_of_detached_volumes_go(own_server):
    own_server.options.append("quotas.snapshots=-1")
    own_server.start()
    admin = own_server.login()

    def fill(number):
        volume = admin.create_volume(name=f"v{number}")
        for i in range(SNAPSHOTS):
            if i < 3:
                assert admin.io(volume, f"write -P {i + 1} {i}M 1M")
            admin.create_snapshot(volume)
        return volume
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        volumes = list(pool.map(fill, range(VOLUMES)))
    snapshots = all_snapshots(admin)
    assert len(snapshots) == VOLUMES * SNAPSHOTS
    started = time.monotonic()
    for snapshot in snapshots:
        admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    wait_until(lambda: len(own_server.layers()) == VOLUMES, 120, "the layers to go")
    print(f"{VOLUMES * SNAPSHOTS} snapshots gone in {time.monotonic() - started:.1f} s")
    for volume in volumes:
        assert admin.io(volume, "read -P 1 0 1M", "read -P 2 1M 1M", "read -P 3 2M 1M", "read -P 0 3M 1M")
    invariants.settle(own_server)
    invariants.check(own_server)


def test_snapshots_of_a_busy_volume_are_made_and_deleted_as_fast_as_they_go(own_server):
    own_server.start()
    admin = own_server.login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    stop = threading.Event()
    good = []

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            good.append(qemu_io(uri, f"write -P {number % 250 + 1} {number % 64}M 1M", f"read -P {number % 250 + 1} {number % 64}M 1M"))
    writer = threading.Thread(target=write)
    writer.start()
    made = deepest = 0
    until = time.monotonic() + SECONDS
    try:
        while time.monotonic() < until:
            snapshot = admin.create_snapshot(volume, wait=False)
            admin.wait_snapshot(snapshot, timeout=90)
            admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
            made += 1
            deepest = max(deepest, len(own_server.layers()))
    finally:
        stop.set()
        writer.join()
    print(f"{made} snapshots in {SECONDS} s, at most {deepest} layers")
    assert all(good) and made > 10
    assert deepest < 50
    wait_until(lambda: len(own_server.layers()) == 1, 60, "the layers to go")
    admin.detach(attachment)
    invariants.settle(own_server)
    invariants.check(own_server)
