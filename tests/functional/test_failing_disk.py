"""A disk answers every call with an I/O error for a while: what fails says so, nothing is taken for lost or for rubbish, and when
the disk is well again everything goes on without a restart."""
import os
import shutil
import signal
import threading
import time

import disks
import invariants
import pytest
import requests

from varve import Server, fault, qemu_io, wait_until


@pytest.fixture
def failing(own_server):
    disk = disks.FailingDisk(own_server)
    own_server.environment = disk.environment
    own_server.add_pool("second")
    yield own_server, disk
    disk.heal()


class Ground:
    """A volume of each kind in a pool, with bytes: detached with a snapshot, and attached."""

    def __init__(self, server, pool="qcow2"):
        self.server = server
        self.admin = server.login()
        self.admin.call("POST", "/types", {"volume_type": {"name": pool, "extra_specs": {"volume_backend_name": pool}}}, 200)
        self.detached, self.attached = (self.admin.create_volume(volume_type=pool) for _ in range(2))
        assert self.admin.io(self.detached, "write -P 1 0 1M", "flush")
        self.snapshot = self.admin.create_snapshot(self.detached)
        self.attachment, self.uri = self.admin.attach(self.attached)
        assert qemu_io(self.uri, "write -P 2 0 1M", "flush")

    def status(self, volume):
        return self.admin.call("GET", f"/volumes/{volume}")["volume"]["status"]

    def wait_status(self, volume, *statuses):
        wait_until(lambda: self.status(volume) in statuses, 60, f"one of {statuses}")

    def expect_whole(self):
        """No restart, no hand of a human: everything is there and can be worked with."""
        wait_until(lambda: qemu_io(self.uri, "read -P 2 0 1M"), 30, "the attached volume to be served")
        assert qemu_io(self.uri, "write -P 3 1M 1M", "flush")
        clone = self.admin.create_volume(snapshot_id=self.snapshot)
        for volume in (self.detached, clone):
            assert self.admin.io(volume, "read -P 1 0 1M")
        self.admin.detach(self.attachment)
        self.admin.wait_volume(self.attached)
        assert self.admin.io(self.attached, "read -P 2 0 1M", "read -P 3 1M 1M")
        invariants.settle(self.server)
        invariants.check(self.server)
        assert not self.server.quarantined()
        self.server.stop()
        invariants.check_images(self.server)


def test_a_failing_store_is_told_and_everything_goes_on_afterwards(failing):
    server, disk = failing
    ground = Ground(server.start())
    admin = ground.admin
    invariants.settle(server)
    for _ in range(5):  # what was read lately can be read without the disk
        assert requests.get(server.url + "/readyz", timeout=30).json()["ready"]
    disk.fail(server.store)
    for method, path, body in (("PUT", f"/volumes/{ground.detached}", {"volume": {"name": "x"}}), ("POST", "/volumes", {"volume": {"size": 1}})):
        message = fault(admin.request(method, path, body), 500)
        assert "its disk fails" in message and str(server.store) not in message
    assert not qemu_io(ground.uri, "read -P 2 0 1M")
    ready = requests.get(server.url + "/readyz", timeout=30)
    assert ready.status_code == 503 and not ready.json()["ready"], ready.text
    assert requests.get(server.url + "/healthz", timeout=30).status_code == 200
    disk.heal()
    wait_until(lambda: requests.get(server.url + "/readyz", timeout=30).json()["ready"], 15, "varved to be ready, asked for no change")
    admin.call("PUT", f"/volumes/{ground.detached}", {"volume": {"name": "y"}}, 200)
    ground.expect_whole()


def test_a_failing_pool_harms_no_other_and_everything_goes_on_afterwards(failing):
    server, disk = failing
    ground = Ground(server.start(), "second")
    admin = ground.admin
    other = admin.create_volume()
    assert admin.io(other, "write -P 7 0 1M")
    invariants.settle(server)
    disk.fail(server.pools[0])
    assert not qemu_io(ground.uri, "read -P 2 0 1M")
    failed = admin.call("POST", "/volumes", {"volume": {"size": 1, "snapshot_id": ground.snapshot}}, 202)["volume"]["id"]
    ground.wait_status(failed, "error")
    frozen = admin.call("POST", "/snapshots", {"snapshot": {"volume_id": ground.attached, "force": True}}, 202)["snapshot"]["id"]
    admin.wait_snapshot(frozen, "error")
    for resource in (failed, frozen):
        (message,) = admin.call("GET", f"/messages?resource_uuid={resource}", None, 200, "3.5")["messages"]
        assert str(server.pools[0]) not in message["user_message"] and "unknown" not in message["user_message"], message
    assert admin.io(other, "read -P 7 0 1M", "write -P 8 0 1M")
    admin.create_snapshot(other)
    disk.heal()
    admin.delete_volume(failed)
    admin.call("DELETE", f"/snapshots/{frozen}", None, 202)
    admin.wait_gone(f"/snapshots/{frozen}")
    ground.expect_whole()


