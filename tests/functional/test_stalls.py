"""A storage daemon that does not answer (a stopped process stands for a disk that hangs) costs its own volume's service only.

The answers' time-out is short here, so that a test need not wait for the usual one.
"""
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import invariants
import pytest
import requests

from varve import Server, fault, qemu_io, wait_until

ANSWER_MS = 3000
POOL = "pool"


class Stalled:
    """Stops processes, and lets them go on at the end whatever happens."""

    def __init__(self):
        self.pids = set()

    def stop(self, *pids):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            self.pids.add(pid)

    def go_on(self):
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
        self.pids.clear()


@pytest.fixture
def stalled():
    made = Stalled()
    yield made
    made.go_on()


@pytest.fixture
def slow_server():
    """A varved whose answers' time-out is short, not started."""
    made = Server([f"qcow2.answer_timeout_ms={ANSWER_MS}"])
    yield made
    made.destroy()


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def ours(server):
    """Every process that has the store's directory in its arguments, but varved."""
    out = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(server.store / "run").encode() in (entry / "cmdline").read_bytes():
                out.append(int(entry.name))
        except OSError:
            continue
    return out


def refused(call):
    """The reply of a call that has to fail because a daemon does not answer."""
    reply = call()
    assert reply.status_code == 503, reply.text
    return reply


def attach_and_write(admin, pattern):
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, f"write -P {pattern} 0 1M", "flush")
    return volume, attachment, uri


def healthy_round(admin):
    """Seconds that a create, an attach and a detach of another volume take together."""
    started = time.monotonic()
    volume = admin.create_volume()
    attachment, _ = admin.attach(volume)
    admin.detach(attachment)
    return time.monotonic() - started


def test_a_start_does_not_wait_for_a_stalled_daemon(slow_server, stalled):
    admin = slow_server.start().login()
    volume, attachment, uri = attach_and_write(admin, 5)
    other, other_attachment, other_uri = attach_and_write(admin, 6)
    daemons = slow_server.storage_daemons()
    slow_server.kill()
    stalled.stop(daemons[volume])
    for _ in range(4):  # more connections than a stopped daemon has room for
        started = time.monotonic()
        slow_server.start()
        assert time.monotonic() - started < 10
        slow_server.kill()
    slow_server.start()
    admin = slow_server.login()
    assert healthy_round(admin) < 3
    assert qemu_io(other_uri, "read -P 6 0 1M")
    admin.create_snapshot(other)
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "in-use"
    refused(lambda: admin.request("DELETE", f"/attachments/{attachment}", mv="3.54"))
    assert slow_server.storage_daemons()[volume] == daemons[volume]
    stalled.go_on()
    assert qemu_io(uri, "read -P 5 0 1M")
    wait_until(lambda: admin.request("DELETE", f"/attachments/{attachment}", mv="3.54").status_code == 200, 30, "the detach")
    admin.detach(other_attachment)
    invariants.settle(slow_server)
    invariants.check(slow_server)
    slow_server.stop()


def test_a_start_waits_for_no_answer_as_long_as_a_call_does(own_server, stalled):
    """With the usual time-outs."""
    admin = own_server.start().login()
    volumes = [attach_and_write(admin, 5)[0] for _ in range(2)]
    daemons = own_server.storage_daemons()
    own_server.kill()
    stalled.stop(*(daemons[volume] for volume in volumes))
    started = time.monotonic()
    own_server.start()
    assert time.monotonic() - started < 10
    assert healthy_round(own_server.login()) < 3
    own_server.stop()
    assert time.monotonic() - started < 20
    stalled.go_on()


def test_stalled_volumes_hold_up_no_other(own_server, stalled):
    admin = own_server.start().login()
    volumes = [attach_and_write(admin, 7)[0] for _ in range(4)]
    daemons = own_server.storage_daemons()
    stalled.stop(*(daemons[volume] for volume in volumes))
    for volume in volumes:
        for size in (2, 3, 4):
            admin.request("POST", f"/volumes/{volume}/action", {"os-extend": {"new_size": size}}, mv="3.54")
        admin.request("POST", "/snapshots", {"snapshot": {"volume_id": volume, "force": True}})
    for _ in range(3):
        assert healthy_round(admin) < 3
    # Nor do they hold up a stop.
    started = time.monotonic()
    own_server.stop()
    assert time.monotonic() - started < 30
    stalled.go_on()
    own_server.start()
    admin = own_server.login()
    invariants.settle(own_server)
    assert healthy_round(admin) < 3


