"""Snapshots that are all kept make long chains: they are shortened when nothing else is to be done."""
import invariants
import pytest
import requests
from varve import qemu_io, wait_until


def depth(server, volume):
    """Layers that a read of the volume goes through at most."""
    parent = invariants.parents(server)
    chain = [server.manifests()[volume]["active"]]
    while chain[-1] in parent and parent[chain[-1]]:
        chain.append(parent[chain[-1]])
    return len(chain)


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("kind", ["plain", "encrypted"])
def test_a_long_chain_of_kept_snapshots_gets_a_shortcut(own_server, attached, kind):
    own_server.start()
    admin = own_server.login()
    volume = admin.create_volume(**({"volume_type": admin.create_encrypted_type()} if kind == "encrypted" else {}))
    attachment, uri = admin.attach(volume) if attached else (None, None)
    snapshots = {}
    for i in range(1, 17):
        commands = f"write -P {i} {i}M 64k", f"write -P {i} 0 4k"
        assert qemu_io(uri, *commands, "flush") if attached else i % 5 or admin.io(volume, *commands)
        snapshots[i] = admin.create_snapshot(volume)
    wait_until(lambda: depth(own_server, volume) <= 5, 60, "the chain to be shortened" + own_server.log()[-3000:])
    assert len(own_server.layers()) == 17

    written = range(1, 17) if attached else range(5, 16, 5)
    expected = [f"read -P {i} {i}M 64k" for i in written]
    last = f"read -P {written[-1]} 0 4k"
    assert qemu_io(uri, *expected, last) if attached else admin.io(volume, *expected, last)
    if attached:
        admin.detach(attachment)
    # The snapshots are what they were, and go without a merge's help or with it.
    for i in (5, 15):
        admin.rollback(volume, snapshots[i])
        assert admin.io(volume, f"read -P {i} 0 4k", *expected[:written.index(i) + 1], f"read -P 0 {i + 5}M 64k")
    for i in range(1, 17, 2):
        admin.call("DELETE", f"/snapshots/{snapshots.pop(i)}", None, 202)
    invariants.settle(own_server)
    own_server.restart()
    admin = own_server.login()
    admin.rollback(volume, snapshots[10])
    assert admin.io(volume, "read -P 10 0 4k", *expected[:written.index(10) + 1])
    invariants.settle(own_server)
    invariants.check(own_server)
    if kind == "plain":
        own_server.stop()
        invariants.check_images(own_server)


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("failpoint", ["layer.merge.before_stream", "layer.merge.after_stream"])
def test_a_shortcut_cut_off_costs_nothing(own_server, attached, failpoint):
    own_server.options.append("qcow2.long_chain=4")
    own_server.start({"VARVE_FAILPOINTS": f"{failpoint}=kill"})
    admin = own_server.login()
    volume = admin.create_volume()
    uri = admin.attach(volume)[1] if attached else None
    snapshots = {}
    for i in range(1, 6):
        commands = f"write -P {i} {i}M 64k", f"write -P {i} 0 4k"
        try:
            assert qemu_io(uri, *commands, "flush") if attached else admin.io(volume, *commands)
            snapshots[i] = admin.create_snapshot(volume)
        except requests.RequestException:
            break
    assert own_server.process.wait(30) == -9, "no shortcut was begun"
    own_server.start()
    admin = own_server.login()
    wait_until(lambda: depth(own_server, volume) <= 4, 60, "the chain to be shortened")
    if attached:
        assert qemu_io(uri, *(f"read -P {i} {i}M 64k" for i in snapshots))
    invariants.settle(own_server)
    # Besides that attachment, one that was being made when varved was killed.
    for left in admin.call("GET", "/attachments", mv="3.27")["attachments"]:
        admin.detach(left["id"])
    admin.wait_volume(volume)
    for i, snapshot in snapshots.items():
        admin.rollback(volume, snapshot)
        assert admin.io(volume, f"read -P {i} 0 4k", *(f"read -P {k} {k}M 64k" for k in range(1, i + 1)), f"read -P 0 {i + 1}M 1M")
    invariants.settle(own_server)
    invariants.check(own_server)


def test_shortcuts_can_be_switched_off(own_server):
    own_server.options.append("qcow2.long_chain=0")
    own_server.start()
    admin = own_server.login()
    volume = admin.create_volume()
    for _ in range(20):
        admin.create_snapshot(volume)
    assert depth(own_server, volume) == 21
