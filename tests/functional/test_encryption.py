"""Encrypted volumes: nothing readable on the disk, keys that go with their volumes."""
import json
import sqlite3
import subprocess
import uuid

import pytest
from test_doctor import doctor
from varve import BINARY, fault, qemu_io, wait_until

MARK = b"VARVE-SECRET-MARK"


@pytest.fixture(scope="module")
def secret_type(admin):
    return admin.create_encrypted_type()


def write_mark(admin, volume, at="1M"):
    source = admin.server.directory / "mark"
    source.write_bytes(MARK * 1000)
    assert admin.io(volume, f"write -s {source} {at} 16k")


def holds_mark(admin, volume, at=1 << 20):
    attachment, uri = admin.attach(volume)
    out = subprocess.run(["qemu-img", "dd", "-f", "raw", "-O", "raw", "bs=4096", f"skip={at // 4096}", f"count={at // 4096 + 1}",
                          f"if={uri}", f"of={admin.server.directory / 'out'}"], capture_output=True, timeout=60)
    admin.detach(attachment)
    assert out.returncode == 0, out.stderr
    return MARK in (admin.server.directory / "out").read_bytes()


def on_disk(server):
    return any(MARK in path.read_bytes() for folder in ("layers", "backups") for path in (server.store / folder).rglob("*") if path.is_file())


def keys(server):
    return {path.name for path in (server.store / "keys").iterdir()} - {"root"}


def test_bytes_are_encrypted_through_snapshots_clones_and_backups(admin, server, secret_type):
    volume = admin.create_volume(volume_type="secret")
    view = admin.call("GET", f"/volumes/{volume}", mv="3.64")["volume"]
    assert view["encrypted"] is True and view["encryption_key_id"] in keys(server)
    facts = admin.call("GET", f"/volumes/{volume}/encryption")
    assert facts["cipher"] == "aes-xts-plain64" and facts["encryption_key_id"] == view["encryption_key_id"]
    write_mark(admin, volume)
    snapshot = admin.create_snapshot(volume)
    write_mark(admin, volume, "2M")
    clone = admin.create_volume(snapshot_id=snapshot)
    copy = admin.create_volume(source_volid=volume)
    backup = admin.create_backup(volume)
    restored = admin.call("POST", f"/backups/{backup}/restore", {"restore": {}}, 202)["restore"]["volume_id"]
    admin.wait_volume(restored, timeout=60)
    for one in (clone, copy, restored):
        assert admin.call("GET", f"/volumes/{one}")["volume"]["encrypted"] is True
        assert holds_mark(admin, one)
    admin.action(volume, "os-extend", {"new_size": 2}, 202)
    admin.wait_volume(volume)
    admin.rollback(volume, snapshot)
    assert holds_mark(admin, volume)
    wait_until(lambda: not server.rows("SELECT 1 FROM tasks WHERE state = 'live'"), 60, "the tasks to end")
    assert not on_disk(server)

    server.restart()
    admin = server.login()
    assert holds_mark(admin, clone)
    key = view["encryption_key_id"]
    for one in (volume, clone, copy):
        admin.delete_volume(one, cascade=True)
        assert key in keys(server)
    admin.call("DELETE", f"/backups/{backup}", None, 202)
    admin.wait_gone(f"/backups/{backup}")
    admin.delete_volume(restored)
    assert key not in keys(server)


def test_an_attached_encrypted_volume_is_served_snapshotted_and_grown(server, secret_type):
    admin = server.login()
    volume = admin.create_volume(volume_type="secret")
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 3 0 1M")
    snapshot = admin.create_snapshot(volume)
    assert qemu_io(uri, "write -P 4 0 1M", "read -P 4 0 1M")
    admin.action(volume, "os-extend", {"new_size": 2}, 202)
    admin.wait_volume(volume, "in-use")
    assert qemu_io(uri, "read -P 4 0 1M", "write -P 5 1536M 1M")
    admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    admin.wait_gone(f"/snapshots/{snapshot}")
    assert qemu_io(uri, "read -P 4 0 1M", "read -P 5 1536M 1M")
    admin.detach(attachment)
    admin.delete_volume(volume)


def test_evs_disks_are_encrypted_by_metadata(server):
    admin = server.login()
    key = str(uuid.uuid4())
    body = {"volume": {"availability_zone": "az-1", "volume_type": "SSD", "size": 10, "name": "disk",
                       "metadata": {"__system__encrypted": "1", "__system__cmkid": key}}}
    assert "job_id" in admin.request("POST", "/cloudvolumes", body, version="v2").json()
    wait_until(lambda: not server.rows("SELECT 1 FROM tasks WHERE state = 'live'"), 60, "the tasks to end")
    (disk,) = admin.call("GET", "/volumes/detail?name=disk")["volumes"]
    assert disk["encrypted"] is True and disk["metadata"]["__system__cmkid"] == key
    snapshot = admin.create_snapshot(disk["id"])
    view = admin.request("GET", f"/cloudsnapshots/{snapshot}", version="v2").json()["snapshot"]
    assert view["metadata"] == {"__system__encrypted": "1", "__system__cmkid": key}
    clone = admin.create_volume(size=10, snapshot_id=snapshot)
    assert admin.call("GET", f"/volumes/{clone}")["volume"]["metadata"]["__system__cmkid"] == key
    for metadata in ({"__system__encrypted": "1"}, {"__system__encrypted": "2"}, {"__system__encrypted": "1", "__system__cmkid": "short"}):
        body["volume"]["metadata"] = metadata
        reply = admin.request("POST", "/cloudvolumes", body, version="v2")
        assert reply.json()["error"]["code"] == "EVS.2041", reply.text
    (secret,) = (json.loads(path.read_text()) for path in (server.store / "keys").iterdir() if path.name != "root")
    assert secret["master"] == key and secret["project"] == admin.project