def fail(server, disk):
    disk.fail(server.pools[0])


def unmount(server, disk):
    """What its mount point then is: another directory, empty."""
    server.pools[0].rename(server.pools[0].with_name("elsewhere"))
    server.pools[0].mkdir()


def heal(server, disk):
    disk.heal()


def mount(server, disk):
    assert not list(server.pools[0].iterdir()), "something was written where the disk is to be mounted"
    server.pools[0].rmdir()
    server.pools[0].with_name("elsewhere").rename(server.pools[0])


@pytest.mark.parametrize("break_it, mend_it, served", [(fail, heal, True), (unmount, mount, False)], ids=["failing", "not mounted"])
def test_a_start_while_a_pool_cannot_be_used_loses_nothing(failing, break_it, mend_it, served):
    server, disk = failing
    ground = Ground(server.start(), "second")
    admin = ground.admin
    other = admin.create_volume()
    assert admin.io(other, "write -P 7 0 1M")
    doomed = admin.create_volume(volume_type="second")
    more = admin.create_snapshot(ground.detached)
    assert admin.io(ground.detached, "write -P 4 2M 1M")
    invariants.settle(server)
    server.stop()
    if not served:
        for pid in server.storage_daemons().values():
            os.kill(pid, signal.SIGKILL)
    break_it(server, disk)
    ground.admin = admin = server.start().login()
    (_, pool) = requests.get(server.url + "/readyz", timeout=30).json()["pools"]
    assert pool["state"] == "unavailable"
    ground.wait_status(ground.detached, "error")
    assert "the pool second, which cannot be used now" in admin.call("GET", f"/volumes/{ground.detached}/explain")["explanation"]["reason"]
    assert admin.io(other, "read -P 7 0 1M", "write -P 8 0 1M")
    failed = admin.create_volume(volume_type="second", wait=False)
    ground.wait_status(failed, "error")
    (message,) = admin.call("GET", f"/messages?resource_uuid={failed}", None, 200, "3.5")["messages"]
    assert "not ready" in message["user_message"]
    assert admin.request("GET", "/manageable_volumes?host=varve@qcow2%23default", mv="3.8").status_code == 200
    for path in (f"/snapshots/{more}", f"/volumes/{doomed}"):
        admin.call("DELETE", path, None, 202)
        admin.wait_gone(path)
    mend_it(server, disk)
    ground.wait_status(ground.detached, "available")
    ground.wait_status(ground.attached, "in-use")
    assert requests.get(server.url + "/readyz", timeout=30).json()["pools"][1]["state"] == "ready"
    # What was deleted meanwhile goes when everything is seen at once.
    server.restart()
    ground.admin = server.login()
    assert ground.admin.io(ground.detached, "read -P 4 2M 1M")
    ground.admin.delete_volume(failed)
    ground.expect_whole()


def test_a_pool_that_is_unmounted_while_varved_runs_loses_nothing(failing):
    server, disk = failing
    ground = Ground(server.start(), "second")
    admin = ground.admin
    admin.detach(ground.attachment)
    admin.wait_volume(ground.attached)
    doomed = admin.create_volume(volume_type="second")
    more = admin.create_snapshot(ground.detached)
    assert admin.io(ground.detached, "write -P 4 2M 1M")
    invariants.settle(server)
    unmount(server, disk)
    assert requests.get(server.url + "/readyz", timeout=30).json()["pools"][1]["state"] == "unavailable"
    for path in (f"/snapshots/{more}", f"/volumes/{doomed}"):
        admin.call("DELETE", path, None, 202)
        admin.wait_gone(path)
    failed = admin.create_volume(volume_type="second", wait=False)
    ground.wait_status(failed, "error")
    mount(server, disk)
    wait_until(lambda: requests.get(server.url + "/readyz", timeout=30).json()["pools"][1]["state"] == "ready", 30, "the pool")
    admin.delete_volume(failed)
    ground.wait_status(ground.detached, "available")
    ground.attachment, ground.uri = admin.attach(ground.attached)
    assert admin.io(ground.detached, "read -P 1 0 1M", "read -P 4 2M 1M")
    ground.expect_whole()
    server.start()
    assert not server.quarantined()
    server.stop()


