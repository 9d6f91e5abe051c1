"""Every subcommand of `openstack` about volumes, run by the client's own shell."""
import http.server
import importlib.metadata
import json
import os
import shlex
import sys
import threading

import pytest
import requests
from openstackclient import shell

from varve import wait_until

COMMANDS = sorted((point.name.replace("_", " ") for point in importlib.metadata.entry_points(group="openstack.volume.v3")), key=len, reverse=True)
USED = set()
POOLS = ["second"]


def forked(arguments, environment, directory):
    """A process a command, as in life (the client keeps what it knows of a cloud), without the seconds of loading it."""
    files = [directory / "out", directory / "errors"]
    child = os.fork()
    if child == 0:
        status = 99
        try:
            sys.stdout, sys.stderr = (open(path, "w") for path in files)
            os.environ.update(environment)
            status = shell.main(arguments)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), *(path.read_text() for path in files)


@pytest.fixture(scope="module")
def cli(server, tmp_path_factory):
    def run(line, *more, version="3.70", environment=None, good=True, trips=None):
        """trips: what this release of the client itself says when it cannot read a right reply."""
        words = shlex.split(line) + list(more)
        USED.add(next(name for name in COMMANDS if " ".join(words).startswith(name)))
        names = dict(server.openrc(), **(environment or {}))
        arguments = ["--os-volume-api-version", version, *words]
        status, out, errors = forked(arguments, names, tmp_path_factory.getbasetemp())
        assert (status == 0) == (good and not trips), f"{line}: {errors} {out}"
        assert not trips or trips in errors, f"{line}: {errors}"
        if status:
            return errors
        return json.loads(out) if "json" in words and out.strip() else None
    return run


@pytest.fixture(scope="module")
def show(cli):
    return lambda line, *more, **options: cli(line, *more, "-f", "json", **options)


def test_volumes(admin, cli, show):
    volume = show("volume create --size 1 --property k=v --property gone=soon --description before cli")["id"]
    admin.wait_volume(volume)
    cli("volume set --name cli2 --description after --property x=y --image-property os=linux --size 2 --bootable", volume)
    admin.wait_volume(volume)
    cli("volume unset --property gone --image-property os", volume)
    shown = show("volume show cli2")
    assert (shown["size"], shown["description"], shown["bootable"]) == (2, "after", "true")
    assert shown["properties"] == {"k": "v", "x": "y"} and "volume_image_metadata" not in shown
    cli("volume set --no-property --non-bootable --read-only", volume)
    shown = show("volume show", volume)
    assert (shown["properties"], shown["bootable"]) == ({"readonly": "True"}, "false")
    cli("volume set --type SSD --retype-policy never", volume)
    admin.wait_volume(volume)
    cli("volume set --read-write", volume)
    cli("volume set --state error", volume)
    assert show("volume show", volume)["status"] == "error"
    cli("volume set --state available", volume)
    assert [row["Name"] for row in show("volume list --name cli2 --status available --long --limit 5")] == ["cli2"]
    copy = show("volume create --source", volume, "copy")["id"]
    admin.wait_volume(copy)
    cli("volume migrate --host varve@second#second", copy)
    wait_until(lambda: show("volume show", copy)["os-vol-host-attr:host"] == "varve@second#second", 60, "the migration")
    admin.wait_volume(copy)
    cli("volume delete --force", volume)
    cli("volume delete --purge", copy)
    admin.wait_gone(f"/volumes/{volume}")
    admin.wait_gone(f"/volumes/{copy}")
    assert "No volume with a name or ID of 'cli2'" in cli("volume show cli2", good=False)


def test_snapshots(admin, cli, show):
    volume = admin.create_volume(name="of-snapshots")
    snapshot = show("volume snapshot create --volume of-snapshots --description first --property k=v --property gone=soon snap", version="3.65")["id"]
    admin.wait_snapshot(snapshot)
    cli("volume snapshot set --name snap-001 --description 'Daily backup' --property x=y", snapshot)
    cli("volume snapshot unset --property gone snap-001")
    shown = show("volume snapshot show snap-001")
    assert (shown["description"], shown["properties"], shown["size"]) == ("Daily backup", {"k": "v", "x": "y"}, 1)
    cli("volume snapshot set --state error", snapshot)
    assert [row["ID"] for row in show("volume snapshot list --volume of-snapshots --status error --long")] == [snapshot]
    cli("volume snapshot set --no-property --state available", snapshot)
    assert show("volume snapshot show", snapshot)["properties"] == {}
    cli("volume snapshot delete", snapshot)
    admin.wait_gone(f"/snapshots/{snapshot}")
    admin.delete_volume(volume)


