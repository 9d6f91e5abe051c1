"""Kills varved at every failpoint and looks at what the next start makes of it: nothing stuck, nothing lost, nothing left.

Every failpoint that `varved failpoints` lists is killed in an operation that passes it; a failpoint that no operation reaches
fails the suite.
"""
import os
import pathlib

import invariants
import matrix
import pytest
from breaking import break_at, build_world
from world import check_outcome, remove_everything

from varve import qemu_io, wait_until


@pytest.mark.parametrize("failpoint, operation, world", matrix.of_kills())
def test_killed_at(own_server, request, failpoint, operation, world):
    made = build_world(own_server, request, operation, world)
    break_at(made, failpoint, "kill")
    made.begin(operation).join()
    assert own_server.process.wait(30) == -9, f"{operation} does not reach {failpoint}"

    # What was attached is still served: its storage daemon is another process.
    if operation not in ("detach", "extend_attached", "group_snapshot"):
        assert qemu_io(made.uri, "read -P 3 0 1M")
    own_server.start()
    made.admin = own_server.login()
    invariants.settle(own_server)
    invariants.check(own_server)
    check_outcome(made, operation)
    remove_everything(made)
    invariants.settle(own_server)
    invariants.check(own_server)
    assert own_server.layers() == set()
    own_server.stop()


def mapped_layers(server, key):
    """The layer files that a storage daemon has open."""
    pid = server.storage_daemons()[key]
    paths = (os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir())
    return {pathlib.Path(path.removesuffix(" (deleted)")).stem for path in paths if ".qcow2" in path}


@pytest.mark.parametrize("failpoint", ["layer.merge.before_stream", "layer.merge.after_stream"])
def test_a_merge_cut_off_in_an_attached_volume_hinders_no_other(own_server, failpoint):
    """The storage daemon outlives varved with the nodes of the half-done merge: they must not keep what is below them."""
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    snapshots = []
    for pattern in range(1, 6):
        assert qemu_io(uri, f"write -P {pattern} {pattern}M 1M", "flush")
        snapshots.append(admin.create_snapshot(volume))
    daemon = own_server.storage_daemons()[volume]
    for snapshot in (snapshots[3], snapshots[1]):
        own_server.stop()
        own_server.start({"VARVE_FAILPOINTS": f"{failpoint}=kill"})
        admin = own_server.login()
        admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
        assert own_server.process.wait(30) == -9, f"no merge reached {failpoint}"
        own_server.start()
        admin = own_server.login()
        invariants.settle(own_server)
    for snapshot in (snapshots[0], snapshots[2], snapshots[4]):
        admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
        admin.wait_gone(f"/snapshots/{snapshot}")
        invariants.settle(own_server)
    assert own_server.storage_daemons()[volume] == daemon, "the storage daemon died"
    # The last merge may still be about its work; what it swallowed goes after it was closed.
    active = {own_server.manifests()[volume]["active"]}
    wait_until(lambda: own_server.layers() == active, 60, "the layers of the deleted snapshots to go")
    assert mapped_layers(own_server, volume) == active
    assert qemu_io(uri, *(f"read -P {pattern} {pattern}M 1M" for pattern in range(1, 6)))
    assert "merge failed" not in own_server.log()
    admin.detach(attachment)
    admin.delete_volume(volume)
    own_server.stop()
