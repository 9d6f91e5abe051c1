"""The disk of the store is full to the last byte: what frees space can still be written down, and nothing needs a restart."""
import contextlib
import os
import pathlib
import shutil
import subprocess

import invariants
import pytest
import requests
from disks import small_disk
from varve import Server, fault, wait_until


@pytest.fixture
def small():
    server = Server(options=["qcow2.min_free_mib=0"])
    with small_disk(server.store):
        yield server
        server.destroy()
    shutil.rmtree(server.directory, ignore_errors=True)


def fill(server):
    """Not one block is left for anybody."""
    with open(server.store / "filler", "ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"\xff" * size)
    assert os.statvfs(server.store).f_bavail == 0


def test_changes_go_on_when_the_disk_is_full(small):
    admin = small.start().login()
    volumes = [admin.create_volume(name=f"v{i}") for i in range(20)]
    attachment, _ = admin.attach(volumes[0])
    invariants.settle(small)
    fill(small)
    for i in range(3000):
        reply = admin.request("PUT", f"/volumes/{volumes[i % 20]}", {"volume": {"name": f"n{i}", "description": "d" * (i % 200)}})
        assert reply.status_code == 200, (i, reply.text)
    # Writing down a deletion and doing it needs nothing that is not there.
    for volume in volumes[1:]:
        admin.call("DELETE", f"/volumes/{volume}", None, 202)
        admin.wait_gone(f"/volumes/{volume}")
    assert small.process.poll() is None and "ran out" not in small.log()
    admin.detach(attachment)
    (small.store / "filler").unlink()
    admin.delete_volume(admin.create_volume())
    admin.delete_volume(volumes[0])
    invariants.settle(small)
    invariants.check(small)
    small.stop()


def test_a_database_that_cannot_grow_says_so_and_goes_on_when_it_can(small):
    """More rows than the reserve has room for; other changes are not harmed, and no restart is needed."""
    admin = small.start().login()
    volume = admin.create_volume(name="first")
    invariants.settle(small)
    fill(small)
    refused = None
    for i in range(700):
        metadata = {f"k{j}": f"{i}-{j}-" + "x" * 240 for j in range(120)}
        reply = admin.request("POST", "/volumes", {"volume": {"size": 1, "metadata": metadata}})
        if reply.status_code != 202:
            refused = reply
            break
    assert refused is not None
    assert "no space" in fault(refused, 500) and str(small.store) not in refused.text
    assert requests.get(small.url + "/readyz", timeout=30).status_code == 200
    admin.call("PUT", f"/volumes/{volume}", {"volume": {"name": "still"}})
    (small.store / "filler").unlink()
    wait_until(lambda: admin.request("POST", "/volumes", {"volume": {"size": 1, "metadata": {"k": "v" * 250}}}).status_code == 202, 30, "room again")
    small.restart()
    assert small.login().call("GET", f"/volumes/{volume}")["volume"]["name"] == "still"
    small.stop()


def test_a_read_only_file_system_is_told(small):
    admin = small.start().login()
    volume = admin.create_volume()
    invariants.settle(small)
    source = subprocess.run(["findmnt", "-n", "-o", "SOURCE", str(small.store)], capture_output=True, text=True, check=True).stdout.strip()
    trigger = pathlib.Path("/sys/fs/ext4") / source.rsplit("/", 1)[-1] / "trigger_fs_error"
    if not trigger.exists():
        pytest.skip("this kernel does not let an ext4 fail on demand")
    trigger.write_text("1")  # as a failing disk does: the file system becomes read-only
    message = fault(admin.request("PUT", f"/volumes/{volume}", {"volume": {"name": "x"}}), 503)
    assert "read-only" in message and str(small.store) not in message
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "available"
    assert small.process.poll() is None
    small.kill()
