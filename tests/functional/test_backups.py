"""Volume backups: bytes in a directory, whole and incremental, and volumes from them."""
import base64
import json
import shutil
import time
import uuid

import pytest
from varve import Server, fault, qemu_io, wait_until


def archive(server, backup):
    return server.store / "backups" / backup


def restored(admin, backup, **fields):
    reply = admin.call("POST", f"/backups/{backup}/restore", {"restore": fields}, 202)["restore"]
    admin.wait_volume(reply["volume_id"], timeout=60)
    admin.wait_backup(backup)
    return reply["volume_id"]


def test_a_backup_has_the_bytes_and_what_the_volume_was(admin):
    volume = admin.create_volume(size=2, name="disk", description="words", metadata={"a": "b"})
    admin.action(volume, "os-set_bootable", {"bootable": True}, 200)
    assert admin.io(volume, "write -P 7 5M 3M", "write -P 8 1536M 1M")
    backup = admin.create_backup(volume, name="first", description="d", container="shelf")
    shown = admin.call("GET", f"/backups/{backup}", mv="3.64")["backup"]
    assert shown["name"] == "first" and shown["container"] == "shelf" and shown["size"] == 2 and shown["object_count"] == 2
    assert shown["is_incremental"] is False and shown["encryption_key_id"] is None and shown["fail_reason"] is None
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "available"
    assert admin.call("GET", "/snapshots?volume_id=" + volume)["snapshots"] == []

    assert admin.io(volume, "write -P 9 5M 3M")
    admin.delete_volume(volume)
    copy = restored(admin, backup)
    assert admin.io(copy, "read -P 0 0 5M", "read -P 7 5M 3M", "read -P 8 1536M 1M")
    view = admin.call("GET", f"/volumes/{copy}")["volume"]
    assert view["name"] == f"restore_backup_{backup}" and view["metadata"]["a"] == "b" and view["bootable"] == "true" and view["size"] == 2


def test_incremental_backups_hold_what_changed(admin, server):
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 1 0 8M", "write -P 2 100M 4M")
    full = admin.create_backup(volume)
    assert admin.io(volume, "write -P 3 4M 1M", "write -z 100M 4M")
    second = admin.create_backup(volume, incremental=True)
    third = admin.create_backup(volume, incremental=True)
    view = {b["id"]: b for b in admin.call("GET", "/backups/detail?volume_id=" + volume)["backups"]}
    assert [view[b]["object_count"] for b in (full, second, third)] == [3, 1, 0]
    assert [view[b]["is_incremental"] for b in (full, second, third)] == [False, True, True]
    assert [view[b]["has_dependent_backups"] for b in (full, second, third)] == [True, True, False]
    assert len(list(archive(server, second).iterdir())) == 2  # a chunk and the manifest

    assert "Incremental backups exist" in fault(admin.request("DELETE", f"/backups/{full}"), 400)
    for backup, commands in ((full, ["read -P 1 0 8M", "read -P 2 100M 4M"]),
                             (third, ["read -P 1 0 4M", "read -P 3 4M 1M", "read -P 1 5M 3M", "read -P 0 100M 4M"])):
        assert admin.io(restored(admin, backup), *commands)
    for backup in (third, second, full):
        admin.call("DELETE", f"/backups/{backup}", None, 202)
        admin.wait_gone(f"/backups/{backup}")
        assert not archive(server, backup).exists()


def test_an_incremental_one_needs_another(admin):
    volume = admin.create_volume()
    reply = admin.request("POST", "/backups", {"backup": {"volume_id": volume, "incremental": True}})
    assert "No backups available" in fault(reply, 400)
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "available"


def test_an_attached_volume_is_backed_up_with_force(admin):
    volume = admin.create_volume()
    attachment, uri = admin.attach(volume)
    assert qemu_io(uri, "write -P 5 0 1M")
    fault(admin.request("POST", "/backups", {"backup": {"volume_id": volume}}), 400)
    backup = admin.create_backup(volume, wait=False, force=True)
    assert qemu_io(uri, "read -P 5 0 1M")
    admin.wait_backup(backup)
    admin.wait_volume(volume, "in-use")
    admin.detach(attachment)
    assert admin.io(restored(admin, backup), "read -P 5 0 1M")


