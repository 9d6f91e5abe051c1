"""A pool that is not there when varved starts: what may be in it is waited for, and nobody writes to where it belongs."""
import contextlib
import json
import os
import signal
from unittest.mock import ANY

import invariants
import pytest
import requests
from test_doctor import doctor
from varve import qemu_io, wait_until


@pytest.mark.parametrize("serving", [True, False], ids=["served on", "daemon gone"])
@pytest.mark.parametrize("gone", ["nothing there", "empty mount point", "not configured", "the file alone"])
@pytest.mark.parametrize("work", ["snapshot", "move", "move to others"])
def test_what_was_written_after_a_switch_is_there_although_its_pool_was_away(own_server, work, gone, serving):
    """varved was cut off just after the client's writes had moved to a new layer, whose pool is not mounted at the next start."""
    server = own_server.add_pool("fast")
    fast, away = server.directory / "fast", server.directory / "away"
    admin = server.start().login()
    for name in ("fast", "qcow2"):
        admin.call("POST", "/types", {"volume_type": {"name": name, "extra_specs": {"volume_backend_name": name}}}, 200)
    volume = admin.create_volume(volume_type="fast" if work == "snapshot" else "qcow2")
    if work == "move to others":
        admin.create_volume(volume_type="fast")
    _, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 1 0 1M", "flush")
    server.stop()
    admin = server.start({"VARVE_FAILPOINTS": "snapshot.create.after_switch=kill"}).login()
    with contextlib.suppress(requests.ConnectionError):
        if work == "snapshot":
            admin.create_snapshot(volume, wait=False)
        else:
            admin.call("POST", f"/volumes/{volume}/action", {"os-retype": {"new_type": "fast", "migration_policy": "on-demand"}}, 202)
    server.process.wait(30)
    overlay = server.manifests()[volume]["intent"]["overlay"]
    assert qemu_io(uri, "write -P 2 0 1M", "flush")
    if not serving:
        for pid in server.storage_daemons().values():
            os.kill(pid, signal.SIGKILL)
    moved = fast / "layers" / f"{overlay}.qcow2" if gone == "the file alone" else fast
    moved.rename(away)
    if gone == "empty mount point":
        fast.mkdir()
    configured = server.options.pop() if gone == "not configured" else None
    admin = server.start().login()
    path = f"/volumes/{volume}/explain"
    wait_until(lambda: overlay in json.dumps(admin.call("GET", path)), 20, "the damage to be told")
    assert server.manifests()[volume]["intent"]["overlay"] == overlay
    if gone == "empty mount point":
        assert not list(fast.iterdir())
        fast.rmdir()
    away.rename(moved)
    if configured:
        server.options.append(configured)
        admin = server.restart().login()
    wait_until(lambda: "intent" not in server.manifests()[volume], 30, "the switch to be finished")
    for _ in range(2):
        wait_until(lambda: qemu_io(uri, "read -P 2 0 1M", readonly=True), 30, "what was written last")
        admin = server.restart().login()
    assert (fast / "layers" / f"{overlay}.qcow2").exists() and not server.quarantined()
    # The move failed for its owner, and was finished all the same: that its row says otherwise is told.
    assert doctor(server) == ((0, {}) if work == "snapshot" else (1, {("volume", volume): ANY}))
    server.stop()


@pytest.mark.parametrize("mount", [True, False], ids=["empty mount point", "nothing there"])
def test_a_pool_that_a_volume_only_reads_from_is_no_new_one(own_server, mount):
    """An attached volume was moving out of it when varved was cut off: no manifest names the pool any more."""
    server = own_server.add_pool("fast")
    fast, away = server.directory / "fast", server.directory / "away"
    admin = server.start().login()
    for name in ("fast", "qcow2"):
        admin.call("POST", "/types", {"volume_type": {"name": name, "extra_specs": {"volume_backend_name": name}}}, 200)
    volume = admin.create_volume(volume_type="fast")
    _, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 1 0 8M", "flush")
    server.stop()
    admin = server.start({"VARVE_FAILPOINTS": "layer.merge.before_stream=kill"}).login()
    with contextlib.suppress(requests.ConnectionError):
        admin.action(volume, "os-retype", {"new_type": "qcow2", "migration_policy": "on-demand"}, 202)
    server.process.wait(30)
    for pid in server.storage_daemons().values():
        os.kill(pid, signal.SIGKILL)
    fast.rename(away)
    if mount:
        fast.mkdir()
    admin = server.start().login()
    wait_until(lambda: "the pool fast" in json.dumps(admin.call("GET", f"/volumes/{volume}/explain")), 30, "the damage to be told")
    states = {pool["name"]: pool["state"] for pool in requests.get(server.url + "/readyz", timeout=30).json()["pools"]}
    assert states == {"default": "ready", "fast": "unavailable"}
    if mount:
        assert not list(fast.iterdir())
        fast.rmdir()
    assert not fast.exists()
    away.rename(fast)
    wait_until(lambda: qemu_io(uri, "read -P 1 0 8M", readonly=True), 60, "what was written")
    invariants.settle(server)
    assert not server.quarantined() and not list((fast / "layers").iterdir())
    assert doctor(server) == (0, {})
    server.stop()


def test_a_link_that_leads_nowhere_is_a_pool_that_is_away(own_server):
    """The layers lie on a disk of their own, which is not mounted: nothing is made in its place."""
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 1 0 1M")
    own_server.stop()
    layers, disk = own_server.store / "layers", own_server.directory / "disk"
    disk.mkdir()
    layers.rename(disk / "layers")
    layers.symlink_to(disk / "layers")
    admin = own_server.start().login()
    assert admin.io(volume, "read -P 1 0 1M")
    own_server.stop()
    disk.rename(own_server.directory / "away")
    admin = own_server.start().login()
    pools = requests.get(f"{own_server.url}/readyz", timeout=30).json()["pools"]
    assert [pool["state"] for pool in pools] == ["unavailable"]
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "error"
    made = admin.create_volume(wait=False)
    (own_server.directory / "away").rename(disk)
    wait_until(lambda: admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "available", 30, "the volume to be well again")
    assert admin.io(volume, "read -P 1 0 1M")
    wait_until(lambda: admin.call("GET", f"/volumes/{made}")["volume"]["status"] in ("available", "error"), 60, "what was begun meanwhile")
    own_server.stop()
