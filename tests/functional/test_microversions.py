"""What each microversion brings is there from it on, and not before (or at every version, where the table says so)."""
import datetime
import re
import uuid

import pytest
from varve import ROOT, fault, wait_until

NONE = "00000000-0000-4000-8000-000000000000"
# Tested where the service that they need is.
ELSEWHERE = {1: "test_images.py", 46: "test_images.py", 68: "test_images.py"}


def mv(minor):
    return f"3.{minor}"


@pytest.fixture(scope="module")
def volume(admin):
    return admin.create_volume(name="shared", metadata={"k": "v"})


@pytest.fixture(scope="module")
def snapshot(admin, volume):
    return admin.create_snapshot(volume, name="shared", metadata={"k": "v"})


@pytest.fixture(scope="module")
def backup(admin, volume):
    return admin.create_backup(volume, name="shared")


@pytest.fixture(scope="module")
def group(admin):
    body = {"group": {"group_type": "default_cgsnapshot_type", "volume_types": ["GPSSD"], "name": "shared"}}
    group = admin.call("POST", "/groups", body, 202, "3.13")["group"]["id"]
    made = admin.call("POST", "/volumes", {"volume": {"size": 1, "group_id": group, "volume_type": "GPSSD"}}, 202, "3.13")["volume"]
    admin.wait_volume(made["id"])
    return group


@pytest.fixture(scope="module")
def group_snapshot(admin, group):
    made = admin.call("POST", "/group_snapshots", {"group_snapshot": {"group_id": group}}, 202, "3.14")["group_snapshot"]["id"]
    wait_until(lambda: admin.call("GET", f"/group_snapshots/{made}", mv="3.14")["group_snapshot"]["status"] == "available", 30, "the group snapshot")
    return made


def route_came(admin, minor, method, path, body=None, known=(200, 202, 204)):
    """404 for the path itself below, something else from there on. known: what the service answers."""
    before = admin.request(method, path, body, mv(minor - 1))
    assert before.status_code in (404, 405) and (before.status_code == 405 or "could not be found" in fault(before, 404))
    assert fault(before, before.status_code).startswith(("The resource could not be found", "The method")), before.text
    reply = admin.request(method, path, body, mv(minor))
    assert reply.status_code in known, reply.text
    return reply


def key_came(admin, minor, path, key, of):
    """The key is in the resource from there on."""
    def resource(version):
        found = admin.call("GET", path, None, 200, version)[of]
        return found[0] if isinstance(found, list) else found
    assert key not in resource(mv(minor - 1)) and key in resource(mv(minor))
    return resource(mv(minor))[key]


def same_at(admin, minor, path, of, **more):
    """Ids of a list, the same on both sides of a version that changed nothing here."""
    before, after = ([row["id"] for row in admin.call("GET", path, None, 200, version, **more)[of]] for version in (mv(minor - 1), mv(minor)))
    assert before == after
    return after


def test_3_2_bootable_filter(admin, volume):
    bootable = admin.create_volume()
    admin.action(bootable, "os-set_bootable", {"bootable": True}, 200)
    assert same_at(admin, 2, "/volumes?bootable=true", "volumes") == [bootable]
    assert bootable not in same_at(admin, 2, "/volumes?bootable=false", "volumes")
    admin.delete_volume(bootable)


def test_3_3_messages(admin):
    assert route_came(admin, 3, "GET", "/messages").json()["messages"] == []


def test_3_4_glance_metadata_filter(admin, volume):
    assert same_at(admin, 4, "/volumes?glance_metadata={'os':'none'}", "volumes") == []


def test_3_5_messages_paged(admin):
    assert same_at(admin, 5, "/messages?limit=1&sort=created_at:desc", "messages") == []


def test_3_6_empty_names_of_consistency_groups(admin):
    made = admin.call("POST", "/consistencygroups", {"consistencygroup": {"name": "n", "volume_types": "GPSSD"}}, 202)["consistencygroup"]["id"]
    path, emptied = f"/consistencygroups/{made}/update", {"consistencygroup": {"name": "", "description": ""}}
    assert "name" in fault(admin.request("PUT", path, emptied, mv(5)), 400)
    admin.call("PUT", path, emptied, 202, mv(6))
    assert admin.call("GET", f"/consistencygroups/{made}")["consistencygroup"]["name"] == ""
    admin.call("POST", f"/consistencygroups/{made}/delete", None, 202)


