"""Groups of volumes and snapshots of them at one point in time."""
import subprocess
import threading
import uuid

import pytest
from varve import fault, qemu_io, wait_until

MV = "3.70"


@pytest.fixture
def group(admin):
    body = {"group": {"group_type": "default_cgsnapshot_type", "volume_types": ["GPSSD"], "name": "g"}}
    return admin.call("POST", "/groups", body, 202, MV)["group"]["id"]


def member_volume(admin, group, **fields):
    made = admin.call("POST", "/volumes", {"volume": {"size": 1, "group_id": group, **fields}}, 202, MV)["volume"]
    assert made["group_id"] == group
    admin.wait_volume(made["id"])
    return made["id"]


def group_snapshot(admin, group):
    made = admin.call("POST", "/group_snapshots", {"group_snapshot": {"group_id": group, "name": "s"}}, 202, MV)["group_snapshot"]["id"]
    wait_until(lambda: admin.call("GET", f"/group_snapshots/{made}", mv=MV)["group_snapshot"]["status"] == "available", 30, "the group snapshot")
    return made


def volumes_of(admin, group):
    return {v["name"]: v for v in admin.call("GET", f"/volumes/detail?group_id={group}", mv=MV)["volumes"]}


def available(admin, group):
    wait_until(lambda: admin.call("GET", f"/groups/{group}", mv=MV)["group"]["status"] == "available", 30, "the group")


def test_a_group_is_snapshotted_copied_and_deleted(admin, group):
    for name, pattern in (("a", 1), ("b", 2)):
        assert admin.io(member_volume(admin, group, name=name), f"write -P {pattern} 0 1M")
    shown = admin.call("GET", f"/groups/{group}?list_volume=True", mv=MV)["group"]
    assert len(shown["volumes"]) == 2 and shown["status"] == "available"
    snapshot = group_snapshot(admin, group)
    parts = admin.call("GET", f"/snapshots/detail?group_snapshot_id={snapshot}", mv=MV)["snapshots"]
    assert len(parts) == 2 and all(p["group_snapshot_id"] == snapshot and p["status"] == "available" for p in parts)
    for volume in volumes_of(admin, group).values():
        assert admin.io(volume["id"], "write -P 9 0 1M")
    for source, patterns in (({"group_snapshot_id": snapshot}, {1, 2}), ({"source_group_id": group}, {9})):
        copy = admin.call("POST", "/groups/action", {"create-from-src": {"name": "copy", **source}}, 202, MV)["group"]["id"]
        available(admin, copy)
        copies = admin.call("GET", f"/volumes/detail?group_id={copy}", mv=MV)["volumes"]
        assert len(copies) == 2 and {v["status"] for v in copies} == {"available"}
        assert {p for v in copies for p in (1, 2, 9) if admin.io(v["id"], f"read -P {p} 0 1M")} == patterns
        admin.call("POST", f"/groups/{copy}/action", {"delete": {"delete-volumes": True}}, 202, MV)
        wait_until(lambda: admin.request("GET", f"/groups/{copy}", mv=MV).status_code == 404, 30, "the copy to go")
    assert "group snapshots" in fault(admin.request("POST", f"/groups/{group}/action", {"delete": {"delete-volumes": True}}, MV), 400)
    admin.call("DELETE", f"/group_snapshots/{snapshot}", None, 202, MV)
    wait_until(lambda: admin.request("GET", f"/group_snapshots/{snapshot}", mv=MV).status_code == 404, 30, "the snapshot to go")
    assert "delete-volumes" in fault(admin.request("POST", f"/groups/{group}/action", {"delete": {}}, MV), 400)
    admin.call("POST", f"/groups/{group}/action", {"delete": {"delete-volumes": True}}, 202, MV)
    wait_until(lambda: admin.request("GET", f"/groups/{group}", mv=MV).status_code == 404, 30, "the group to go")


def test_attached_volumes_are_snapshotted_at_one_point_in_time(admin, group):
    """A writer puts number n on the first volume, then on the second: in a snapshot the second is never ahead."""
    first, second = member_volume(admin, group), member_volume(admin, group)
    held = [admin.attach(first), admin.attach(second)]
    stop, counts = threading.Event(), [0]

    def write():
        number = 0
        while not stop.is_set():
            number = number % 250 + 1
            for _, uri in held:
                # The exports are away for moments: a write is repeated until it is done.
                while not stop.is_set() and not qemu_io(uri, f"write -P {number} 0 64k"):
                    pass
            counts[0] += 1
    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until(lambda: counts[0] > 3, 30, "the writer")
        snapshots = [group_snapshot(admin, group) for _ in range(4)]
    finally:
        stop.set()
        writer.join()
    for _, uri in held:
        assert qemu_io(uri, "read 0 64k")
    for attachment, _ in held:
        admin.detach(attachment)
    for snapshot in snapshots:
        values = {}
        for part in admin.call("GET", f"/snapshots/detail?group_snapshot_id={snapshot}", mv=MV)["snapshots"]:
            clone = admin.create_volume(snapshot_id=part["id"])
            attachment, uri = admin.attach(clone)
            out = admin.server.directory / "one"
            subprocess.run(["qemu-img", "dd", "-f", "raw", "-O", "raw", "bs=512", "count=1", f"if={uri}", f"of={out}"], check=True, timeout=60)
            values[part["volume_id"]] = out.read_bytes()[0]
            admin.detach(attachment)
        ahead = (values[first] - values[second]) % 250
        assert ahead in (0, 1), values


