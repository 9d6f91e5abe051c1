"""Image files and given-up volumes are taken in; nothing is copied, nothing is lost."""
import contextlib
import json
import subprocess

import pytest
import requests
from varve import fault, wait_until

HOST = "varve@qcow2#default"
MV = "3.8"


def put_file(server, name, *arguments, pattern=None):
    path = server.store / "manageable" / name
    subprocess.run(["qemu-img", "create", "-q", *arguments[:-1], str(path), arguments[-1]], check=True, timeout=60)
    if pattern:
        subprocess.run(["qemu-io", "-c", f"write -P {pattern} 0 1M", str(path)], check=True, capture_output=True, timeout=60)
    return path


def manage(admin, reference, **fields):
    return admin.request("POST", "/manageable_volumes", {"volume": {"host": HOST, "ref": reference, **fields}}, MV)


def listed(admin, kind="volumes"):
    rows = admin.call("GET", f"/manageable_{kind}/detail?host={HOST.replace('#', '%23')}", mv=MV)[f"manageable-{kind}"]
    return {row["reference"]["source-name"]: row for row in rows}


def test_an_image_file_becomes_a_volume(admin, server):
    path = put_file(server, "disk.qcow2", "-f", "qcow2", "1500M", pattern=3)
    inode = path.stat().st_ino
    assert listed(admin)["disk.qcow2"]["safe_to_manage"] and listed(admin)["disk.qcow2"]["size"] == 2
    made = manage(admin, {"source-name": "disk.qcow2"}, name="taken", volume_type="SSD", metadata={"a": "b"}, bootable=True)
    assert made.status_code == 202, made.text
    volume = made.json()["volume"]["id"]
    admin.wait_volume(volume)
    view = admin.call("GET", f"/volumes/{volume}")["volume"]
    assert (view["name"], view["size"], view["volume_type"], view["bootable"]) == ("taken", 2, "SSD", "true")
    assert not path.exists() and inode in {p.stat().st_ino for p in server.layer_files().values()}
    assert admin.io(volume, "read -P 3 0 1M", "read -P 0 1M 2047M", "write -P 4 1900M 1M")
    admin.delete_volume(volume)


def test_a_volume_is_given_up_and_taken_back(admin):
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 5 0 1M")
    snapshot = admin.create_snapshot(volume)
    assert "dependent snapshots" in fault(admin.request("POST", f"/volumes/{volume}/action", {"os-unmanage": {}}), 400)
    admin.call("POST", f"/snapshots/{snapshot}/action", {"os-unmanage": {}}, 202)
    fault(admin.request("GET", f"/snapshots/{snapshot}"), 404)
    assert listed(admin, "snapshots")[f"snapshot-{snapshot}"]["safe_to_manage"]
    body = {"snapshot": {"volume_id": volume, "ref": {"source-name": f"snapshot-{snapshot}"}, "name": "again"}}
    again = admin.call("POST", "/manageable_snapshots", body, 202, MV)["snapshot"]["id"]
    admin.wait_snapshot(again)
    assert admin.io(volume, "write -P 6 0 1M")
    admin.rollback(volume, again)
    assert admin.io(volume, "read -P 5 0 1M")
    admin.call("DELETE", f"/snapshots/{again}", None, 202)
    admin.wait_gone(f"/snapshots/{again}")

    admin.action(volume, "os-unmanage", {}, 202)
    fault(admin.request("GET", f"/volumes/{volume}"), 404)
    made = manage(admin, {"source-id": volume}).json()["volume"]["id"]
    admin.wait_volume(made)
    assert made != volume and admin.io(made, "read -P 5 0 1M")
    assert listed(admin)[f"volume-{made}"]["cinder_id"] == made
    assert "managed already" in fault(manage(admin, {"source-name": f"volume-{made}"}), 400)
    admin.delete_volume(made)


def test_only_the_name_of_the_file_that_was_taken_is_removed(own_server):
    """varved was cut off in between, and there is another image of that name now."""
    admin = own_server.start({"VARVE_FAILPOINTS": "volume.adopt.after_manifest=kill"}).login()
    path = put_file(own_server, "disk.qcow2", "-f", "qcow2", "1G", pattern=3)
    with contextlib.suppress(requests.ConnectionError):
        manage(admin, {"source-name": "disk.qcow2"})
    own_server.process.wait(30)
    path.unlink()
    put_file(own_server, "disk.qcow2", "-f", "qcow2", "2G", pattern=4)
    admin = own_server.start().login()
    wait_until(lambda: [one["status"] for one in admin.call("GET", "/volumes/detail")["volumes"]] == ["available"], 30, "the volume")
    (volume,) = (one["id"] for one in admin.call("GET", "/volumes")["volumes"])
    assert path.exists() and admin.io(volume, "read -P 3 0 1M")
    other = manage(admin, {"source-name": "disk.qcow2"}).json()["volume"]["id"]
    admin.wait_volume(other)
    assert admin.io(other, "read -P 4 0 1M")
    own_server.stop()