def test_3_7_clusters(admin):
    assert key_came(admin, 7, "/os-services", "cluster", "services") is None
    assert route_came(admin, 7, "GET", "/clusters").json() == {"clusters": []}
    assert "Cluster" in fault(route_came(admin, 7, "GET", "/clusters/c", known=(404,)), 404)


@pytest.mark.parametrize("kind", ["volumes", "snapshots"])
def test_3_8_manageable(admin, kind):
    assert f"manageable-{kind}" in route_came(admin, 8, "GET", f"/manageable_{kind}?host=varve@qcow2%23default").json()


def test_3_9_backup_update(admin, backup):
    shown = route_came(admin, 9, "PUT", f"/backups/{backup}", {"backup": {"name": "renamed"}}).json()["backup"]
    assert set(shown) == {"id", "name", "links"} and shown["name"] == "renamed"


def test_3_10_volumes_of_a_group(admin, group):
    assert len(same_at(admin, 10, f"/volumes?group_id={group}", "volumes")) == 1


def test_3_11_group_types(admin):
    assert route_came(admin, 11, "GET", "/group_types").json()["group_types"]


def test_3_12_summary(admin, volume):
    reply = admin.request("GET", "/volumes/summary", mv=mv(11))
    assert reply.status_code == 404
    assert admin.call("GET", "/volumes/summary", mv=mv(12))["volume-summary"]["total_count"] >= 1


def test_3_13_groups(admin, volume, group):
    route_came(admin, 13, "GET", f"/groups/{group}")
    assert key_came(admin, 13, f"/volumes/{volume}", "group_id", "volume") is None


def test_3_14_group_snapshots(admin, group, group_snapshot):
    route_came(admin, 14, "GET", f"/group_snapshots/{group_snapshot}")
    key_came(admin, 14, f"/groups/{group}", "group_snapshot_id", "group")
    route_came(admin, 14, "POST", "/groups/action", {"create-from-src": {"source_group_id": NONE}}, known=(404,))


def test_3_15_etag_of_metadata(admin):
    volume = admin.create_volume(metadata={"k": "v"})
    path = f"/volumes/{volume}/metadata"
    assert "ETag" not in admin.request("GET", path, mv=mv(14)).headers
    tag = admin.request("GET", path, mv=mv(15)).headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)

    def write(method, path, body, sent, version):
        return admin.request(method, path, body, version, headers={"If-Match": sent}).status_code
    changed = {"metadata": {"k": "w"}}
    assert write("PUT", path, changed, '"' + "0" * 32 + '"', mv(15)) == 412
    assert write("POST", path, changed, '"other", "another"', mv(15)) == 412
    assert write("PUT", path + "/k", {"meta": {"k": "w"}}, '"other"', mv(15)) == 412
    assert write("DELETE", path + "/k", None, '"other"', mv(15)) == 412
    assert admin.call("GET", path)["metadata"] == {"k": "v"}
    assert write("PUT", path, changed, f'"other", {tag}', mv(15)) == 200
    assert write("PUT", path, {"metadata": {"k": "x"}}, tag, mv(15)) == 412, "the tag is of what was before"
    tag = admin.request("GET", path, mv=mv(15)).headers["ETag"]
    assert write("PUT", path + "/k", {"meta": {"k": "y"}}, tag.strip('"'), mv(15)) == 200, "a tag without quotes"
    assert write("PUT", path + "/k", {"meta": {"k": "z"}}, "*", mv(15)) == 200
    assert write("PUT", path, {"metadata": {}}, '"other"', mv(14)) == 200, "ignored before"
    refusal = admin.request("PUT", path, changed, mv(15), headers={"If-Match": '"other"'})
    assert "If-Match" in fault(refusal, 412) and refusal.json()["computeFault"]["code"] == "EVS.5412"
    admin.delete_volume(volume)


