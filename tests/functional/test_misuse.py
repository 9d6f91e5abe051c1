"""What a hand does to a store's files: it is told, it stays with what was touched, and what was put back is used again."""
import contextlib
import os
import signal
import sqlite3
import subprocess

import invariants
import pytest
import requests
from varve import BINARY, Server, wait_until


def run(server, command, *arguments):
    line = [str(BINARY), command, *arguments, "-o", f"store.directory={server.store}"]
    if command == "serve":
        line += ["-o", "http.port=0"]
    for option in server.options:
        line += ["-o", option]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def doctor(server):
    return run(server, "doctor").returncode


def active_file(server, volume):
    return server.layer_files()[server.manifests()[volume]["active"]]


@pytest.mark.parametrize("left", ["half", "70000"])
def test_an_image_that_was_cut_off_is_damaged_and_never_zeros(own_server, left):
    admin = own_server.start().login()
    volume, other = admin.create_volume(), admin.create_volume()
    assert admin.io(volume, "write -P 7 0 32M") and admin.io(other, "write -P 8 0 1M")
    snapshot = admin.create_snapshot(volume)
    assert admin.io(volume, "write -P 9 0 1M")
    own_server.stop()
    (path,) = [file for file in own_server.layer_files().values() if file.stat().st_size > 32 << 20]
    good = path.read_bytes()
    os.truncate(path, len(good) // 2 if left == "half" else int(left))
    assert doctor(own_server) == 1
    admin = own_server.start().login()
    body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h"}}}
    assert admin.request("POST", "/attachments", body, "3.54").status_code == 500
    # Nothing is written down as it reads.
    admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    admin.wait_gone(f"/snapshots/{snapshot}")
    assert admin.io(other, "read -P 8 0 1M")
    own_server.stop()
    assert path.exists()
    path.write_bytes(good)
    admin = own_server.start().login()
    for made in admin.call("GET", f"/attachments?volume_id={volume}", mv="3.54")["attachments"]:
        admin.detach(made["id"])
    admin.wait_volume(volume)
    assert admin.io(volume, "read -P 9 0 1M", "read -P 7 1M 31M")
    invariants.settle(own_server)
    invariants.check(own_server)
    own_server.stop()


@pytest.mark.parametrize("lost", [False, True])
def test_a_draft_that_a_damaged_manifest_names_is_kept(own_server, lost):
    """varved was killed when the manifest that names a new layer was written, before the layer had its final name."""
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 4 0 1M")
    own_server.stop()
    admin = own_server.start({"VARVE_FAILPOINTS": "layer.commit.before_name=kill"}).login()
    with contextlib.suppress(requests.RequestException):
        admin.request("POST", "/snapshots", {"snapshot": {"volume_id": volume}})
    own_server.process.wait(30)
    (draft,) = (own_server.store / "layers").glob("*.new")
    manifest = own_server.store / "volumes" / f"{volume}.json"
    good = manifest.read_bytes()
    manifest.unlink() if lost else manifest.write_bytes(good[:40])
    admin = own_server.start().login()
    other = admin.create_volume()
    assert admin.io(other, "write -P 1 0 1M")
    own_server.stop()
    assert draft.exists()
    manifest.write_bytes(good)
    admin = own_server.start().login()
    admin.wait_volume(volume)
    assert admin.io(volume, "read -P 4 0 1M")
    for snapshot in admin.call("GET", "/snapshots")["snapshots"]:  # it failed meanwhile
        admin.call("DELETE", f"/snapshots/{snapshot['id']}", None, 202)
        admin.wait_gone(f"/snapshots/{snapshot['id']}")
    invariants.settle(own_server)
    invariants.check(own_server)
    own_server.stop()


def test_no_second_root_key_is_made_while_keys_are_away(own_server):
    admin = own_server.start().login()
    admin.create_encrypted_type()
    volume = admin.create_volume(volume_type="secret")
    assert admin.io(volume, "write -P 3 0 1M")
    own_server.stop()
    keys = own_server.store / "keys"
    keys.rename(own_server.directory / "away")
    admin = own_server.start().login()
    assert not (keys / "root").exists()
    made = admin.create_volume(volume_type="secret", wait=False)
    admin_error = lambda: admin.call("GET", f"/volumes/{made}")["volume"]["status"] == "error"  # noqa: E731
    wait_until(admin_error, 30, "the error")
    # What is put back is used without a restart.
    for path in (own_server.directory / "away").iterdir():
        path.rename(keys / path.name)
    assert admin.io(volume, "read -P 3 0 1M")
    again = admin.create_volume(volume_type="secret")
    assert admin.io(again, "write -P 4 0 1M")
    own_server.stop()


def test_a_damaged_key_is_told_without_our_insides(own_server):
    admin = own_server.start().login()
    admin.create_encrypted_type()
    volume = admin.create_volume(volume_type="secret")
    (key,) = own_server.rows("SELECT encryption_key_id FROM volumes")[0]
    path = own_server.store / "keys" / key
    good = path.read_bytes()
    for bad in (b"", b"{}", None):
        path.write_bytes(bad) if bad is not None else path.unlink()
        reply = admin.request("POST", "/attachments", {"attachment": {"volume_uuid": volume, "connector": {"host": "h"}}}, "3.54")
        assert reply.status_code == 500 and "boost" not in reply.text and key in reply.text, reply.text
        admin.wait_volume(volume)
        assert not admin.call("GET", f"/attachments?volume_id={volume}", mv="3.54")["attachments"]
    path.write_bytes(good)
    assert admin.io(volume, "write -P 4 0 1M")
    own_server.stop()


def test_a_lock_file_that_was_removed_lets_nobody_in(own_server):
    own_server.start()
    (own_server.store / "varved.lock").unlink()
    done = run(own_server, "serve")
    assert done.returncode == 1 and "another varved" in done.stderr
    assert '"running":true' in run(own_server, "doctor", "--json").stdout
    own_server.stop()


def test_a_database_that_is_a_link_to_nowhere_is_not_replaced(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume(name="v")
    own_server.stop()
    away = own_server.directory / "disk"
    away.mkdir()
    for path in own_server.store.glob("varve.db*"):
        path.rename(away / path.name)
    (own_server.store / "varve.db").symlink_to(away / "varve.db")
    away.rename(own_server.directory / "gone")
    done = run(own_server, "serve")
    assert done.returncode == 1 and "is its disk mounted" in done.stderr
    assert (own_server.store / "varve.db").is_symlink()
    (own_server.directory / "gone").rename(away)
    assert own_server.start().login().call("GET", f"/volumes/{volume}")["volume"]["name"] == "v"
    own_server.stop()


def test_another_stores_directory_is_no_pool(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 3 0 1M")
    other = Server([f'qcow2.pools=["fast={own_server.store}"]'])
    try:
        other.start()
        assert "no pool beside one" in other.log()
        other.stop()
    finally:
        other.destroy()
    assert not (own_server.store / "quarantine").exists() and admin.io(volume, "read -P 3 0 1M")
    own_server.stop()


@pytest.mark.parametrize("pools", ['"a={store}"', '"a={base}/a","b={base}/a"', '"a={base}/a","b={base}/a/b"', '"a={store}/layers"'])
def test_pools_that_overlap_are_refused(own_server, pools):
    own_server.options.append(f"qcow2.pools=[{pools.format(store=own_server.store, base=own_server.directory)}]")
    done = run(own_server, "check-config")
    assert done.returncode == 2 and "have one directory" in done.stderr


@pytest.mark.parametrize("name", ["layers/{id}.qcow2", "volumes/{id}.json"])
def test_a_pipe_holds_up_nobody(own_server, name):
    admin = own_server.start().login()
    volume = admin.create_volume()
    own_server.stop()
    pipe = own_server.store / name.format(id="11111111-1111-4111-8111-111111111111")
    os.mkfifo(pipe)
    assert doctor(own_server) == 1
    admin = own_server.start().login()
    assert admin.io(volume, "write -P 1 0 1M")
    own_server.stop()


@pytest.mark.parametrize("command", [["recover"], ["recover", "--dry-run"], ["backup-store", "/tmp/nowhere"]])
def test_a_directory_without_a_store_does_not_become_one(own_server, command):
    done = run(own_server, *command)
    assert done.returncode == 2 and "no store" in done.stderr and not own_server.store.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_users_store_is_not_touched(own_server):
    own_server.start()
    own_server.stop()
    for path in (own_server.store, *own_server.store.rglob("*")):
        os.chown(path, 65534, 65534)

    def owners():
        """SQLite's helper files come and go with readers."""
        return {path: path.stat().st_uid for path in own_server.store.rglob("*") if not path.name.startswith("varve.db-")}
    before = owners()
    for command in (["serve"], ["recover", "--dry-run"], ["recover"], ["migrate"], ["backup-store", str(own_server.directory / "copy")]):
        done = run(own_server, *command)
        assert done.returncode == 1 and "belongs to the user 65534" in done.stderr, command
    assert doctor(own_server) == 0
    assert owners() == before


def test_a_volume_that_is_known_to_be_lost_is_told_as_long_as_it_is(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume()
    own_server.stop()
    manifest = own_server.store / "volumes" / f"{volume}.json"
    kept = own_server.directory / "kept"
    manifest.rename(kept)
    own_server.start().login().wait_volume(volume, "error")
    assert doctor(own_server) == 1
    own_server.stop()
    assert doctor(own_server) == 1
    kept.rename(manifest)
    own_server.start().login().wait_volume(volume)
    assert doctor(own_server) == 0
    own_server.stop()


def test_a_database_that_is_removed_while_in_use_is_written_anew(own_server):
    """As often as it is, by a change or by a look that finds it."""
    admin = own_server.start().login()
    made = {admin.create_volume(name="before")}
    database = own_server.store / "varve.db"
    for _ in range(2):
        database.unlink()
        made.add(admin.create_volume())
        assert requests.get(own_server.url + "/readyz", timeout=10).status_code == 200
    for path in own_server.store.glob("varve.db*"):
        path.unlink()

    def has_its_reserve():
        if not database.exists() or not database.stat().st_size:
            return False
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
            return db.execute("PRAGMA freelist_count").fetchone()[0] > 1000
    wait_until(has_its_reserve, 30, "the look at the files")
    own_server.kill()
    admin = own_server.start().login()
    assert {v["id"] for v in admin.call("GET", "/volumes")["volumes"]} == made
    assert doctor(own_server) == 0
    own_server.stop()


def test_a_database_whose_writing_anew_is_cut_off_is_whole(own_server):
    """With what no description has."""
    own_server.start()
    own_server.stop()
    admin = own_server.start({"VARVE_FAILPOINTS": "database.restore.before_name=kill"}).login()
    volume = admin.create_volume()
    admin.call("POST", f"/volumes/{volume}/metadata", {"metadata": {"k": "v"}}, 200)
    before = own_server.rows("SELECT id, password_hash FROM users ORDER BY id")
    tasks = own_server.rows("SELECT id FROM tasks ORDER BY id")
    (own_server.store / "varve.db").unlink()
    own_server.process.wait(30)
    admin = own_server.start().login()
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["metadata"] == {"k": "v"}
    assert own_server.rows("SELECT id, password_hash FROM users ORDER BY id") == before
    assert own_server.rows("SELECT id FROM tasks ORDER BY id") == tasks and doctor(own_server) == 0
    own_server.stop()


@pytest.mark.parametrize("killed", [False, True])
def test_another_database_is_not_written_beside(own_server, killed):
    """What was committed to the file that is gone would be gone, too; and what is in the log is not for the one that has come."""
    admin = own_server.start().login()
    volume = admin.create_volume(name="before")
    own_server.stop()
    other = own_server.directory / "other.db"
    other.write_bytes((own_server.store / "varve.db").read_bytes())
    admin = own_server.start().login()
    for _ in range(20):
        admin.create_volume()
    database = own_server.store / "varve.db"
    database.rename(own_server.directory / "ours.db")
    other.rename(database)
    wait_until(lambda: requests.get(own_server.url + "/readyz", timeout=10).status_code == 503, 30, "the look at the files")
    told = admin.call("PUT", f"/volumes/{volume}", {"volume": {"name": "after"}}, 503)
    assert "replaced, emptied or moved" in told["serviceUnavailable"]["message"]
    assert admin.call("GET", "/volumes")["volumes"]
    done = run(own_server, "backup-store", str(own_server.directory / "copy"))
    assert done.returncode == 1 and "replaced, emptied or moved" in done.stdout + done.stderr
    if killed:
        own_server.kill()
    else:
        own_server.stop()
    for path, count in ((database, 1), (own_server.directory / "ours.db", 21)):
        with contextlib.closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("SELECT count(*) FROM volumes").fetchone() == (count,)
    assert own_server.start().login().call("GET", f"/volumes/{volume}")["volume"]["name"] == "before"
    own_server.stop()


def test_descriptions_that_were_removed_are_written_anew(own_server):
    admin = own_server.start().login()
    volumes = {admin.create_volume(name=f"v{i}") for i in range(3)}
    described = own_server.store / "descriptions"
    wait_until(lambda: {p.stem for p in described.glob("volumes/*.json")} == volumes, 30, "the descriptions")
    wait_until((described / "catalogue.json").exists, 30, "the catalogue, which is written last at a start")
    described.rename(own_server.directory / "removed")  # one may just be written
    volumes.add(admin.create_volume())
    wait_until(lambda: {p.stem for p in described.glob("volumes/*.json")} == volumes, 30, "the descriptions")
    wait_until((described / "catalogue.json").exists, 30, "the catalogue")
    own_server.stop()


def test_a_stopped_varved_is_not_waited_for(own_server):
    own_server.start()
    os.kill(own_server.process.pid, signal.SIGSTOP)
    try:
        done = run(own_server, "backup-store", str(own_server.directory / "copy"))
    finally:
        os.kill(own_server.process.pid, signal.SIGCONT)
    assert done.returncode == 1 and "stopped (SIGSTOP)" in done.stdout + done.stderr
    own_server.stop()


def change_row(server, sql, *arguments):
    with contextlib.closing(sqlite3.connect(server.store / "varve.db")) as db, db:
        assert db.execute(sql, arguments).rowcount == 1
    server.rows_were_changed = True


@pytest.mark.parametrize("status", ["available", "error", "backing-up"])
def test_a_task_ends_whatever_its_rows_say(own_server, status):
    admin = own_server.start({"VARVE_FAILPOINTS": "volume.delete.before_manifest=kill"}).login()
    volume = admin.create_volume()
    snapshot = admin.create_snapshot(volume)
    with contextlib.suppress(requests.ConnectionError):  # it may die before it answers
        admin.call("DELETE", f"/volumes/{volume}?cascade=true", None, 202)
    own_server.process.wait(30)
    change_row(own_server, "UPDATE snapshots SET status = ? WHERE id = ?", status, snapshot)
    change_row(own_server, "UPDATE volumes SET status = 'in-use' WHERE id = ?", volume)
    admin = own_server.start({"VARVE_FAILPOINTS": "volume.delete.before_manifest=error"}).login()
    admin.wait_volume(volume, "error_deleting")
    own_server.stop()
    admin = own_server.start().login()
    admin.delete_volume(volume, cascade=True)
    own_server.stop()


def test_a_snapshot_without_a_row_keeps_its_volume_in_its_pool(own_server):
    """As an older database has it."""
    own_server.add_pool("second")
    admin = own_server.start().login()
    admin.call("POST", "/types", {"volume_type": {"name": "second", "extra_specs": {"volume_backend_name": "second"}}}, 200)
    volume = admin.create_volume()
    snapshot = admin.create_snapshot(volume)
    own_server.stop()
    change_row(own_server, "DELETE FROM snapshots WHERE id = ?", snapshot)
    admin = own_server.start().login()
    admin.action(volume, "os-retype", {"new_type": "second", "migration_policy": "on-demand"}, 202)
    wait_until(lambda: "task failed" in own_server.log(), 30, "the task's end")
    admin.wait_volume(volume)
    assert "cannot be moved" in own_server.log()
    assert snapshot in own_server.manifests()[volume]["snapshots"]
    own_server.stop()


def test_a_store_that_was_moved_away_takes_no_change(own_server):
    """Nothing is made in its place; it goes on when it is back."""
    admin = own_server.start().login()
    volume = admin.create_volume(name="before")
    away = own_server.directory / "away"
    own_server.store.rename(away)
    refused = admin.request("PUT", f"/volumes/{volume}", {"volume": {"name": "after"}})
    assert refused.status_code == 503 and not own_server.store.exists()
    assert requests.get(own_server.url + "/readyz", timeout=10).status_code == 503
    own_server.store.mkdir()  # as where a disk was mounted
    refused = admin.request("PUT", f"/volumes/{volume}", {"volume": {"name": "after"}})
    assert refused.status_code == 503 and not list(own_server.store.iterdir())
    own_server.store.rmdir()
    away.rename(own_server.store)
    admin.call("PUT", f"/volumes/{volume}", {"volume": {"name": "after"}}, 200)
    own_server.stop()
    assert own_server.start().login().call("GET", f"/volumes/{volume}")["volume"]["name"] == "after"
    own_server.stop()
