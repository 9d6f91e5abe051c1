"""The same objects through both dialects: a random test changes them through one and looks through the other.

Prints its seed; VARVE_SEED runs one again, VARVE_STEPS makes it longer.
"""
import os
import random

import invariants
from evs import job, native


class World:
    def __init__(self, server, rng):
        self.client, self.rng = server.login(), rng
        self.disks, self.snapshots = {}, {}  # id: what it must look like
        self.made = 0

    def name(self):
        self.made += 1
        return f"n{self.made}"

    def pick(self, those):
        return self.rng.choice(sorted(those)) if those else None

    def evs(self):
        return self.rng.random() < 0.5

    # changes: each through one dialect, chosen by chance

    def create(self):
        if len(self.disks) > 5:
            return None
        want = {"name": self.name(), "description": self.rng.choice([None, "text"]), "size": 10, "tags": {}, "metadata": {"k": self.name()}}
        fields = {key: want[key] for key in ("name", "description", "size", "metadata")}
        if self.evs():
            want["tags"] = {"made": "evs"}
            body = {"volume": {**fields, "availability_zone": "az-1", "volume_type": "SSD", "tags": want["tags"]}}
            disk = job(self.client, native(self.client, "POST", "/cloudvolumes", body)["job_id"])["entities"]["volume_id"]
        else:
            disk = self.client.create_volume(volume_type="SSD", **fields)
        self.disks[disk] = want
        return f"create {disk}"

    def rename(self):
        disk = self.pick(self.disks)
        if not disk:
            return None
        name = self.disks[disk]["name"] = self.name()
        if self.evs():
            native(self.client, "PUT", f"/cloudvolumes/{disk}", {"volume": {"name": name}})
        else:
            self.client.call("PUT", f"/volumes/{disk}", {"volume": {"name": name}})
        return f"rename {disk} {name}"

    def extend(self):
        disk = self.pick(self.disks)
        if not disk:
            return None
        self.disks[disk]["size"] += 1
        if self.evs():
            body = {"os-extend": {"new_size": self.disks[disk]["size"]}}
            job(self.client, native(self.client, "POST", f"/cloudvolumes/{disk}/action", body)["job_id"])
        else:
            self.client.action(disk, "os-extend", {"new_size": self.disks[disk]["size"]}, 202)
            self.client.wait_volume(disk)
        return f"extend {disk}"

    def tag(self):
        disk = self.pick(self.disks)
        if not disk:
            return None
        key, value = self.rng.choice("abc"), self.rng.choice(["", "x", "y"])
        if self.evs():
            self.disks[disk]["tags"][key] = value
            native(self.client, "POST", f"/os-vendor-volumes/{disk}/tags/action",
                   {"action": "create", "tags": [{"key": key, "value": value}]}, 204)
        else:
            self.disks[disk]["metadata"][key] = value
            self.client.call("POST", f"/volumes/{disk}/metadata", {"metadata": {key: value}})
        return f"tag {disk} {key}={value}"

    def snapshot(self):
        disk = self.pick(self.disks)
        if not disk or len(self.snapshots) > 8:
            return None
        want = {"name": self.name(), "volume_id": disk, "size": self.disks[disk]["size"]}
        body = {"snapshot": {"name": want["name"], "volume_id": disk}}
        made = native(self.client, "POST", "/cloudsnapshots" if self.evs() else "/snapshots", body, 202)["snapshot"]["id"]
        self.client.wait_snapshot(made)
        self.snapshots[made] = want
        return f"snapshot {made}"

    def rename_snapshot(self):
        snapshot = self.pick(self.snapshots)
        if not snapshot:
            return None
        name = self.snapshots[snapshot]["name"] = self.name()
        native(self.client, "PUT", f"/{self.rng.choice(['cloudsnapshots', 'snapshots'])}/{snapshot}", {"snapshot": {"name": name}})
        return f"rename snapshot {snapshot} {name}"

    def delete_snapshot(self):
        snapshot = self.pick(self.snapshots)
        if not snapshot:
            return None
        del self.snapshots[snapshot]
        native(self.client, "DELETE", f"/{self.rng.choice(['cloudsnapshots', 'snapshots'])}/{snapshot}", None, 202)
        self.client.wait_gone(f"/snapshots/{snapshot}")
        return f"delete snapshot {snapshot}"

    def rollback(self):
        snapshot = self.pick(self.snapshots)
        if not snapshot:
            return None
        disk = self.snapshots[snapshot]["volume_id"]
        if self.evs():
            native(self.client, "POST", f"/cloudsnapshots/{snapshot}/rollback", {"rollback": {"volume_id": disk}}, 202)
        else:
            self.client.action(disk, "revert", {"snapshot_id": snapshot}, 202, "3.40")
        self.client.wait_volume(disk)
        self.client.wait_snapshot(snapshot)
        return f"rollback {disk} to {snapshot}"

    def transfer_and_back(self):
        disk = self.pick(self.disks)
        if not disk:
            return None
        made = native(self.client, "POST", "/os-volume-transfer", {"transfer": {"volume_id": disk, "name": "t"}}, 202)["transfer"]
        assert native(self.client, "GET", f"/cloudvolumes/{disk}")["volume"]["status"] == "awaiting-transfer"
        native(self.client, "POST", f"/os-volume-transfer/{made['id']}/accept", {"accept": {"auth_key": made["auth_key"]}}, 202)
        return f"transfer {disk}"

    def delete(self):
        disk = self.pick(self.disks)
        if not disk or self.rng.random() < 0.6:
            return None
        del self.disks[disk]
        self.snapshots = {key: one for key, one in self.snapshots.items() if one["volume_id"] != disk}
        if self.evs():
            job(self.client, native(self.client, "DELETE", f"/cloudvolumes/{disk}")["job_id"])
        else:
            self.client.delete_volume(disk, cascade=True)
        return f"delete {disk}"

    # the look: every object through both dialects

    def compare(self):
        cinder = {one["id"]: one for one in self.client.call("GET", "/volumes/detail")["volumes"]}
        evs = {one["id"]: one for one in native(self.client, "GET", "/cloudvolumes/detail")["volumes"]}
        assert set(cinder) == set(evs) == set(self.disks)
        for disk, want in self.disks.items():
            for seen in (cinder[disk], evs[disk]):
                for key in ("name", "description", "size", "metadata"):
                    assert seen[key] == want[key], (disk, key, seen[key], want[key])
            assert evs[disk]["tags"] == want["tags"]
            shared = set(cinder[disk]) & set(evs[disk]) - {"replication_status", "links"}
            assert {key: cinder[disk][key] for key in shared} == {key: evs[disk][key] for key in shared}
        cinder = {one["id"]: one for one in self.client.call("GET", "/snapshots/detail")["snapshots"]}
        evs = {one["id"]: one for one in native(self.client, "GET", "/cloudsnapshots/detail")["snapshots"]}
        assert set(cinder) == set(evs) == set(self.snapshots)
        for snapshot, want in self.snapshots.items():
            assert {**cinder[snapshot], "service_type": "EVS"} == evs[snapshot]
            for key, value in want.items():
                assert cinder[snapshot][key] == value, (snapshot, key)


def test_both_dialects_show_the_same(own_server):
    seed = int(os.environ.get("VARVE_SEED", random.randrange(1 << 32)))
    print(f"VARVE_SEED={seed}")
    world = World(own_server.start(), random.Random(seed))
    operations = [world.create, world.rename, world.extend, world.tag, world.snapshot, world.rename_snapshot, world.delete_snapshot,
                  world.rollback, world.transfer_and_back, world.delete]
    done = 0
    while done < int(os.environ.get("VARVE_STEPS", 60)):
        what = world.rng.choice(operations)()
        if what:
            print(what)
            done += 1
            world.compare()
    invariants.settle(own_server)
    invariants.check(own_server)
