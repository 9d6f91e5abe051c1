"""cloudsnapshots, and rollback."""
import pytest
from evs import ZERO, create_disk, native, refused
from varve import wait_until


@pytest.fixture(scope="module")
def disk(admin):
    return create_disk(admin, name="disk")


def create(admin, disk, **fields):
    made = native(admin, "POST", "/cloudsnapshots", {"snapshot": {"volume_id": disk, **fields}}, 202)["snapshot"]
    admin.wait_snapshot(made["id"])
    return made


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_the_life_of_a_snapshot(admin, disk, version):
    body = {"snapshot": {"name": "snap-001", "description": "Daily backup", "volume_id": disk, "force": False, "metadata": {}}}
    made = native(admin, "POST", "/cloudsnapshots", body, 202, version)["snapshot"]
    assert made["status"] == "creating" and made["volume_id"] == disk and made["size"] == 10
    admin.wait_snapshot(made["id"])
    path = f"/cloudsnapshots/{made['id']}"
    shown = native(admin, "GET", path, version=version)["snapshot"]
    assert shown["status"] == "available" and shown["os-extended-snapshot-attributes:progress"] == "100%"
    changed = native(admin, "PUT", path, {"snapshot": {"name": "n"}}, version=version)["snapshot"]
    assert (changed["name"], changed["description"]) == ("n", "Daily backup") and changed["updated_at"] > shown["created_at"]
    assert changed == admin.call("GET", f"/snapshots/{made['id']}")["snapshot"]
    assert native(admin, "DELETE", path, None, 202, version) is None
    admin.wait_gone(f"/snapshots/{made['id']}")
    refused(admin.request("GET", path, version=version), 404, "EVS.5404", made["id"])
    refused(admin.request("PUT", path, {"snapshot": {"name": "n"}}, version=version), 404, "EVS.5404")
    refused(admin.request("DELETE", path, version=version), 404, "EVS.5404")


def test_the_list_counts_and_pages(admin, disk):
    made = [create(admin, disk, name=f"l{i}")["id"] for i in range(3)]
    reply = native(admin, "GET", f"/cloudsnapshots/detail?volume_id={disk}&limit=2")
    assert reply["count"] == 3 and len(reply["snapshots"]) == 2 and reply["snapshots_links"][0]["rel"] == "next"
    assert all(one["service_type"] == "EVS" for one in reply["snapshots"])
    rest = native(admin, "GET", f"/cloudsnapshots/detail?volume_id={disk}&limit=2&marker={reply['snapshots'][-1]['id']}")
    assert {one["id"] for one in reply["snapshots"] + rest["snapshots"]} == set(made) and rest["count"] == 3
    assert [one["id"] for one in native(admin, "GET", "/cloudsnapshots/detail?name=l1")["snapshots"]] == [made[1]]
    assert native(admin, "GET", "/cloudsnapshots/detail?status=error")["count"] == 0


@pytest.mark.parametrize("path", ["/cloudsnapshots/{}/rollback", "/os-vendor-snapshots/{}/rollback"])
def test_rollback(admin, path):
    disk = create_disk(admin)
    assert admin.io(disk, "write -P 1 0 64k")
    snapshot = create(admin, disk)["id"]
    assert admin.io(disk, "write -P 2 0 64k")
    body = {"rollback": {"volume_id": disk, "name": "disk"}}
    assert native(admin, "POST", path.format(snapshot), body, 202) == {"rollback": {"volume_id": disk}}
    admin.wait_volume(disk)
    assert admin.io(disk, "read -P 1 0 64k")


def test_rollback_is_refused(admin, disk):
    other = create_disk(admin)
    snapshot = create(admin, disk)["id"]
    roll = lambda volume, target=snapshot: admin.request("POST", f"/cloudsnapshots/{target}/rollback",
                                                         {"rollback": {"volume_id": volume}}, version="v2")
    refused(roll(other), 400, "EVS.5400", disk)
    refused(roll(ZERO), 404, "EVS.5404")
    refused(roll(disk, ZERO), 404, "EVS.5404")
    attachment, _ = admin.attach(disk)
    refused(roll(disk), 400, "EVS.5400", "in-use")
    admin.detach(attachment)
    refused(admin.request("POST", f"/cloudsnapshots/{snapshot}/rollback", {"rollback": {}}, version="v2"), 400, "EVS.5400")


@pytest.mark.parametrize("prefix", ["autobk_snapshot_", "manualbk_snapshot_vbs_"])
def test_prefixes_of_the_system_are_refused(admin, disk, prefix):
    body = {"snapshot": {"volume_id": disk, "name": prefix + "x"}}
    refused(admin.request("POST", "/cloudsnapshots", body, version="v2"), 400, "EVS.1003", prefix)


def test_a_snapshot_that_is_busy_is_not_deleted(admin, disk):
    snapshot = create(admin, disk)["id"]
    admin.call("POST", f"/snapshots/{snapshot}/action", {"os-reset_status": {"status": "backing-up"}}, 202)
    refused(admin.request("DELETE", f"/cloudsnapshots/{snapshot}", version="v2"), 400, "EVS.1047", "backing-up")
    admin.call("POST", f"/snapshots/{snapshot}/action", {"os-reset_status": {"status": "available"}}, 202)


def test_a_broken_snapshot_makes_no_disk(admin, disk):
    snapshot = create(admin, disk)["id"]
    admin.call("POST", f"/snapshots/{snapshot}/action", {"os-reset_status": {"status": "error"}}, 202)
    body = {"volume": {"availability_zone": "az-1", "volume_type": "SSD", "size": 10, "snapshot_id": snapshot}}
    refused(admin.request("POST", "/cloudvolumes", body, version="v2"), 400, "EVS.2043", snapshot)
    admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    wait_until(lambda: admin.request("GET", f"/snapshots/{snapshot}").status_code == 404, 30, "the deletion")