def test_backups(admin, cli, show):
    volume = admin.create_volume(name="of-backups")
    backup = show("volume backup create --name cli-backup --property k=v --property gone=soon of-backups")["id"]
    admin.wait_backup(backup)
    cli("volume backup set --name cli-backup-2 --description new --property x=y", backup)
    cli("volume backup unset --property gone", backup)
    shown = show("volume backup show cli-backup-2")
    assert (shown["description"], shown["metadata"]) == ("new", {"k": "v", "x": "y"})
    assert [row["ID"] for row in show("volume backup list --volume of-backups --status available --long")] == [backup]
    incremental = show("volume backup create --incremental --name second --force of-backups")["id"]
    admin.wait_backup(incremental)
    cli("volume backup restore --force", backup, volume, trips="cannot unpack non-iterable VolumeBackupsRestore object")
    admin.wait_backup(backup)
    admin.wait_volume(volume, timeout=60)
    cli("volume backup delete second")
    admin.wait_gone(f"/backups/{incremental}")
    record = show("volume backup record export", backup)
    assert "already" in cli("volume backup record import", record["backup_service"], record["backup_url"], good=False)
    cli("volume backup set --state error", backup)
    cli("volume backup delete --force", backup)
    admin.wait_gone(f"/backups/{backup}")
    admin.delete_volume(volume)


def test_types_and_qos(admin, cli, show):
    made = show("volume type create --private --description d --property a=b --property gone=soon --encryption-provider luks "
                "--encryption-control-location back-end --encryption-cipher aes-xts-plain64 --encryption-key-size 256 secret")
    cli("volume type set --name secret2 --description e --property c=d --project admin --encryption-key-size 512", made["id"])
    cli("volume type unset --property gone --project admin secret2")
    shown = show("volume type show --encryption-type secret2")
    assert (shown["description"], shown["properties"]) == ("e", {"a": "b", "c": "d"}) and "512" in str(shown["encryption"])
    assert "secret2" in {row["Name"] for row in show("volume type list --private --long --encryption-type")}
    cli("volume type unset --encryption-type secret2")
    spec = show("volume qos create --consumer back-end --property total_iops_sec=1000 gold")["id"]
    cli("volume qos set --property total_bytes_sec=1000000 --property gone=soon gold")
    cli("volume qos unset --property gone gold")
    cli("volume qos associate gold secret2")
    shown = show("volume qos show gold")
    assert (shown["id"], shown["associations"], set(shown["properties"])) == (spec, ["secret2"], {"total_iops_sec", "total_bytes_sec"})
    cli("volume qos disassociate --volume-type secret2 gold")
    assert [row["Associations"] for row in show("volume qos list") if row["ID"] == spec] == [""]
    cli("volume qos delete --force gold")
    cli("volume type delete secret2")


def test_transfers(admin, cli, show):
    volume = admin.create_volume(name="moving")
    offer = show("volume transfer request create --name offer moving")
    assert show("volume transfer request show", offer["id"])["volume_id"] == volume
    assert [row["Name"] for row in show("volume transfer request list --all-projects")] == ["offer"]
    assert show("volume transfer request accept --auth-key", offer["auth_key"], offer["id"])["volume_id"] == volume
    again = show("volume transfer request create --no-snapshots moving")
    cli("volume transfer request delete", again["id"])
    admin.delete_volume(volume)


def test_groups(admin, cli, show):
    cli("volume group type create --description d --private kind")
    cli("volume group type set --name kind2 --property consistent_group_snapshot_enabled='<is> True' --public kind")
    assert "kind2" in {row["Name"] for row in show("volume group type list")}
    show("volume group type show kind2", trips="'Namespace' object has no attribute 'group'")
    group = show("volume group create --name g --description d --availability-zone az-1 kind2 GPSSD")["ID"]
    cli("volume group set --name g2 --description e g")
    volume = admin.call("POST", "/volumes", {"volume": {"size": 1, "group_id": group, "volume_type": "GPSSD"}}, 202, "3.13")["volume"]["id"]
    admin.wait_volume(volume)
    show("volume group show g2", trips="'GroupManager' object has no attribute 'show'")
    assert admin.call("GET", f"/groups/{group}", mv="3.70")["group"]["description"] == "e"
    assert [row["Name"] for row in show("volume group list --all-projects")] == ["g2"]
    assert "replication" in cli("volume group failover g2", good=False)
    snapshot = show("volume group snapshot create --name gs --description d g2")["ID"]
    wait_until(lambda: show("volume group snapshot list")[0]["Status"] == "available", 30, "the group snapshot")
    show("volume group snapshot show", snapshot, trips="'GroupManager' object has no attribute 'show'")
    assert [row["Name"] for row in show("volume group snapshot list --all-projects")] == ["gs"]
    cli("volume group snapshot delete gs")
    admin.wait_gone(f"/group_snapshots/{snapshot}?")
    cli("volume group delete --force g2")
    wait_until(lambda: admin.request("GET", f"/groups/{group}", mv="3.70").status_code == 404, 30, "the group to go")
    cli("volume group type delete kind2")