def test_types_keep_their_word(server, secret_type):
    admin = server.login()
    plain = admin.create_volume()
    assert "encrypted" in fault(admin.request("POST", "/volumes", {"volume": {"size": 1, "source_volid": plain, "volume_type": "secret"}}), 400)
    assert "encryption" in fault(admin.request("POST", f"/volumes/{plain}/action", {"os-retype": {"new_type": "secret"}}), 400)
    used = admin.create_volume(volume_type="secret")
    assert "volumes of the type exist" in fault(admin.request("DELETE", f"/types/{secret_type}/encryption/provider"), 400)
    fault(admin.request("POST", f"/types/{secret_type}/encryption", {"encryption": {"provider": "x", "control_location": "back-end"}}), 400)
    fault(admin.request("POST", f"/types/{secret_type}/encryption", {"encryption": {"provider": "x", "control_location": "aside"}}), 400)
    assert "encrypted" in fault(admin.request("POST", f"/volumes/{used}/action", {"os-unmanage": {}}), 400)
    admin.delete_volume(used)


def test_a_key_that_bytes_need_stays_when_no_row_does(own_server):
    """An older database was put back: it does not know the clone, whose bytes are of the same key."""
    admin = own_server.start().login()
    kind = admin.create_encrypted_type("kept")
    volume = admin.create_volume(volume_type="kept")
    assert kind and admin.io(volume, "write -P 1 0 1M")
    own_server.stop()
    older = (own_server.store / "varve.db").read_bytes()
    admin = own_server.start().login()
    clone = admin.create_volume(source_volid=volume)
    assert admin.io(clone, "write -P 2 1M 1M")
    own_server.stop()
    for path in own_server.store.glob("varve.db*"):
        path.unlink()
    (own_server.store / "varve.db").write_bytes(older)
    admin = own_server.start().login()
    assert admin.request("GET", f"/volumes/{clone}").status_code == 404
    admin.delete_volume(volume)
    own_server.stop()
    subprocess.run([str(BINARY), "recover", "-o", f"store.directory={own_server.store}"], check=True, capture_output=True, timeout=60)
    admin = own_server.start().login()
    assert admin.io(clone, "read -P 1 0 1M", "read -P 2 1M 1M")
    own_server.stop()


def test_what_is_managed_keeps_its_key(own_server):
    """An encrypted volume without a row: managed, it is as encrypted as before, and so are its backups."""
    admin = own_server.start().login()
    admin.create_encrypted_type("kept")
    volume = admin.create_volume(volume_type="kept")
    mark = bytes([0x53]) * 4096
    assert admin.io(volume, "write -P 0x53 0 8M")
    own_server.stop()
    with sqlite3.connect(own_server.store / "varve.db") as db:
        db.execute("DELETE FROM volumes")
    db.close()
    key = own_server.store / "keys" / own_server.manifests()[volume]["key"]
    admin = own_server.start().login()
    body = {"volume": {"host": "varve@qcow2#default", "ref": {"source-name": f"volume-{volume}"}}}
    managed = admin.call("POST", "/manageable_volumes", body, 202, "3.8")["volume"]["id"]
    admin.wait_volume(managed)
    assert admin.call("GET", f"/volumes/{managed}")["volume"]["encrypted"]
    admin.create_backup(managed)
    stored = [path for path in (own_server.store / "backups").rglob("*") if path.is_file()]
    assert stored and not any(mark in path.read_bytes() for path in stored)
    assert doctor(own_server) == (0, {})
    away = own_server.directory / "key"
    key.rename(away)
    assert [kind for kind, _ in doctor(own_server)[1]] == ["key"]
    away.rename(key)
    assert admin.io(managed, "read -P 0x53 0 8M")
    own_server.stop()


def test_what_is_not_encrypted_is_not_managed_as_if_it_were(own_server):
    admin = own_server.start().login()
    admin.create_encrypted_type("kept")
    volume = admin.create_volume()
    admin.action(volume, "os-unmanage", None, 202)
    admin.wait_gone(f"/volumes/{volume}")
    body = {"volume": {"host": "varve@qcow2#default", "ref": {"source-name": f"volume-{volume}"}, "volume_type": "kept"}}
    assert "never encrypted afterwards" in fault(admin.request("POST", "/manageable_volumes", body, mv="3.8"), 400)
    own_server.stop()


def test_a_key_goes_with_the_last_that_needs_it(own_server):
    admin = own_server.start().login()
    admin.create_encrypted_type()
    volume = admin.create_volume(volume_type="secret")
    first, second = admin.create_backup(volume), admin.create_backup(volume, force=True)
    (key,) = own_server.rows("SELECT encryption_key_id FROM volumes")[0]
    path = own_server.store / "keys" / key
    admin.delete_volume(volume)
    admin.call("DELETE", f"/backups/{first}", None, 202)
    admin.wait_gone(f"/backups/{first}")
    assert path.exists()
    admin.call("DELETE", f"/backups/{second}", None, 202)
    admin.wait_gone(f"/backups/{second}")
    assert not path.exists()
    own_server.stop()