@pytest.mark.parametrize("cascade", [False, True])
def test_a_snapshot_that_only_the_storage_knows_is_not_deleted_with_its_volume(admin, cascade):
    """It was given up, or the database is of an earlier day."""
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 5 0 1M")
    given_up, kept = admin.create_snapshot(volume), admin.create_snapshot(volume) if cascade else None
    admin.call("POST", f"/snapshots/{given_up}/action", {"os-unmanage": {}}, 202)
    admin.call("DELETE", f"/volumes/{volume}?cascade={cascade}", None, 202)
    admin.wait_volume(volume, "error_deleting")
    messages = admin.call("GET", "/messages", None, 200, "3.3")["messages"]
    told = [message["user_message"] for message in messages if message["resource_uuid"] == volume]
    assert len(told) == 1 and "an administrator can manage them" in told[0]
    assert given_up in json.dumps(admin.call("GET", f"/volumes/{volume}/explain"))
    if cascade:
        admin.wait_snapshot(kept, "error_deleting")

    body = {"snapshot": {"volume_id": volume, "ref": {"source-name": f"snapshot-{given_up}"}}}
    again = admin.call("POST", "/manageable_snapshots", body, 202, MV)["snapshot"]["id"]
    admin.wait_snapshot(again)
    rescued = admin.create_volume(snapshot_id=again)
    assert admin.io(rescued, "read -P 5 0 1M")
    admin.delete_volume(rescued)
    admin.delete_volume(volume, cascade=True)


@pytest.mark.parametrize("name, arguments, why", [
    ("raw.img", ["-f", "raw", "1M"], "no qcow2 image"),
    ("child.qcow2", ["-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw", "1M"], "backing file"),
    ("far.qcow2", ["-f", "qcow2", "-o", "data_file=/tmp/varve-foreign-data", "1M"], "another file"),
])
def test_what_cannot_be_taken_is_refused(admin, server, name, arguments, why):
    path = put_file(server, name, *arguments)
    assert why in listed(admin)[name]["reason_not_safe"]
    assert why in fault(manage(admin, {"source-name": name}), 400)
    assert path.exists()
    path.unlink()


def test_a_link_is_refused(admin, server):
    path = put_file(server, "elsewhere.qcow2", "-f", "qcow2", "1M").rename(server.directory / "elsewhere.qcow2")
    link = server.store / "manageable" / "link.qcow2"
    link.symlink_to(path)
    assert "is a link" in listed(admin)["link.qcow2"]["reason_not_safe"]
    assert "is a link" in fault(manage(admin, {"source-name": "link.qcow2"}), 400)
    link.unlink()


def test_a_file_larger_than_a_volume_may_be_is_refused(admin, server):
    path = put_file(server, "huge.qcow2", "-f", "qcow2", "1M")
    for size in (2**64 - 1, 2**64 - 512, 40000 << 30):
        with path.open("r+b") as image:
            image.seek(24)  # the virtual size (docs/interop/qcow2.txt of QEMU)
            image.write(size.to_bytes(8, "big"))
        assert fault(manage(admin, {"source-name": "huge.qcow2"}), 400) and path.exists()
    path.unlink()


def test_a_file_with_a_second_name_is_refused(admin, server):
    path = put_file(server, "two.qcow2", "-f", "qcow2", "1M")
    other = path.with_name("other.qcow2")
    other.hardlink_to(path)
    for name in ("two.qcow2", "other.qcow2"):
        assert "second name" in listed(admin)[name]["reason_not_safe"]
        assert "second name" in fault(manage(admin, {"source-name": name}), 400)
    other.unlink()
    made = manage(admin, {"source-name": "two.qcow2"}).json()["volume"]["id"]
    admin.wait_volume(made)
    admin.delete_volume(made)


@pytest.mark.parametrize("reference", [{"source-name": "../volumes/x"}, {"source-name": "/etc/passwd"}, {"source-name": ""}, {}, {"x": "y"}])
def test_bad_references_are_refused(admin, reference):
    fault(manage(admin, reference), 400)


def test_only_administrators_manage(admin, member):
    volume = member.create_volume()
    fault(manage(member, {"source-name": "x"}), 403)
    fault(member.request("POST", f"/volumes/{volume}/action", {"os-unmanage": {}}), 403)
    fault(member.request("GET", "/manageable_volumes?host=x", mv=MV), 403)