def test_3_16_cluster_to_migrate_to(admin, volume):
    to_cluster = {"os-migrate_volume": {"cluster": "c"}}
    assert "Cluster" not in fault(admin.request("POST", f"/volumes/{volume}/action", to_cluster, mv(15)), 400)
    assert "Cluster c" in fault(admin.request("POST", f"/volumes/{volume}/action", to_cluster, mv(16)), 404)
    both = {"os-migrate_volume": {"cluster": "c", "host": "h"}}
    assert "One of the two" in fault(admin.request("POST", f"/volumes/{volume}/action", both, mv(16)), 400)
    managed = {"volume": {"cluster": "c", "ref": {"source-name": "n"}}}
    assert "Cluster c" in fault(admin.request("POST", "/manageable_volumes", managed, mv(16)), 404)


def test_3_17_cluster_of_manageable(admin):
    assert "the host or the cluster" in fault(admin.request("GET", "/manageable_volumes?cluster=c", mv=mv(16)), 400)
    assert "Cluster c" in fault(admin.request("GET", "/manageable_volumes?cluster=c", mv=mv(17)), 404)


def test_3_18_project_of_backups(admin, backup):
    assert key_came(admin, 18, f"/backups/{backup}", "os-backup-project-attr:project_id", "backup") == admin.project


def test_3_19_group_snapshots_are_reset(admin, group_snapshot):
    path = f"/group_snapshots/{group_snapshot}/action"
    route_came(admin, 19, "POST", path, {"reset_status": {"status": "error"}})
    admin.call("POST", path, {"reset_status": {"status": "available"}}, 202, mv(19))


def test_3_20_groups_are_reset(admin, group):
    path = f"/groups/{group}/action"
    assert admin.request("POST", path, {"reset_status": {"status": "error"}}, mv(19)).status_code == 404
    admin.call("POST", path, {"reset_status": {"status": "available"}}, 202, mv(20))


def test_3_21_provider_id(admin, member, volume):
    assert key_came(admin, 21, f"/volumes/{volume}", "provider_id", "volume") is None
    own = member.create_volume()
    assert "provider_id" not in member.call("GET", f"/volumes/{own}", mv=mv(21))["volume"]
    member.delete_volume(own)


def test_3_22_snapshots_by_metadata(admin, snapshot):
    assert same_at(admin, 22, "/snapshots?metadata={'k':'v'}", "snapshots") == [snapshot]
    assert same_at(admin, 22, "/snapshots?metadata={'k':'w'}", "snapshots") == []


def test_3_23_force_delete(admin):
    volume = admin.create_volume()
    admin.action(volume, "os-reset_status", {"status": "maintenance"}, 202)
    assert "status" in fault(admin.request("DELETE", f"/volumes/{volume}?force=True", mv=mv(22)), 400)
    admin.call("DELETE", f"/volumes/{volume}?force=True", None, 202, mv(23))
    admin.wait_gone(f"/volumes/{volume}")


def test_3_24_workers_cleanup(admin):
    assert set(route_came(admin, 24, "POST", "/workers/cleanup", {}).json()) == {"cleaning", "unavailable"}


def test_3_25_volumes_of_groups(admin, group):
    assert len(key_came(admin, 25, f"/groups/{group}?list_volume=True", "volumes", "group")) == 1


def test_3_26_failover_and_clusters(admin):
    refusal = route_came(admin, 26, "PUT", "/os-services/failover", {"host": "varve@qcow2"}, known=(400,))
    assert "replication" in fault(refusal, 400)
    for action in ("freeze", "thaw"):
        assert "cluster" in fault(admin.request("PUT", f"/os-services/{action}", {"cluster": "c"}, mv(25)), 400)
        assert "Cluster c" in fault(admin.request("PUT", f"/os-services/{action}", {"cluster": "c"}, mv(26)), 404)


def test_3_27_attachments(admin):
    assert route_came(admin, 27, "GET", "/attachments").json() == {"attachments": []}


def test_3_28_pools_by_name(admin):
    path = "/scheduler-stats/get_pools?name=nowhere"
    assert len(admin.call("GET", path, mv=mv(27))["pools"]) == 1
    assert admin.call("GET", path, mv=mv(28))["pools"] == []


def test_3_29_group_snapshots_filtered_and_sorted(admin, group, group_snapshot):
    assert same_at(admin, 29, f"/group_snapshots?group_id={group}&sort=created_at:asc&limit=1", "group_snapshots") == [group_snapshot]
    assert same_at(admin, 29, f"/group_snapshots?group_id={NONE}", "group_snapshots") == []


