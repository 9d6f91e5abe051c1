"""A copy of a store that is in use is a store: consistent, whole, and it serves every volume."""
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import threading

import invariants
import pytest
from test_doctor import doctor
from varve import BINARY, Server, qemu_io, wait_until


def back_up(server, target, status=0):
    command = [str(BINARY), "backup-store", str(target), "-o", f"store.directory={server.store}"]
    for option in server.options:
        command += ["-o", option]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def restored():
    made = Server()
    yield made
    made.destroy()


def restore(server, copy, plain=True):
    subprocess.run(["cp", "-a", "--sparse=always", str(copy), str(server.store)], check=True)
    if plain:  # qemu-img has no key to look into the others
        invariants.check_images(server)
    return server.start().login()


class Writer(threading.Thread):
    """A client that writes a counter into block after block and flushes; `flushed` is what must survive."""

    def __init__(self, uri):
        super().__init__()
        self.uri = uri
        self.flushed = 0
        self.stopped = threading.Event()
        self.good = True

    def run(self):
        while not self.stopped.is_set() and self.good:
            number = self.flushed + 1
            commands = [f"write -P {number % 255} {(number * 7 + k) % 900}M 64k" for k in range(8)]
            self.good = qemu_io(self.uri, *commands, f"write -P {number % 255} {1000 * 1048576 + number * 4096} 4096", "flush")
            if self.good:
                self.flushed = number


def test_a_store_is_copied_while_clients_write(own_server, restored):
    admin = own_server.start().login()
    still = admin.create_volume(name="still")
    assert admin.io(still, "write -P 5 0 8M")
    inode = own_server.layer_files()[own_server.manifests()[still]["active"]].stat().st_ino
    busy = [admin.create_volume(name=f"busy{i}") for i in range(2)]
    snapshots, attachments, writers = {}, {}, []
    for volume in busy:
        assert admin.io(volume, "write -P 6 0 4M")
        snapshots[volume] = admin.create_snapshot(volume)
        attachments[volume], uri = admin.attach(volume)
        assert qemu_io(uri, "write -P 7 0 4M")
        writers.append(Writer(uri))
    clone = admin.create_volume(name="clone", snapshot_id=snapshots[busy[0]])
    for writer in writers:
        writer.start()
    wait_until(lambda: all(writer.flushed >= 5 for writer in writers), 60, "the clients to write")
    before = [writer.flushed for writer in writers]
    target = own_server.directory / "copy"
    assert back_up(own_server, target) == {"volumes": 4, "failed": [], "ok": True}
    at_end = [writer.flushed for writer in writers]
    wait_until(lambda: all(w.flushed > n for w, n in zip(writers, at_end)), 60, "the clients to go on")
    for writer in writers:
        writer.stopped.set()
        writer.join()
        assert writer.good
    # What nobody wrote to is as it was: nothing has to be merged.
    assert own_server.layer_files()[own_server.manifests()[still]["active"]].stat().st_ino == inode
    for attachment in attachments.values():
        admin.detach(attachment)
    invariants.settle(own_server, 120)
    invariants.check(own_server)

    there = restore(restored, target)
    assert {v["name"] for v in there.call("GET", "/volumes")["volumes"]} == {"still", "busy0", "busy1", "clone"}
    for volume, number in zip(busy, before):
        there.wait_volume(volume, "in-use")
        wait_until(lambda v=volume: v in restored.storage_daemons(), 60, "the exports to come back")
        there.detach(attachments[volume])
        there.wait_volume(volume)
        reads = [f"read -P {n % 255} {1000 * 1048576 + n * 4096} 4096" for n in range(1, number + 1)]
        assert there.io(volume, *reads), "what was flushed before the backup is not in it"
        there.rollback(volume, snapshots[volume])
        assert there.io(volume, "read -P 6 0 4M", "read -P 0 900M 4M")
    assert there.io(still, "read -P 5 0 8M") and there.io(clone, "read -P 6 0 4M")
    invariants.settle(restored, 120)
    invariants.check(restored)
    restored.stop()
    invariants.check_images(restored)
    own_server.stop()


def test_a_stopped_store_is_copied_too_with_encrypted_volumes(own_server, restored):
    admin = own_server.start().login()
    secret = admin.call("POST", "/types", {"volume_type": {"name": "secret"}}, 200)["volume_type"]["id"]
    admin.call("POST", f"/types/{secret}/encryption", {"encryption": {"provider": "luks", "control_location": "front-end"}}, 200)
    volume = admin.create_volume(volume_type="secret")
    assert admin.io(volume, "write -P 3 0 1M")
    own_server.stop()
    target = own_server.directory / "copy"
    assert back_up(own_server, target)["volumes"] == 1
    there = restore(restored, target, plain=False)
    assert there.io(volume, "read -P 3 0 1M")
    restored.stop()


