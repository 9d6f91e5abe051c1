"""A database that is lost or damaged is made anew from what lies beside it, and nothing is destroyed."""
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import invariants
import pytest
import requests
from test_doctor import doctor
from varve import BINARY, qemu_io, wait_until

FAULTS = {"header": (0, 100), "schema": (100, 4096), "middle": (8192, 65536)}


def recover(server, *arguments, good=True):
    command = [str(BINARY), "recover", "--json", *arguments, "-o", f"store.directory={server.store}"]
    for option in server.options:
        command += ["-o", option]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    if not good:
        assert done.returncode != 0
        return done.stderr
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lose(server):
    for path in server.store.glob("varve.db*"):
        path.unlink()


def damage(server, start, size):
    """Overwrites a part of the file; nothing may run."""
    path = server.store / "varve.db"
    with contextlib.closing(sqlite3.connect(path)) as db:  # the log would hide what is done to the file
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * min(size, path.stat().st_size - start))


def wait_described(server, wanted):
    """Until every volume's description is as its row."""
    directory = server.store / "descriptions" / "volumes"

    def reached():
        have = {p.stem: json.loads(p.read_text()) for p in directory.glob("*.json")}
        told = {volume: {one["id"] for one in have.get(volume, {}).get("attachments", ())} for volume in wanted}
        present = {volume: {id for (id,) in server.rows("SELECT id FROM attachments WHERE volume_id = ?", volume)} for volume in wanted}
        return told == present and all(have.get(volume, {}).get("volume", {}).get("status") == status for volume, status in wanted.items())
    wait_until(reached, 30, "the descriptions")


def view(admin, volume):
    fields = ("id", "name", "description", "size", "status", "volume_type", "metadata", "encrypted", "bootable",
              "created_at", "user_id", "os-vol-tenant-attr:tenant_id", "availability_zone")
    volume = admin.call("GET", f"/volumes/{volume}")["volume"]
    return {key: volume.get(key) for key in fields}


def filled(server):
    """A store with something of everything: volumes by name."""
    admin = server.start().login()
    secret = admin.call("POST", "/types", {"volume_type": {"name": "secret"}}, 200)["volume_type"]["id"]
    admin.call("POST", f"/types/{secret}/encryption", {"encryption": {"provider": "luks", "control_location": "front-end"}}, 200)
    server.new_user("alice", "secret-1", "team")
    alice = server.login("alice", "secret-1", "team")
    made = {"plain": admin.create_volume(name="plain", description="d", volume_type="SSD", metadata={"k": "v"}),
            "secret": admin.create_volume(name="secret", volume_type="secret"),
            "alices": alice.create_volume(name="alices", size=2)}
    for number, volume in enumerate(made.values(), 1):
        assert admin.io(volume, f"write -P {number} 0 1M")
    made["snapshot"] = admin.create_snapshot(made["plain"], name="kept")
    assert admin.io(made["plain"], "write -P 9 0 1M")
    return admin, made


def check_restored(server, made, before, attachment=None):
    admin = server.login()
    for name, seen in before.items():
        assert view(admin, made[name]) == seen, name
    assert admin.call("GET", f"/snapshots/{made['snapshot']}")["snapshot"]["name"] == "kept"
    assert server.openstack("project", "show", "team")["id"] == before["alices"]["os-vol-tenant-attr:tenant_id"]
    assert admin.io(made["secret"], "read -P 2 0 1M") and admin.io(made["alices"], "read -P 3 0 1M")
    if attachment:
        admin.detach(attachment)
    assert admin.io(made["plain"], "read -P 9 0 1M")
    admin.rollback(made["plain"], made["snapshot"])
    assert admin.io(made["plain"], "read -P 1 0 1M")
    invariants.settle(server)
    invariants.check(server)


def test_a_lost_database_comes_back_by_itself(own_server):
    admin, made = filled(own_server)
    attachment, uri = admin.attach(made["plain"])
    before = {name: view(admin, made[name]) for name in ("plain", "secret", "alices")}
    wait_described(own_server, {made["plain"]: "in-use", made["secret"]: "available", made["alices"]: "available"})
    own_server.kill()
    lose(own_server)
    own_server.start()
    assert "was recovered" in own_server.log()
    rows = own_server.rows("SELECT id, status, json_extract(connection, '$.fields.uri') FROM attachments")
    assert rows == [(attachment, "attached", uri)]
    check_restored(own_server, made, before, attachment)
    own_server.restart()
    assert own_server.log().count("was recovered") == 1
    own_server.stop()


