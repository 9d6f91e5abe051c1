"""The disk of the store is full to the last byte, read-only or frozen: nothing is destroyed, and nothing needs a restart."""
import shutil
import signal
import time

import disks
import invariants
import pytest
import requests
from varve import Server, fault, qemu_io, wait_until


@pytest.fixture
def small():
    server = Server(options=["qcow2.min_free_mib=0", "qcow2.answer_timeout_ms=2000"])
    with disks.server_on_a_small_disk(server) as pair:
        yield pair
    shutil.rmtree(server.directory, ignore_errors=True)


def status(admin, volume):
    return admin.call("GET", f"/volumes/{volume}")["volume"]["status"]


def messages(admin, resource):
    return admin.call("GET", f"/messages?resource_uuid={resource}", None, 200, "3.5")["messages"]


def ready(server):
    return requests.get(server.url + "/readyz", timeout=30).json()


def wait_error(admin, volume):
    wait_until(lambda: status(admin, volume) == "error", 30, "the error")


def test_a_start_needs_no_room(small):
    server, disk = small
    admin = server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 1 0 1M", "flush")
    for end in (server.stop, server.kill):
        end()
        disk.fill()  # what the end gave back, too
        admin = server.start().login()
        assert status(admin, volume) == "in-use"
        admin.call("PUT", f"/volumes/{volume}", {"volume": {"name": "x"}})
        assert qemu_io(uri, "read -P 1 0 1M")
    admin.detach(attachment)
    assert admin.io(volume, "read -P 1 0 1M")
    server.stop()


def test_a_full_disk_heals_by_itself(small):
    server, disk = small
    admin = server.start().login()
    victim = admin.create_volume()
    assert admin.io(victim, "write -P 1 0 24M")
    snapshots = []
    for i in range(3):
        snapshots.append(admin.create_snapshot(victim))
        assert admin.io(victim, f"write -P {2 + i} {4 * i}M 4M")
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 9 0 4M", "flush")
    invariants.settle(server)
    disk.fill()
    assert not qemu_io(uri, "write -P 8 4M 8M", "flush")

    told = ready(server)
    assert told["ready"] and told["pools"] == [{"name": "default", "free_mib": 0, "state": "full"}], told
    failed = admin.call("POST", "/volumes", {"volume": {"size": 1}}, 202)["volume"]["id"]
    wait_error(admin, failed)
    (message,) = messages(admin, failed)
    assert message["event_id"] == "VOLUME_VOLUME_001_003" and "room" in message["user_message"]
    # One that frees nothing yet and takes nothing either; then the whole volume: its layers go, without a merge.
    admin.call("DELETE", f"/snapshots/{snapshots[1]}", None, 202)
    admin.wait_gone(f"/snapshots/{snapshots[1]}")
    admin.call("DELETE", f"/snapshots/{snapshots[0]}", None, 202)
    admin.wait_gone(f"/snapshots/{snapshots[0]}")
    admin.delete_volume(failed)
    assert status(admin, victim) == "available" and admin.io(victim, "read -P 4 8M 4M", "read -P 1 12M 12M")
    admin.delete_volume(victim, cascade=True)
    wait_until(lambda: qemu_io(uri, "write -P 8 4M 8M", "flush"), 30, "room for the client")
    disk.free()
    wait_until(lambda: ready(server)["pools"][0]["state"] == "ready", 10, "the room to be seen")
    assert qemu_io(uri, "read -P 9 0 4M", "read -P 8 4M 8M")
    admin.detach(attachment)
    admin.delete_volume(admin.create_volume())
    invariants.settle(server)
    invariants.check(server)
    server.stop()
    invariants.check_images(server)


def test_a_disk_that_takes_no_more_files_is_a_full_one(small):
    server, disk = small
    admin = server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 1 0 1M", "flush")
    snapshot = admin.create_snapshot(volume)
    for end in (server.stop, server.kill):
        end()
        disk.take_every_file()
        admin = server.start().login()
        assert ready(server)["pools"][0]["state"] == "full"
        assert status(admin, volume) == "in-use" and qemu_io(uri, "read -P 1 0 1M", "write -P 2 1M 1M", "flush")
        refused = admin.call("POST", "/volumes", {"volume": {"size": 1}}, 202)["volume"]["id"]
        wait_error(admin, refused)
        (message,) = messages(admin, refused)
        assert "room" in message["user_message"]
        admin.delete_volume(refused)
        disk.give_files_back()
    admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    admin.wait_gone(f"/snapshots/{snapshot}")
    admin.detach(attachment)
    assert admin.io(volume, "read -P 1 0 1M", "read -P 2 1M 1M")
    invariants.settle(server)
    invariants.check(server)
    server.stop()


