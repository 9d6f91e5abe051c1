#!/usr/bin/python3
"""Makes a fixture of the upgrade test: a store that a given varved wrote, packed, and what must be found in it.

    tests/upgrade/make_store.py BINARY NAME --cut FAILPOINT

BINARY is the varved of a commit (built there, in a work tree of its own), NAME the fixture's file name without ending.
That varved is killed at the failpoint (see CUTS), so that the store is one that a crash left.
"""
import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tarfile

import requests

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import contract  # noqa: E402
import varve     # noqa: E402

BLOCK = 64 << 10


class Maker:
    """What is in the store, and what is known of it."""

    def __init__(self, server, admin):
        self.server, self.admin = server, admin
        self.expected = {"volumes": {}, "snapshots": {}, "attachments": {}, "backups": {}}
        self.names = {}

    def volume(self, name, blocks=(), description=None, metadata=None, **source):
        """blocks: the byte that fills the n-th block."""
        fields = {"name": name, "description": description, "metadata": metadata or {}, **source}
        volume = self.admin.create_volume(**fields)
        self.names[name] = volume
        shown = self.admin.call("GET", f"/volumes/{volume}")["volume"]
        self.expected["volumes"][volume] = {
            "name": name, "description": description, "metadata": metadata or {}, "size": shown["size"], "status": "available", "blocks": {},
            "volume_type": shown["volume_type"], "created_at": shown["created_at"]}
        self.write(name, blocks)
        return volume

    def write(self, name, blocks, uri=None):
        if not blocks:
            return
        commands = [f"write -P {byte} {block * BLOCK} {BLOCK}" for block, byte in dict(blocks).items()] + ["flush"]
        volume = self.names[name]
        assert varve.qemu_io(uri, *commands) if uri else self.admin.io(volume, *commands), name
        self.expected["volumes"][volume]["blocks"].update({str(block): byte for block, byte in dict(blocks).items()})

    def snapshot(self, name, volume, description=None, metadata=None):
        snapshot = self.admin.create_snapshot(self.names[volume], name=name, description=description, metadata=metadata or {})
        self.names[name] = snapshot
        self.expect_snapshot(snapshot, name, volume, description, metadata)
        return snapshot

    def expect_snapshot(self, snapshot, name, volume, description=None, metadata=None):
        blocks = dict(self.expected["volumes"][self.names[volume]]["blocks"])
        self.expected["snapshots"][snapshot] = {
            "name": name, "description": description, "metadata": metadata or {}, "volume_id": self.names[volume], "status": "available",
            "blocks": blocks}

    def delete_snapshot(self, name):
        snapshot = self.names[name]
        self.admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
        self.admin.wait_gone(f"/snapshots/{snapshot}")
        del self.expected["snapshots"][snapshot]

    def clone(self, name, **source):
        origin = source.get("source_volid") or self.expected["snapshots"][source["snapshot_id"]]["volume_id"]
        blocks = self.expected["snapshots" if "snapshot_id" in source else "volumes"][list(source.values())[0]]["blocks"]
        clone = self.volume(name, size=self.expected["volumes"][origin]["size"], **source)
        self.expected["volumes"][clone]["blocks"] = dict(blocks)

    def attach(self, name):
        attachment, uri = self.admin.attach(self.names[name])
        self.expected["attachments"][attachment] = self.names[name]
        self.expected["volumes"][self.names[name]]["status"] = "in-use"
        return uri

    # what only some commits have

    def people(self):
        self.server.openstack("project", "create", "team")
        self.server.openstack("user", "create", "--password", "secret-1", "alice")
        self.server.run("openstack", "role", "add", "--project", "team", "--user", "alice", "member")
        alice = self.server.login("alice", "secret-1", "team")
        volume = alice.create_volume(name="alices")
        self.expected["people"] = {"user": "alice", "password": "secret-1", "project": "team", "project_id": alice.project, "volume": volume}
        made = alice.session.post(f"{self.server.url}/identity/v3.0/OS-CREDENTIAL/credentials", json={"credential": {"description": "d"}}, timeout=30)
        if made.ok:
            self.expected["people"]["access_key"] = made.json()["credential"]["access"]

    def encrypted(self):
        made = self.admin.call("POST", "/types", {"volume_type": {"name": "secret"}}, 200)["volume_type"]
        path = f"/types/{made['id']}/encryption"
        self.admin.call("POST", path, {"encryption": {"provider": "luks", "control_location": "front-end"}}, 200)
        self.volume("secret", {0: 0x51, 9: 0x52}, volume_type="secret")

    def backup(self):
        if not self.admin.request("GET", "/backups").ok:
            return
        self.volume("saved", {1: 0x61, 2: 0x62})
        backup = self.admin.create_backup(self.names["saved"], name="kept")
        self.expected["backups"][backup] = {"name": "kept", "blocks": dict(self.expected["volumes"][self.names["saved"]]["blocks"])}
        self.write("saved", {1: 0x63})

    def quotas(self):
        self.admin.call("PUT", f"/os-quota-sets/{self.admin.project}", {"quota_set": {"gigabytes": 500}}, 200)
        self.expected["quota"] = {"gigabytes": 500}