def test_a_pool_whose_disk_is_frozen_holds_up_neither_a_start_nor_an_end(own_server):
    with disks.small_disk(own_server.directory / "second") as disk:
        own_server.add_pool("second").options.append("qcow2.min_free_mib=0")
        ground = Ground(own_server.start(), "second")
        admin = ground.admin
        admin.detach(ground.attachment)
        admin.wait_volume(ground.attached)
        other = admin.create_volume()
        own_server.stop()
        disk.freeze()
        ground.admin = admin = own_server.start().login()
        assert requests.get(own_server.url + "/readyz", timeout=30).json()["pools"][1]["state"] == "unavailable"
        ground.wait_status(ground.detached, "error")
        assert admin.io(other, "write -P 8 0 1M")
        assert ground.status(ground.detached) == "error"
        own_server.stop()
        own_server.start()
        disk.thaw()
        ground.wait_status(ground.detached, "available")
        # While varved runs.
        disk.freeze()
        failed = [admin.create_volume(volume_type="second", wait=False) for _ in range(4)]
        for volume in failed:
            ground.wait_status(volume, "error")
        assert admin.io(other, "read -P 8 0 1M")
        doomed = admin.create_volume()
        admin.delete_volume(doomed)
        own_server.stop()
        disk.thaw()
        ground.admin = admin = own_server.start().login()
        for volume in failed:
            admin.delete_volume(volume)
        ground.attachment, ground.uri = admin.attach(ground.attached)
        ground.expect_whole()


def test_questions_about_a_pool_that_hangs_hold_up_nobody_else(failing):
    """Whatever asks the disk: readiness, pools, a directory of images, the choice of a pool."""
    server, disk = failing
    admin = server.start().login()
    second_type(admin)
    admin.call("POST", "/types", {"volume_type": {"name": "first", "extra_specs": {"volume_backend_name": "qcow2"}}}, 200)
    there, here = admin.create_volume(volume_type="second"), admin.create_volume()
    disk.hang(server.directory / "second")
    host = "host=varve@second%23second"
    paths = [server.url + "/readyz", admin.url("/scheduler-stats/get_pools?detail=true"),
             admin.url(f"/manageable_volumes/detail?{host}")]
    replies = {}

    def ask(path):
        headers = {"X-Auth-Token": admin.token, "OpenStack-API-Version": "volume 3.70"}
        replies[path] = requests.get(path, headers=headers, timeout=60)

    asking = [threading.Thread(target=ask, args=(path,)) for path in paths for _ in range(4)]
    for thread in asking:
        thread.start()
    # More than there are workers, each of which would look at every pool.
    made = [admin.create_volume(wait=False, volume_type="first") for _ in range(40)]
    for volume in made:
        admin.wait_volume(volume)
    for _ in range(20):
        started = time.monotonic()
        admin.call("GET", f"/volumes/{here}")
        admin.call("GET", f"/volumes/{here}/usage")
        assert time.monotonic() - started < 2
    for thread in asking:
        thread.join()
    assert [replies[path].status_code for path in paths] == [200, 200, 503]
    assert [pool["state"] for pool in replies[paths[0]].json()["pools"]] == ["ready", "unavailable"]
    admin.action(here, "os-retype", {"new_type": "second", "migration_policy": "on-demand"}, 202)
    disk.heal()
    admin.wait_volume(here)
    wait_until(lambda: requests.get(paths[0], timeout=60).json()["pools"][1]["state"] == "ready", 30, "the pool to be well")
    assert admin.io(there, "write -P 1 0 1M") and admin.io(here, "write -P 1 0 1M")


def test_an_end_does_not_wait_for_answers_that_nobody_waits_for(failing):
    server, disk = failing
    server.start().login()
    disk.hang(server.directory / "second")
    assert requests.get(server.url + "/readyz", timeout=30).status_code == 200
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 20
    disk.heal()
    assert server.start().login().create_volume()


def second_type(admin):
    admin.call("POST", "/types", {"volume_type": {"name": "second", "extra_specs": {"volume_backend_name": "second"}}}, 200)


def test_a_pool_of_another_store_is_left_alone(own_server):
    """As when a copy of a store is started with the configuration of the first."""
    admin = own_server.add_pool("second").start().login()
    second_type(admin)
    volume = admin.create_volume(volume_type="second")
    assert admin.io(volume, "write -P 1 0 1M")
    other = Server([f'qcow2.pools=["second={own_server.pools[0]}"]'])
    try:
        guest = other.start().login()
        assert "it belongs to the store" in other.log()
        second_type(guest)
        refused = guest.create_volume(volume_type="second", wait=False)
        guest.wait_volume(refused, "error")
        assert admin.io(volume, "read -P 1 0 1M", "write -P 2 0 1M")
        own_server.stop()
        other.stop()
        # The first store moves to where the other was; its pool goes with it.
        shutil.rmtree(other.store)
        own_server.store.rename(other.store)
        guest = other.start().login()
        assert guest.io(volume, "read -P 2 0 1M")
        other.stop()
    finally:
        other.destroy()


def test_a_start_on_a_failing_store_is_refused_and_loses_nothing(failing):
    server, disk = failing
    ground = Ground(server.start())
    invariants.settle(server)
    server.stop()
    disk.fail(server.store)
    server.start(wait=False)
    assert server.process.wait(60) != 0
    assert str(server.store) in server.log().splitlines()[-1]
    disk.heal()
    ground.admin = server.start().login()
    ground.expect_whole()