def test_a_failed_backup_says_why_and_not_where_the_host_keeps_its_files(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 1 0 1M")
    directory = own_server.store / "backups"
    shutil.rmtree(directory, ignore_errors=True)
    directory.write_text("in the way")
    backup = admin.create_backup(volume, wait=False)
    admin.wait_backup(backup, "error")
    view = admin.call("GET", f"/backups/{backup}")["backup"]
    assert view["fail_reason"] and str(own_server.directory) not in view["fail_reason"], view
    assert str(own_server.directory) in own_server.log()
    directory.unlink()
    admin.call("DELETE", f"/backups/{backup}", None, 202)
    admin.wait_gone(f"/backups/{backup}")
    own_server.stop()


def test_a_snapshot_is_backed_up(admin):
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 1 0 1M")
    snapshot = admin.create_snapshot(volume)
    assert admin.io(volume, "write -P 2 0 1M")
    backup = admin.create_backup(volume, snapshot_id=snapshot)
    shown = admin.call("GET", f"/backups/{backup}")["backup"]
    assert shown["snapshot_id"] == snapshot
    assert shown["data_timestamp"] == admin.call("GET", f"/snapshots/{snapshot}")["snapshot"]["created_at"]
    assert admin.call("GET", f"/snapshots/{snapshot}")["snapshot"]["status"] == "available"
    assert admin.io(restored(admin, backup), "read -P 1 0 1M")
    other = admin.create_volume()
    reply = admin.request("POST", "/backups", {"backup": {"volume_id": other, "snapshot_id": snapshot}})
    assert "is not one of volume" in fault(reply, 400)


def test_restoring_into_a_volume_replaces_its_bytes(admin):
    volume = admin.create_volume(size=2)
    assert admin.io(volume, "write -P 1 0 1M")
    backup = admin.create_backup(volume)
    assert admin.io(volume, "write -P 2 0 4M", "write -P 3 1536M 1M")
    assert restored(admin, backup, volume_id=volume) == volume
    assert admin.io(volume, "read -P 1 0 1M", "read -P 0 1M 3M", "read -P 0 1536M 1M")
    small = admin.create_volume()
    assert "too small" in fault(admin.request("POST", f"/backups/{backup}/restore", {"restore": {"volume_id": small}}), 400)
    attachment, _ = admin.attach(volume)
    fault(admin.request("POST", f"/backups/{backup}/restore", {"restore": {"volume_id": volume}}), 400)
    admin.detach(attachment)


def test_volumes_are_created_from_a_backup(admin):
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 6 0 1M")
    backup = admin.create_backup(volume)
    made = admin.call("POST", "/volumes", {"volume": {"size": 2, "backup_id": backup, "name": "new"}}, 202, "3.47")["volume"]["id"]
    admin.wait_volume(made, timeout=60)
    assert admin.io(made, "read -P 6 0 1M", "read -P 0 1M 1023M")
    body = {"volume": {"backup_id": backup, "availability_zone": "az-1", "volume_type": "SSD"}}
    job = admin.request("POST", "/cloudvolumes", body, version="v2").json()["job_id"]

    def done():
        view = admin.request("GET", f"/jobs/{job}", version="v1").json()
        assert view["status"] != "FAIL", view
        return view["status"] == "SUCCESS" and view
    view = wait_until(done, 60, "the job")
    assert view["job_type"] == "createVolume" and admin.io(view["entities"]["volume_id"], "read -P 6 0 1M")

    def refused(code, **fields):
        reply = admin.request("POST", "/cloudvolumes", {"volume": {**body["volume"], **fields}}, version="v2")
        assert reply.status_code == 400 and reply.json()["error"]["code"] == code, reply.text
    refused("EVS.1006", backup_id=str(uuid.uuid4()))
    refused("EVS.1051", count=2)
    large = admin.create_backup(admin.create_volume(size=2))
    refused("EVS.1022", backup_id=large, size=1)
    admin.call("POST", f"/backups/{backup}/action", {"os-reset_status": {"status": "error"}}, 202)
    refused("EVS.1044")
    fault(admin.request("POST", "/volumes", {"volume": {"size": 1, "backup_id": str(uuid.uuid4())}}, "3.47"), 404)


def test_records_go_to_another_service(admin, server):
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 4 0 1M")
    full = admin.create_backup(volume, name="full")
    second = admin.create_backup(volume, name="second", incremental=True)
    records = [admin.call("GET", f"/backups/{b}/export_record")["backup-record"] for b in (full, second)]
    other = Server(options=[f"backups.directory={server.store / 'backups'}"])
    try:
        there = other.start().login()
        refused = there.request("POST", "/backups/import_record", {"backup-record": records[1]})
        assert "import that one first" in fault(refused, 400)
        for record in records:
            there.call("POST", "/backups/import_record", {"backup-record": record}, 201)
        fault(there.request("POST", "/backups/import_record", {"backup-record": records[0]}), 409)
        assert {b["name"] for b in there.call("GET", "/backups")["backups"]} == {"full", "second"}
        assert there.io(restored(there, second), "read -P 4 0 1M")
        plain = json.loads(base64.b64decode(records[0]["backup_url"]))
        for change in ({"archive": "../../etc"}, {"archive": str(uuid.uuid4()), "id": str(uuid.uuid4())}, {"size": "x"}, {"id": "1"}):
            url = base64.b64encode(json.dumps({**plain, **change}).encode()).decode()
            fault(there.request("POST", "/backups/import_record", {"backup-record": {**records[0], "backup_url": url}}), 400)
        fault(there.request("POST", "/backups/import_record", {"backup-record": {**records[0], "backup_url": "%%%"}}), 400)
    finally:
        other.destroy()


def test_a_changed_object_is_noticed(admin, server):
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 4 0 1M")
    backup = admin.create_backup(volume)
    (chunk,) = (path for path in archive(server, backup).iterdir() if path.name != "manifest")
    data = bytearray(chunk.read_bytes())
    data[17] ^= 1
    chunk.write_bytes(data)
    made = admin.call("POST", f"/backups/{backup}/restore", {"restore": {}}, 202)["restore"]["volume_id"]
    wait_until(lambda: admin.call("GET", f"/volumes/{made}")["volume"]["status"] == "error_restoring", 60, "the refusal")
    admin.wait_backup(backup)
    message = admin.call("GET", "/messages?resource_uuid=" + made, mv="3.5")["messages"]
    assert len(message) == 1 and "Objects of the backup are missing or have changed" in message[0]["user_message"]
    admin.delete_volume(made)


def test_nothing_is_overwritten_when_an_object_is_missing(admin, server):
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 4 0 1M", "write -P 5 512M 1M")
    backup = admin.create_backup(volume)
    assert admin.io(volume, "write -P 6 0 1M")
    last = max(path for path in archive(server, backup).iterdir() if path.name != "manifest")
    last.unlink()
    admin.call("POST", f"/backups/{backup}/restore", {"restore": {"volume_id": volume}}, 202)
    wait_until(lambda: admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "error_restoring", 60, "the refusal")
    admin.call("POST", f"/volumes/{volume}/action", {"os-reset_status": {"status": "available"}}, 202)
    assert admin.io(volume, "read -P 6 0 1M", "read -P 5 512M 1M")
    admin.delete_volume(volume)


def test_names_change_and_quotas_hold(admin, member):
    volume = member.create_volume()
    admin.call("PUT", f"/os-quota-sets/{member.project}", {"quota_set": {"backups": 1}})
    backup = member.create_backup(volume, name="n")
    assert member.call("GET", "/limits")["limits"]["absolute"]["totalBackupsUsed"] == 1
    assert "BackupLimitExceeded" in fault(member.request("POST", "/backups", {"backup": {"volume_id": volume}}), 413)
    assert member.call("GET", f"/volumes/{volume}")["volume"]["status"] == "available"
    changed = member.call("PUT", f"/backups/{backup}", {"backup": {"name": "m", "metadata": {"k": "v"}}}, 200, "3.43")["backup"]
    assert changed["name"] == "m"
    shown = member.call("GET", f"/backups/{backup}", mv="3.56")["backup"]
    assert shown["metadata"] == {"k": "v"} and shown["user_id"] == member.info["user"]["id"]
    fault(member.request("PUT", f"/backups/{backup}", {"backup": {"name": "m"}}), 404)  # 3.9
    fault(member.request("GET", f"/backups/{backup}/export_record"), 403)
    stranger = admin.server.login()
    assert backup not in {b["id"] for b in stranger.call("GET", "/backups")["backups"]}
    for name, wanted in (("m", 1), ("nobody", 0)):
        assert len(member.call("GET", f"/backups/detail?name={name}")["backups"]) == wanted


@pytest.mark.parametrize("body", [{}, {"volume_id": "x"}, {"volume_id": "5b07727e-4309-4656-9b24-12ce5ba39863"}, {"volume_id": None}, {"name": "n"}])
def test_bad_requests_are_refused(admin, body):
    reply = admin.request("POST", "/backups", {"backup": body})
    assert reply.status_code in (400, 404), reply.text


def test_a_backup_is_renamed_while_it_is_made(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 1 0 512M")
    backup = admin.create_backup(volume, wait=False)
    wait_until(lambda: [key for key in own_server.storage_daemons() if key.startswith("snapshot-")], 30, "the copy to begin")
    admin.call("PUT", f"/backups/{backup}", {"backup": {"name": "another"}}, 200, "3.9")
    wait_until(lambda: admin.call("GET", f"/backups/{backup}")["backup"]["status"] == "available", 60, "the backup")
    made = admin.call("GET", f"/backups/{backup}")["backup"]
    assert made["name"] == "another" and made["object_count"] > 0
    own_server.stop()


def test_what_a_failed_backup_left_is_taken_away_and_no_other_backup_disturbed(own_server):
    """Of one snapshot, while the failed one's objects cannot be removed."""
    own_server.options += ["tasks.retry_s=1"]
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 1 0 512M")
    snapshot = admin.create_snapshot(volume)
    store = own_server.store / "backups"
    away = own_server.store / "away"
    store.rename(away)
    store.write_text("")
    failed = admin.create_backup(volume, wait=False, snapshot_id=snapshot)
    wait_until(lambda: admin.call("GET", f"/backups/{failed}")["backup"]["status"] == "error", 60, "the backup's end")
    failed_at = time.monotonic()
    store.unlink()
    away.rename(store)
    (store / failed).write_text("not a directory")
    for _ in range(2):
        admin.create_backup(volume, snapshot_id=snapshot)
    assert "was taken away" not in own_server.log()
    told = admin.call("GET", f"/backups/{failed}/explain")["explanation"]
    assert not told["settled"] and "yet to be taken away" in told["waits_for"] and told["reason"] in told["summary"], told
    (store / failed).unlink()
    pauses = time.monotonic() - failed_at  # each is twice the one before: the next is no longer than all so far
    wait_until(lambda: "what a failed task left was taken away" in own_server.log(), 30 + pauses, "the remains to go")
    told = admin.call("GET", f"/backups/{failed}/explain")["explanation"]
    assert told["settled"] and not told["waits_for"] and told["reason"], told
    own_server.stop()


def test_what_a_failed_backup_left_is_taken_away_without_its_volume(own_server):
    own_server.options += ["tasks.retry_s=1"]
    admin = own_server.start().login()
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 1 0 8M")
    store, away = own_server.store / "backups", own_server.store / "away"
    store.rename(away)
    store.write_text("")
    failed = admin.create_backup(volume, wait=False)
    wait_until(lambda: admin.call("GET", f"/backups/{failed}")["backup"]["status"] == "error", 60, "the backup's end")
    admin.delete_volume(volume)
    store.unlink()
    away.rename(store)
    (store / failed).mkdir()
    (store / failed / "part").write_text("rubbish")
    wait_until(lambda: not (store / failed).exists(), 30, "the remains to go")
    wait_until(lambda: "what a failed task left was taken away" in own_server.log(), 30, "their end")
    own_server.stop()
