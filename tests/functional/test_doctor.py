"""varved doctor: tells what is wrong with a store, running or not, and changes nothing."""
import json
import os
import signal
import sqlite3
import subprocess
import threading

import pytest
from varve import BINARY, wait_until


def doctor(server, *options):
    """Exit status and the findings by kind and id."""
    command = [str(BINARY), "doctor", "--json", "-o", f"store.directory={server.store}"]
    for option in (*server.options, *options):
        command += ["-o", option]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    told = json.loads(done.stdout)
    assert told["well"] == (done.returncode == 0)
    return done.returncode, {(one["kind"], one["id"]): one for one in told["findings"]}


def tree(server):
    """All that a look must not change; the database's helper files come and go with its readers."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in server.store.rglob("*")
            if path.is_file() and not path.name.endswith(("-shm", "-wal"))}


@pytest.fixture
def store(own_server):
    own_server.start()
    admin = own_server.login()
    volume = admin.create_volume(name="v")
    assert admin.io(volume, "write -P 1 0 1M")
    snapshot = admin.create_snapshot(volume)
    return own_server, admin, volume, snapshot


def test_a_sound_store_is_well_whether_it_runs_or_not(store):
    server, admin, volume, _ = store
    admin.attach(volume)
    assert doctor(server) == (0, {})
    for _ in range(20):  # things in motion are nothing wrong
        admin.call("POST", "/volumes", {"volume": {"size": 1}}, 202)
        assert doctor(server) == (0, {})
    server.stop()
    before = tree(server)
    status, findings = doctor(server)
    assert status == 0, findings
    assert tree(server) == before


def test_a_damaged_layer_is_told_with_all_who_need_it(store):
    server, admin, volume, snapshot = store
    manifest = server.manifests()[volume]
    frozen = server.layer_files()[manifest["snapshots"][snapshot]["layer"]]
    server.stop()
    frozen.write_bytes(b"????" + frozen.read_bytes()[4:])
    status, findings = doctor(server)
    assert status == 1 and set(findings) == {("volume", volume), ("snapshot", snapshot)}
    for finding in findings.values():
        assert finding["level"] == "error" and frozen.stem in finding["what"] and finding["means"] and finding["mend"]


def test_a_lost_manifest_its_layers_and_an_unreadable_one_are_told(store):
    server, admin, volume, snapshot = store
    other = admin.create_volume()
    server.stop()
    (server.store / "volumes" / f"{volume}.json").unlink()
    (server.store / "volumes" / f"{other}.json").write_text("{")
    status, findings = doctor(server)
    assert status == 1
    assert findings["volume", volume]["level"] == findings["volume", other]["level"] == "error"
    assert {kind for kind, _ in findings} == {"volume", "layer"}
    server.start()
    status, findings = doctor(server)
    assert status == 1 and {kind for kind, _ in findings} == {"volume", "file"}  # set aside now


def test_a_status_without_a_task_and_a_row_too_few_are_told(store):
    server, admin, volume, snapshot = store
    gone = admin.create_volume()
    server.stop()
    with sqlite3.connect(server.store / "varve.db") as db:
        db.execute("UPDATE volumes SET status = 'extending' WHERE id = ?", (volume,))
        db.execute("DELETE FROM volumes WHERE id = ?", (gone,))
    db.close()
    status, findings = doctor(server)
    assert status == 1 and set(findings) == {("volume", volume), ("volume", gone)}
    assert "no task" in findings["volume", volume]["what"] and findings["volume", gone]["level"] == "warning"


def test_a_damaged_database_is_told(store):
    server, *_ = store
    server.stop()
    database = server.store / "varve.db"
    database.write_bytes(b"\xff" * 4096 + database.read_bytes()[4096:])
    status, findings = doctor(server)
    assert status == 1 and findings["database", str(database)]["level"] == "error"


def test_an_attachment_that_nobody_serves_is_told(store):
    server, admin, volume, _ = store
    attachment, _ = admin.attach(volume)
    server.kill()
    os.kill(server.storage_daemons()[volume], signal.SIGKILL)
    wait_until(lambda: volume not in server.storage_daemons(), 10, "the storage daemon to end")
    status, findings = doctor(server)
    assert status == 1 and findings["attachment", attachment]["level"] == "warning"
    server.start()
    wait_until(lambda: doctor(server) == (0, {}), 30, "it to be served again")


def test_what_a_backup_reads_is_wanted(own_server):
    """The helper snapshot that it is read from has a storage daemon, and no attachment."""
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 1 0 512M")
    backup = admin.create_backup(volume, wait=False)
    wait_until(lambda: [key for key in own_server.storage_daemons() if key.startswith("snapshot-")], 30, "the helper to be served")
    os.kill(own_server.process.pid, signal.SIGSTOP)
    try:
        assert doctor(own_server) == (0, {})
    finally:
        os.kill(own_server.process.pid, signal.SIGCONT)
    wait_until(lambda: admin.call("GET", f"/backups/{backup}")["backup"]["status"] == "available", 60, "the backup")
    own_server.stop()


def test_a_missing_key_is_told(store):
    server, admin, *_ = store
    made = admin.call("POST", "/types", {"volume_type": {"name": "secret"}}, 200)["volume_type"]["id"]
    admin.call("POST", f"/types/{made}/encryption",
               {"encryption": {"provider": "luks", "control_location": "back-end", "cipher": "aes-xts-plain64", "key_size": 256}}, 200)
    volume = admin.create_volume(volume_type="secret")
    (key,) = server.rows("SELECT encryption_key_id FROM volumes WHERE id = ?", volume)[0]
    assert doctor(server) == (0, {})
    path = server.store / "keys" / key
    good = path.read_text()
    for bad in ("", "{}", good.replace("a", "b")):
        path.write_text(bad)
        status, findings = doctor(server)
        assert status == 1 and "cannot be read" in findings["key", key]["what"], bad
    path.unlink()
    status, findings = doctor(server)
    assert status == 1 and volume in findings["key", key]["what"]


def test_what_was_taken_in_is_well(own_server):
    admin = own_server.start().login()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(own_server.store / "manageable" / "disk"), "1G"], check=True, timeout=60)
    body = {"volume": {"host": "varve@qcow2#default", "ref": {"source-name": "disk"}}}
    admin.wait_volume(admin.call("POST", "/manageable_volumes", body, 202, "3.8")["volume"]["id"])
    assert doctor(own_server) == (0, {})
    own_server.stop()


def test_what_a_backup_lacks_is_told(store):
    server, admin, volume, _ = store
    admin.create_encrypted_type()
    secret = admin.create_volume(volume_type="secret")
    assert admin.io(secret, "write -P 1 0 1M")
    backup, sealed = admin.create_backup(volume), admin.create_backup(secret)
    (key,) = server.rows("SELECT encryption_key_id FROM backups WHERE id = ?", sealed)[0]
    admin.delete_volume(secret)
    assert doctor(server) == (0, {})
    path = server.store / "keys" / key
    path.rename(server.directory / "key")
    status, findings = doctor(server)
    assert status == 1 and list(findings) == [("key", key)] and f"the backup {sealed}" in findings["key", key]["what"]
    (server.directory / "key").rename(path)
    manifest = server.store / "backups" / backup / "manifest"
    good = manifest.read_bytes()
    for bad in (None, b"", b"varve-backup 1\nsize x\n"):
        manifest.unlink() if bad is None else manifest.write_bytes(bad)
        status, findings = doctor(server)
        assert status == 1 and list(findings) == [("backup", backup)], bad
    manifest.write_bytes(good)
    (chunk,) = (path for path in manifest.parent.iterdir() if path != manifest)
    chunk.rename(server.directory / "chunk")
    status, findings = doctor(server)
    assert status == 1 and list(findings) == [("backup", backup)]
    (server.directory / "chunk").rename(chunk)
    assert doctor(server) == (0, {})
    nowhere = ("backups.store=s3", "backups.s3_endpoint=http://127.0.0.1:9", "backups.s3_bucket=b",
               "backups.s3_access_key=a", "backups.s3_secret_key=s")
    status, findings = doctor(server, *nowhere)
    assert status == 1 and list(findings) == [("backups", "")]


def test_rows_that_differ_from_their_bytes_are_told(store):
    server, _, volume, snapshot = store
    server.stop()
    with sqlite3.connect(server.store / "varve.db") as db:
        db.execute("UPDATE volumes SET size_gib = 7")
        db.execute("DELETE FROM snapshots")
    db.close()
    status, findings = doctor(server)
    assert status == 1 and "7 GiB" in findings["volume", volume]["what"]
    assert findings["snapshot", snapshot]["level"] == "note"


def test_what_changes_between_two_looks_is_told_all_the_same(own_server):
    """Of a running store: how much room is left."""
    own_server.start()
    stopped = threading.Event()

    def fill_and_free():
        file = own_server.directory / "filler"
        while not stopped.is_set():
            file.write_bytes(b"\xff" * (16 << 20))
            file.unlink()
    writer = threading.Thread(target=fill_and_free)
    writer.start()
    try:
        for _ in range(8):
            status, findings = doctor(own_server, f"qcow2.min_free_mib={1 << 30}")
            assert status == 1 and findings["pool", "default"]["level"] == "warning"
    finally:
        stopped.set()
        writer.join()
    own_server.stop()


def test_little_room_strays_and_no_store_are_told(store):
    server, *_ = store
    (server.store / "volumes" / "notes.txt").write_text("x")
    status, findings = doctor(server)
    assert status == 0 and {one["level"] for one in findings.values()} == {"note"}
    status, findings = doctor(server, f"qcow2.min_free_mib={1 << 30}")
    assert status == 1 and findings["pool", "default"]["level"] == "warning"
    done = subprocess.run([str(BINARY), "doctor", "-o", f"store.directory={server.directory / 'none'}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "no store" in done.stderr