def test_3_30_snapshots_by_name(admin, volume, snapshot):
    other = admin.create_snapshot(volume, name="aaa")
    assert same_at(admin, 30, f"/snapshots?volume_id={volume}&sort=name:asc", "snapshots") == [other, snapshot]
    admin.call("DELETE", f"/snapshots/{other}", None, 202)
    admin.wait_gone(f"/snapshots/{other}")


@pytest.mark.parametrize("path", ["/volumes", "/snapshots", "/backups"])
def test_3_31_unknown_filters_are_refused(member, path):
    member.call("GET", f"{path}?bogus=1", None, 200, mv(30))
    assert "bogus" in fault(member.request("GET", f"{path}?bogus=1", mv=mv(31)), 400)


def test_3_32_log_levels(admin):
    assert route_came(admin, 32, "PUT", "/os-services/get-log", {}).json()["log_levels"]
    route_came(admin, 32, "PUT", "/os-services/set-log", {"level": "DEBUG"})


def test_3_33_resource_filters(admin):
    (filters,) = route_came(admin, 33, "GET", "/resource_filters?resource=volume").json()["resource_filters"]
    assert "status" in filters["filters"]


@pytest.mark.parametrize("path", ["/volumes?name~=hare", "/snapshots?name~=hare", "/groups?name~=hare"])
def test_3_34_parts_of_names(admin, volume, snapshot, group, path):
    of = path[1:].split("?")[0]
    nothing = path.replace("hare", "nothing")
    assert len(admin.call("GET", path, mv=mv(34))[of]) == 1 and admin.call("GET", nothing, mv=mv(34))[of] == []
    assert len(admin.call("GET", nothing, mv=mv(33))[of]) >= 1, "not a filter before: dropped"


def test_3_35_pools_of_a_type(admin):
    admin.call("POST", "/types", {"volume_type": {"name": "nowhere", "extra_specs": {"volume_backend_name": "nowhere"}}}, 200)
    path = "/scheduler-stats/get_pools?volume_type=nowhere"
    assert len(admin.call("GET", path, mv=mv(34))["pools"]) == 1
    assert admin.call("GET", path, mv=mv(35))["pools"] == []


def test_3_36_metadata_in_the_summary(admin, volume):
    assert key_came(admin, 36, "/volumes/summary", "metadata", "volume-summary") == {"k": ["v"]}


def test_3_37_backups_by_name(admin, backup):
    assert same_at(admin, 37, "/backups?sort=name:asc", "backups") == [backup]


def test_3_38_replication_of_groups(admin, group):
    assert key_came(admin, 38, f"/groups/{group}", "replication_status", "group") == "disabled"
    action = {"enable_replication": {}}
    assert admin.request("POST", f"/groups/{group}/action", action, mv(37)).status_code == 404
    assert "replication" in fault(admin.request("POST", f"/groups/{group}/action", action, mv(38)), 400)


def test_3_39_limits_of_a_project(admin, member):
    own = member.create_volume(size=3)
    used = [admin.call("GET", f"/limits?project_id={member.project}", mv=version)["limits"]["absolute"]["totalGigabytesUsed"] for version in (mv(38), mv(39))]
    assert used[1] == 3 != used[0]
    member.delete_volume(own)


def test_3_40_revert(admin, volume, snapshot):
    for version in (mv(39), mv(40)):
        admin.action(volume, "revert", {"snapshot_id": snapshot}, 202, version)
        admin.wait_volume(volume)


def test_3_41_users_of_snapshots(admin, snapshot):
    assert key_came(admin, 41, f"/snapshots/{snapshot}", "user_id", "snapshot")


def test_3_42_volumes_in_use_grow(admin):
    volume = admin.create_volume()
    attachment, _ = admin.attach(volume)
    for size, version in ((2, mv(41)), (3, mv(42))):
        admin.action(volume, "os-extend", {"new_size": size}, 202, version)
        admin.wait_volume(volume, "in-use")
    admin.detach(attachment)
    admin.delete_volume(volume)


def test_3_43_metadata_of_backups(admin, backup):
    assert key_came(admin, 43, f"/backups/{backup}", "metadata", "backup") == {}
    renamed = {"backup": {"metadata": {"k": "v"}}}
    assert admin.request("PUT", f"/backups/{backup}", renamed, mv(42)).status_code == 400
    admin.call("PUT", f"/backups/{backup}", renamed, 200, mv(43))
    assert admin.call("GET", f"/backups/{backup}", mv=mv(43))["backup"]["metadata"] == {"k": "v"}