def page_of(server, table):
    """Where the table begins in the file, and how much of it a page is."""
    with contextlib.closing(sqlite3.connect(server.store / "varve.db")) as db:
        ((size,),) = db.execute("PRAGMA page_size")
        ((page,),) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,))
    return (page - 1) * size, size


def as_schema_12(server):
    """The database as the version before connections left it."""
    with contextlib.closing(sqlite3.connect(server.store / "varve.db")) as db:
        db.execute("ALTER TABLE attachments ADD COLUMN export_uri TEXT")
        db.execute("UPDATE attachments SET export_uri = json_extract(connection, '$.fields.uri')")
        db.execute("ALTER TABLE attachments DROP COLUMN connection")
        db.execute("ALTER TABLE tasks ADD COLUMN target TEXT")
        db.execute("UPDATE tasks SET target = substr(payload, instr(payload, ':') + 1)")
        db.execute("ALTER TABLE tasks DROP COLUMN payload")
        db.execute("DELETE FROM schema_version WHERE version > 12")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_a_dry_run_leaves_a_database_of_an_earlier_version_as_it_is(own_server):
    own_server.start().login().create_volume()
    own_server.stop()
    as_schema_12(own_server)
    before = (own_server.store / "varve.db").read_bytes()
    assert recover(own_server, "--dry-run")["volumes"] == []
    assert (own_server.store / "varve.db").read_bytes() == before
    assert not list(own_server.store.glob("varve.db.*"))
    own_server.start()


class Attached:
    """A volume that a client has, as it was when varved was killed."""

    def __init__(self, server, served):
        self.server = server
        admin = server.start().login()
        volume = admin.create_volume()
        self.id, self.uri = admin.attach(volume)
        self.connection = self.connection_of(admin)
        assert qemu_io(self.uri, "write -P 5 0 1M", "flush")
        wait_described(server, {volume: "in-use"})
        server.kill()
        if not served:
            for pid in server.storage_daemons().values():
                os.kill(pid, signal.SIGKILL)

    def connection_of(self, admin):
        return admin.call("GET", f"/attachments/{self.id}", mv="3.54")["attachment"]["connection_info"]

    def expect_back(self):
        admin = self.server.start().login()
        assert "was recovered" in self.server.log()
        wait_until(lambda: qemu_io(self.uri, "read -P 5 0 1M"), 30, "the export to be at its old address")
        assert self.connection_of(admin) == self.connection
        admin.detach(self.id)


@pytest.mark.parametrize("described", [True, False], ids=["described", "not described"])
def test_attachments_come_back_from_a_damaged_database_of_an_earlier_version(own_server, described):
    attached = Attached(own_server, served=False)
    as_schema_12(own_server)
    findings = doctor(own_server)[1]
    assert ("attachment", attached.id) in findings, f"looked at before it is migrated: {findings}"
    damage(own_server, *page_of(own_server, "messages"))
    if not described:
        shutil.rmtree(own_server.store / "descriptions")
    attached.expect_back()


def test_a_connection_that_was_lost_is_what_the_daemon_tells(own_server):
    attached = Attached(own_server, served=True)
    with contextlib.closing(sqlite3.connect(own_server.store / "varve.db")) as db:
        db.execute("UPDATE attachments SET connection = NULL")
        db.commit()
    damage(own_server, *page_of(own_server, "messages"))
    attached.expect_back()


def as_an_earlier_version_wrote(server):
    """The descriptions of attachments, which had their URI alone."""
    for path in (server.store / "descriptions" / "volumes").glob("*.json"):
        description = json.loads(path.read_text())
        for row in description.get("attachments", []):
            row["export_uri"] = json.loads(row.pop("connection"))["fields"]["uri"]
        path.write_text(json.dumps(description))


