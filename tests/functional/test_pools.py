"""Several pools: types choose them, volumes move between them."""
import pytest
import invariants
from varve import Server, fault, qemu_io, wait_until

HOSTS = {"qcow2": "varve@qcow2#default", "second": "varve@second#second"}


@pytest.fixture(scope="module")
def server():
    made = Server().add_pool("second").start()
    admin = made.login()
    for backend in HOSTS:
        body = {"volume_type": {"name": backend, "extra_specs": {"volume_backend_name": backend}}}
        admin.call("POST", "/types", body, 200)
    yield made
    try:
        invariants.settle(made)
        invariants.check(made)
        made.stop()
        invariants.check_images(made)
    finally:
        made.destroy()


def host(admin, volume):
    return admin.call("GET", f"/volumes/{volume}")["volume"]["os-vol-host-attr:host"]


def in_second(server):
    return {path.stem for path in (server.pools[0] / "layers").glob("*.qcow2")}


def active(server, volume):
    return server.manifests()[volume]["active"]


@pytest.mark.parametrize("backend", HOSTS)
def test_a_type_chooses_its_pool(admin, server, backend):
    volume = admin.create_volume(volume_type=backend)
    assert host(admin, volume) == HOSTS[backend]
    assert (active(server, volume) in in_second(server)) == (backend == "second")
    snapshot = admin.create_snapshot(volume)
    assert host(admin, admin.create_volume(snapshot_id=snapshot)) == HOSTS[backend]
    pools = admin.call("GET", f"/scheduler-stats/get_pools?detail=true&volume_type={backend}", mv="3.35")["pools"]
    assert [p["name"] for p in pools] == [HOSTS[backend]]
    assert pools[0]["capabilities"]["volume_backend_name"] == backend and pools[0]["capabilities"]["allocated_capacity_gb"] >= 1


def test_a_clone_of_another_type_goes_to_its_pool(admin, server):
    volume = admin.create_volume(volume_type="qcow2")
    assert admin.io(volume, "write -P 1 0 1M")
    clone = admin.create_volume(source_volid=volume, volume_type="second")
    assert host(admin, clone) == HOSTS["second"]
    wait_until(lambda: not server.manifests()[clone]["root"], 60, "the clone to be independent")
    admin.delete_volume(volume)
    assert admin.io(clone, "read -P 1 0 1M")


@pytest.mark.parametrize("attached", [False, True])
def test_retype_moves_a_volume(admin, server, attached):
    volume = admin.create_volume(volume_type="qcow2")
    assert admin.io(volume, "write -P 1 0 8M")
    if attached:
        attachment, uri = admin.attach(volume)
        assert qemu_io(uri, "write -P 2 0 1M")
    refused = admin.request("POST", f"/volumes/{volume}/action", {"os-retype": {"new_type": "second"}})
    assert "migration_policy" in fault(refused, 400)
    admin.action(volume, "os-retype", {"new_type": "second", "migration_policy": "on-demand"}, 202)
    admin.wait_volume(volume, "in-use" if attached else "available")
    view = admin.call("GET", f"/volumes/{volume}")["volume"]
    assert view["migration_status"] == "success" and view["volume_type"] == "second"
    assert view["os-vol-host-attr:host"] == HOSTS["second"]
    commands = ["read -P 2 0 1M", "read -P 1 1M 7M"] if attached else ["read -P 1 0 8M"]
    if attached:
        assert qemu_io(uri, *commands, "write -P 3 8M 1M")
        admin.detach(attachment)
        commands.append("read -P 3 8M 1M")
    assert admin.io(volume, *commands)

    def moved():
        manifest = server.manifests()[volume]
        return not manifest["root"] and manifest["active"] in in_second(server)
    wait_until(moved, 60, "all bytes to be in the second pool")
    server.restart()
    assert server.login().io(volume, *commands)


def test_migrate_moves_a_volume_and_back(server):
    admin = server.login()
    volume = admin.create_volume(volume_type="GPSSD")
    assert admin.io(volume, "write -P 4 0 1M")
    first = host(admin, volume)
    other = next(h for h in HOSTS.values() if h != first)
    for target in (other, first):
        admin.action(volume, "os-migrate_volume", {"host": target, "force_host_copy": False, "lock_volume": False}, 202)
        wait_until(lambda: host(admin, volume) == target, 30, "the migration")
        assert admin.io(volume, "read -P 4 0 1M")
    for bad, status in ((first, 400), ("varve@none#none", 404)):
        fault(admin.request("POST", f"/volumes/{volume}/action", {"os-migrate_volume": {"host": bad}}), status)
    admin.create_snapshot(volume)
    assert "has snapshots" in fault(admin.request("POST", f"/volumes/{volume}/action", {"os-migrate_volume": {"host": other}}), 400)


def test_a_disabled_pool_takes_no_volumes(server):
    admin = server.login()
    admin.call("PUT", "/os-services/disable", {"host": "varve@second", "binary": "cinder-volume"}, 200)
    states = {s["host"]: s["status"] for s in admin.call("GET", "/os-services?binary=cinder-volume")["services"]}
    assert states == {"varve@qcow2": "enabled", "varve@second": "disabled"}
    volume = admin.create_volume(volume_type="second", wait=False)
    wait_until(lambda: admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "error", 30, "the refusal")
    assert host(admin, admin.create_volume(volume_type="GPSSD")) == HOSTS["qcow2"]
    admin.call("PUT", "/os-services/enable", {"host": "varve@second", "binary": "cinder-volume"}, 200)
    assert host(admin, admin.create_volume(volume_type="second")) == HOSTS["second"]
