""".../explain: what an object waits for, and why it is as it is."""
import os
import signal

from varve import Server, fault, wait_until


def explain(client, kind, id):
    return client.call("GET", f"/{kind}/{id}/explain", None, 200)["explanation"]


def status(client, volume):
    return client.call("GET", f"/volumes/{volume}")["volume"]["status"]


def team(server):
    """A member, a reader and, of another project, a stranger."""
    for project, user, role in (("team", "alice", "member"), ("team", "rita", "reader"), ("other", "bob", "member")):
        server.new_user(user, "secret-1", project, role)
    return [server.login(user, "secret-1", project) for project, user in (("team", "alice"), ("team", "rita"), ("other", "bob"))]


def test_a_failure_is_told_in_the_words_of_its_message(own_server):
    own_server.start(environment={"VARVE_FAILPOINTS": "volume.extend.before_resize=error"})
    admin = own_server.login()
    alice, rita, bob = team(own_server)
    volume = alice.create_volume()
    told = explain(rita, "volumes", volume)
    assert told["settled"] and told["task"] is None and told["reason"] is None and told["waits_for"] is None
    alice.action(volume, "os-extend", {"new_size": 2}, 202)
    wait_until(lambda: status(alice, volume) == "error_extending", 30, "the failure")
    told = explain(alice, "volumes", volume)
    message, = alice.call("GET", "/messages", None, 200, "3.3")["messages"]
    assert told["settled"] and told["reason"] and message["user_message"].endswith(":" + told["reason"])
    assert "os-extend" in told["ends_with"] and "detail" not in told and "failpoint" not in str(told)
    detail = explain(admin, "volumes", volume)["detail"]
    assert "failpoint" in detail["error"] and detail["request_id"] == message["request_id"]
    assert bob.request("GET", f"/volumes/{volume}/explain").status_code == 404


def test_a_chain_that_is_too_deep_says_so():
    server = Server(["qcow2.max_chain_depth=2"])
    try:
        admin = server.start().login()
        volume = admin.create_volume()
        admin.create_snapshot(volume)
        snapshot = admin.create_snapshot(volume, wait=False)
        wait_until(lambda: admin.call("GET", f"/snapshots/{snapshot}")["snapshot"]["status"] == "error", 30, "the refusal")
        told = explain(admin, "snapshots", snapshot)
        assert "too many snapshots" in told["reason"] and "stands on" in told["detail"]["error"]
        message, = admin.call("GET", "/messages", None, 200, "3.3")["messages"]
        assert message["user_message"].endswith(told["reason"])
    finally:
        server.destroy()


def test_a_task_waits_for_its_storage_and_another_for_its_turn(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, _ = admin.attach(volume)
    pid = own_server.storage_daemons()[volume]
    os.kill(pid, signal.SIGSTOP)
    try:
        first = admin.create_snapshot(volume, wait=False)
        second = admin.create_snapshot(volume, wait=False)
        told = wait_until(lambda: (lambda t: t if t["task"] and t["task"]["state"] == "waiting" else None)(explain(admin, "snapshots", first)), 20, "the wait")
        assert not told["settled"] and "storage" in told["waits_for"] and told["task"]["step"]
        behind = explain(admin, "snapshots", second)
        assert behind["task"]["state"] == "queued" and behind["task"]["behind"] == {"task": told["task"]["id"], "kind": "snapshot.create"}
        assert "another task" in behind["waits_for"]
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: explain(admin, "snapshots", second)["settled"], 60, "the end")
    admin.detach(attachment)


def test_a_failed_backup_and_a_detaching_volume(own_server):
    own_server.start(environment={"VARVE_FAILPOINTS": "backup.after_helper=error"})
    admin = own_server.login()
    volume = admin.create_volume()
    backup = admin.create_backup(volume, wait=False)
    wait_until(lambda: admin.call("GET", f"/backups/{backup}")["backup"]["status"] == "error", 30, "the failure")
    told = explain(admin, "backups", backup)
    assert told["reason"] and "failpoint" in told["detail"]["error"]
    attachment, _ = admin.attach(volume)
    assert explain(admin, "attachments", attachment)["settled"]
    admin.action(volume, "os-begin_detaching", {}, 202)
    told = explain(admin, "volumes", volume)
    assert told["settled"] and "client" in told["waits_for"] and "os-roll_detaching" in told["ends_with"]
    assert "could not be found" in fault(admin.request("GET", f"/attachments/{volume}/explain"), 404)


def test_damage_is_the_reason(own_server):
    admin = own_server.start().login()
    volume = admin.create_volume()
    image = own_server.layer_files()[own_server.manifests()[volume]["active"]]
    own_server.stop()
    image.write_bytes(b"no image" + image.read_bytes()[8:])
    admin = own_server.start().login()
    wait_until(lambda: status(admin, volume) == "error", 30, "the volume to be in error")
    told = explain(admin, "volumes", volume)
    message, = admin.call("GET", "/messages", None, 200, "3.3")["messages"]
    assert "cannot be read" in told["reason"] and message["user_message"].endswith(told["reason"])
    assert str(own_server.directory) not in told["reason"] and told["detail"]["error"]
