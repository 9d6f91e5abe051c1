"""The directory of the storage daemons' sockets: one store's, found by whatever path, and made anew when it was emptied."""
import shutil
import subprocess

import pytest
from varve import BINARY, Server, qemu_io, wait_until


@pytest.fixture
def two_stores(tmp_path_factory):
    first, second = Server(), Server()
    for server in (first, second):
        server.options.append(f"store.run_directory={first.directory / 'r'}")
    yield first, second
    second.destroy()
    first.destroy()


def refusal(server):
    command = [str(BINARY), "serve", "-o", f"store.directory={server.store}", "-o", "http.port=0"]
    for option in server.options:
        command += ["-o", option]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    return done.stderr


def test_two_stores_do_not_share_a_run_directory(two_stores):
    first, second = two_stores
    admin = first.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert "run directory" in refusal(second)
    assert qemu_io(uri, "write -P 3 0 1M", "flush")
    first.stop()
    assert f"is that of the store {first.store}" in refusal(second)
    assert qemu_io(uri, "read -P 3 0 1M")
    # A store that was moved keeps it.
    shutil.rmtree(second.store)
    first.store.rename(second.store)
    admin = second.start().login()
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "in-use"
    assert qemu_io(uri, "read -P 3 0 1M")
    admin.detach(attachment)
    second.stop()


def test_a_store_is_known_by_whatever_path(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 3 0 1M", "flush")
    pid = own_server.storage_daemons()[volume]
    own_server.stop()
    real = own_server.directory / "real"
    own_server.store.rename(real)
    own_server.store.symlink_to(real)
    admin = own_server.start().login()
    assert "storage daemon adopted" in own_server.log()
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "in-use"
    assert qemu_io(uri, "read -P 3 0 1M")
    own_server.stop()
    own_server.store.unlink()
    real.rename(own_server.store)
    admin = own_server.start().login()
    assert own_server.storage_daemons()[volume] == pid
    admin.detach(attachment)
    admin.wait_volume(volume)
    assert admin.io(volume, "read -P 3 0 1M")
    own_server.stop()


@pytest.mark.parametrize("running", [False, True])
def test_an_emptied_run_directory_is_made_anew(own_server, running):
    """What cleans /run or /tmp does not ask."""
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 3 0 1M", "flush")
    pid = own_server.storage_daemons()[volume]
    if not running:
        own_server.stop()
    shutil.rmtree(own_server.store / "run")
    if running:
        own_server.kill()
    admin = own_server.start().login()
    wait_until(lambda: own_server.storage_daemons().get(volume) not in (None, pid), 60, "a new storage daemon")
    wait_until(lambda: qemu_io(uri, "read -P 3 0 1M"), 30, "the export")
    admin.detach(attachment)
    admin.wait_volume(volume)
    assert admin.io(volume, "read -P 3 0 1M")
    own_server.stop()
