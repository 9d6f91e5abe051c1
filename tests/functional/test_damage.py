"""Files that are lost, damaged or unreadable: a state of the volumes that need them, told to their owners, and never the end of the service."""
import pytest
from varve import wait_until


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