def test_merges_that_stalled_daemons_should_make_hold_up_no_other(own_server, stalled):
    """As many as there are who merge, and one more."""
    admin = own_server.start().login()
    healthy = admin.create_volume()
    volumes = [attach_and_write(admin, 7)[0] for _ in range(4)]
    made = {volume: [admin.create_snapshot(volume) for _ in range(2)] for volume in volumes}
    kept = admin.create_snapshot(healthy)
    deleted = admin.create_snapshot(healthy)
    daemons = own_server.storage_daemons()
    stalled.stop(*(daemons[volume] for volume in volumes))
    for snapshots in made.values():
        for snapshot in snapshots:
            admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    layers = 3 * len(volumes) + 2  # of the healthy one: its own and that of the snapshot that is kept
    started = time.monotonic()
    admin.call("DELETE", f"/snapshots/{deleted}", None, 202)
    wait_until(lambda: len(own_server.layers()) == layers, 30, "the healthy volume's merge")
    assert time.monotonic() - started < 10  # an answer is waited for twice as long
    stalled.go_on()
    wait_until(lambda: len(own_server.layers()) == len(volumes) + 2, 60, "the others' merges")
    assert admin.call("GET", f"/snapshots/{kept}")["snapshot"]["status"] == "available"


def test_a_stop_with_stalled_daemons_and_waiting_calls_ends(own_server, stalled):
    admin = own_server.start().login()
    made = [attach_and_write(admin, 7) for _ in range(3)]
    daemons = own_server.storage_daemons()
    stalled.stop(*(daemons[volume] for volume, _, _ in made), daemons[POOL])
    statuses = []

    def detach(attachment):
        statuses.append(own_server.login().request("DELETE", f"/attachments/{attachment}", mv="3.54").status_code)
    calls = [threading.Thread(target=detach, args=(attachment,)) for _, attachment, _ in made]
    for call in calls:
        call.start()
    wait_until(lambda: len(own_server.rows("SELECT 1 FROM tasks WHERE state = 'live'")) == 3, 10, "the calls' tasks")
    started = time.monotonic()
    own_server.stop()
    assert time.monotonic() - started < 30
    for call in calls:
        call.join(30)
    assert statuses == [503] * 3
    assert not alive(daemons[POOL])
    assert all(alive(daemons[volume]) for volume, _, _ in made)


def test_a_stalled_volume_goes_on_by_itself(slow_server, stalled):
    admin = slow_server.start().login()
    volume, attachment, uri = attach_and_write(admin, 8)
    stalled.stop(slow_server.storage_daemons()[volume])
    started = time.monotonic()
    message = fault(admin.request("DELETE", f"/attachments/{attachment}", mv="3.54"), 503)
    assert "does not answer" in message and volume in message
    first = time.monotonic() - started
    started = time.monotonic()
    for _ in range(5):
        refused(lambda: admin.request("DELETE", f"/attachments/{attachment}", mv="3.54"))
    assert time.monotonic() - started < first
    stalled.go_on()
    wait_until(lambda: "answers again" in slow_server.log(), 10, "the daemon to answer")
    assert qemu_io(uri, "read -P 8 0 1M")
    admin.create_snapshot(volume)
    admin.detach(attachment)
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "available"
    invariants.settle(slow_server)
    invariants.check(slow_server)
    slow_server.stop()


def test_a_stalled_pool_daemon_is_replaced(slow_server, stalled):
    admin = slow_server.start().login()
    admin.create_volume()
    before = slow_server.storage_daemons()[POOL]
    stalled.stop(before)
    admin.create_volume()
    assert not alive(before)
    invariants.settle(slow_server)
    invariants.check(slow_server)
    slow_server.stop()


def test_a_stalled_pool_daemon_does_not_outlive_a_restart(slow_server, stalled):
    admin = slow_server.start().login()
    volume = admin.create_volume()
    before = slow_server.storage_daemons()[POOL]
    slow_server.kill()
    stalled.stop(before)
    slow_server.start()
    assert not alive(before)
    admin = slow_server.login()
    assert admin.io(volume, "write -P 9 0 1M")
    slow_server.stop()


def test_a_merge_in_a_stalled_daemon_does_not_outlive_it(slow_server, stalled):
    admin = slow_server.start().login()
    volume, attachment, uri = attach_and_write(admin, 10)
    snapshots = []
    for pattern in (11, 12):
        snapshots.append(admin.create_snapshot(volume))
        assert qemu_io(uri, f"write -P {pattern} {pattern}M 1M", "flush")
    stalled.stop(slow_server.storage_daemons()[volume])
    for snapshot in snapshots:
        admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    other = admin.create_volume()
    stalled.go_on()
    for snapshot in snapshots:
        admin.wait_gone(f"/snapshots/{snapshot}")
    invariants.settle(slow_server)
    assert qemu_io(uri, "read -P 10 0 1M", "read -P 11 11M 1M", "read -P 12 12M 1M")
    admin.detach(attachment)
    admin.delete_volume(other)
    invariants.settle(slow_server)
    invariants.check(slow_server)
    slow_server.stop()