def test_3_44_attachments_are_completed(admin):
    volume = admin.create_volume()
    body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h"}}}
    made = admin.call("POST", "/attachments", body, 200, mv(43))["attachment"]["id"]
    route_came(admin, 44, "POST", f"/attachments/{made}/action", {"os-complete": {}})
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "in-use"
    admin.detach(made)
    admin.delete_volume(volume)


@pytest.mark.parametrize("path", ["/volumes", "/snapshots", "/backups", "/volumes/detail"])
def test_3_45_counts(admin, volume, snapshot, backup, path):
    path += "?with_count=true&limit=1"
    assert "count" not in admin.call("GET", path, mv=mv(44)) and admin.call("GET", path, mv=mv(45))["count"] >= 1


def test_3_47_volumes_from_backups(admin, backup):
    body = {"volume": {"backup_id": backup, "size": 1}}
    plain = admin.call("POST", "/volumes", body, 202, mv(46))["volume"]["id"]
    restored = admin.call("POST", "/volumes", body, 202, mv(47))["volume"]["id"]
    for one in (plain, restored):
        admin.wait_volume(one, timeout=60)
    names = [admin.call("GET", f"/volumes/{one}")["volume"]["name"] for one in (plain, restored)]
    assert names == [None, "shared"], "only the second is of the backup"
    for one in (plain, restored):
        admin.delete_volume(one)


def test_3_48_shared_targets(admin, volume):
    assert key_came(admin, 48, f"/volumes/{volume}", "shared_targets", "volume") is False
    assert key_came(admin, 48, f"/volumes/{volume}", "service_uuid", "volume") is None


def test_3_49_backend_state(admin):
    assert key_came(admin, 49, "/os-services?binary=cinder-volume", "backend_state", "services") == "up"


def test_3_50_multiattach(admin):
    admin.call("POST", "/types", {"volume_type": {"name": "multi", "extra_specs": {"multiattach": "<is> True"}}}, 200)
    volume = admin.create_volume(volume_type="multi")
    multiattach = lambda: admin.call("GET", f"/volumes/{volume}", mv=mv(50))["volume"]["multiattach"]  # noqa: E731
    assert multiattach() is True
    held = [admin.attach(volume)[0] for _ in range(2)]
    retype = {"os-retype": {"new_type": "GPSSD", "migration_policy": "never"}}
    assert "multiattach" in fault(admin.request("POST", f"/volumes/{volume}/action", retype, mv(50)), 400)
    for one in held:
        admin.detach(one)
    for name, wanted in (("GPSSD", False), ("multi", True)):
        admin.action(volume, "os-retype", {"new_type": name, "migration_policy": "never"}, 202)
        admin.wait_volume(volume)
        assert multiattach() is wanted
    admin.delete_volume(volume)


def test_3_51_zone_of_backups(admin, volume):
    body = {"backup": {"volume_id": volume, "availability_zone": "az-1"}}
    assert "availability_zone" in fault(admin.request("POST", "/backups", body, mv(50)), 400)
    made = admin.call("POST", "/backups", body, 202, mv(51))["backup"]["id"]
    admin.wait_backup(made)
    admin.call("DELETE", f"/backups/{made}", None, 202)
    admin.wait_gone(f"/backups/{made}")


def test_3_52_types_by_extra_specs(admin):
    admin.call("POST", "/types", {"volume_type": {"name": "marked", "extra_specs": {"mark": "yes"}}}, 200)
    path = "/types?extra_specs={'mark':'yes'}"
    assert len(admin.call("GET", path, mv=mv(51))["volume_types"]) > 1
    assert [row["name"] for row in admin.call("GET", path, mv=mv(52))["volume_types"]] == ["marked"]


def test_3_53_strict_bodies(admin):
    body = {"volume": {"size": 1, "status": "creating"}}
    loose = admin.call("POST", "/volumes", body, 202, mv(52))["volume"]["id"]
    assert "status" in fault(admin.request("POST", "/volumes", body, mv(53)), 400)
    admin.wait_volume(loose)
    admin.call("PUT", f"/volumes/{loose}", {"volume": {}}, 200, mv(52))
    assert admin.request("PUT", f"/volumes/{loose}", {"volume": {}}, mv(53)).status_code == 400
    admin.delete_volume(loose)