@pytest.mark.parametrize("served", [True, False], ids=["still served", "daemon gone"])
@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_attachments_come_back_from_what_an_earlier_version_described(own_server, transport, served):
    own_server.options.append(f"nbd.transport={transport}")
    attached = Attached(own_server, served)
    lose(own_server)
    as_an_earlier_version_wrote(own_server)
    attached.expect_back()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_database_is_kept_and_what_can_be_read_is_saved(own_server, fault):
    admin, made = filled(own_server)
    before = {name: view(admin, made[name]) for name in ("plain", "secret", "alices")}
    wait_described(own_server, {made[name]: "available" for name in before})
    own_server.stop()
    damage(own_server, *FAULTS[fault])
    damaged = (own_server.store / "varve.db").read_bytes()
    own_server.start()
    kept = list((own_server.store / "quarantine").glob("database-*/varve.db"))
    assert len(kept) == 1 and kept[0].read_bytes() == damaged
    with sqlite3.connect(own_server.store / "varve.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    check_restored(own_server, made, before)
    own_server.stop()


def test_rows_around_a_damaged_page_are_read_without_descriptions(own_server):
    admin = own_server.start().login()
    volumes = {admin.call("POST", "/volumes", {"volume": {"size": 1, "name": f"n{i}", "description": "x" * 200}}, 202)["volume"]["id"]: f"n{i}"
               for i in range(100)}
    invariants.settle(own_server)
    own_server.stop()
    path = own_server.store / "varve.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        pages = [row[0] for row in db.execute("SELECT pageno FROM dbstat WHERE name = 'volumes' AND pagetype = 'leaf'")] if has_dbstat(db) else None
    if not pages:
        pytest.skip("this SQLite does not tell where its pages are")
    damage(own_server, (pages[len(pages) // 2] - 1) * 4096, 4096)
    for description in (own_server.store / "descriptions" / "volumes").iterdir():
        description.unlink()
    report = recover(own_server)
    assert report["database"] == "damaged" and 0 < report["saved"]["volumes"] < 100
    assert sorted(report["volumes"]) == sorted(report["undescribed"]) and len(report["volumes"]) + report["saved"]["volumes"] == 100
    admin = own_server.start().login()
    listed = {v["id"]: v["name"] for v in admin.call("GET", "/volumes?limit=1000")["volumes"]}
    assert set(listed) == set(volumes)
    assert sum(listed[volume] == volumes[volume] for volume in volumes) == report["saved"]["volumes"]
    own_server.stop()


def test_rows_whose_neighbours_were_read_come_back_too(own_server):
    """The volumes can be read, their types and snapshots cannot."""
    admin, made = filled(own_server)
    before = {name: view(admin, made[name]) for name in ("plain", "secret", "alices")}
    wait_described(own_server, {made[name]: "available" for name in before})
    own_server.stop()
    path = own_server.store / "varve.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        roots = dict(db.execute("SELECT name, rootpage FROM sqlite_master WHERE name IN ('snapshots', 'volume_types', 'projects')"))
    assert len(roots) == 3
    for page in roots.values():
        damage(own_server, (page - 1) * 4096, 4096)
    own_server.start()
    assert "was recovered" in own_server.log()
    check_restored(own_server, made, before)
    own_server.stop()


def test_a_task_of_a_recovered_volume_ends(own_server):
    """Its row is as described, before the task began."""
    admin = own_server.start().login()
    volume = admin.create_volume(name="mine")
    wait_described(own_server, {volume: "available"})
    own_server.stop()
    admin = own_server.start({"VARVE_FAILPOINTS": "volume.extend.before_resize=kill"}).login()
    with contextlib.suppress(requests.ConnectionError):
        admin.action(volume, "os-extend", {"new_size": 2})
    own_server.process.wait(30)
    path = own_server.store / "varve.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((root,),) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'volumes'").fetchall()
    damage(own_server, (root - 1) * 4096, 4096)
    own_server.rows_were_changed = True
    admin = own_server.start({"VARVE_FAILPOINTS": "volume.extend.before_resize=error"}).login()
    admin.wait_volume(volume, "error_extending")
    own_server.stop()
    admin = own_server.start().login()
    admin.action(volume, "os-extend", {"new_size": 2})
    admin.wait_volume(volume)
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["name"] == "mine"
    own_server.stop()


def has_dbstat(db):
    try:
        db.execute("SELECT 1 FROM dbstat LIMIT 1")
        return True
    except sqlite3.OperationalError:
        return False


def test_volumes_come_back_from_manifests_and_exports_alone(own_server):
    admin = own_server.start().login()
    volume, attached = admin.create_volume(size=3, name="lost"), admin.create_volume()
    snapshot = admin.create_snapshot(volume)
    attachment, uri = admin.attach(attached)
    own_server.kill()
    lose(own_server)
    subprocess.run(["rm", "-r", str(own_server.store / "descriptions")], check=False)
    tried = recover(own_server, "--dry-run")
    assert sorted(tried["volumes"]) == sorted([volume, attached]) and not (own_server.store / "varve.db").exists()
    report = recover(own_server)
    assert report["database"] == "missing" and sorted(report["undescribed"]) == sorted([volume, attached])
    assert report["snapshots"] == [snapshot] and report["attachments"] == [attachment]
    again = recover(own_server)
    assert again["database"] == "sound" and not again["volumes"] and not again["attachments"]
    admin = own_server.start().login()
    seen = admin.call("GET", f"/volumes/{volume}")["volume"]
    assert (seen["name"], seen["size"], seen["status"], seen["volume_type"]) == (None, 3, "available", "GPSSD")
    assert admin.call("GET", f"/volumes/{attached}")["volume"]["status"] == "in-use"
    assert own_server.rows("SELECT id, json_extract(connection, '$.fields.uri') FROM attachments") == [(attachment, uri)]
    host = "varve%40qcow2%23default"
    rows = admin.call("GET", f"/manageable_volumes/detail?host={host}", mv="3.8")["manageable-volumes"]
    assert not any(row["safe_to_manage"] for row in rows)
    admin.detach(attachment)
    admin.wait_volume(attached)
    invariants.settle(own_server)
    invariants.check(own_server)
    own_server.stop()


@pytest.mark.parametrize("told", [False, True])
def test_lost_bytes_that_are_found_after_a_recovery_are_served(own_server, told):
    """told: the loss was known, and described, before the database was lost too."""
    admin = own_server.start().login()
    volume = admin.create_volume(name="v")
    assert admin.io(volume, "write -P 3 0 1M")
    snapshot = admin.create_snapshot(volume, name="s")
    described = own_server.store / "descriptions" / "volumes" / f"{volume}.json"
    wait_until(lambda: described.exists() and json.loads(described.read_text())["snapshots"], 30, "the description")
    wait_described(own_server, {volume: "available"})
    own_server.stop()
    manifest = own_server.store / "volumes" / f"{volume}.json"
    manifest.rename(own_server.directory / "kept")
    if told:
        own_server.start().login().wait_volume(volume, "error")
        wait_described(own_server, {volume: "error"})
        own_server.stop()
    lose(own_server)
    admin = own_server.start().login()
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "error"
    assert admin.call("GET", f"/snapshots/{snapshot}")["snapshot"]["status"] == "error"
    own_server.stop()
    (own_server.directory / "kept").rename(manifest)
    admin = own_server.start().login()
    admin.wait_volume(volume)
    admin.wait_snapshot(snapshot)
    assert admin.io(volume, "read -P 3 0 1M")
    admin.rollback(volume, snapshot)
    invariants.settle(own_server)
    invariants.check(own_server)
    own_server.stop()


def test_volumes_whose_daemons_do_not_answer_are_somebodys(own_server):
    """Neither the database nor a description tells whose."""
    admin = own_server.start().login()
    volumes = [admin.create_volume() for _ in range(4)]
    uris = [admin.attach(volume)[1] for volume in volumes]
    assert qemu_io(uris[0], "write -P 5 0 1M", "flush")
    own_server.kill()
    lose(own_server)
    shutil.rmtree(own_server.store / "descriptions", ignore_errors=True)
    pids = [pid for key, pid in own_server.storage_daemons().items() if key in volumes]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        admin = own_server.start().login()
        assert time.monotonic() - began < 30  # not one after the other
        for volume in volumes:
            assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "in-use"
            assert admin.request("DELETE", f"/volumes/{volume}").status_code == 400
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: qemu_io(uris[0], "read -P 5 0 1M"), 30, "the client's export")
    for volume in volumes:
        (made,) = admin.call("GET", f"/attachments?volume_id={volume}", mv="3.54")["attachments"]
        admin.detach(made["id"])
        admin.wait_volume(volume)
    assert admin.io(volumes[0], "read -P 5 0 1M")
    invariants.settle(own_server)
    invariants.check(own_server)
    own_server.stop()


def test_what_was_given_up_stays_so(own_server):
    admin = own_server.start().login()
    volume, other = admin.create_volume(), admin.create_volume()
    admin.action(volume, "os-unmanage", {}, 202)
    path = own_server.store / "descriptions" / "volumes" / f"{volume}.json"
    wait_until(lambda: path.exists() and "given_up" in path.read_text(), 30, "the description")
    own_server.stop()
    lose(own_server)
    assert recover(own_server)["volumes"] == [other]


def test_a_running_store_is_not_recovered(own_server):
    own_server.start()
    assert "another varved" in recover(own_server, good=False)
    own_server.stop()


@pytest.mark.parametrize("part, column", [("volume", "metadata"), ("volume", "tags"), ("snapshots", "metadata"), ("attachments", "connector")])
def test_a_damaged_description_refuses_no_start(own_server, part, column):
    admin = own_server.start().login()
    volume, other = admin.create_volume(name="v"), admin.create_volume(name="other")
    admin.create_snapshot(volume, name="s")
    admin.attach(volume)
    path = own_server.store / "descriptions" / "volumes" / f"{volume}.json"
    described = {}

    def is_described():
        described.update(json.loads(path.read_text()) if path.exists() else {})
        return described.get("snapshots") and described.get("attachments")
    wait_until(is_described, 30, "the description")
    wait_described(own_server, {other: "available"})
    own_server.stop()
    row = described[part] if part == "volume" else described[part][0]
    assert column in row
    row[column] = "}{"
    path.write_text(json.dumps(described))
    lose(own_server)
    admin = own_server.start().login()
    assert {one["id"] for one in admin.call("GET", "/volumes/detail")["volumes"]} == {volume, other}
    assert admin.call("GET", f"/volumes/{other}")["volume"]["name"] == "other"
    own_server.stop()


def test_a_database_that_cannot_be_read_is_no_damaged_one(own_server):
    own_server.start()
    own_server.stop()
    path = own_server.store / "varve.db"
    path.rename(path.with_suffix(".aside"))
    path.mkdir()  # opening it fails, whoever asks
    (path / "x").write_text("")
    before = sorted(p.name for p in own_server.store.iterdir())
    own_server.start(wait=False)
    assert own_server.process.wait(60) != 0
    assert "cannot open the database" in own_server.log() or "cannot be read" in own_server.log()
    assert not (own_server.store / "quarantine").exists() and path.is_dir()
    assert sorted(p.name for p in own_server.store.iterdir()) == before


def test_a_switch_that_was_cut_off_is_finished(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume(name="kept")
    own_server.stop()
    path = own_server.store / "varve.db"
    good = path.read_bytes()
    damage(own_server, 0, 4096)
    (own_server.store / "varve.db.recovered").write_bytes(good)
    (own_server.store / "varve.db-wal").write_bytes(b"an old log")
    admin = own_server.start().login()
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["name"] == "kept"
    (kept,) = (own_server.store / "quarantine").iterdir()
    assert {p.name for p in kept.glob("varve.db*")} == {"varve.db", "varve.db-wal"}
    own_server.stop()


def cut_off_a_transaction(path):
    """Leaves a rollback journal, as a power cut in the middle of a write leaves it."""
    journal = path.with_name(path.name + "-journal")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA cache_size = 1")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE volumes SET name = 'half done'")
        db.execute("CREATE TABLE half_done (data)")
        for _ in range(100):
            db.execute("INSERT INTO half_done VALUES (randomblob(10000))")
        left = {file: file.read_bytes() for file in (path, journal)}
        db.execute("ROLLBACK")
    for file, content in left.items():
        file.write_bytes(content)


def test_a_transaction_that_was_cut_off_in_a_journal_is_taken_back(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume(name="kept")
    own_server.stop()
    cut_off_a_transaction(own_server.store / "varve.db")
    told = subprocess.run([str(BINARY), "doctor", "-o", f"store.directory={own_server.store}"], capture_output=True, text=True, timeout=60)
    assert told.returncode == 2 and "the next start takes it back" in told.stdout + told.stderr, told
    admin = own_server.start().login()
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["name"] == "kept"
    assert not own_server.rows("SELECT 1 FROM sqlite_master WHERE name = 'half_done'")
    assert not (own_server.store / "quarantine").exists() or not any((own_server.store / "quarantine").iterdir())
    own_server.stop()
