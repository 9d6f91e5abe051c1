"""Attachments, and the older volume actions that do the same."""
import os
import signal
import uuid

import invariants
from varve import fault, qemu_io, wait_until


def status(admin, volume):
    return admin.call("GET", f"/volumes/{volume}")["volume"]["status"]


def test_reserve_connect_complete_delete(admin, server):
    volume, instance = admin.create_volume(), str(uuid.uuid4())
    made = admin.call("POST", "/attachments", {"attachment": {"volume_uuid": volume, "instance_uuid": instance}}, 200, "3.27")["attachment"]
    assert (made["status"], made["instance"], status(admin, volume)) == ("reserved", instance, "reserved")
    assert made["connection_info"] == {}
    assert volume not in server.storage_daemons()
    path = f"/attachments/{made['id']}"
    connected = admin.call("PUT", path, {"attachment": {"connector": {"host": "h", "mountpoint": "/dev/vdb"}}}, 200, "3.27")["attachment"]
    info = connected["connection_info"]
    assert info["driver_volume_type"] == "nbd" and info["uri"].startswith("nbd+unix:///") and info["read_only"] is False
    assert (connected["status"], status(admin, volume)) == ("attaching", "attaching")
    assert qemu_io(info["uri"], "read 0 64k")
    admin.call("POST", path + "/action", {"os-complete": {}}, 204, "3.44")
    shown = admin.call("GET", f"/volumes/{volume}")["volume"]
    assert shown["status"] == "in-use" and shown["metadata"]["attached_mode"] == "rw"
    (entry,) = shown["attachments"]
    assert (entry["attachment_id"], entry["server_id"], entry["device"], entry["volume_id"], entry["id"]) == (made["id"], instance, "/dev/vdb", volume, volume)
    assert admin.call("DELETE", path, None, 200, "3.27") == {"attachments": []}
    assert status(admin, volume) == "available"
    assert volume not in server.storage_daemons()
    assert not qemu_io(info["uri"], "read 0 64k")


def test_one_attachment_unless_multiattach(admin):
    volume = admin.create_volume()
    first, _ = admin.attach(volume)
    body = {"attachment": {"volume_uuid": volume, "instance_uuid": str(uuid.uuid4())}}
    assert admin.request("POST", "/attachments", body, mv="3.27").status_code == 400
    admin.detach(first)


def test_lists_and_versions(admin, member):
    volume = admin.create_volume()
    attachment, _ = admin.attach(volume)
    listed = admin.call("GET", f"/attachments?volume_id={volume}", mv="3.27")["attachments"]
    assert [a["id"] for a in listed] == [attachment] and "connection_info" not in listed[0]
    assert admin.call("GET", "/attachments/detail", mv="3.27")["attachments"][0]["connection_info"]
    assert admin.request("GET", "/attachments").status_code == 404
    assert member.request("GET", f"/attachments/{attachment}", mv="3.27").status_code == 404
    assert member.call("GET", "/attachments", mv="3.27")["attachments"] == []
    admin.detach(attachment)
    assert admin.request("GET", f"/attachments/{attachment}", mv="3.27").status_code == 404


def test_bad_attachments_are_refused(admin):
    volume = admin.create_volume()
    for body in [{}, {"volume_uuid": "x"}, {"volume_uuid": volume, "connector": "x"}, {"volume_uuid": volume, "mode": "xx"},
                 {"volume_uuid": volume, "bogus": 1}, {"volume_uuid": volume, "connector": {"host": "h", "mode": "xx"}}]:
        assert admin.request("POST", "/attachments", {"attachment": body}, mv="3.54").status_code == 400, body
    assert admin.request("POST", "/attachments", {"attachment": {"volume_uuid": str(uuid.uuid4())}}, mv="3.54").status_code == 404
    assert status(admin, volume) == "available"