def test_snapshots_go_while_clients_take_every_byte(small):
    server, disk = small
    admin = server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    taken = []
    for i in range(12):
        assert qemu_io(uri, f"write -P {i} {i}M 1M", "flush")
        taken.append(admin.create_snapshot(volume))
    disk.fill()
    for snapshot in taken:
        admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
        admin.wait_gone(f"/snapshots/{snapshot}")
        disk.fill()
    assert qemu_io(uri, *[f"read -P {i} {i}M 1M" for i in range(12)])
    disk.free()
    invariants.settle(server)
    admin.detach(attachment)
    wait_until(lambda: len(server.layers()) == 1 and set(server.storage_daemons()) <= {"pool"}, 30, "the merges to end")
    invariants.check(server)
    server.stop()
    invariants.check_images(server)


def test_a_refusal_tells_no_path(small):
    server, disk = small
    admin = server.start().login()
    volume = admin.create_volume()
    other = admin.create_volume()
    attachment, _ = admin.attach(other)
    invariants.settle(server)
    (server.store / "layers").rename(server.store / "elsewhere")  # every path is wrong
    body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h", "mode": "rw"}}}
    reply = admin.request("POST", "/attachments", body, "3.54")
    assert reply.status_code >= 500 and str(server.directory) not in reply.text, reply.text
    assert "No such file" in reply.text and str(server.store) in server.log()
    (server.store / "elsewhere").rename(server.store / "layers")
    admin.detach(attachment)
    server.stop()


def test_a_read_only_disk_is_told_and_everything_goes_on_afterwards(small):
    server, disk = small
    admin = server.start().login()
    volume = admin.create_volume()
    victim = admin.create_volume()
    assert admin.io(volume, "write -P 1 0 1M")
    invariants.settle(server)
    disk.make_read_only()
    assert status(admin, volume) == "available"
    failed = admin.call("POST", "/volumes", {"volume": {"size": 1}}, 202)["volume"]["id"]
    wait_error(admin, failed)
    admin.call("DELETE", f"/volumes/{victim}", None, 202)
    wait_until(lambda: status(admin, victim) == "error_deleting", 30, "the deletion to fail")
    for resource in (failed, victim):
        (message,) = messages(admin, resource)
        assert "not ready" in message["user_message"] and str(server.store) not in message["user_message"]
    assert ready(server)["pools"][0]["state"] == "read-only"
    disk.make_writable()
    assert ready(server)["pools"][0]["state"] == "ready"
    admin.delete_volume(failed)
    admin.delete_volume(victim)
    assert admin.io(volume, "read -P 1 0 1M")
    invariants.settle(server)
    invariants.check(server)
    server.stop()
    invariants.check_images(server)


def test_a_frozen_disk_is_told_and_everything_goes_on_afterwards(small):
    server, disk = small
    admin = server.start().login()
    volume = admin.create_volume()
    victim = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 1 0 1M", "flush")
    invariants.settle(server)
    disk.freeze()

    def refused():
        try:
            reply = admin.session.put(admin.url(f"/volumes/{volume}"), json={"volume": {"name": "x"}}, timeout=2)
        except requests.Timeout:
            return False  # the very one that is being written
        assert reply.status_code == 503 and "does not answer" in reply.text, reply.text
        return True
    wait_until(refused, 30, "changes to be refused")
    assert status(admin, volume) == "in-use"
    reply = requests.get(server.url + "/readyz", timeout=30)
    assert reply.status_code == 503 and not reply.json()["ready"], reply.text
    assert qemu_io(uri, "read -P 1 0 1M", readonly=True)
    disk.thaw()
    wait_until(lambda: admin.request("PUT", f"/volumes/{volume}", {"volume": {"name": "y"}}).status_code == 200, 30, "changes")
    assert ready(server)["ready"]
    admin.delete_volume(victim)
    assert qemu_io(uri, "read -P 1 0 1M", "write -P 2 0 64k", "flush")
    admin.detach(attachment)
    invariants.settle(server)
    invariants.check(server)
    server.stop()
    invariants.check_images(server)


def is_quiet(server):
    newest = max(path.lstat().st_mtime for path in server.store.rglob("*") if path.exists())
    return time.time() - newest > 1


def test_an_end_does_not_wait_for_a_frozen_disk(small):
    """When nothing is being written: no kernel ends a process one of whose threads waits for a frozen file system."""
    server, disk = small
    admin = server.start().login()
    volume = admin.create_volume()
    _, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 1 0 1M", "flush")
    invariants.settle(server)
    wait_until(lambda: is_quiet(server), 30, "the last writing")
    disk.freeze()
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0
    assert time.monotonic() - began < 30
    assert volume in server.storage_daemons() and qemu_io(uri, "read -P 1 0 1M", readonly=True)
    disk.thaw()
    admin = server.start().login()
    assert status(admin, volume) == "in-use" and qemu_io(uri, "read -P 1 0 1M", "write -P 2 0 64k", "flush")
    server.stop()
