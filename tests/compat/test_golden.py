"""What a real Cinder answered, asked of varved: same status, same fields, same types.

golden/ has requests and replies recorded from Cinder 21.3.1, in the order in which they were sent. Every deliberate difference is in
differences.json with its reason; one that is no difference any more fails too.
"""
import json
import pathlib
import re

import pytest
import requests

HERE = pathlib.Path(__file__).parent
FILES = sorted((HERE / "golden").glob("*.http"))
DIFFERENCES = json.loads((HERE / "differences.json").read_text())
PROJECT = "ac44ee61d77e4901ac6afc7f0ad8df1c"
VOLUME = "3adb9aa3-cfce-436e-a3cb-600c614e8487"
SNAPSHOT = "d879f53c-1afb-461c-beef-6fe1e8e0d017"
OTHER_SNAPSHOT = "b4d95193-952d-4392-8c28-b7508406dca5"
# Objects whose members are data, not fields.
MAPS = {"metadata", "extra_specs"}


class Cloud:
    """Real ids for the recorded ones."""

    def __init__(self, admin):
        self.admin = admin
        self.ids = {PROJECT: admin.project}

    def translate(self, text):
        for recorded, real in self.ids.items():
            text = text.replace(recorded, real)
        return text

    def learn(self, name, reply):
        if name.startswith("06"):
            self.ids[VOLUME] = reply["volume"]["id"]
            self.admin.wait_volume(self.ids[VOLUME])
        if name.startswith("09"):
            self.ids[SNAPSHOT] = reply["snapshot"]["id"]
            self.admin.wait_snapshot(self.ids[SNAPSHOT])
            self.ids[OTHER_SNAPSHOT] = self.admin.create_snapshot(self.ids[VOLUME], name="snap-002")
        if name.startswith("83"):
            for snapshot in (SNAPSHOT, OTHER_SNAPSHOT):
                self.admin.request("DELETE", f"/snapshots/{self.ids[snapshot]}")
                self.admin.wait_gone(f"/snapshots/{self.ids[snapshot]}")


@pytest.fixture(scope="module")
def cloud(admin):
    admin.call("PUT", f"/os-quota-sets/{admin.project}", {"quota_set": {"gigabytes": 1000}})
    return Cloud(admin)


def parse(path):
    request, response = path.read_text().split("\n### RESPONSE\n")
    head, _, body = request.partition("\n\n")
    method, target, _ = head.splitlines()[0].split(" ")
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    head, _, reply = response.partition("\n\n")
    return method, target, headers, body.rstrip("\n"), int(head.split()[1]), reply.strip()


def kind(value):
    return "null" if value is None else "boolean" if isinstance(value, bool) else "number" if isinstance(value, (int, float)) else type(value).__name__


def differ(recorded, got, where=""):
    """What is not the same, as texts."""
    if None in (recorded, got):
        return []
    if kind(recorded) != kind(got):
        return [f"{where}: {kind(recorded)} became {kind(got)}"]
    if isinstance(recorded, list):
        return differ(recorded[0], got[0], f"{where}[]") if recorded and got else []
    if not isinstance(recorded, dict) or where.rsplit(".", 1)[-1] in MAPS:
        return []
    out = [f"{where}.{key}: gone" for key in recorded if key not in got]
    out += [f"{where}.{key}: new" for key in got if key not in recorded]
    for key in recorded:
        if key in got:
            out += differ(recorded[key], got[key], f"{where}.{key}")
    return out


def allowed(name):
    """Patterns of the differences that this pair may have."""
    return [pattern for entry in DIFFERENCES if re.search(entry["pairs"], name) for pattern in entry.get("fields", ())]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_pair(cloud, server, path):
    method, target, headers, body, status, recorded = parse(path)
    for hop in ("Host", "Content-Length", "Connection", "User-Agent"):
        headers.pop(hop, None)
    if headers.get("X-Auth-Token") == "$TOKEN":
        headers["X-Auth-Token"] = cloud.admin.token
    body = cloud.translate(body).encode() or None
    reply = requests.request(method, server.url + cloud.translate(target), headers=headers, data=body, timeout=60, allow_redirects=False)
    wanted = [entry["status"] for entry in DIFFERENCES if "status" in entry and re.search(entry["pairs"], path.stem)] or [status]
    assert wanted != [status] or not any("status" in e and re.search(e["pairs"], path.stem) for e in DIFFERENCES), "no difference any more"
    assert reply.status_code in wanted, f"{reply.status_code}: {reply.text}"
    assert bool(reply.headers.get("x-openstack-request-id"))
    if recorded.startswith(("{", "[")):
        faults = differ(json.loads(recorded), reply.json())
        assert [f for f in faults if not any(re.fullmatch(pattern, f) for pattern in allowed(path.stem))] == []
        cloud.learn(path.stem, reply.json())
    else:
        cloud.learn(path.stem, None)


def test_every_difference_has_its_reason():
    assert all(len(entry["reason"]) > 20 for entry in DIFFERENCES)
    assert len(FILES) == 84