def test_the_older_actions(admin, server):
    volume, instance = admin.create_volume(), str(uuid.uuid4())
    admin.action(volume, "os-reserve", {}, 202)
    assert status(admin, volume) == "attaching"
    assert admin.request("POST", f"/volumes/{volume}/action", {"os-reserve": {}}).status_code == 400
    info = admin.action(volume, "os-initialize_connection", {"connector": {"host": "h"}}, 200)["connection_info"]
    assert info["driver_volume_type"] == "nbd"
    assert qemu_io(info["data"]["uri"], "write -P 9 0 64k")
    again = admin.action(volume, "os-initialize_connection", {"connector": {"host": "h"}}, 200)["connection_info"]
    assert again == info
    admin.action(volume, "os-attach", {"instance_uuid": instance, "mountpoint": "/dev/vdc", "mode": "rw"}, 202)
    admin.action(volume, "os-attach", {"instance_uuid": instance, "mountpoint": "/dev/vdc", "mode": "rw"}, 202)
    shown = admin.call("GET", f"/volumes/{volume}")["volume"]
    assert shown["status"] == "in-use" and [a["server_id"] for a in shown["attachments"]] == [instance]
    other = {"os-attach": {"instance_uuid": str(uuid.uuid4()), "mountpoint": "/dev/vdd"}}
    assert admin.request("POST", f"/volumes/{volume}/action", other).status_code == 400
    admin.action(volume, "os-begin_detaching", {}, 202)
    assert status(admin, volume) == "detaching"
    admin.action(volume, "os-roll_detaching", {}, 202)
    assert status(admin, volume) == "in-use"
    admin.action(volume, "os-begin_detaching", {}, 202)
    admin.action(volume, "os-terminate_connection", {"connector": {"host": "h"}}, 202)
    assert volume not in server.storage_daemons()
    admin.action(volume, "os-detach", {"attachment_id": shown["attachments"][0]["attachment_id"]}, 202)
    assert status(admin, volume) == "available"


def test_unreserve(admin):
    volume = admin.create_volume()
    admin.action(volume, "os-reserve", {}, 202)
    admin.action(volume, "os-unreserve", {}, 202)
    assert status(admin, volume) == "available"
    admin.action(volume, "os-unreserve", {}, 202)


def test_a_snapshot_needs_force_only_while_attaching(admin):
    volume = admin.create_volume()
    admin.action(volume, "os-reserve", {}, 202)
    body = {"snapshot": {"volume_id": volume}}
    assert admin.request("POST", "/snapshots", body).status_code == 400
    body["snapshot"]["force"] = True
    snapshot = admin.call("POST", "/snapshots", body, 202)["snapshot"]["id"]
    admin.wait_snapshot(snapshot)
    admin.action(volume, "os-unreserve", {}, 202)


