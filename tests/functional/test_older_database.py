"""A database that is older than what lies beside it, or that was lost in the middle of work, gets what it lacks."""
import json
import shutil
import sqlite3

import pytest
from test_doctor import doctor
from test_recover import lose, recover, wait_described
from varve import qemu_io, wait_until


def test_a_sound_database_gets_the_sizes_of_its_bytes(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume(size=2)
    own_server.stop()
    with sqlite3.connect(own_server.store / "varve.db") as db:
        db.execute("UPDATE volumes SET size_gib = 1")
    db.close()
    recover(own_server)
    assert own_server.start().login().call("GET", f"/volumes/{volume}")["volume"]["size"] == 2
    own_server.stop()


def test_a_sound_database_gets_what_it_lacks(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume(name="back")
    wait_described(own_server, {volume: "available"})
    own_server.kill()
    with sqlite3.connect(own_server.store / "varve.db") as db:
        db.execute("DELETE FROM volumes")
    db.close()
    assert recover(own_server, "--dry-run")["volumes"] == [volume]
    with sqlite3.connect(own_server.store / "varve.db") as db:
        assert db.execute("SELECT COUNT(*) FROM volumes").fetchall() == [(0,)]
    db.close()
    assert recover(own_server)["volumes"] == [volume]
    assert not (own_server.store / "quarantine").exists()
    admin = own_server.start().login()
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["name"] == "back"
    own_server.stop()


@pytest.mark.parametrize("was", ["available", "restoring"])
@pytest.mark.parametrize("by_hand", [True, False])
def test_an_older_database_gets_its_backups_back(own_server, by_hand, was):
    """With them, the keys of deleted volumes are needed still; one that was removed does not come back."""
    admin = own_server.start().login()
    admin.create_encrypted_type()
    volume = admin.create_volume(volume_type="secret")
    own_server.stop()
    copy = (own_server.store / "varve.db").read_bytes()
    admin = own_server.start().login()
    assert admin.io(volume, "write -P 7 0 1M")
    kept, removed = admin.create_backup(volume, name="kept"), admin.create_backup(volume)
    catalogue = own_server.store / "descriptions" / "catalogue.json"
    wait_until(lambda: sum(one["status"] == "available" for one in json.loads(catalogue.read_text())["tables"]["backups"]) == 2, 30, "both to be described")
    own_server.stop()
    lose(own_server)
    (own_server.store / "varve.db").write_bytes(copy)
    shutil.rmtree(own_server.store / "backups" / removed)
    catalogue.write_text(catalogue.read_text().replace('"available"', f'"{was}"'))
    status, findings = doctor(own_server)
    assert status == 1 and list(findings) == [("backup", kept)] and "varved recover" in findings["backup", kept]["mend"]
    if by_hand:
        assert recover(own_server, "--dry-run")["backups"] == [kept] and recover(own_server)["backups"] == [kept]
        assert recover(own_server)["backups"] == []
    admin = own_server.start().login()
    assert [one["name"] for one in admin.call("GET", "/backups")["backups"]] == ["kept"]
    admin.delete_volume(volume)
    made = admin.call("POST", f"/backups/{kept}/restore", {"restore": {}}, 202)["restore"]["volume_id"]
    admin.wait_volume(made)
    assert admin.io(made, "read -P 7 0 1M")
    own_server.stop()


def test_backups_that_cannot_be_looked_for_are_not_forgotten(own_server):
    """The object store is away when varved starts with an older database."""
    admin = own_server.start().login()
    admin.create_encrypted_type()
    volume = admin.create_volume(volume_type="secret")
    own_server.stop()
    copy = (own_server.store / "varve.db").read_bytes()
    admin = own_server.start().login()
    assert admin.io(volume, "write -P 7 0 1M")
    backup = admin.create_backup(volume, name="kept")
    catalogue = own_server.store / "descriptions" / "catalogue.json"

    def described():
        return [one["status"] for one in json.loads(catalogue.read_text())["tables"]["backups"] if one["id"] == backup]
    wait_until(lambda: described() == ["available"], 30, "the backup to be described")
    own_server.stop()
    lose(own_server)
    (own_server.store / "varve.db").write_bytes(copy)
    objects, away = own_server.store / "backups", own_server.directory / "away"
    objects.rename(away)
    for _ in range(2):
        admin = own_server.start().login()
        assert not admin.call("GET", "/backups")["backups"]
        admin.create_volume()
        written = catalogue.stat().st_mtime_ns
        admin.call("POST", "/types", {"volume_type": {"name": f"type{written}"}}, 200)
        wait_until(lambda: catalogue.stat().st_mtime_ns != written, 30, "the catalogue to be written")
        assert described() == ["available"]
        own_server.stop()
    admin = own_server.start().login()
    admin.delete_volume(volume)
    own_server.stop()
    objects.rmdir()
    away.rename(objects)
    admin = own_server.start().login()
    assert [one["name"] for one in admin.call("GET", "/backups")["backups"]] == ["kept"]
    made = admin.call("POST", f"/backups/{backup}/restore", {"restore": {}}, 202)["restore"]["volume_id"]
    admin.wait_volume(made)
    assert admin.io(made, "read -P 7 0 1M")
    own_server.stop()


def test_what_was_worked_on_when_the_database_was_lost_is_told(own_server):
    """A volume that was being restored into is a part of each; what it was restored from is whole; nobody may delete a helper."""
    admin = own_server.start().login()
    volume, other = admin.create_volume(), admin.create_volume()
    assert admin.io(volume, "write -P 7 0 1M")
    backup, helper = admin.create_backup(volume), admin.create_snapshot(other)
    described = own_server.store / "descriptions"
    files = [described / "catalogue.json", described / "volumes" / f"{volume}.json", described / "volumes" / f"{other}.json"]
    wait_until(lambda: all(path.exists() and id in path.read_text() for path, id in zip(files, (backup, volume, helper))), 30, "the descriptions")
    wait_until(lambda: '"available"' in json.dumps(json.loads(files[0].read_text())["tables"]["backups"]), 30, "the backup's description")
    own_server.stop()
    lose(own_server)
    catalogue, restored, backed_up = (json.loads(path.read_text()) for path in files)
    catalogue["tables"]["backups"][0]["status"] = "restoring"
    restored["volume"]["status"] = "restoring-backup"
    backed_up["volume"]["status"] = "backing-up"
    backed_up["snapshots"][0].update(name=f"autobk_snapshot_{helper[:8]}", status="backing-up")
    for path, text in zip(files, (catalogue, restored, backed_up)):
        path.write_text(json.dumps(text))
    admin = own_server.start().login()
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "error_restoring"
    assert admin.call("GET", f"/backups/{backup}")["backup"]["status"] == "available"
    assert admin.call("GET", f"/volumes/{other}")["volume"]["status"] == "available"
    admin.wait_gone(f"/snapshots/{helper}")
    admin.delete_volume(other)
    admin.call("POST", f"/backups/{backup}/restore", {"restore": {"volume_id": volume}}, 202)
    admin.wait_volume(volume)
    assert admin.io(volume, "read -P 7 0 1M")
    assert doctor(own_server) == (0, {})
    own_server.stop()


@pytest.mark.parametrize("started", [False, True])
def test_an_older_database_gets_what_it_lacks(own_server, started):
    """Somebody put a copy of varve.db back; perhaps varved has even run on it."""
    admin = own_server.start().login()
    old = admin.create_volume(name="old")
    own_server.stop()
    copy = (own_server.store / "varve.db").read_bytes()
    admin = own_server.start().login()
    new = admin.create_volume(name="new", metadata={"k": "v"})
    assert admin.io(new, "write -P 7 0 1M")
    snapshots = [admin.create_snapshot(volume, name="s") for volume in ([new] if started else [new, old])]
    wait_described(own_server, {new: "available", old: "available"})
    described = own_server.store / "descriptions" / "volumes" / f"{old}.json"
    wait_until(lambda: started or json.loads(described.read_text())["snapshots"], 30, "the snapshot's description")
    own_server.stop()
    for path in own_server.store.glob("varve.db*"):
        path.unlink()
    (own_server.store / "varve.db").write_bytes(copy)
    if started:
        admin = own_server.start().login()
        wait_until(lambda: "varved recover makes it one" in own_server.log(), 30, "the sweep")
        assert [one["name"] for one in admin.call("GET", "/volumes")["volumes"]] == ["old"]
        own_server.stop()
    told = recover(own_server)
    assert told["volumes"] == [new] and sorted(told["snapshots"]) == sorted(snapshots)
    admin = own_server.start().login()
    seen = admin.call("GET", f"/volumes/{new}")["volume"]
    assert seen["name"] == "new" and seen["metadata"]["k"] == "v" and admin.io(new, "read -P 7 0 1M")
    assert [admin.call("GET", f"/snapshots/{one}")["snapshot"]["status"] for one in snapshots] == ["available"] * len(snapshots)
    own_server.stop()


def test_an_older_database_does_not_forget_who_is_served(own_server):
    admin = own_server.start().login()
    volumes = [admin.create_volume(name="v") for _ in range(2)]
    own_server.stop()
    copy = (own_server.store / "varve.db").read_bytes()
    admin = own_server.start().login()
    (_, uri), (kept, _) = [admin.attach(volume) for volume in volumes]
    assert qemu_io(uri, "write -P 4 0 1M", "flush")
    own_server.kill()
    for path in own_server.store.glob("varve.db*"):
        path.unlink()
    (own_server.store / "varve.db").write_bytes(copy)
    admin = own_server.start().login()
    assert [admin.call("GET", f"/volumes/{volume}")["volume"]["status"] for volume in volumes] == ["in-use"] * 2
    body = {"attachment": {"volume_uuid": volumes[0], "connector": {"host": "h2"}}}
    assert admin.request("POST", "/attachments", body, "3.54").status_code == 400
    assert admin.request("DELETE", f"/volumes/{volumes[0]}").status_code == 400
    assert qemu_io(uri, "read -P 4 0 1M", "write -P 5 0 1M", "flush")
    admin.detach(kept)
    admin.wait_volume(volumes[1])
    own_server.restart()
    assert "does not know" not in own_server.log().split("varved has stopped")[-1]
    own_server.stop()