def test_an_export_that_cannot_come_back_is_tried_until_it_does(own_server):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        own_server.options += ["nbd.transport=tcp", f"nbd.first_port={port}", f"nbd.last_port={port}"]
        taken.close()
        admin = own_server.start().login()
        volume, attachment, uri = attach_and_write(admin, 13)
        own_server.stop()
        os.kill(own_server.storage_daemons()[volume], signal.SIGKILL)
        wait_until(lambda: volume not in own_server.storage_daemons(), 10, "the daemon to end")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        own_server.start()
        wait_until(lambda: own_server.log().count("an export could not be brought back") >= 2, 30, "two attempts")
    wait_until(lambda: qemu_io(uri, "read -P 13 0 1M"), 30, "the export")
    admin = own_server.login()
    admin.detach(attachment)
    own_server.stop()


def test_a_taken_port_leaves_nothing_running(own_server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        own_server.start(options=[f"http.port={taken.getsockname()[1]}"], wait=False)
        assert own_server.process.wait(30) == 1
    assert "cannot listen on" in own_server.log()
    assert ours(own_server) == []


def test_a_start_that_fails_late_leaves_nothing_running(own_server):
    (own_server.store / "run" / "control.sock" / "in the way").mkdir(parents=True)
    own_server.start(wait=False)
    assert own_server.process.wait(30) == 1
    assert "storage daemon started" in own_server.log()
    assert ours(own_server) == []


def test_a_pid_file_that_names_a_stranger_harms_nobody(own_server):
    admin = own_server.start().login()
    volume, attachment, uri = attach_and_write(admin, 14)
    own_server.stop()
    os.kill(own_server.storage_daemons()[volume], signal.SIGKILL)
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        (own_server.store / "run" / volume / "pid").write_text(f"{stranger.pid}\n")
        (own_server.store / "run" / POOL).mkdir(exist_ok=True)
        (own_server.store / "run" / POOL / "pid").write_text(f"{stranger.pid}\n")
        own_server.start()
        wait_until(lambda: qemu_io(uri, "read -P 14 0 1M"), 30, "the export")
        own_server.login().detach(attachment)
        own_server.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_daemon_that_hangs_at_launch_is_reported(own_server):
    script = own_server.directory / "qsd"
    hang = own_server.directory / "hang"
    script.write_text(f'#!/bin/sh\nif [ -e {hang} ]; then echo "waiting for a license"; sleep 1000; fi\nexec qemu-storage-daemon "$@"\n')
    script.chmod(0o755)
    own_server.options += [f"qcow2.storage_daemon={script}", "qcow2.launch_timeout_ms=1000"]
    admin = own_server.start().login()
    volume = admin.create_volume()
    hang.touch()
    body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h"}}}
    message = fault(admin.request("POST", "/attachments", body, mv="3.54"), 503)
    assert "did not come up" in message and "waiting for a license" in message
    hang.unlink()
    wait_until(lambda: set(own_server.storage_daemons()) == {POOL} and len(ours(own_server)) == 1, 10, "the hanging process to be gone")
    wait_until(lambda: not admin.call("GET", "/attachments", mv="3.54")["attachments"], 30, "the attachment that was not made to go")
    assert admin.io(volume, "write -P 15 0 1M")
    own_server.stop()


def test_an_attachment_that_was_not_made_goes_once_its_daemon_answers(slow_server, stalled):
    """Nobody knows its id; what else uses the volume stays."""
    slow_server.options.append("tasks.retry_s=1")
    admin = slow_server.start().login()
    admin.call("POST", "/types", {"volume_type": {"name": "shared", "extra_specs": {"multiattach": "<is> True"}}}, 200)
    volume = admin.create_volume(volume_type="shared")
    attachment, uri = admin.attach(volume)
    stalled.stop(slow_server.storage_daemons()[volume])
    body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h2"}}}
    fault(admin.request("POST", "/attachments", body, mv="3.54"), 503)
    stalled.go_on()
    wait_until(lambda: [one["id"] for one in admin.call("GET", "/attachments", mv="3.54")["attachments"]] == [attachment], 60, "the other one to go")
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "in-use" and qemu_io(uri, "write -P 1 0 1M")
    admin.detach(attachment)
    admin.delete_volume(volume)
    slow_server.stop()


def test_reads_do_not_wait_for_a_stalled_daemon(own_server, stalled):
    admin = own_server.start().login()
    volume, _, _ = attach_and_write(admin, 16)
    daemons = own_server.storage_daemons()
    stalled.stop(daemons[volume], daemons[POOL])
    started = time.monotonic()
    admin.call("GET", "/volumes/detail")
    admin.call("GET", f"/volumes/{volume}")
    admin.call("GET", "/attachments/detail", mv="3.54")
    admin.call("GET", f"/volumes/{volume}/usage")
    assert requests.get(own_server.url + "/readyz", timeout=10).status_code == 200
    assert time.monotonic() - started < 2


def test_a_full_disk_while_a_daemon_dies_ends_nothing(own_server):
    """Its owner's message cannot be written then; the export comes back all the same."""
    own_server.options.append("store.write_queue=1")
    admin = own_server.start().login()
    volume, attachment, uri = attach_and_write(admin, 17)
    os.kill(own_server.storage_daemons()[volume], signal.SIGKILL)
    wait_until(lambda: qemu_io(uri, "read -P 17 0 1M"), 30, "the export")
    wait_until(lambda: admin.call("GET", "/messages", mv="3.3")["messages"], 30, "the owner's message")
    admin.detach(attachment)
    own_server.stop()


def test_a_backup_from_a_stalled_daemon_holds_up_neither_others_nor_a_stop(own_server, stalled):
    own_server.options += [f"qcow2.answer_timeout_ms={ANSWER_MS}", "tasks.bulk_workers=1"]
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 18 0 512M")
    plain = admin.create_volume()

    def begin():
        backup = admin.create_backup(volume, wait=False)
        pid = wait_until(lambda: next((pid for key, pid in own_server.storage_daemons().items() if key.startswith("snapshot-")), None), 30, "the snapshot's daemon")
        wait_until(lambda: list((own_server.store / "backups").rglob("*")), 30, "the first objects")
        stalled.stop(pid)
        return backup, pid
    backup, pid = begin()
    admin.create_backup(plain, timeout=40)
    assert admin.call("GET", f"/backups/{backup}")["backup"]["status"] == "error"
    stalled.go_on()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in own_server.storage_daemons().values(), 30, "the daemon to end")
    begin()
    started = time.monotonic()
    own_server.stop()
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_failed_backup_left_is_taken_away(own_server, stalled, restarted):
    """Its snapshot is made when the daemon goes on, after the backup has failed and could not clean up."""
    own_server.options += [f"qcow2.answer_timeout_ms={ANSWER_MS}", "tasks.retry_s=1"]
    admin = own_server.start().login()
    volume, attachment, uri = attach_and_write(admin, 21)
    stalled.stop(own_server.storage_daemons()[volume])
    backup = admin.create_backup(volume, wait=False, force=True)
    wait_until(lambda: admin.call("GET", f"/backups/{backup}")["backup"]["status"] == "error", 60, "the backup's end")
    admin.call("DELETE", f"/backups/{backup}", None, 202)
    if restarted:
        own_server.kill()
        admin = own_server.start().login()
    stalled.go_on()

    def left():
        return own_server.manifests()[volume]["snapshots"]
    wait_until(lambda: not left() and "what a failed task left was taken away" in own_server.log(), 30, f"the snapshot to go: {left()}")
    assert qemu_io(uri, "read -P 21 0 1M")
    admin.detach(attachment)
    invariants.settle(own_server)
    invariants.check(own_server)
    own_server.stop()
    invariants.check_images(own_server)


def test_a_stalled_merge_is_left_alone_and_ends_by_itself(own_server, stalled):
    """QEMU writes a merged layer's tables last: a daemon that merges must not be killed."""
    own_server.options += [f"qcow2.answer_timeout_ms={ANSWER_MS}"]
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 19 0 512M")
    clone = admin.call("POST", "/volumes", {"volume": {"source_volid": volume}}, 202)["volume"]["id"]

    def merging():
        return next((pid for key, pid in own_server.storage_daemons().items() if key.startswith("merge-")), None)
    pid = wait_until(merging, 30, "a merge")
    stalled.stop(pid)
    assert healthy_round(admin) < 3
    own_server.kill()
    started = time.monotonic()
    own_server.start()
    assert time.monotonic() - started < 10
    admin = own_server.login()
    assert healthy_round(admin) < 3
    assert alive(pid)
    stalled.go_on()
    wait_until(lambda: not alive(pid), 40, "the stalled daemon to end")
    invariants.settle(own_server)
    for one in (volume, clone):
        assert admin.io(one, "read -P 19 0 512M")
    wait_until(lambda: not merging(), 30, "the merges to end")
    invariants.check(own_server)
    own_server.stop()