def test_3_54_mode_of_attachments(admin):
    volume = admin.create_volume()
    body = {"attachment": {"volume_uuid": volume, "mode": "ro"}}
    assert "mode" in fault(admin.request("POST", "/attachments", body, mv(53)), 400)
    made = admin.call("POST", "/attachments", body, 200, mv(54))["attachment"]
    assert made["attach_mode"] == "ro"
    admin.detach(made["id"])
    admin.delete_volume(volume)


def offer(admin, volume, minor, path="/volume-transfers"):
    return admin.call("POST", path, {"transfer": {"volume_id": volume, "name": "t"}}, 202, mv(minor))["transfer"]["id"]


def test_3_55_transfers_with_snapshots(admin):
    volume = admin.create_volume()
    route_came(admin, 55, "GET", "/volume-transfers")
    made = offer(admin, volume, 55)
    assert admin.call("GET", f"/volume-transfers/{made}", mv=mv(55))["transfer"]["no_snapshots"] is False
    admin.call("DELETE", f"/volume-transfers/{made}", None, 202, mv(55))
    admin.delete_volume(volume)


def test_3_56_users_of_backups(admin, backup):
    assert key_came(admin, 56, f"/backups/{backup}", "user_id", "backup")


def test_3_57_projects_of_transfers(admin):
    volume = admin.create_volume()
    made = offer(admin, volume, 57)
    assert key_came(admin, 57, f"/volume-transfers/{made}", "source_project_id", "transfer") == admin.project
    assert key_came(admin, 57, f"/volume-transfers/{made}", "accepted", "transfer") is False
    admin.call("DELETE", f"/volume-transfers/{made}", None, 202, mv(57))
    admin.delete_volume(volume)


def test_3_58_projects_of_groups(admin, group, group_snapshot):
    assert key_came(admin, 58, f"/groups/{group}", "project_id", "group") == admin.project
    assert key_came(admin, 58, f"/group_snapshots/{group_snapshot}", "project_id", "group_snapshot") == admin.project


def test_3_59_transfers_are_paged(admin):
    volumes = [admin.create_volume() for _ in range(2)]
    first, second = (offer(admin, volume, 59) for volume in volumes)
    assert same_at(admin, 59, "/volume-transfers?limit=1&sort=created_at:asc", "transfers") == [first]
    assert same_at(admin, 59, f"/volume-transfers?limit=1&sort=created_at:asc&marker={first}", "transfers") == [second]
    for made, volume in zip((first, second), volumes):
        admin.call("DELETE", f"/volume-transfers/{made}", None, 202, mv(59))
        admin.delete_volume(volume)


def test_3_60_time_filters(admin, volume):
    year = datetime.datetime.now(datetime.timezone.utc).year
    assert same_at(admin, 60, f"/volumes?created_at=lt:{year - 1}-01-01T00:00:00", "volumes") == []
    assert volume in same_at(admin, 60, f"/volumes?created_at=gte:{year - 1}-01-01T00:00:00,lt:{year + 2}-01-01T00:00:00", "volumes")


def test_3_61_cluster_name(admin, volume):
    assert key_came(admin, 61, f"/volumes/{volume}", "cluster_name", "volume") is None


def test_3_62_default_types(admin):
    def ask(version):
        return admin.session.get(admin.server.url + "/v3/default-types", headers={"OpenStack-API-Version": f"volume {version}"}, timeout=30)
    assert ask(mv(61)).status_code == 404
    assert ask(mv(62)).json() == {"default_types": []}


def test_3_63_type_ids(admin, volume):
    assert uuid.UUID(key_came(admin, 63, f"/volumes/{volume}", "volume_type_id", "volume"))


def test_3_64_encryption_keys(admin):
    made = admin.call("POST", "/types", {"volume_type": {"name": "sealed"}}, 200)["volume_type"]["id"]
    admin.call("POST", f"/types/{made}/encryption", {"encryption": {"provider": "luks", "control_location": "back-end"}}, 200)
    volume = admin.create_volume(volume_type="sealed")
    assert uuid.UUID(key_came(admin, 64, f"/volumes/{volume}", "encryption_key_id", "volume"))
    admin.delete_volume(volume)


