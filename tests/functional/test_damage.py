"""Files that are lost, damaged or unreadable: a state of the volumes that need them, told to their owners, and never the end of the service."""
import json
import sqlite3

import invariants
import pytest
from test_doctor import doctor
from test_recover import recover
from varve import fault, wait_until


@pytest.fixture
def two(own_server):
    """A volume with bytes and a snapshot, and another one."""
    own_server.start()
    admin = own_server.login()
    volume = admin.create_volume(name="hit")
    assert admin.io(volume, "write -P 1 0 1M")
    snapshot = admin.create_snapshot(volume)
    assert admin.io(volume, "write -P 2 0 1M")
    other = admin.create_volume(name="other")
    assert admin.io(other, "write -P 3 0 1M")
    return own_server, volume, snapshot, other


def active(server, volume):
    return server.layer_files()[server.manifests()[volume]["active"]]


def flip_magic(path):
    with open(path, "r+b") as image:
        magic = bytes(255 - byte for byte in image.read(4))
        image.seek(0)
        image.write(magic)


def status(admin, kind, id):
    return admin.call("GET", f"/{kind}s/{id}")[kind]["status"]


def test_a_damaged_image_is_its_volumes_error_until_it_is_mended(two):
    server, volume, snapshot, other = two
    image = active(server, volume)
    server.stop()
    flip_magic(image)
    server.start()
    admin = server.login()
    wait_until(lambda: status(admin, "volume", volume) == "error", 30, "the volume to be in error")
    assert image.exists()
    assert status(admin, "snapshot", snapshot) == "available" and status(admin, "volume", other) == "available"
    message, = admin.call("GET", "/messages", None, 200, "3.3")["messages"]
    assert message["resource_uuid"] == volume and image.stem in message["user_message"]
    assert str(server.directory) not in message["user_message"]
    assert admin.io(other, "read -P 3 0 1M")
    rescued = admin.create_volume(snapshot_id=snapshot)
    assert admin.io(rescued, "read -P 1 0 1M")
    flip_magic(image)
    wait_until(lambda: status(admin, "volume", volume) == "available", 30, "the volume to be well again")
    assert admin.io(volume, "read -P 2 0 1M")


def test_a_lost_manifest_is_noticed_and_taken_back(two):
    server, volume, snapshot, other = two
    path = server.store / "volumes" / f"{volume}.json"
    text = path.read_text()
    server.stop()
    path.unlink()
    server.start()
    admin = server.login()
    wait_until(lambda: status(admin, "volume", volume) == "error", 30, "the volume to be in error")
    wait_until(lambda: status(admin, "snapshot", snapshot) == "error", 30, "its snapshot to be in error")
    assert len([file for file in server.quarantined() if file.suffix == ".qcow2"]) == 2
    server.stop()
    path.write_text(text)
    server.start()
    admin = server.login()
    wait_until(lambda: status(admin, "volume", volume) == "available", 30, "the volume to be well again")
    wait_until(lambda: status(admin, "snapshot", snapshot) == "available", 30, "its snapshot to be well again")
    assert admin.io(volume, "read -P 2 0 1M") and not server.quarantined()


@pytest.mark.parametrize("content", ["", "{", "{}", '{"version": 99}'])
def test_a_damaged_manifest_is_its_volumes_error_and_can_be_deleted(two, content):
    server, volume, snapshot, other = two
    server.stop()
    (server.store / "volumes" / f"{volume}.json").write_text(content)
    server.start()
    admin = server.login()
    wait_until(lambda: status(admin, "volume", volume) == "error", 30, "the volume to be in error")
    assert admin.io(other, "read -P 3 0 1M")
    admin.delete_volume(volume, cascade=True)
    assert f"{volume}.json" in {file.name for file in server.quarantined()}


