"""cloudvolumes and os-vendor-volumes: disks in EVS's own calls."""
import re

import pytest
from evs import ZERO, create_disk, job, native, refused
from varve import wait_until

JOB_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
BODY = {"availability_zone": "az-1", "volume_type": "SSD", "size": 10}


@pytest.fixture
def disk(admin):
    made = create_disk(admin, name="one")
    yield made
    if admin.request("GET", f"/volumes/{made}").status_code == 200:
        job(admin, native(admin, "DELETE", f"/cloudvolumes/{made}")["job_id"])


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_a_disk_is_made_by_a_job(admin, version):
    reply = native(admin, "POST", "/cloudvolumes", {"volume": {**BODY, "name": "j", "description": "d"}}, version=version)
    assert list(reply) == ["job_id"]
    done = job(admin, reply["job_id"])
    assert done["job_type"] == "createVolume" and done["error_code"] is None and done["fail_reason"] is None
    assert JOB_TIME.match(done["begin_time"]) and JOB_TIME.match(done["end_time"]) and done["job_id"] == reply["job_id"]
    made = done["entities"]["volume_id"]
    shown = native(admin, "GET", f"/os-vendor-volumes/{made}", version=version)["volume"]
    assert (shown["name"], shown["description"], shown["size"], shown["volume_type"]) == ("j", "d", 10, "SSD")
    assert shown["service_type"] == "EVS" and shown["tags"] == {} and shown["bootable"] == "false"
    assert shown == native(admin, "GET", f"/cloudvolumes/{made}", version=version)["volume"]


def test_a_batch_is_one_job_with_sub_jobs_and_numbered_names(admin):
    reply = native(admin, "POST", "/cloudvolumes", {"volume": {**BODY, "name": "many", "count": 3}})
    done = job(admin, reply["job_id"])
    assert done["job_type"] == "batchCreateVolume" and done["job_id"] == reply["job_id"]
    parts = done["entities"]["sub_jobs"]
    assert [part["job_type"] for part in parts] == ["createVolume"] * 3
    assert {part["entities"]["name"] for part in parts} == {"many-0001", "many-0002", "many-0003"}
    assert done["end_time"] == max(part["end_time"] for part in parts)
    for part in parts:
        assert admin.call("GET", f"/volumes/{part['entities']['volume_id']}")["volume"]["status"] == "available"
        assert job(admin, part["job_id"]) == part


def test_a_batch_is_all_or_nothing(own_server):
    own_server.options.append("quotas.volumes=4")
    admin = own_server.start().login()
    reply = admin.request("POST", "/cloudvolumes", {"volume": {**BODY, "count": 5}}, version="v2")
    refused(reply, 400, "EVS.1034", "volume count exceeded volume count quota!")
    assert admin.call("GET", "/volumes")["volumes"] == []
    assert len(job(admin, native(admin, "POST", "/cloudvolumes", {"volume": {**BODY, "count": 4}})["job_id"])["entities"]["sub_jobs"]) == 4


@pytest.mark.parametrize("change, code", [
    ({"availability_zone": "nowhere"}, "EVS.1036"), ({"availability_zone": None}, "EVS.1036"),
    ({"volume_type": "TAPE"}, "EVS.2070"), ({"volume_type": 5}, "EVS.1020"), ({"volume_type": None}, "EVS.1020"),
    ({"size": 0}, "EVS.1010"), ({"size": "x"}, "EVS.1010"), ({"size": 40000}, "EVS.1010"), ({"size": None}, "EVS.1010"),
    ({"name": "n" * 256}, "EVS.1003"), ({"name": 5}, "EVS.1003"), ({"description": "d" * 256}, "EVS.1004"),
    ({"name": "n" * 251, "count": 2}, "EVS.1003"),
    ({"count": 0}, "EVS.1021"), ({"count": 101}, "EVS.1021"), ({"count": "many"}, "EVS.1021"),
    ({"backup_id": "x"}, "EVS.1006"), ({"backup_id": ZERO}, "EVS.1006"), ({"snapshot_id": "x"}, "EVS.2045"),
    ({"imageRef": "x"}, "EVS.2046"), ({"imageRef": ZERO}, "EVS.2046"),
    ({"imageRef": ZERO, "snapshot_id": ZERO}, "EVS.1016"), ({"imageRef": ZERO, "backup_id": ZERO}, "EVS.1016"),
    ({"shareable": "maybe"}, "EVS.1054"), ({"multiattach": "maybe"}, "EVS.1054"),
    ({"metadata": {"hw:passthrough": "x"}}, "EVS.1057"), ({"metadata": {"full_clone": "2"}}, "EVS.1063"),
    ({"metadata": {"__system__encrypted": "1"}}, "EVS.2041"), ({"metadata": {"__system__encrypted": "2"}}, "EVS.2041"),
    ({"tags": {"bad key": "v"}}, "EVS.1062"), ({"tags": {"k": "v" * 44}}, "EVS.1062"), ({"tags": {"k" * 37: "v"}}, "EVS.1062"),
    ({"tags": {f"k{i}": "v" for i in range(11)}}, "EVS.1061"), ({"tags": [1]}, "EVS.1062"),
    ({"surprise": 1}, "EVS.1052"),
])
def test_what_is_wrong_with_a_creation_is_said_and_nothing_is_made(admin, change, code):
    before = len(admin.call("GET", "/volumes")["volumes"])
    body = {key: value for key, value in {**BODY, **change}.items() if value is not None}
    refused(admin.request("POST", "/cloudvolumes", {"volume": body}, version="v2"), 400, code)
    assert len(admin.call("GET", "/volumes")["volumes"]) == before


