"""Volumes through the Cinder dialect: what is accepted, what is refused, what changes."""
import uuid

import pytest
from varve import fault, qemu_io


def test_create_shows_every_field(admin):
    made = admin.call("POST", "/volumes", {"volume": {"size": 2, "name": "n", "description": "d", "metadata": {"k": "v"}}}, 202)["volume"]
    assert made["status"] == "creating" and made["updated_at"] is None
    admin.wait_volume(made["id"])
    shown = admin.call("GET", f"/volumes/{made['id']}")["volume"]
    assert shown["size"] == 2 and shown["name"] == "n" and shown["description"] == "d"
    assert shown["metadata"] == {"k": "v"} and shown["bootable"] == "false" and shown["attachments"] == []
    assert shown["volume_type"] == "GPSSD" and shown["availability_zone"] == "az-1"
    assert shown["os-vol-tenant-attr:tenant_id"] == admin.project
    assert [link["rel"] for link in shown["links"]] == ["self", "bookmark"]


@pytest.mark.parametrize("body, word", [
    ({"size": 0}, "minimum"), ({"size": -1}, "minimum"), ({"size": "x"}, "integer"), ({"size": 1.5}, "integer"),
    ({"size": 99999999999}, "maximum"), ({"size": 40000}, "larger than the maximum"), ({}, "size"), ({"size": None}, "size"),
    ({"size": 1, "name": "n" * 256}, "255"), ({"size": 1, "metadata": {"k": 1}}, "k"),
    ({"size": 1, "metadata": {"k": "v" * 256}}, "255"), ({"size": 1, "availability_zone": "mars"}, "mars"),
    ({"size": 1, "snapshot_id": "x"}, "uuid"), ({"size": 1, "imageRef": str(uuid.uuid4())}, "image"),
    ({"size": 1, "multiattach": "maybe"}, "multiattach"),
])
def test_bad_creations_are_refused_and_nothing_is_made(admin, server, body, word):
    before = server.rows("SELECT COUNT(*) FROM volumes")
    assert word in fault(admin.request("POST", "/volumes", {"volume": body}), 400)
    assert server.rows("SELECT COUNT(*) FROM volumes") == before


@pytest.mark.parametrize("field, kind", [("snapshot_id", "Snapshot"), ("source_volid", "Volume")])
def test_an_unknown_source_is_not_found(admin, field, kind):
    unknown = str(uuid.uuid4())
    assert fault(admin.request("POST", "/volumes", {"volume": {"size": 1, field: unknown}}), 404) == f"{kind} {unknown} could not be found."


def test_an_unknown_type_is_not_found(admin):
    assert "nope" in fault(admin.request("POST", "/volumes", {"volume": {"size": 1, "volume_type": "nope"}}), 404)


def test_a_digit_string_is_a_size(admin):
    volume = admin.create_volume(size="1")
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["size"] == 1


def test_update_changes_what_is_given(admin):
    volume = admin.create_volume(name="a", description="d", metadata={"k": "v"})
    got = admin.call("PUT", f"/volumes/{volume}", {"volume": {"name": "b"}}, 200)["volume"]
    assert (got["name"], got["description"], got["metadata"]) == ("b", "d", {"k": "v"})
    got = admin.call("PUT", f"/volumes/{volume}", {"volume": {"metadata": {"x": "y"}}}, 200)["volume"]
    assert got["metadata"] == {"x": "y"}
    assert admin.request("PUT", f"/volumes/{volume}", {"volume": {}}).status_code == 200
    assert admin.request("PUT", f"/volumes/{volume}", {"volume": {}}, mv="3.53").status_code == 400
    assert "bogus" in fault(admin.request("PUT", f"/volumes/{volume}", {"volume": {"bogus": 1}}), 400)


def test_metadata_verbs(admin):
    volume = admin.create_volume(metadata={"k": "v"})
    path = f"/volumes/{volume}/metadata"
    assert admin.call("POST", path, {"metadata": {"a": "1"}}) == {"metadata": {"k": "v", "a": "1"}}
    assert admin.call("PUT", path, {"metadata": {"b": "2"}}) == {"metadata": {"b": "2"}}
    assert admin.call("PUT", path + "/b", {"meta": {"b": "3"}}) == {"meta": {"b": "3"}}
    assert admin.call("GET", path + "/b") == {"meta": {"b": "3"}}
    assert "mismatch" in fault(admin.request("PUT", path + "/b", {"meta": {"c": "3"}}), 400)
    assert admin.request("DELETE", path + "/b").status_code == 200
    assert "no metadata with key b" in fault(admin.request("DELETE", path + "/b"), 404)
    assert admin.call("GET", path) == {"metadata": {}}