def test_an_attached_volume_keeps_its_clients_and_is_in_error_once_detached(two):
    server, volume, _, _ = two
    admin = server.login()
    attachment, uri = admin.attach(volume)
    image = active(server, volume)
    server.kill()
    flip_magic(image)
    server.start()
    admin = server.login()
    wait_until(lambda: admin.call("GET", "/messages", None, 200, "3.3")["messages"], 30, "a message")
    assert status(admin, "volume", volume) == "in-use"
    admin.detach(attachment)
    wait_until(lambda: status(admin, "volume", volume) == "error", 30, "the volume to be in error")
    flip_magic(image)
    wait_until(lambda: status(admin, "volume", volume) == "available", 30, "the volume to be well again")
    assert admin.io(volume, "read -P 2 0 1M")


def test_damage_is_found_when_a_volume_is_opened(two):
    server, volume, snapshot, other = two
    admin = server.login()
    frozen = server.layer_files()[server.manifests()[volume]["snapshots"][snapshot]["layer"]]
    flip_magic(frozen)
    body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h"}}}
    assert "is damaged: layer" in fault(admin.request("POST", "/attachments", body, "3.54"), 500)
    wait_until(lambda: not admin.call("GET", "/attachments", mv="3.54")["attachments"], 30, "the attachment that was not made to go")
    for kind, id in (("volume", volume), ("snapshot", snapshot)):
        wait_until(lambda: status(admin, kind, id) == "error", 30, f"the {kind}'s damage")
        assert admin.call("GET", f"/messages?resource_uuid={id}", None, 200, "3.5")["messages"]
    assert admin.io(other, "read -P 3 0 1M")
    flip_magic(frozen)
    for kind, id in (("volume", volume), ("snapshot", snapshot)):
        wait_until(lambda: status(admin, kind, id) == "available", 30, f"the {kind} to be whole again")
    assert admin.io(volume, "read -P 2 0 1M")
    server.stop()


def test_stray_files_hinder_nobody(two):
    server, volume, _, _ = two
    server.stop()
    strays = [server.store / "volumes" / "notes.json", server.store / "volumes" / "x", server.store / "layers" / "copy.qcow2"]
    for stray in strays:
        stray.write_text("{")
    server.start()
    admin = server.login()
    assert admin.io(volume, "read -P 2 0 1M")
    assert all(stray.exists() for stray in strays)


def test_an_older_manifest_is_not_written_through(two):
    """Its active layer is one that a snapshot has by now."""
    server, volume, _, other = two
    admin = server.login()
    server.stop()
    manifest = server.store / "volumes" / f"{volume}.json"
    older = manifest.read_text()
    admin = server.start().login()
    later = admin.create_snapshot(volume)
    assert admin.io(volume, "write -P 9 0 1M")
    server.stop()
    newer = manifest.read_text()
    manifest.write_text(older)
    admin = server.start().login()
    wait_until(lambda: status(admin, "volume", volume) == "error", 30, "the damage")
    assert "older than its layers" in admin.call("GET", f"/volumes/{volume}/explain")["explanation"]["reason"]
    body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h"}}}
    assert admin.request("POST", "/attachments", body, "3.54").status_code >= 400
    assert admin.io(other, "read -P 3 0 1M")
    server.stop()
    manifest.write_text(newer)
    admin = server.start().login()
    for kind, id in (("volume", volume), ("snapshot", later)):
        wait_until(lambda: status(admin, kind, id) == "available", 30, f"the {kind} to be whole again")
    assert admin.io(volume, "read -P 9 0 1M")
    clone = admin.create_volume(snapshot_id=later)
    assert admin.io(clone, "read -P 2 0 1M")
    server.stop()


def test_a_header_that_has_lost_its_parent_is_damaged(two):
    server, volume, snapshot, _ = two
    server.stop()
    layer = active(server, volume)
    with open(layer, "r+b") as image:
        image.seek(8)
        offset = image.read(8)
        image.seek(8)
        image.write(bytes(8))
    admin = server.start().login()
    wait_until(lambda: status(admin, "volume", volume) == "error", 30, "the damage")
    assert status(admin, "snapshot", snapshot) == "available"
    with open(layer, "r+b") as image:
        image.seek(8)
        image.write(offset)
    wait_until(lambda: status(admin, "volume", volume) == "available", 30, "the volume to be whole again")
    assert admin.io(volume, "read -P 2 0 1M")
    server.stop()


