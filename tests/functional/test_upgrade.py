"""Stores that earlier versions wrote, cut off by a kill, moved to another directory: today's varved opens them, finishes
what was begun, and every byte and name is there (tests/upgrade/README.md has how they were made). VARVE_UPGRADE_ALL tries all of them."""
import contextlib
import json
import os
import pathlib
import shutil
import sqlite3
import tarfile

import invariants
import pytest
from test_doctor import doctor
from test_recover import damage, lose, page_of
from varve import qemu_io, wait_until

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "upgrade"
BLOCK = 64 << 10
MAY_LEAVE = ("volume.delete.after_manifest", "volume.rollback.after_overlay")


class Old:
    """A store of an earlier version, unpacked, and what must be in it."""

    def __init__(self, server, name):
        self.server, self.expected = server, json.loads((FIXTURES / f"{name}.json").read_text())
        with tarfile.open(FIXTURES / f"{name}.tar.xz") as packed:
            packed.extractall(server.directory)
        (server.directory / "store").rename(server.store)
        everything = [*self.expected["volumes"].values(), *self.expected["snapshots"].values()]
        used = {int(block) for one in everything for block in one["blocks"]}
        self.places = sorted(used | {block + 1 for block in used if block + 1 < 16384})
        self.admin = None

    def open(self):
        self.admin = self.server.start().login()
        invariants.settle(self.server)
        self.look_after_quarantine()
        return self

    def look_after_quarantine(self):
        """Manifests of version 1 do not tell what an interrupted deletion or rollback left: it is set aside, as an operator sees."""
        aside = [path for path in self.server.quarantined() if not path.name.endswith(".reason")]
        assert not aside or self.expected["manifest"] == 1 and self.expected["cut"] in MAY_LEAVE, aside
        for path in self.server.quarantined():
            path.unlink()

    def schema(self):
        """Columns and indexes, whatever their order."""
        tables = [name for (name,) in self.server.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {(table, *column[1:]) for table in tables for column in map(lambda row: row[:6], self.server.rows(f"PRAGMA table_info({table})"))}
        return columns | set(self.server.rows("SELECT name, sql FROM sqlite_master WHERE type = 'index'"))

    def id(self, name):
        (found,) = [key for kind in ("volumes", "snapshots") for key, one in self.expected[kind].items() if one["name"] == name]
        return found

    def reads(self, blocks, size=1):
        places = [place for place in self.places if place < size << 14]
        return [f"read -P {blocks.get(str(place), 0)} {place * BLOCK} {BLOCK}" for place in places]

    def uri(self, attachment):
        return self.admin.call("GET", f"/attachments/{attachment}", mv="3.54")["attachment"]["connection_info"]["uri"]

    def check_rows(self):
        for volume, wanted in self.expected["volumes"].items():
            shown = self.admin.call("GET", f"/volumes/{volume}")["volume"]
            seen = {key: shown[key] for key in wanted if not key.startswith(("blocks", "metadata"))}
            assert seen == {key: wanted[key] for key in seen}
            assert wanted["metadata"].items() <= shown["metadata"].items()
        for snapshot, wanted in self.expected["snapshots"].items():
            shown = self.admin.call("GET", f"/snapshots/{snapshot}")["snapshot"]
            assert {key: shown[key] for key in wanted if key != "blocks"} == {key: one for key, one in wanted.items() if key != "blocks"}
        attached = {one["id"]: one["volume_id"] for one in self.admin.call("GET", "/attachments", mv="3.54")["attachments"]}
        assert attached == self.expected["attachments"]

    def check_bytes(self):
        attached = {volume: attachment for attachment, volume in self.expected["attachments"].items()}
        for volume, wanted in self.expected["volumes"].items():
            reads = self.reads(wanted["blocks"], wanted["size"])
            good = qemu_io(self.uri(attached[volume]), *reads) if volume in attached else self.admin.io(volume, *reads)
            assert good, f"volume {wanted['name']} has other bytes"
        for snapshot, wanted in self.expected["snapshots"].items():
            body = {"volume_uuid": wanted["volume_id"], "snapshot_uuid": snapshot, "connector": {"host": "h"}}
            made = self.admin.call("POST", "/attachments", {"attachment": body}, 200, "3.54")["attachment"]
            assert qemu_io(made["connection_info"]["uri"], *self.reads(wanted["blocks"]), readonly=True), f"snapshot {wanted['name']} has other bytes"
            self.admin.detach(made["id"])

    def check(self):
        self.check_rows()
        self.check_bytes()
        invariants.settle(self.server)
        invariants.check(self.server)


@pytest.fixture
def old(own_server, request):
    return Old(own_server, request.param)


def stores(*by_default):
    """Of these always, of all when VARVE_UPGRADE_ALL is set."""
    everything = sorted(path.stem for path in FIXTURES.glob("*.json"))
    names = everything if os.environ.get("VARVE_UPGRADE_ALL") else by_default
    return pytest.mark.parametrize("old", names, indirect=True)


def test_the_doctor_reads_every_schema(own_server):
    """Before the first start of this version; what he sees is not changed."""
    for name in sorted(path.stem for path in FIXTURES.glob("*.json")):
        old = Old(own_server, name)
        database = own_server.store / "varve.db"
        before = database.read_bytes()
        status, findings = doctor(own_server)
        # They were killed with a client attached, and at a step of an operation: what its task has in hand is not told.
        assert {kind for kind, _ in findings} <= {"attachment", "layer"}, (name, findings)
        (attachment,) = old.expected["attachments"]
        is_told = not old.expected["cut"].startswith("snapshot.create")
        assert (("attachment", attachment) in findings) == is_told and status == is_told, (name, findings)
        assert database.read_bytes() == before
        shutil.rmtree(own_server.store)


@stores("schema-8")
def test_all_is_there_and_can_be_used(old):
    admin = old.open().admin
    old.check()

    # People come in as before, and their limits hold.
    people = old.expected["people"]
    alice = old.server.login(people["user"], people["password"], people["project"])
    assert alice.call("GET", f"/volumes/{people['volume']}")["volume"]["os-vol-tenant-attr:tenant_id"] == people["project_id"]
    if "access_key" in people:
        listed = alice.session.get(f"{old.server.url}/identity/v3.0/OS-CREDENTIAL/credentials", timeout=30).json()["credentials"]
        assert [one["access"] for one in listed] == [people["access_key"]]
    assert admin.call("GET", f"/os-quota-sets/{admin.project}")["quota_set"]["gigabytes"] == old.expected["quota"]["gigabytes"]
    for backup, wanted in old.expected["backups"].items():
        restored = admin.call("POST", f"/backups/{backup}/restore", {"restore": {"name": "restored"}}, 202)["restore"]["volume_id"]
        admin.wait_volume(restored, timeout=60)
        assert admin.io(restored, *old.reads(wanted["blocks"]))

    # Old volumes take snapshots, are rolled back, and go.
    volume, first = old.id("plain"), old.id("first")
    snapshot = admin.create_snapshot(volume, name="new")
    assert admin.io(volume, f"write -P 0x99 0 {BLOCK}")
    admin.rollback(volume, snapshot)
    assert admin.io(volume, *old.reads(old.expected["volumes"][volume]["blocks"]))
    admin.rollback(volume, first)
    assert admin.io(volume, *old.reads(old.expected["snapshots"][first]["blocks"]))
    (attachment,) = old.expected["attachments"]
    assert qemu_io(old.uri(attachment), f"write -P 0x98 0 {BLOCK}", "flush")
    admin.detach(attachment)
    admin.delete_volume(old.id("served"), cascade=True)
    invariants.settle(old.server)

    old.server.restart()
    admin = old.server.login()
    assert admin.io(volume, *old.reads(old.expected["snapshots"][first]["blocks"]))
    invariants.settle(old.server)
    invariants.check(old.server)
    assert doctor(old.server) == (0, {})
    old.server.stop()


@stores("schema-1")
def test_its_database_can_be_lost_once_it_was_opened(old):
    old.open()
    described = old.server.store / "descriptions" / "volumes"
    wait_until(lambda: {path.stem for path in described.glob("*.json")} >= set(old.expected["volumes"]), 30, "the descriptions")
    old.server.stop()
    lose(old.server)
    old.open().check()
    old.server.stop()


@stores("schema-1")
def test_a_database_that_is_lost_before_costs_no_byte(old):
    """What was accepted and not yet done is lost with it, and names where nothing describes them."""
    lose(old.server)
    old.open()
    attached = {one["volume_id"]: one["id"] for one in old.admin.call("GET", "/attachments", mv="3.54")["attachments"]}
    for volume, wanted in old.expected["volumes"].items():
        reads = old.reads(wanted.get("blocks_before_cut", wanted["blocks"]))
        assert qemu_io(old.uri(attached[volume]), *reads) if volume in attached else old.admin.io(volume, *reads), wanted["name"]
    old.server.stop()


@stores("schema-1")
def test_the_schema_is_a_new_ones(old, admin):
    new = Old.schema(type("New", (), {"server": admin.server}))
    assert old.open().schema() == new
    old.server.stop()


@stores("schema-7")
def test_rows_of_a_damaged_database_that_cannot_be_migrated_are_taken_as_they_are(old):
    with contextlib.closing(sqlite3.connect(old.server.store / "varve.db")) as db:
        db.execute("UPDATE volume_types SET extra_specs = '{garbage' WHERE name = 'SSD'")
        db.commit()
    damage(old.server, *page_of(old.server, "messages"))
    old.open()
    assert "was recovered" in old.server.log() and "rows of an earlier schema are taken as they are" in old.server.log()
    attached = set(old.expected["attachments"].values())
    for volume, wanted in old.expected["volumes"].items():
        assert old.admin.call("GET", f"/volumes/{volume}")["volume"]["name"] == wanted["name"]
        assert volume in attached or old.admin.io(volume, *old.reads(wanted["blocks"], wanted["size"])), wanted["name"]
