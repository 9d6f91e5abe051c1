"""What a client writes is what it reads: over NBD, through snapshots, rollback, clones, growth and restarts."""
import os
import signal
import subprocess
import threading
import time

import invariants
import nbd
import pytest
from varve import qemu_io, wait_until


def test_bytes_survive_detach_and_attach(admin):
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 0x11 0 1M", "flush")
    assert admin.io(volume, "read -P 0x11 0 1M", "read -P 0 1M 1M")


def test_a_snapshot_of_an_attached_volume_is_live_and_rollback_brings_it_back(admin):
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 0x11 0 1M")
    snapshot = admin.create_snapshot(volume)
    assert qemu_io(uri, "read -P 0x11 0 1M", "write -P 0x22 0 1M")
    admin.detach(attachment)
    admin.rollback(volume, snapshot)
    assert admin.io(volume, "read -P 0x11 0 1M")


def test_rollback_to_an_older_snapshot_keeps_the_newer(admin):
    volume = admin.create_volume()
    snapshots = []
    for pattern in (1, 2, 3):
        assert admin.io(volume, f"write -P {pattern} 0 64k")
        snapshots.append(admin.create_snapshot(volume))
    for index in (0, 2, 1):
        admin.rollback(volume, snapshots[index])
        assert admin.io(volume, f"read -P {index + 1} 0 64k")


def test_rollback_is_refused_where_it_would_hurt(admin):
    volume, other = admin.create_volume(), admin.create_volume()
    snapshot = admin.create_snapshot(volume)
    foreign = admin.create_snapshot(other)
    attempt = lambda target, chosen: admin.request("POST", f"/volumes/{target}/action", {"revert": {"snapshot_id": chosen}}, mv="3.40")
    assert attempt(volume, foreign).status_code == 400
    attachment, _ = admin.attach(volume)
    assert attempt(volume, snapshot).status_code == 400
    admin.detach(attachment)
    assert attempt(volume, "00000000-0000-4000-8000-000000000000").status_code == 404


def test_a_volume_from_a_snapshot_and_one_from_a_volume(admin):
    volume = admin.create_volume(bootable=True)
    assert admin.io(volume, "write -P 0x33 0 1M")
    snapshot = admin.create_snapshot(volume)
    assert admin.io(volume, "write -P 0x44 0 1M")
    from_snapshot = admin.call("POST", "/volumes", {"volume": {"snapshot_id": snapshot}}, 202)["volume"]["id"]
    from_volume = admin.call("POST", "/volumes", {"volume": {"source_volid": volume, "size": 2}}, 202)["volume"]["id"]
    admin.wait_volume(from_snapshot)
    admin.wait_volume(from_volume)
    assert admin.io(from_snapshot, "read -P 0x33 0 1M")
    assert admin.io(from_volume, "read -P 0x44 0 1M", "read -P 0 1536M 1M")
    assert admin.request("POST", "/volumes", {"volume": {"source_volid": from_volume, "size": 1}}).status_code == 400
    admin.delete_volume(volume, cascade=True)
    for clone in (from_snapshot, from_volume):
        wait_until(lambda: admin.call("GET", f"/volumes/{clone}/usage")["usage"]["independence_percent"] == 100, 30, "independence")
    assert admin.io(from_snapshot, "read -P 0x33 0 1M")
    assert admin.io(from_volume, "read -P 0x44 0 1M")


def test_extend_while_attached(admin):
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 0x55 0 64k")
    admin.action(volume, "os-extend", {"new_size": 2}, 202)
    admin.wait_volume(volume, "in-use")
    assert qemu_io(uri, "read -P 0x55 0 64k", "write -P 0x66 1536M 64k", "read -P 0x66 1536M 64k")
    assert admin.call("GET", f"/attachments/{attachment}", mv="3.27")["attachment"]["connection_info"]["uri"] == uri
    admin.detach(attachment)


def test_discard_frees_space(admin):
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 0x77 0 64M", "flush")
    allocated = lambda: admin.call("GET", f"/volumes/{volume}/usage")["usage"]["allocated_bytes"]
    full = allocated()
    assert full >= 64 << 20
    assert qemu_io(uri, "discard 0 64M", "flush")
    assert allocated() < full // 4
    admin.detach(attachment)


def test_a_part_of_a_cluster_is_zeroed_while_the_rest_is_written(admin):
    """With leave to give room back, as clients zero: QEMU 7.2 then frees the cluster under the write (qcow2/images.cc)."""
    half, clusters = 32768, 256
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    guest = nbd.NBD()
    guest.connect_uri(uri)
    try:
        for turn in range(1, 4):
            data = bytearray([turn]) * half
            guest.pwrite(2 * clusters * bytes(data), 0)
            guest.zero(2 * clusters * half, 0, nbd.CMD_FLAG_NO_HOLE)  # they read as zeroes and keep their room
            under_way = set()
            for cluster in range(clusters):
                under_way.add(guest.aio_pwrite(nbd.Buffer.from_bytearray(data), 2 * half * cluster))
                under_way.add(guest.aio_zero(half, 2 * half * cluster + half))
            while under_way:
                guest.poll(30000)
                under_way -= {cookie for cookie in under_way if guest.aio_command_completed(cookie)}
            whole = bytes(data) + bytes(half)
            wrong = [cluster for cluster in range(clusters) if guest.pread(2 * half, 2 * half * cluster) != whole]
            assert not wrong, f"turn {turn}: clusters {wrong}"
    finally:
        guest.shutdown()
    admin.detach(attachment)


