"""Merges keep up with deletions: many at once, and on a volume that never rests. The sizes can be raised: VARVE_MERGE_VOLUMES,
VARVE_MERGE_SNAPSHOTS, VARVE_MERGE_SECONDS."""
import concurrent.futures
import os
import signal
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


def explained(client, snapshot):
    return client.call("GET", f"/snapshots/{snapshot}/explain")["explanation"]


def grown(admin, volume, uri, count, first=1):
    """That many snapshots, each of a larger volume than the one before."""
    made = []
    for size in range(first, first + count):
        assert qemu_io(uri, f"write -P {size} {size}M 64k", "flush")
        made.append(admin.create_snapshot(volume))
        admin.action(volume, "os-extend", {"new_size": size + 1}, mv="3.42")
        admin.wait_volume(volume, "in-use")
    return made


def test_a_volume_that_grows_while_it_is_attached_is_merged_as_far_as_it_can_be(own_server):
    """A layer does not swallow a smaller one while somebody reads them, but one of its size it does."""
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    snapshots = grown(admin, volume, uri, 5) + [admin.create_snapshot(volume) for _ in range(5)]
    for snapshot in snapshots:
        admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    wait_until(lambda: len(own_server.layers()) == 6, 30, "what can be merged")
    contents = [f"read -P {size} {size}M 64k" for size in range(1, 6)]
    assert qemu_io(uri, *contents)
    admin.detach(attachment)
    wait_until(lambda: len(own_server.layers()) == 1, 30, "the merges of a volume that nobody reads")
    assert admin.io(volume, *contents)
    invariants.settle(own_server)
    invariants.check(own_server)


def test_snapshots_beneath_one_that_is_attached_do_not_hold_up_the_next(own_server):
    """Two storage daemons read those layers: none is merged before one of them has gone."""
    own_server.options.append("qcow2.long_chain=0")
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    below = [admin.create_snapshot(volume) for _ in range(35)]
    kept = admin.create_snapshot(volume)
    read, _ = admin.attach(volume, snapshot=kept)
    for snapshot in below:
        admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    for snapshot in below:
        admin.wait_gone(f"/snapshots/{snapshot}")
    admin.create_snapshot(volume)
    admin.detach(read)
    wait_until(lambda: len(own_server.layers()) <= 4, 60, "the merges")
    admin.detach(attachment)
    invariants.settle(own_server)
    invariants.check(own_server)


def test_a_snapshot_that_waits_for_merges_says_so(own_server):
    """They cannot be made: the storage daemon that would has been stopped."""
    own_server.options.append("qcow2.long_chain=0")
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    made = [admin.create_snapshot(volume) for _ in range(40)]
    pid = own_server.storage_daemons()[volume]
    os.kill(pid, signal.SIGSTOP)
    for snapshot in made:
        admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    waiting = admin.create_snapshot(volume, wait=False)
    wait_until(lambda: "deleted snapshots" in (explained(admin, waiting)["waits_for"] or ""), 60, "the reason")
    told = explained(admin, waiting)
    assert "merge" in told["ends_with"] and told["waits_for"] in told["summary"], told
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: admin.call("GET", f"/snapshots/{waiting}")["snapshot"]["status"] == "available", 120, "the snapshot")
    admin.detach(attachment)