def clone_that_shares(server, admin):
    """(source, clone): varved was killed before the clone had bytes of its own."""
    source = admin.create_volume()
    assert admin.io(source, "write -P 1 0 512M")
    snapshot = admin.create_snapshot(source)
    for _ in range(10):
        clone = admin.create_volume(snapshot_id=snapshot)
        server.kill()
        if server.manifests()[clone]["root"]:
            return source, clone
        admin = server.start().login()
    raise AssertionError("every clone was independent at once")


@pytest.mark.parametrize("how", ["unreadable", "lost"])
def test_what_a_volume_without_a_manifest_may_stand_on_stays(own_server, how):
    """Its layers say on what they stand, but cannot be read either."""
    server = own_server
    source, clone = clone_that_shares(server, server.start().login())
    manifest = server.store / "volumes" / f"{clone}.json"
    text = manifest.read_text()
    layer = server.layer_files()[json.loads(text)["active"]]
    bytes_of_layer = layer.read_bytes()
    if how == "unreadable":
        manifest.write_text(text[:20])
        layer.write_bytes(b"????" + bytes_of_layer[4:])
    else:
        manifest.unlink()
        server.start()
        wait_until(lambda: server.quarantined(), 30, "the layer to be set aside")
        server.stop()
        (server.store / "quarantine").rename(server.directory / "elsewhere")
    admin = server.start().login()
    admin.delete_volume(source, cascade=True)
    admin.delete_volume(admin.create_volume())
    server.stop()
    manifest.write_text(text)
    layer.write_bytes(bytes_of_layer)
    admin = server.start().login()
    admin.wait_volume(clone)
    assert admin.io(clone, "read -P 1 0 512M")
    # Nothing is unknown any more.
    invariants.settle(server)
    server.stop()


def test_volumes_of_a_pool_that_is_not_configured_are_listed(own_server):
    admin = own_server.add_pool("second").start().login()
    admin.call("POST", "/types", {"volume_type": {"name": "second", "extra_specs": {"volume_backend_name": "second"}}}, 200)
    volume = admin.create_volume(volume_type="second")
    own_server.stop()
    configured = own_server.options.pop()
    admin = own_server.start().login()
    wait_until(lambda: admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "error", 30, "the damage")
    (seen,) = admin.call("GET", "/volumes/detail")["volumes"]
    assert seen["os-vol-host-attr:host"] == "varve@second#second"
    assert "the pool second" in admin.call("GET", f"/volumes/{volume}/explain")["explanation"]["reason"]
    assert admin.request("GET", "/manageable_volumes?host=varve@qcow2%23default", mv="3.8").status_code == 200
    own_server.stop()
    own_server.options.append(configured)
    admin = own_server.start().login()
    wait_until(lambda: status(admin, "volume", volume) == "available", 30, "the end of the damage")
    own_server.stop()


@pytest.mark.parametrize("table, column", [("volumes", "status"), ("volumes", "metadata"), ("snapshots", "status"), ("snapshots", "metadata")])
def test_a_damaged_column_is_the_trouble_of_its_row(own_server, table, column):
    admin = own_server.start().login()
    volumes = [admin.create_volume() for _ in range(2)]
    snapshots = [admin.create_snapshot(volume) for volume in volumes]
    damaged = volumes[0] if table == "volumes" else snapshots[0]
    own_server.stop()
    with sqlite3.connect(own_server.store / "varve.db") as db:
        db.execute(f"UPDATE {table} SET {column} = ?  WHERE id = ?", ("}\x01{", damaged))
    db.close()
    admin = own_server.start().login()
    for path, key, wanted in (("/volumes/detail", "volumes", volumes), ("/snapshots/detail", "snapshots", snapshots)):
        assert {one["id"] for one in admin.call("GET", path)[key]} == set(wanted)
    shown = admin.call("GET", f"/{table}/{damaged}")[table[:-1]]
    assert shown["status"] == ("error" if column == "status" else "available")
    for snapshot in snapshots:
        admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
        admin.wait_gone(f"/snapshots/{snapshot}")
    for volume in volumes:
        admin.delete_volume(volume)
    invariants.settle(own_server)
    invariants.check(own_server)
    own_server.stop()