def test_membership_changes(admin, group):
    volume, loose = member_volume(admin, group), admin.create_volume()
    admin.call("PUT", f"/groups/{group}", {"group": {"name": "new", "add_volumes": loose, "remove_volumes": volume}}, 202, MV)
    shown = admin.call("GET", f"/groups/{group}?list_volume=True", mv=MV)["group"]
    assert shown["name"] == "new" and shown["volumes"] == [loose]
    assert "is not in group" in fault(admin.request("PUT", f"/groups/{group}", {"group": {"remove_volumes": volume}}, MV), 400)
    other = admin.create_volume(volume_type="SSD")
    assert "not supported by group" in fault(admin.request("PUT", f"/groups/{group}", {"group": {"add_volumes": other}}, MV), 400)
    assert "not supported by group" in fault(admin.request("POST", "/volumes", {"volume": {"size": 1, "group_id": group, "volume_type": "SSD"}}, MV), 400)
    fault(admin.request("PUT", f"/groups/{group}", {"group": {}}, MV), 400)
    fault(admin.request("POST", "/volumes", {"volume": {"size": 1, "group_id": str(uuid.uuid4())}}, MV), 404)


def test_bad_groups_are_refused(admin, group):
    def create(**fields):
        return admin.request("POST", "/groups", {"group": {"group_type": "default_cgsnapshot_type", "volume_types": ["GPSSD"], **fields}}, MV)
    fault(create(group_type="none"), 404)
    fault(create(volume_types=["none"]), 404)
    fault(create(volume_types=[]), 400)
    fault(create(volume_types="GPSSD"), 400)
    fault(create(availability_zone="mars"), 400)
    assert "is empty" in fault(admin.request("POST", "/group_snapshots", {"group_snapshot": {"group_id": group}}, MV), 400)
    fault(admin.request("POST", "/groups/action", {"create-from-src": {}}, MV), 400)
    fault(admin.request("GET", "/groups", mv="3.12"), 404)
    fault(admin.request("GET", "/group_snapshots", mv="3.13"), 404)


def test_groups_belong_to_their_project_and_have_a_quota(admin, group, member):
    fault(member.request("GET", f"/groups/{group}", mv=MV), 404)
    admin.call("PUT", f"/os-quota-sets/{member.project}", {"quota_set": {"groups": 0}})
    body = {"group": {"group_type": "default_cgsnapshot_type", "volume_types": ["GPSSD"]}}
    assert "GroupLimitExceeded" in fault(member.request("POST", "/groups", body, MV), 413)
    fault(member.request("POST", "/group_types", {"group_type": {"name": "x"}}, MV), 403)


@pytest.mark.parametrize("version", ["v3", "v2"])
def test_consistency_groups_are_groups(admin, version):
    def call(method, path, body=None, status=200):
        reply = admin.request(method, path, body, version=version)
        assert reply.status_code == status, reply.text
        return reply.json() if reply.text else None
    made = call("POST", "/consistencygroups", {"consistencygroup": {"name": "old", "volume_types": "GPSSD,SSD,"}}, 202)["consistencygroup"]
    group = made["id"]
    shown = admin.call("GET", f"/groups/{group}", mv=MV)["group"]
    assert shown["name"] == "old" and len(shown["volume_types"]) == 2
    body = {"volume": {"size": 1, "volume_type": "GPSSD", "consistencygroup_id": group}}
    volume = call("POST", "/volumes", body, 202)["volume"]
    assert volume["consistencygroup_id"] == group
    admin.wait_volume(volume["id"])
    (listed,) = [one for one in call("GET", "/volumes/detail")["volumes"] if one["id"] == volume["id"]]
    assert listed["consistencygroup_id"] == group
    assert admin.io(volume["id"], "write -P 1 0 64k")
    taken = call("POST", "/cgsnapshots", {"cgsnapshot": {"consistencygroup_id": group, "name": "s"}}, 202)["cgsnapshot"]["id"]
    wait_until(lambda: call("GET", f"/cgsnapshots/{taken}")["cgsnapshot"]["status"] == "available", 30, "the snapshot")
    assert {one["id"]: one["consistencygroup_id"] for one in call("GET", "/cgsnapshots/detail")["cgsnapshots"]}[taken] == group
    assert admin.io(volume["id"], "write -P 2 0 64k")
    both = {"consistencygroup-from-src": {"cgsnapshot_id": taken, "source_cgid": group}}
    assert "One of" in fault(admin.request("POST", "/consistencygroups/create_from_src", both, version=version), 400)
    copy = call("POST", "/consistencygroups/create_from_src", {"consistencygroup-from-src": {"cgsnapshot_id": taken}}, 202)["consistencygroup"]["id"]
    available(admin, copy)
    (one,) = admin.call("GET", f"/volumes?group_id={copy}", mv=MV)["volumes"]
    assert admin.io(one["id"], "read -P 1 0 64k")
    for id_, refusal in ((group, "group snapshots"), (copy, "delete-volumes")):
        assert refusal in fault(admin.request("POST", f"/consistencygroups/{id_}/delete", None, version=version), 400)
    call("DELETE", f"/cgsnapshots/{taken}", None, 202)
    wait_until(lambda: admin.request("GET", f"/cgsnapshots/{taken}").status_code == 404, 30, "the snapshot to go")
    for id_ in (group, copy):
        call("POST", f"/consistencygroups/{id_}/delete", {"consistencygroup": {"force": True}}, 202)
        wait_until(lambda: admin.request("GET", f"/consistencygroups/{id_}").status_code == 404, 30, "the group to go")