def fill(maker, encrypted):
    maker.volume("plain", {0: 0x11, 16000: 0x12}, "three layers", {"k": "v"})
    maker.snapshot("first", "plain", "of the first bytes", {"when": "before"})
    maker.write("plain", {0: 0x21, 1: 0x22})
    maker.snapshot("second", "plain")
    maker.write("plain", {1: 0x31})
    maker.clone("clone", snapshot_id=maker.names["first"])
    maker.write("clone", {5: 0x41})
    maker.clone("copy", source_volid=maker.names["plain"])
    maker.volume("trimmed", {0: 0x71})
    for number, name in enumerate(("one", "two", "three"), 1):
        maker.snapshot(name, "trimmed")
        maker.write("trimmed", {number: 0x71 + number})
    maker.delete_snapshot("two")  # nothing merges here
    maker.volume("grown", {3: 0x81}, size=1)
    maker.admin.action(maker.names["grown"], "os-extend", {"new_size": 2}, 202)
    maker.admin.wait_volume(maker.names["grown"])
    maker.write("grown", {20000: 0x82})
    maker.expected["volumes"][maker.names["grown"]]["size"] = 2
    maker.people()
    if encrypted:
        maker.encrypted()
    maker.backup()
    maker.quotas()
    maker.volume("served", {0: 0x91})
    return maker.attach("served")


def send(maker, method, path, body=None):
    with contextlib.suppress(requests.RequestException):
        maker.admin.request(method, path, body, mv="3.54")


def cut_snapshot(maker, uri):
    """Of an attached volume: an intent is left."""
    maker.write("served", {1: 0x92}, uri)
    send(maker, "POST", "/snapshots", {"snapshot": {"volume_id": maker.names["served"], "name": "cut", "force": True}})
    maker.server.process.wait(30)
    ((snapshot,),) = maker.server.rows("SELECT id FROM snapshots WHERE name = 'cut'")
    maker.expect_snapshot(snapshot, "cut", "served")


def cut_extension(maker, uri):
    send(maker, "POST", f"/volumes/{maker.names['grown']}/action", {"os-extend": {"new_size": 3}})
    maker.expected["volumes"][maker.names["grown"]]["size"] = 3


def cut_rollback(maker, uri):
    volume, snapshot = maker.names["plain"], maker.names["first"]
    send(maker, "POST", f"/volumes/{volume}/action", {"revert": {"snapshot_id": snapshot}})
    wanted = maker.expected["volumes"][volume]
    wanted["blocks_before_cut"], wanted["blocks"] = wanted["blocks"], dict(maker.expected["snapshots"][snapshot]["blocks"])


def cut_deletion(maker, uri):
    send(maker, "DELETE", f"/volumes/{maker.names['trimmed']}?cascade=true")
    volume = maker.names["trimmed"]
    del maker.expected["volumes"][volume]
    maker.expected["snapshots"] = {key: one for key, one in maker.expected["snapshots"].items() if one["volume_id"] != volume}


CUTS = {"snapshot.create": cut_snapshot, "volume.extend": cut_extension, "volume.rollback": cut_rollback, "volume.delete": cut_deletion}


def pack(server, target):
    """Without sockets, and without the logs of storage daemons."""
    def wanted(member):
        return None if member.name.endswith((".sock", "log")) else member
    plain = target.with_suffix("")
    with tarfile.open(plain, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(server.store, "store", filter=wanted)
    subprocess.run(["xz", "-9e", "--force", str(plain)], check=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary", type=pathlib.Path)
    arguments.add_argument("name")
    arguments.add_argument("--cut", required=True, help="the failpoint at which varved is killed: of " + ", ".join(CUTS))
    arguments.add_argument("--encrypted", action="store_true", help="with an encrypted volume: its key material, 400 kB, cannot be compressed")
    given = arguments.parse_args()
    varve.BINARY = given.binary.resolve()
    contract.check = lambda *_: None  # that commit's replies are its own affair
    server = varve.Server()
    try:
        no_merges = "layer.merge.before_stream=error"
        server.start({"VARVE_FAILPOINTS": no_merges})
        maker = Maker(server, server.login())
        uri = fill(maker, given.encrypted)
        server.stop()
        server.start({"VARVE_FAILPOINTS": f"{no_merges},{given.cut}=kill"})
        maker.admin = server.login()
        next(cut for prefix, cut in CUTS.items() if given.cut.startswith(prefix))(maker, uri)
        assert server.process.wait(30) == -signal.SIGKILL, f"{given.cut} was not reached"
        for pid in server.storage_daemons().values():
            os.kill(pid, signal.SIGKILL)
        ((schema,),) = server.rows("SELECT MAX(version) FROM schema_version")
        maker.expected.update(schema=schema, manifest=max(one["version"] for one in server.manifests().values()), cut=given.cut)
        pack(server, HERE / f"{given.name}.tar.xz")
        (HERE / f"{given.name}.json").write_text(json.dumps(maker.expected, indent=1, sort_keys=True) + "\n")
    finally:
        server.destroy()


if __name__ == "__main__":
    main()