@pytest.mark.parametrize("raw, code", [(b"{", "EVS.1052"), (b"", "EVS.1052"), (b"[]", "EVS.1052"), (b"{}", "EVS.1008"),
                                       (b'{"volume": 1}', "EVS.1008"), (b'{"volume": {}, "x": 1}', "EVS.1052")])
def test_broken_bodies(admin, raw, code):
    reply = admin.session.post(admin.url("/cloudvolumes", "v2"), data=raw, headers={"Content-Type": "application/json"}, timeout=30)
    refused(reply, 400, code)


def test_fractions_are_cut_off(admin):
    made = job(admin, native(admin, "POST", "/cloudvolumes", {"volume": {**BODY, "size": 12.9, "count": 1.5}})["job_id"])
    assert made["job_type"] == "createVolume" and made["entities"]["size"] == 12


def test_everything_that_a_disk_may_carry(admin):
    made = create_disk(admin, name="all", multiattach=True, tags={"team": "a_1", "x": ""}, dedicated_storage_id=ZERO,
                       enterprise_project_id="e-1", metadata={"hw:passthrough": "true", "mine": "1"})
    shown = native(admin, "GET", f"/os-vendor-volumes/{made}")["volume"]
    assert shown["multiattach"] is True and shown["shareable"] is True
    assert shown["tags"] == {"team": "a_1", "x": ""} and shown["metadata"] == {"hw:passthrough": "true", "mine": "1"}
    assert (shown["dedicated_storage_id"], shown["enterprise_project_id"]) == (ZERO, "e-1")
    assert re.match("^6[0-9a-f]{31}$", shown["wwn"]) and shown["serial_number"]


def test_a_disk_that_is_not_scsi_has_no_wwn(admin, disk):
    shown = native(admin, "GET", f"/os-vendor-volumes/{disk}")["volume"]
    assert shown["wwn"] is None and "serial_number" not in shown


def test_update_has_no_envelope_and_needs_something(admin, disk):
    got = native(admin, "PUT", f"/cloudvolumes/{disk}", {"volume": {"name": "new", "description": "text"}})
    assert (got["id"], got["name"], got["description"]) == (disk, "new", "text")
    assert got["os-vol-tenant-attr:tenant_id"] is None and got["os-vol-host-attr:host"] is None
    put = lambda body: admin.request("PUT", f"/cloudvolumes/{disk}", {"volume": body}, version="v2")
    refused(put({}), 400, "EVS.1007", "can not both be empty")
    refused(put({"name": None, "description": None}), 400, "EVS.1007")
    refused(put({"name": "n" * 256}), 400, "EVS.1003")
    refused(put({"description": 5}), 400, "EVS.1004")
    refused(put({"name": "x", "size": 5}), 400, "EVS.1052")
    refused(admin.request("PUT", f"/cloudvolumes/{disk}", {}, version="v2"), 400, "EVS.1001")
    assert native(admin, "GET", f"/cloudvolumes/{disk}")["volume"]["name"] == "new"


def test_extend_is_a_job(admin, disk):
    extend = lambda body, target=disk: admin.request("POST", f"/cloudvolumes/{target}/action", body, version="v2")
    done = job(admin, extend({"os-extend": {"new_size": 11}}).json()["job_id"])
    assert done["job_type"] == "extendVolume" and done["entities"] == {"volume_id": disk}
    assert native(admin, "GET", f"/cloudvolumes/{disk}")["volume"]["size"] == 11
    refused(extend({"os-extend": {"new_size": 11}}), 400, "EVS.1015")
    refused(extend({"os-extend": {"new_size": 5}}), 400, "EVS.1015")
    refused(extend({"os-extend": {"new_size": 40000}}), 400, "EVS.1010")
    refused(extend({"os-extend": {}}), 400, "EVS.1010")
    refused(extend({}), 400, "EVS.1011")
    refused(extend({"os-extend": {"new_size": 20}}, "x"), 400, "EVS.1002")
    refused(extend({"os-extend": {"new_size": 20}}, ZERO), 404, "EVS.5404")