@pytest.mark.parametrize("kind", ["volume", "snapshot"])
def test_3_65_quota(admin, volume, snapshot, kind):
    assert key_came(admin, 65, f"/{kind}s/{volume if kind == 'volume' else snapshot}", "consumes_quota", kind) is True
    assert admin.call("GET", f"/{kind}s?consumes_quota=False", mv=mv(65))[f"{kind}s"] == []
    assert admin.call("GET", f"/{kind}s?consumes_quota=true", mv=mv(65))[f"{kind}s"] != []
    assert "consumes_quota" in fault(admin.request("GET", f"/{kind}s?consumes_quota=maybe", mv=mv(65)), 400)


def test_3_66_snapshots_without_force(admin):
    volume = admin.create_volume()
    for version in (mv(65), mv(66)):
        made = admin.call("POST", "/snapshots", {"snapshot": {"volume_id": volume, "name": version}}, 202, version)["snapshot"]["id"]
        admin.wait_snapshot(made)
    refused = {"snapshot": {"volume_id": volume, "force": False}}
    admin.wait_snapshot(admin.call("POST", "/snapshots", refused, 202, mv(65))["snapshot"]["id"])
    assert "force" in fault(admin.request("POST", "/snapshots", refused, mv(66)), 400)
    admin.delete_volume(volume, cascade=True)


@pytest.mark.parametrize("profile, before", [("open", 202), ("evs", 202), ("cinder", 400)])
def test_3_66_of_volumes_in_use(own_server, profile, before):
    """EVS has never wanted force for these; the profile cinder is to the letter."""
    own_server.options.append(f"api.profile={profile}")
    admin = own_server.start().login()
    volume = admin.create_volume(size=10)
    attachment, _ = admin.attach(volume)
    plain, forced = {"snapshot": {"volume_id": volume}}, {"snapshot": {"volume_id": volume, "force": True}}
    for body, version, status in ((plain, mv(65), before), (forced, mv(65), 202), (plain, mv(66), 202)):
        reply = admin.request("POST", "/snapshots", body, version)
        assert reply.status_code == status, reply.text
        if status == 202:
            admin.wait_snapshot(reply.json()["snapshot"]["id"])
        else:
            assert "must be available" in fault(reply, 400)
    admin.detach(attachment)


def test_3_67_no_project_in_the_url(admin, volume):
    def ask(version):
        return admin.session.get(f"{admin.server.url}/v3/volumes/{volume}", headers={"OpenStack-API-Version": f"volume {version}"}, timeout=30)
    assert ask(mv(66)).status_code in (400, 404)
    assert ask(mv(67)).json()["volume"]["id"] == volume


def test_3_69_shared_targets_may_be_null(admin, volume):
    assert admin.call("GET", f"/volumes/{volume}", mv=mv(68))["volume"]["shared_targets"] is False
    assert admin.call("GET", f"/volumes/{volume}", mv=mv(69))["volume"]["shared_targets"] is None


@pytest.mark.parametrize("version", [mv(69), mv(70)])
def test_3_70_encrypted_volumes_are_transferred(admin, version):
    volume = admin.create_volume(metadata={"__system__encrypted": "1", "__system__cmkid": str(uuid.uuid4())})
    made = admin.call("POST", "/volume-transfers", {"transfer": {"volume_id": volume, "name": "t"}}, 202, version)["transfer"]["id"]
    admin.call("DELETE", f"/volume-transfers/{made}", None, 202, version)
    admin.delete_volume(volume)


def test_each_microversion_has_its_test_and_its_row(admin):
    highest = admin.session.get(admin.server.url + "/v3/", timeout=30).json()["versions"][0]["version"]
    present = {int(found) for name in globals() for found in re.findall(r"^test_3_(\d+)_", name)} | set(ELSEWHERE)
    assert present == set(range(1, int(highest.split(".")[1]) + 1))
    table = (ROOT / "docs/compatibility/cinder.md").read_text().split("## Microversions")[1]
    rows = {int(minor) for cell in re.findall(r"^\| ([0-9., ]+) \|", table, re.M) for minor in re.findall(r"3\.(\d+)", cell)}
    assert rows == present
    for minor, name in ELSEWHERE.items():
        assert f'"{mv(minor)}"' in (ROOT / "tests/functional" / name).read_text(), name