def test_delete_refuses_a_volume_with_snapshots_unless_cascade(admin):
    volume = admin.create_volume()
    snapshot = admin.create_snapshot(volume)
    assert "1 snapshots" in fault(admin.request("DELETE", f"/volumes/{volume}"), 400)
    admin.delete_volume(volume, cascade=True)
    assert admin.request("GET", f"/snapshots/{snapshot}").status_code == 404


def test_delete_refuses_an_attached_volume(admin):
    volume = admin.create_volume()
    attachment, _ = admin.attach(volume)
    assert "in-use" in fault(admin.request("DELETE", f"/volumes/{volume}"), 400)
    admin.detach(attachment)
    admin.delete_volume(volume)


def test_extend_grows_and_refuses_the_rest(admin):
    volume = admin.create_volume(size=2)
    for size, word in [(2, "greater"), (1, "greater"), (40000, "maximum")]:
        assert word in fault(admin.request("POST", f"/volumes/{volume}/action", {"os-extend": {"new_size": size}}), 400)
    admin.action(volume, "os-extend", {"new_size": 3}, 202)
    admin.wait_volume(volume)
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["size"] == 3


def test_flags(admin):
    volume = admin.create_volume()
    admin.action(volume, "os-set_bootable", {"bootable": True}, 200)
    admin.action(volume, "os-update_readonly_flag", {"readonly": True}, 202)
    shown = admin.call("GET", f"/volumes/{volume}")["volume"]
    assert shown["bootable"] == "true" and shown["metadata"]["readonly"] == "True"
    body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h"}, "mode": "rw"}}
    assert "read-only" in fault(admin.request("POST", "/attachments", body, mv="3.54"), 400)


def test_retype_changes_the_type_and_its_quota(admin):
    volume = admin.create_volume(volume_type="SAS")
    admin.action(volume, "os-retype", {"new_type": "SSD", "migration_policy": "never"}, 202)
    admin.wait_volume(volume)
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["volume_type"] == "SSD"
    assert "same as original" in fault(admin.request("POST", f"/volumes/{volume}/action", {"os-retype": {"new_type": "SSD"}}), 400)


def test_reset_status_is_for_administrators(admin, member):
    volume = admin.create_volume()
    for status in ("error", "maintenance", "extending", "available"):
        admin.action(volume, "os-reset_status", {"status": status}, 202)
        assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == status
    assert "gone" in fault(admin.request("POST", f"/volumes/{volume}/action", {"os-reset_status": {"status": "gone"}}), 400)
    for bad in ({"status": "deleting"}, {"status": "in-use"}, {"attach_status": "maybe"}, {"migration_status": "maybe"}, {}, {"bogus": "x"}):
        refusal = fault(admin.request("POST", f"/volumes/{volume}/action", {"os-reset_status": bad}), 400)
        assert (list(bad) or ["status"])[0].split("_")[0] in refusal, refusal
    own = member.create_volume()
    assert member.request("POST", f"/volumes/{own}/action", {"os-reset_status": {"status": "error"}}).status_code == 403
    admin.delete_volume(volume)


def test_reset_to_detached_ends_the_attachments(admin):
    volume = admin.create_volume()
    _, uri = admin.attach(volume)
    admin.action(volume, "os-reset_status", {"status": "IN-USE", "attach_status": "attached"}, 202)
    assert qemu_io(uri, "read 0 64k")
    admin.action(volume, "os-reset_status", {"status": "available", "attach_status": "detached"}, 202)
    shown = admin.call("GET", f"/volumes/{volume}")["volume"]
    assert (shown["status"], shown["attachments"]) == ("available", []) and not qemu_io(uri, "read 0 64k")
    admin.delete_volume(volume)


