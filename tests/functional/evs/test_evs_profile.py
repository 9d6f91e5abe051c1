"""api.profile = "evs": as strict as EVS, with its fields everywhere."""
import pytest
from evs import create_disk, native, refused
from varve import Server

BODY = {"availability_zone": "az-1", "volume_type": "SSD", "size": 10}


@pytest.fixture(scope="module")
def strict():
    made = Server(options=["api.profile=evs", 'volumes.availability_zones=["az-1","az-2"]'])
    yield made.start().login()
    made.stop()
    made.destroy()


def post(client, path, body):
    return client.request("POST", path, body, version="v2")


def test_a_data_disk_has_ten_gigabytes(strict):
    refused(post(strict, "/cloudvolumes", {"volume": {**BODY, "size": 9}}), 400, "EVS.1010")
    assert strict.create_volume(size=1)


def test_every_volume_shows_the_fields_of_evs(strict):
    disk = strict.create_volume(size=1)
    for shown in (strict.call("GET", f"/volumes/{disk}")["volume"], strict.call("GET", "/volumes/detail")["volumes"][0]):
        assert shown["service_type"] == "EVS" and shown["replication_status"] == "disabled" and shown["shareable"] is False


def test_seven_snapshots_of_a_disk(strict):
    disk = create_disk(strict)
    for _ in range(7):
        strict.create_snapshot(disk)
    assert strict.request("POST", "/snapshots", {"snapshot": {"volume_id": disk}}).status_code == 413


@pytest.mark.parametrize("source, target, allowed", [
    ("ESSD", "GPSSD", True), ("ESSD", "SAS", False), ("SSD", "ESSD", True), ("SSD", "SATA", False), ("GPSSD", "SSD", True),
    ("GPSSD", "SAS", False), ("SAS", "SSD", True), ("SAS", "SATA", False), ("SATA", "SAS", True)])
def test_which_type_may_become_which(strict, source, target, allowed):
    disk = create_disk(strict, volume_type=source)
    reply = post(strict, f"/volumes/{disk}/retype", {"os-retype": {"new_type": target}})
    if allowed:
        assert reply.status_code == 202, reply.text
    else:
        refused(reply, 400, "EVS.2087")


def test_a_disk_from_a_snapshot_is_like_its_source(strict):
    snapshot = strict.create_snapshot(create_disk(strict))
    body = {**BODY, "snapshot_id": snapshot}
    refused(post(strict, "/cloudvolumes", {"volume": {**body, "volume_type": "SAS"}}), 400, "EVS.2096")
    refused(post(strict, "/cloudvolumes", {"volume": {**body, "availability_zone": "az-2"}}), 400, "EVS.2054")
    assert create_disk(strict, snapshot_id=snapshot)


def test_a_type_is_offered_in_its_zones(strict):
    made = strict.call("POST", "/types", {"volume_type": {"name": "LOCAL", "extra_specs": {"RESKEY:availability_zones": "az-2"}}}, 200)
    assert made["volume_type"]["name"] == "LOCAL"
    refused(post(strict, "/cloudvolumes", {"volume": {**BODY, "volume_type": "LOCAL"}}), 400, "EVS.2071", "az-2")
    assert create_disk(strict, volume_type="LOCAL", availability_zone="az-2")


def test_a_shared_disk_in_use_is_not_extended(strict):
    disk = create_disk(strict, multiattach=True)
    attachment, _ = strict.attach(disk)
    refused(post(strict, f"/cloudvolumes/{disk}/action", {"os-extend": {"new_size": 20}}), 400, "EVS.1065")
    strict.detach(attachment)


def test_what_is_not_transferred(strict):
    offer = lambda disk: post(strict, "/os-volume-transfer", {"transfer": {"volume_id": disk, "name": "n"}})
    with_snapshot = create_disk(strict)
    strict.create_snapshot(with_snapshot)
    assert offer(with_snapshot).status_code == 400
    bootable = create_disk(strict)
    strict.action(bootable, "os-set_bootable", {"bootable": True}, 200)
    assert offer(bootable).status_code == 400
    assert offer(create_disk(strict)).status_code == 202


def test_a_snapshot_in_error_deleting_stays(strict):
    snapshot = strict.create_snapshot(create_disk(strict))
    strict.call("POST", f"/snapshots/{snapshot}/action", {"os-reset_status": {"status": "error_deleting"}}, 202)
    refused(strict.request("DELETE", f"/cloudsnapshots/{snapshot}", version="v2"), 400, "EVS.1047")
    strict.call("POST", f"/snapshots/{snapshot}/action", {"os-reset_status": {"status": "available"}}, 202)


@pytest.mark.parametrize("method, path", [
    ("POST", "/os-vendor-replications"), ("GET", "/os-vendor-replications"), ("GET", "/os-vendor-replications/x"),
    ("DELETE", "/os-vendor-replications/x"), ("POST", "/os-vendor-replication-consistency-groups"),
    ("GET", "/os-vendor-replication-consistency-groups"), ("GET", "/os-vendor-replication-consistency-groups/x"),
    ("PUT", "/os-vendor-replication-consistency-groups/x"), ("DELETE", "/os-vendor-replication-consistency-groups/x"),
    ("POST", "/os-vendor-replication-consistency-groups/x/action")])
def test_replication_is_refused_truthfully(strict, method, path):
    reply = native(strict, method, path, None, 501)
    assert "deprecated" in reply["notImplemented"]["message"]