def test_retype_is_a_job(admin, disk):
    retype = lambda name: admin.request("POST", f"/volumes/{disk}/retype", {"os-retype": {"new_type": name}}, version="v2")
    reply = retype("ESSD")
    assert reply.status_code == 202
    assert job(admin, reply.json()["job_id"])["job_type"] == "retypeVolume"
    assert native(admin, "GET", f"/cloudvolumes/{disk}")["volume"]["volume_type"] == "ESSD"
    refused(retype("ESSD"), 400, "EVS.2087")
    refused(retype("TAPE"), 400, "EVS.2070")


def test_deletion_takes_the_snapshots_along(admin, disk):
    snapshot = admin.create_snapshot(disk)
    done = job(admin, native(admin, "DELETE", f"/cloudvolumes/{disk}")["job_id"])
    assert done["job_type"] == "deleteVolume" and done["entities"] == {"volume_id": disk}
    assert admin.request("GET", f"/volumes/{disk}").status_code == 404
    assert admin.request("GET", f"/snapshots/{snapshot}").status_code == 404
    refused(admin.request("DELETE", f"/cloudvolumes/{disk}", version="v2"), 404, "EVS.5404")
    refused(admin.request("GET", f"/cloudvolumes/{disk}", version="v2"), 404, "EVS.5404")
    assert list(admin.request("GET", f"/os-vendor-volumes/{disk}", version="v2").json()) == ["itemNotFound"]


def test_an_attached_disk_is_not_deleted(admin, disk):
    attachment, _ = admin.attach(disk)
    refused(admin.request("DELETE", f"/cloudvolumes/{disk}", version="v2"), 400, "EVS.1046", disk, "in-use")
    admin.detach(attachment)


def test_a_disk_from_a_snapshot_loads_and_inherits(admin):
    source = create_disk(admin, metadata={"hw:passthrough": "true"})
    assert admin.io(source, "write -P 0x51 0 1M")
    snapshot = admin.create_snapshot(source)
    made = create_disk(admin, snapshot_id=snapshot, size=12)
    shown = native(admin, "GET", f"/os-vendor-volumes/{made}")["volume"]
    assert shown["snapshot_id"] == snapshot and shown["metadata"]["hw:passthrough"] == "true"
    assert admin.io(made, "read -P 0x51 0 1M")
    info = lambda: native(admin, "GET", f"/os-vendor-volumes/{made}/internal-info", version="v3")["info"]
    assert isinstance(info()["loading_progress"], int)
    wait_until(lambda: info() == {"loading_progress": 100}, 30, "the disk to be loaded")
    create = lambda **more: admin.request("POST", "/cloudvolumes", {"volume": {**BODY, "snapshot_id": snapshot, **more}}, version="v2")
    refused(create(size=5), 400, "EVS.1010")
    refused(create(metadata={"hw:passthrough": "true"}), 400, "EVS.1043")
    refused(create(snapshot_id=ZERO), 404, "EVS.5404")
    assert admin.request("GET", f"/os-vendor-volumes/{ZERO}/internal-info").status_code == 404


def test_a_failed_job_says_so(own_server):
    own_server.start(environment={"VARVE_FAILPOINTS": "volume.extend.before_resize=error"})
    admin = own_server.login()
    made = create_disk(admin)
    reply = native(admin, "POST", f"/cloudvolumes/{made}/action", {"os-extend": {"new_size": 20}})
    failed = job(admin, reply["job_id"], "FAIL")
    assert (failed["error_code"], failed["fail_reason"]) == ("EVS.2026", "volume is error_extending!")
    assert failed["end_time"]


def test_jobs_are_the_projects_own(admin, member):
    reply = native(admin, "POST", "/cloudvolumes", {"volume": BODY})
    job(admin, reply["job_id"])
    refused(member.request("GET", f"/jobs/{reply['job_id']}", version="v1"), 400, "Common.0011", "query job fail.")
    refused(admin.request("GET", f"/jobs/{ZERO}", version="v1"), 400, "Common.0011")


def test_another_project_in_the_path(admin):
    reply = admin.session.get(f"{admin.server.url}/v2/{'0' * 32}/cloudvolumes", timeout=30)
    refused(reply, 400, "EVS.0001", "invalid tenant id!")


def test_the_legacy_volume(admin, disk):
    shown = native(admin, "GET", f"/volumes/{disk}", version="v1")["volume"]
    assert (shown["id"], shown["display_name"], shown["display_description"], shown["size"]) == (disk, "one", None, 10)
    assert "name" not in shown and "links" not in shown and "updated_at" not in shown
    assert admin.request("GET", f"/volumes/{ZERO}", version="v1").json().keys() == {"itemNotFound"}