def test_a_status_that_only_a_task_may_have_is_healed_at_the_next_start(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume()
    snapshot = admin.create_snapshot(volume)
    admin.action(volume, "os-reset_status", {"status": "extending"}, 202)
    admin.call("POST", f"/snapshots/{snapshot}/action", {"os-reset_status": {"status": "creating"}}, 202)
    own_server.restart()
    admin = own_server.login()
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "error"
    assert admin.call("GET", f"/snapshots/{snapshot}")["snapshot"]["status"] == "error"
    admin.call("DELETE", f"/volumes/{volume}?cascade=true", status=202)
    admin.wait_gone(f"/volumes/{volume}")


@pytest.mark.parametrize("body", [{}, {"a": 1, "b": 2}, {"os-nothing": {}}, {"os-extend": {}}, {"os-extend": None},
                                  {"os-extend": {"new_size": 2, "bogus": 1}}, {"revert": {"snapshot_id": "x"}}])
def test_bad_actions_are_refused(admin, body):
    volume = admin.create_volume()
    assert admin.request("POST", f"/volumes/{volume}/action", body).status_code == 400


def test_another_projects_volume_is_not_found(admin, member):
    volume = admin.create_volume()
    for method, path, body in [("GET", "", None), ("PUT", "", {"volume": {"name": "x"}}), ("DELETE", "", None),
                               ("POST", "/action", {"os-extend": {"new_size": 5}}), ("GET", "/metadata", None)]:
        assert "could not be found" in fault(member.request(method, f"/volumes/{volume}{path}", body), 404)
    assert fault(member.request("POST", "/snapshots", {"snapshot": {"volume_id": volume}}), 404)


def test_lists_page_filter_sort_and_count(own_server):
    admin = own_server.start().login()
    ids = [admin.create_volume(name=f"v{i}", metadata={"n": str(i)}) for i in range(5)]
    page = admin.call("GET", "/volumes?limit=2")
    assert [v["id"] for v in page["volumes"]] == ids[:2:-1]
    seen = [v["id"] for v in page["volumes"]]
    while "volumes_links" in page:
        url = page["volumes_links"][0]["href"]
        page = admin.session.get(url, timeout=30).json()
        seen += [v["id"] for v in page["volumes"]]
    assert seen == ids[::-1]
    names = lambda query, mv=None: [v["name"] for v in admin.call("GET", f"/volumes/detail?{query}", mv=mv)["volumes"]]
    assert names("sort=name:asc") == ["v0", "v1", "v2", "v3", "v4"]
    assert names("sort_key=name&sort_dir=desc&limit=2&offset=1") == ["v3", "v2"]
    assert names("name=v3") == ["v3"] and names("name=v") == []
    assert names("name~=v", "3.34") == ["v4", "v3", "v2", "v1", "v0"]
    assert names("metadata={'n': '2'}") == ["v2"] and names("status=available&size=1&bootable=false") != []
    assert names("status=error") == []
    counted = admin.call("GET", "/volumes?limit=1&with_count=true", mv="3.45")
    assert counted["count"] == 5 and len(counted["volumes"]) == 1
    assert admin.call("GET", "/volumes?limit=0")["volumes"] == []
    shown = admin.call("GET", f"/volumes/{ids[2]}")["volume"]
    assert names(f"created_at=gt:{shown['created_at']}", "3.60") == ["v4", "v3"]
    for query, word in [("limit=abc", "limit"), ("limit=-1", "limit"), ("offset=x", "offset"), ("sort=bogus", "bogus"),
                        ("sort=name:up", "up"), ("bootable=perhaps", "bootable"), ("created_at=gt:never", "created_at"),
                        ("metadata=x", "metadata"), ("sort=name&sort_key=id", "sort")]:
        assert word in fault(admin.request("GET", f"/volumes/detail?{query}", mv="3.60"), 400)
    assert fault(admin.request("GET", "/volumes?marker=nope"), 404) == "Volume nope could not be found."


def test_summary(own_server):
    admin = own_server.start().login()
    admin.create_volume(size=1, metadata={"k": "a"})
    admin.create_volume(size=2, metadata={"k": "b"})
    assert admin.call("GET", "/volumes/summary", mv="3.12") == {"volume-summary": {"total_count": 2, "total_size": 3}}
    got = admin.call("GET", "/volumes/summary", mv="3.36")["volume-summary"]
    assert got["metadata"] == {"k": ["a", "b"]}
    assert admin.request("GET", "/volumes/summary").status_code == 404


def test_quotas_hold_and_name_what_is_used(own_server):
    admin = own_server.start().login()
    path = f"/os-quota-sets/{admin.project}"
    admin.call("PUT", path, {"quota_set": {"volumes": 2, "gigabytes": 4, "snapshots": 1, "per_volume_gigabytes": 3}}, 200)
    volume = admin.create_volume(size=1)
    admin.call("PUT", path, {"quota_set": {"gigabytes": -1}}, 200)
    assert "VolumeSizeExceedsLimit" in fault(admin.request("POST", "/volumes", {"volume": {"size": 4}}), 413)
    admin.call("PUT", path, {"quota_set": {"gigabytes": 4}}, 200)
    message = fault(admin.request("POST", "/volumes", {"volume": {"size": 5}}), 413)
    assert "Requested 5G, quota is 4G and 1G has been consumed" in message
    snapshot = admin.create_snapshot(volume)
    assert "snapshots" in fault(admin.request("POST", "/snapshots", {"snapshot": {"volume_id": volume}}), 413)
    other = admin.create_volume(size=1)
    assert "volumes" in fault(admin.request("POST", "/volumes", {"volume": {"size": 1}}), 413)
    assert "3G has been consumed" in fault(admin.request("POST", f"/volumes/{other}/action", {"os-extend": {"new_size": 3}}), 413)
    use = admin.call("GET", path + "?usage=True")["quota_set"]
    assert use["volumes"] == {"limit": 2, "in_use": 2, "reserved": 0} and use["gigabytes"]["in_use"] == 3
    assert use["volumes_GPSSD"]["in_use"] == 2 and use["gigabytes_GPSSD"]["in_use"] == 3
    assert "bogus" in fault(admin.request("PUT", path, {"quota_set": {"bogus": 1}}), 400)
    admin.call("PUT", path, {"quota_set": {"volumes_SAS": 0}}, 200)
    admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    admin.wait_gone(f"/snapshots/{snapshot}")
    admin.delete_volume(other)
    assert "volumes_SAS" in fault(admin.request("POST", "/volumes", {"volume": {"size": 1, "volume_type": "SAS"}}), 413)
    admin.call("DELETE", path, None, 200)
    assert admin.call("GET", path)["quota_set"]["volumes"] == -1
    limits = admin.call("GET", "/limits")["limits"]["absolute"]
    assert limits["totalVolumesUsed"] == 1 and limits["totalGigabytesUsed"] == 1


def test_types_are_managed(admin, member):
    names = {t["name"] for t in admin.call("GET", "/types")["volume_types"]}
    assert {"SATA", "SAS", "GPSSD", "SSD", "ESSD"} <= names
    made = admin.call("POST", "/types", {"volume_type": {"name": "gold", "extra_specs": {"a": "b"}}}, 200)["volume_type"]
    assert "already exists" in fault(admin.request("POST", "/types", {"volume_type": {"name": "gold"}}), 409)
    path = f"/types/{made['id']}"
    assert admin.call("POST", path + "/extra_specs", {"extra_specs": {"c": "d"}}) == {"extra_specs": {"c": "d"}}
    assert admin.call("GET", path + "/extra_specs") == {"extra_specs": {"a": "b", "c": "d"}}
    assert admin.call("PUT", path + "/extra_specs/c", {"c": "e"}) == {"c": "e"}
    assert admin.request("DELETE", path + "/extra_specs/c").status_code == 202
    volume = admin.create_volume(volume_type="gold")
    assert "in use" in fault(admin.request("DELETE", path), 400)
    admin.delete_volume(volume)
    assert admin.request("DELETE", path).status_code == 202
    assert member.request("POST", "/types", {"volume_type": {"name": "x"}}).status_code == 403
    assert admin.call("GET", "/types/default")["volume_type"]["name"] == "GPSSD"
    for shown in member.call("GET", "/types")["volume_types"]:
        assert "RESKEY:availability_zones" in shown["extra_specs"] and "a" not in shown["extra_specs"]


def test_the_service_describes_itself(admin, member):
    assert admin.call("GET", "/os-availability-zone")["availabilityZoneInfo"][0]["zoneName"] == "az-1"
    binaries = {s["binary"] for s in admin.call("GET", "/os-services")["services"]}
    assert binaries == {"cinder-volume", "cinder-scheduler", "cinder-backup"}
    pool = admin.call("GET", "/scheduler-stats/get_pools?detail=true")["pools"][0]["capabilities"]
    assert pool["free_capacity_gb"] > 0
    assert member.request("GET", "/os-services").status_code == 403
    assert any(e["alias"] == "os-quota-sets" for e in admin.call("GET", "/extensions")["extensions"])