def test_consistency_groups(admin, cli, show):
    group = show("consistency group create --volume-type GPSSD --description d cg")["id"]
    volume = admin.create_volume(name="member", volume_type="GPSSD")
    cli("consistency group add volume cg member")
    wait_until(lambda: show("volume show member")["consistencygroup_id"] == group, 10, "the volume to join")
    cli("consistency group set --name cg2 --description e cg")
    shown = show("consistency group show cg2")
    assert (shown["id"], shown["description"], shown["status"]) == (group, "e", "available")
    snapshot = show("consistency group snapshot create --consistency-group cg2 --description d cgs")["id"]
    wait_until(lambda: show("consistency group snapshot show", snapshot)["status"] == "available", 30, "the snapshot")
    assert [row["ID"] for row in show("consistency group snapshot list --long --all-projects")] == [snapshot]
    show("consistency group create --consistency-group-snapshot cgs cg3", trips="'DictWithMeta' object has no attribute '_info'")
    copy = show("consistency group show cg3")["id"]
    wait_until(lambda: show("consistency group show cg3")["status"] == "available", 30, "the copy")
    assert {row["Name"] for row in show("consistency group list --long --all-projects")} == {"cg2", "cg3"}
    cli("consistency group delete --force cg3")
    wait_until(lambda: admin.request("GET", f"/consistencygroups/{copy}").status_code == 404, 30, "the copy to go")
    cli("consistency group snapshot delete cgs")
    wait_until(lambda: admin.request("GET", f"/cgsnapshots/{snapshot}").status_code == 404, 30, "the snapshot to go")
    cli("consistency group remove volume cg2 member")
    wait_until(lambda: show("volume show member")["consistencygroup_id"] is None, 10, "the volume to leave")
    cli("consistency group delete cg2")
    admin.delete_volume(volume)


@pytest.fixture
def compute(server):
    """The client looks a server up at Compute before it attaches: a cloud that has one, which knows this server."""
    known = {"id": "11111111-1111-4111-8111-111111111111", "name": "vm", "links": []}

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, body, **headers):
            text = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self):
            if "/identity" in self.path:
                return self.answer(200, requests.get(server.url + self.path, timeout=30).json())
            found = self.path.endswith(f"/servers/{known['id']}")
            self.answer(200 if found else 404, {"server": known} if found else {})

        def do_POST(self):
            """Identity's token, with Compute in its catalog."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reply = requests.post(server.url + self.path, data=body, headers={"Content-Type": "application/json"}, timeout=30)
            token = reply.json()
            url = f"http://127.0.0.1:{self.server.server_port}/compute"
            endpoints = [{"id": "c", "interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": url}]
            token["token"]["catalog"].append({"id": "c", "type": "compute", "name": "nova", "endpoints": endpoints})
            self.answer(reply.status_code, token, **{"X-Subject-Token": reply.headers["X-Subject-Token"]})

        def log_message(self, *_):
            pass

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    yield {"OS_AUTH_URL": f"http://127.0.0.1:{listener.server_port}/identity/v3"}, known["id"]
    listener.shutdown()
    listener.server_close()


def test_attachments(admin, cli, show, compute):
    environment, instance = compute
    volume = admin.create_volume(name="attached")
    made = show("volume attachment create --connect --host h --ip 127.0.0.1 --mode rw attached", instance,
                environment=environment)
    attachment = made["ID"]
    assert made["Instance ID"] == instance
    cli("volume attachment set --host h --ip 127.0.0.1 --mountpoint /dev/vdb", attachment)
    cli("volume attachment complete", attachment)
    assert show("volume attachment show", attachment)["Status"] == "attached"
    assert [row["ID"] for row in show("volume attachment list --volume-id", volume, "--status", "attached")] == [attachment]
    cli("volume attachment delete", attachment)
    assert show("volume attachment list") == []
    admin.delete_volume(volume)


def test_messages(own_server, cli, show):
    own_server.start(environment={"VARVE_FAILPOINTS": "volume.extend.before_resize=error"})
    admin, rc = own_server.login(), own_server.openrc()
    volume = admin.create_volume()
    cli("volume set --size 2", volume, environment=rc)
    (message,) = wait_until(lambda: show("volume message list", environment=rc), 30, "a message")
    assert show("volume message show", message["ID"], environment=rc)["resource_uuid"] == volume
    cli("volume message delete", message["ID"], environment=rc)
    assert show("volume message list", environment=rc) == []


def test_what_operators_see(cli, show):
    services = show("volume service list --service cinder-volume --long")
    assert {row["Status"] for row in services} == {"enabled"}
    host = services[0]["Host"]
    cli("volume service set --disable --disable-reason upgrade", host, "cinder-volume")
    assert show("volume service list --service cinder-volume")[0]["Status"] == "disabled"
    cli("volume service set --enable", host, "cinder-volume")
    cli("volume host set --disable", host)
    cli("volume host set --enable", host)
    assert show("block storage cluster list") == []
    assert "could not be found" in cli("block storage cluster show c", good=False)
    assert "could not be found" in cli("block storage cluster set --disable c", good=False)
    filters = {row["Resource"] for row in show("block storage resource filter list")}
    assert {"volume", "snapshot", "backup"} <= filters
    show("block storage resource filter show volume", trips="'ListWithMeta' object is not an iterator")


def test_every_subcommand_was_run():
    assert set(COMMANDS) - USED == set()