def test_a_snapshot_is_served_read_only(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 0x11 0 1M")
    snapshot = admin.create_snapshot(volume)
    held, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 0x22 0 1M", "flush")
    body = {"attachment": {"volume_uuid": volume, "snapshot_uuid": snapshot, "connector": {"host": "h", "mode": "rw"}}}
    made = admin.call("POST", "/attachments", body, 200, "3.54")["attachment"]
    info = made["connection_info"]
    assert made["snapshot_id"] == snapshot and info["read_only"] is True and info["uri"] != uri
    assert qemu_io(info["uri"], "read -P 0x11 0 1M", readonly=True)
    assert not qemu_io(info["uri"], "write -P 0x33 0 64k")
    assert status(admin, volume) == "in-use"
    assert admin.request("DELETE", f"/snapshots/{snapshot}").status_code == 400
    own_server.restart()
    admin = own_server.login()
    assert qemu_io(info["uri"], "read -P 0x11 0 1M", readonly=True)
    admin.detach(held)
    assert status(admin, volume) == "available"
    assert admin.request("DELETE", f"/volumes/{volume}?cascade=true").status_code == 400
    admin.rollback(volume, snapshot)
    assert qemu_io(info["uri"], "read -P 0x11 0 1M", readonly=True)
    os.kill(own_server.storage_daemons()[f"snapshot-{snapshot}"], signal.SIGKILL)
    wait_until(lambda: qemu_io(info["uri"], "read -P 0x11 0 1M", readonly=True), 30, "the export")
    admin.detach(made["id"])
    assert not qemu_io(info["uri"], "read 0 64k", readonly=True)
    admin.delete_volume(volume, cascade=True)
    invariants.settle(own_server)
    invariants.check(own_server)


def test_a_snapshot_of_another_volume_is_refused(admin):
    volume, other = admin.create_volume(), admin.create_volume()
    snapshot = admin.create_snapshot(other)
    body = {"attachment": {"volume_uuid": volume, "snapshot_uuid": snapshot, "connector": {"host": "h"}}}
    assert admin.request("POST", "/attachments", body, mv="3.54").status_code == 400


def test_compute_swaps_one_volume_for_another(admin):
    """os-migrate_volume_completion: the attachment of the old one is then of the new one."""
    old, new, instance = admin.create_volume(), admin.create_volume(), str(uuid.uuid4())
    admin.action(old, "os-attach", {"instance_uuid": instance, "mountpoint": "/dev/vdb"}, 202)
    swap = lambda error, target=new: {"os-migrate_volume_completion": {"new_volume": target, "error": error}}  # noqa: E731
    failed = admin.call("POST", f"/volumes/{old}/action", swap(True), 200)
    assert failed == {"save_volume_id": new} and (status(admin, old), status(admin, new)) == ("in-use", "available")
    assert admin.request("POST", f"/volumes/{old}/action", swap(False, str(uuid.uuid4()))).status_code == 404
    assert "itself" in fault(admin.request("POST", f"/volumes/{old}/action", swap(False, old)), 400)
    assert status(admin, old) == "in-use"
    assert admin.call("POST", f"/volumes/{old}/action", swap(False), 200) == {"save_volume_id": new}
    assert (status(admin, old), status(admin, new)) == ("available", "in-use")
    (entry,) = admin.call("GET", f"/volumes/{new}")["volume"]["attachments"]
    assert (entry["server_id"], entry["device"]) == (instance, "/dev/vdb")
    admin.action(new, "os-detach", None, 202)
    for volume in (old, new):
        admin.delete_volume(volume)


def test_one_who_waits_counts_when_the_attached_one_goes(admin):
    volume = admin.create_volume()
    waiting = admin.call("POST", "/attachments", {"attachment": {"volume_uuid": volume}}, 200, "3.27")["attachment"]["id"]
    admin.action(volume, "os-attach", {"instance_uuid": str(uuid.uuid4()), "mountpoint": "/dev/vdb"}, 202)
    admin.action(volume, "os-begin_detaching", {}, 202)
    (attached,) = admin.call("GET", f"/volumes/{volume}")["volume"]["attachments"]
    admin.detach(attached["attachment_id"])
    assert status(admin, volume) == "reserved"
    admin.detach(waiting)
    assert status(admin, volume) == "available"


def test_unreserve_leaves_what_is_being_attached(admin):
    volume = admin.create_volume()
    body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h"}}}
    made = admin.call("POST", "/attachments", body, 200, "3.54")["attachment"]["id"]
    admin.action(volume, "os-unreserve", {}, 202)
    assert status(admin, volume) == "attaching"
    admin.detach(made)


def test_a_host_that_took_a_waiting_attachment_may_ask_again_and_end_it(admin, server):
    volume, connector = admin.create_volume(), {"connector": {"host": "h"}}
    admin.action(volume, "os-attach", {"instance_uuid": str(uuid.uuid4()), "mountpoint": "/dev/vdb"}, 202)
    info = admin.action(volume, "os-initialize_connection", connector, 200)
    assert admin.action(volume, "os-initialize_connection", connector, 200) == info
    admin.action(volume, "os-terminate_connection", connector, 202)
    assert volume not in server.storage_daemons()
    admin.action(volume, "os-detach", {}, 202)