def test_what_has_no_bytes_is_told_and_an_error_in_the_copy(own_server, restored):
    """The database is copied first; a volume without bytes is an error that can be deleted."""
    admin = own_server.start().login()
    volume, gone = admin.create_volume(), admin.create_volume()
    own_server.stop()
    (own_server.store / "volumes" / f"{gone}.json").unlink()
    target = own_server.directory / "copy"
    (failed,) = back_up(own_server, target, status=1)["failed"]
    assert failed.startswith(gone)
    there = restore(restored, target)
    assert there.call("GET", f"/volumes/{gone}")["volume"]["status"] == "error"
    there.delete_volume(gone)
    assert there.io(volume, "write -P 1 0 1M")
    restored.stop()


def test_a_store_is_copied_to_another_disk(own_server, restored):
    """Where the kernel does not copy by itself."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="vrv-") as directory:
        if os.stat(directory).st_dev == os.stat(own_server.directory).st_dev:
            pytest.skip("there is no other file system here")
        admin = own_server.start().login()
        volume = admin.create_volume()
        assert admin.io(volume, "write -P 5 3M 5M")
        assert back_up(own_server, pathlib.Path(directory) / "copy")["volumes"] == 1
        admin = restore(restored, pathlib.Path(directory) / "copy")
        assert admin.io(volume, "read -P 5 3M 5M", "read -P 0 0 3M", "read -P 0 8M 8M")
        own_server.stop()
        restored.stop()


def test_only_a_backup_that_was_cut_off_is_replaced(own_server):
    admin = own_server.start().login()
    admin.create_volume()
    partial = own_server.directory / "copy.partial"
    partial.mkdir()
    (partial / "precious").write_text("x")
    command = [str(BINARY), "backup-store", str(own_server.directory / "copy"), "-o", f"store.directory={own_server.store}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "no backup that was cut off" in done.stdout + done.stderr and (partial / "precious").exists()
    (partial / "unfinished").write_text("")
    assert back_up(own_server, own_server.directory / "copy")["volumes"] == 1
    assert not partial.exists() and not (own_server.directory / "copy" / "unfinished").exists()
    own_server.stop()


def test_a_volume_that_does_not_answer_is_missing_and_no_other(own_server, restored):
    own_server.options.append("qcow2.answer_timeout_ms=2000")
    admin = own_server.start().login()
    volumes = [admin.create_volume() for _ in range(3)]
    for volume in volumes:
        _, uri = admin.attach(volume)
        assert qemu_io(uri, "write -P 5 0 1M", "flush")
    stalled = own_server.storage_daemons()[volumes[1]]
    os.kill(stalled, signal.SIGSTOP)
    try:
        told = back_up(own_server, own_server.directory / "copy", status=1)
    finally:
        os.kill(stalled, signal.SIGCONT)
    (failed,) = told["failed"]
    assert told["volumes"] == 2 and failed.startswith(volumes[1])
    admin = restore(restored, own_server.directory / "copy")
    assert admin.call("GET", f"/volumes/{volumes[1]}")["volume"]["status"] == "error"
    for volume in (volumes[0], volumes[2]):
        (made,) = admin.call("GET", f"/attachments?volume_id={volume}", mv="3.54")["attachments"]
        admin.detach(made["id"])
        assert admin.io(volume, "read -P 5 0 1M")


def test_what_is_made_or_deleted_meanwhile_is_as_it_is_in_the_store(own_server, restored):
    admin = own_server.start().login()
    first, second, third, fourth = sorted(admin.create_volume() for _ in range(4))
    assert admin.io(second, "write -P 5 0 1M") and admin.io(fourth, "write -P 6 0 128M")
    deleted = [admin.create_snapshot(second), admin.create_snapshot(third)]
    _, uri = admin.attach(first)
    stalled = own_server.storage_daemons()[first]
    target = own_server.directory / "copy"
    copied = target.with_suffix(".partial") / "varve.db"

    def rows_are_copied():
        # The file format's write and read version: 2 with a write-ahead log, 1 once the copy is done. SQLite itself would lock the file.
        return copied.exists() and copied.read_bytes()[18:20] == b"\x01\x01"
    pool = concurrent.futures.ThreadPoolExecutor(1)
    os.kill(stalled, signal.SIGSTOP)
    try:
        backup = pool.submit(back_up, own_server, target)
        wait_until(rows_are_copied, 30, "the copy of the rows")
        late = admin.create_snapshot(second, name="late")
        admin.action(second, "os-extend", {"new_size": 2})
        admin.wait_volume(second)
        admin.call("DELETE", f"/snapshots/{deleted[0]}", None, 202)
        admin.call("DELETE", f"/volumes/{third}?cascade=true", None, 202)
        for gone in (f"/snapshots/{deleted[0]}", f"/volumes/{third}"):
            admin.wait_gone(gone)
        admin.create_backup(fourth, wait=False)
        wait_until(lambda: own_server.manifests()[fourth]["snapshots"], 30, "the snapshot that it is made from")
    finally:
        os.kill(stalled, signal.SIGCONT)
    backup.result(120)
    there = restore(restored, target)
    assert there.call("GET", f"/snapshots/{late}")["snapshot"]["name"] == "late"
    assert there.call("GET", f"/volumes/{second}")["volume"]["size"] == 2
    for gone in (f"/volumes/{third}", *(f"/snapshots/{snapshot}" for snapshot in deleted)):
        assert there.request("GET", gone).status_code == 404
    wait_until(lambda: not there.call("GET", f"/snapshots?volume_id={fourth}")["snapshots"], 30, "the backup's snapshot to go")
    there.delete_volume(fourth)
    there.rollback(second, late)
    assert there.io(second, "read -P 5 0 1M")
    restored.stop()
    own_server.stop()


def test_an_encrypted_volume_that_is_deleted_meanwhile_is_not_in_the_copy(own_server, restored):
    """After its bytes were copied, and before its key was."""
    admin = own_server.start().login()
    admin.create_encrypted_type("secret")
    secret, kept, last = sorted(admin.create_volume(volume_type="secret") for _ in range(3))
    assert admin.io(secret, "write -P 5 0 1M") and admin.io(kept, "write -P 6 0 1M")
    admin.attach(last)
    stalled = own_server.storage_daemons()[last]
    target = own_server.directory / "copy"
    pool = concurrent.futures.ThreadPoolExecutor(1)
    os.kill(stalled, signal.SIGSTOP)
    try:
        backup = pool.submit(back_up, own_server, target)
        wait_until(lambda: (target.with_suffix(".partial") / "volumes" / f"{secret}.json").exists(), 30, "its copy")
        admin.delete_volume(secret)
    finally:
        os.kill(stalled, signal.SIGCONT)
    assert backup.result(120)["failed"] == []
    copied = restore(restored, target, plain=False)
    assert copied.request("GET", f"/volumes/{secret}").status_code == 404
    assert copied.io(kept, "read -P 6 0 1M")
    assert doctor(restored) == (0, {})
    restored.stop()
    own_server.stop()


def test_a_backup_that_was_being_made_is_another_one_in_the_copy(own_server, restored):
    """Both go on with it, into one object store: what the copy does to its own must not harm the store's."""
    objects = own_server.directory / "objects"
    for server in (own_server, restored):
        server.options.append(f"backups.directory={objects}")
    admin = own_server.start({"VARVE_FAILPOINTS": "backup.after_archive=kill"}).login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 5 0 1M")
    backup = admin.create_backup(volume, wait=False)
    own_server.process.wait(30)
    copy = own_server.directory / "copy"
    assert back_up(own_server, copy)["failed"] == []
    there = restore(restored, copy)
    there.wait_backup(backup)
    there.call("DELETE", f"/backups/{backup}", None, 202)
    there.wait_gone(f"/backups/{backup}")
    admin = own_server.start().login()
    admin.wait_backup(backup)
    made = admin.call("POST", f"/backups/{backup}/restore", {"restore": {}}, 202)["restore"]["volume_id"]
    admin.wait_volume(made)
    assert admin.io(made, "read -P 5 0 1M")
    assert [path.name for path in objects.iterdir()] == [backup]
    restored.stop()
    own_server.stop()


@pytest.mark.parametrize("where, why", [("s/inside", "inside of the store"), ("s", "there already"), ("none/copy", "no directory")])
def test_a_place_that_does_not_fit_is_refused(own_server, where, why):
    own_server.start()
    answer = back_up(own_server, own_server.directory / where, status=1)
    assert why in answer["error"] and not list(own_server.directory.glob("*.partial"))
    own_server.stop()