def test_usage_of_a_snapshot(admin):
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 0x77 0 8M")
    snapshot = admin.create_snapshot(volume)
    usage = admin.call("GET", f"/snapshots/{snapshot}/usage")["usage"]
    assert usage["allocated_bytes"] >= 8 << 20


def test_a_read_only_attachment_refuses_writes(admin):
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume, mode="ro")
    assert not qemu_io(uri, "write 0 64k")
    assert subprocess.run(["nbdinfo", "--can", "write", uri], timeout=30).returncode != 0
    admin.detach(attachment)


def test_a_multiattach_volume_is_served_to_several(admin):
    volume = admin.create_volume(multiattach=True)
    first, one = admin.attach(volume)
    second, two = admin.attach(volume)
    assert one != two
    assert qemu_io(one, "write -P 0x12 0 64k", "flush") and qemu_io(two, "read -P 0x12 0 64k")
    admin.detach(first)
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "in-use"
    assert qemu_io(two, "read -P 0x12 0 64k")
    admin.detach(second)
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "available"


def test_an_attached_volume_is_served_while_varved_restarts(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume()
    _, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 0x21 0 64k", "flush")
    daemons = own_server.storage_daemons()
    own_server.stop()
    assert qemu_io(uri, "read -P 0x21 0 64k", "write -P 0x22 0 64k", "flush")
    own_server.start()
    assert {k: v for k, v in own_server.storage_daemons().items() if k != "pool"} == {k: v for k, v in daemons.items() if k != "pool"}
    admin = own_server.login()
    snapshot = admin.create_snapshot(volume)
    assert qemu_io(uri, "read -P 0x22 0 64k", "write -P 0x23 0 64k", "flush")
    assert admin.call("GET", f"/snapshots/{snapshot}")["snapshot"]["status"] == "available"


def test_a_storage_daemon_that_dies_comes_back_at_the_same_address(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 0x31 0 64k", "flush")
    pid = own_server.storage_daemons()[volume]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: own_server.storage_daemons().get(volume, pid) != pid and qemu_io(uri, "read -P 0x31 0 64k"), 30, "the export")
    assert "lost its storage daemon" in own_server.log()
    told = admin.call("GET", f"/messages?resource_uuid={volume}&message_level=WARNING", None, 200, "3.5")["messages"]
    assert len(told) == 1 and "ended unexpectedly" in told[0]["user_message"]
    admin.detach(attachment)
    admin.delete_volume(volume)


def test_nbd_over_tcp(own_server):
    own_server.options += ["nbd.transport=tcp", "nbd.first_port=12900", "nbd.last_port=12999"]
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert uri.startswith("nbd://127.0.0.1:129")
    assert qemu_io(uri, "write -P 0x41 0 64k", "flush")
    os.kill(own_server.storage_daemons()[volume], signal.SIGKILL)
    wait_until(lambda: qemu_io(uri, "read -P 0x41 0 64k"), 30, "the export at its port")
    admin.detach(attachment)
    assert not qemu_io(uri, "read 0 64k")


def test_nbdcopy_moves_a_whole_image(admin, tmp_path):
    volume = admin.create_volume()
    source = tmp_path / "image"
    source.write_bytes(os.urandom(1 << 20) + bytes(3 << 20) + os.urandom(1 << 20))
    attachment, uri = admin.attach(volume)
    subprocess.run(["nbdcopy", str(source), uri], check=True, timeout=60)
    subprocess.run(["nbdcopy", uri, str(tmp_path / "back")], check=True, timeout=60)
    with open(tmp_path / "back", "rb") as back:
        assert back.read(5 << 20) == source.read_bytes()
    admin.detach(attachment)


def test_a_full_store_is_an_error_that_can_be_retried(own_server):
    own_server.options.append("qcow2.min_free_mib=2000000000")
    admin = own_server.start().login()
    volume = admin.call("POST", "/volumes", {"volume": {"size": 1}}, 202)["volume"]["id"]
    wait_until(lambda: admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "error", 30, "the error")
    admin.delete_volume(volume)
    own_server.options.clear()
    own_server.restart()
    admin = own_server.login()
    admin.create_volume()


def test_many_volumes_at_once(own_server):
    """Snapshots, deletions and clones of several volumes race with each other and with the background merges."""
    admin = own_server.start().login()
    volumes = [admin.create_volume() for _ in range(6)]
    faults = []

    def work(volume, number):
        try:
            client = own_server.login()
            assert client.io(volume, f"write -P {number} 0 1M")
            for _ in range(4):
                snapshot = client.create_snapshot(volume)
                clone = client.call("POST", "/volumes", {"volume": {"snapshot_id": snapshot}}, 202)["volume"]["id"]
                client.wait_volume(clone)
                client.call("DELETE", f"/snapshots/{snapshot}", None, 202)
                assert client.io(clone, f"read -P {number} 0 1M")
                client.delete_volume(clone)
            assert client.io(volume, f"read -P {number} 0 1M")
        except BaseException as fault:  # noqa: B902: reported below, whatever it is
            faults.append(fault)
    threads = [threading.Thread(target=work, args=(volume, 1 + i)) for i, volume in enumerate(volumes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults
    invariants.settle(own_server)
    invariants.check(own_server)
    assert len(own_server.layers()) == len(volumes)


@pytest.fixture
def small_disk(own_server):
    """A store on a file system of its own, too small for what comes."""
    own_server.store.mkdir(parents=True)
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system to fill")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=700", "varve-test", str(own_server.store)], check=True)
    own_server.options.append("qcow2.min_free_mib=32")
    yield own_server
    own_server.destroy()
    subprocess.run(["umount", "--lazy", str(own_server.store)], check=True)


def test_a_full_disk_refuses_what_needs_room_and_lets_go_of_what_frees_it(small_disk):
    admin = small_disk.start().login()
    victim = admin.create_volume()
    assert admin.io(victim, "write -P 1 0 32M")
    snapshot = admin.create_snapshot(victim)
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 2 0 16M", "flush")
    assert not qemu_io(uri, "write -P 3 16M 200M")

    assert admin.call("PUT", f"/volumes/{victim}", {"volume": {"name": "renamed"}})["volume"]["name"] == "renamed"
    failed = admin.call("POST", "/volumes", {"volume": {"size": 1}}, 202)["volume"]["id"]
    wait_until(lambda: admin.call("GET", f"/volumes/{failed}")["volume"]["status"] == "error", 30, "the error")
    told = admin.call("GET", f"/messages?resource_uuid={failed}", None, 200, "3.5")["messages"]
    assert [message["event_id"] for message in told] == ["VOLUME_VOLUME_001_003"]

    admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    admin.wait_gone(f"/snapshots/{snapshot}")
    admin.delete_volume(failed)
    admin.delete_volume(victim, cascade=True)
    wait_until(lambda: qemu_io(uri, "write -P 3 16M 8M", "flush"), 30, "room for the client")
    assert qemu_io(uri, "read -P 2 0 16M", "read -P 3 16M 8M")
    admin.detach(attachment)
    assert admin.io(volume, "read -P 2 0 16M")
    invariants.settle(small_disk)
    invariants.check(small_disk)
    small_disk.stop()
    invariants.check_images(small_disk)


def test_the_limits_of_a_type_hold(admin):
    """Time is bounded from below only: a slow machine cannot fail this."""
    volume = admin.create_volume(volume_type="SATA")  # 1 GiB: 101 IOPS, 1000 in a burst
    attachment, uri = admin.attach(volume)
    started = time.monotonic()
    assert qemu_io(uri, *[f"write -q {4 * index}k 4k" for index in range(3000)])
    assert time.monotonic() - started > 1.5
    admin.detach(attachment)


def finish(client, sent):
    while sent:
        client.poll(-1)
        sent -= {cookie for cookie in sent if client.aio_command_completed(cookie)}


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("how", ["zero", "write"])
def test_zeroes_beside_a_write_are_not_lost(own_server, how, live):
    """QEMU 7.2 by itself loses zeroes of a part of a cluster when another part of it is written at the same time, and the file
    of the layer below has holes: always after a copy, seldom else."""
    cluster, unit, count = 64 << 10, 4096, 400
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    client = nbd.NBD()
    client.connect_uri(uri)
    for number in range(count):
        client.pwrite(b"\x11" * unit, number * cluster + 8 * unit)
    client.flush()
    client.shutdown()
    if not live:
        admin.create_snapshot(volume, force=True)
    admin.detach(attachment)
    own_server.stop()
    for path in own_server.layer_files().values():
        copy = path.with_suffix(".copy")
        subprocess.run(["cp", "--sparse=always", str(path), str(copy)], check=True)
        copy.rename(path)
    admin = own_server.start().login()
    client = nbd.NBD()
    client.connect_uri(admin.attach(volume)[1])
    if live:
        admin.create_snapshot(volume, force=True)
    new, zero = b"\x22" * unit, bytes(unit)
    for first in range(0, count, 8):
        sent = set()
        for at in range(first * cluster, (first + 8) * cluster, cluster):
            sent.add(client.aio_pwrite(new, at + 3 * unit))
            sent.add(client.aio_zero(unit, at + 8 * unit) if how == "zero" else client.aio_pwrite(zero, at + 8 * unit))
        finish(client, sent)
    found = [client.pread(cluster, number * cluster) for number in range(count)]
    client.shutdown()
    assert all(data[3 * unit:4 * unit] == new for data in found)
    lost = sum(data[8 * unit:9 * unit] != zero for data in found)
    assert not lost, f"{lost} of {count}"