@pytest.mark.parametrize("harm", ["gone", "cut", "zeros"])
def test_what_cannot_be_read_does_not_take_the_place_of_what_can(own_server, harm):
    """A rollback to a snapshot whose file was harmed, which nobody knows yet: it fails, and the present bytes stay."""
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 1 0 8M")
    first = admin.create_snapshot(volume)
    assert admin.io(volume, "write -P 2 0 1M")
    second = admin.create_snapshot(volume)
    admin.rollback(volume, first)
    assert admin.io(volume, "write -P 3 0 4M")
    present = active(own_server, volume)
    harmed = own_server.layer_files()[own_server.manifests()[volume]["snapshots"][second]["layer"]]
    whole = harmed.read_bytes()
    if harm == "gone":
        harmed.unlink()
    else:
        harmed.write_bytes(whole[:70000] if harm == "cut" else bytes(4096) + whole[4096:])
    admin.action(volume, "revert", {"snapshot_id": second}, 202, mv="3.40")
    wait_until(lambda: status(admin, "snapshot", second) == "error", 30, "the damage to be told")
    wait_until(lambda: status(admin, "volume", volume) == "error_rollbacking", 30, "the rollback to fail")
    assert present.exists()
    harmed.write_bytes(whole)
    wait_until(lambda: status(admin, "snapshot", second) == "available", 30, "the snapshot to be whole")
    admin.rollback(volume, second)
    assert admin.io(volume, "read -P 2 0 1M", "read -P 1 1M 7M")
    own_server.stop()


@pytest.mark.parametrize("recovered", [False, True])
def test_a_manifest_of_before_an_extension_hides_nothing(own_server, recovered):
    admin = own_server.start().login()
    volume = admin.create_volume()
    path = own_server.store / "volumes" / f"{volume}.json"
    before = path.read_bytes()
    admin.action(volume, "os-extend", {"new_size": 2}, 202)
    admin.wait_volume(volume)
    assert admin.io(volume, "write -P 2 1536M 1M")
    own_server.stop()
    path.write_bytes(before)
    if recovered:
        recover(own_server)
    admin = own_server.start().login()
    snapshot = admin.create_snapshot(volume)
    assert admin.io(volume, "read -P 2 1536M 1M")
    admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    invariants.settle(own_server)
    assert admin.io(volume, "read -P 2 1536M 1M")
    own_server.stop()
    recover(own_server)
    admin = own_server.start().login()
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["size"] == 2
    assert doctor(own_server) == (0, {})
    own_server.stop()


def test_a_snapshot_is_not_said_to_be_deleted_while_its_manifest_is_away(two):
    server, volume, snapshot, _ = two
    server.stop()
    manifest = server.store / "volumes" / f"{volume}.json"
    manifest.rename(server.directory / "kept")
    admin = server.start().login()
    wait_until(lambda: status(admin, "snapshot", snapshot) == "error", 30, "the damage")
    admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    wait_until(lambda: status(admin, "snapshot", snapshot) == "error_deleting", 30, "the refusal")
    server.stop()
    (server.directory / "kept").rename(manifest)
    admin = server.start().login()
    wait_until(lambda: status(admin, "volume", volume) == "available", 30, "the volume to be well again")
    admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    admin.wait_gone(f"/snapshots/{snapshot}")
    admin.delete_volume(volume)
    server.stop()
