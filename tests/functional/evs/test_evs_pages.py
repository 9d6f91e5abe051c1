"""Every example of the EVS API reference: its request is sent, its reply compared field by field.

pages/ has a file for each page: the request of its example, and the names and types of the reply's fields. Ids are those of resources
made for the page.
"""
import copy
import json
import re
import uuid

import pytest
from glance import Glance
from varve import ROOT, Server, wait_until

FILES = sorted((ROOT / "tests/functional/evs/pages").glob("*.json"))
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6}|\.\d{3}Z|Z)$")
# Null where there is nothing to tell.
NULLABLE = {"wwn", "description", "name", "snapshot_id", "updated_at", "host_name", "source_volid", "volume_image_metadata", "server_id",
            "display_name", "display_description", "size"}


@pytest.fixture(scope="module")
def cloud():
    glance = Glance()
    made = Server(options=[f"images.endpoint={glance.endpoint}", "api.profile=evs", 'volumes.availability_zones=["az-dc-1","az1.dc1"]', "volumes.default_type=SSD"])
    made.start()
    made.admin = made.login()
    glance.start(made)
    made.image = glance.create(made.admin, b"image" * 1000)
    yield made
    made.stop()
    made.destroy()
    glance.destroy()


class Page:
    """The resources that a page's example speaks of."""

    def __init__(self, cloud, document):
        self.cloud, self.client, self.document = cloud, cloud.admin, document

    def volume(self):
        volume = self.client.create_volume(size=10, volume_type="SATA" if "/retype" in self.document["path"] else "SSD",
                                           name="first", description="d",
                                           metadata={"key1": "value1", "key2": "value2", "hw:passthrough": "true"})
        self.client.call("PUT", f"/os-vendor-tags/volumes/{volume}", {"tags": {"key_0": "value_0", "key1": "value1", "key2": "value2"}})
        return volume

    def snapshot(self):
        return self.client.create_snapshot(self.volume(), name="snap", description="d", metadata={"key1": "value1"})

    def transfer(self):
        body = {"transfer": {"volume_id": self.volume(), "name": "first volume"}}
        made = self.client.call("POST", "/os-volume-transfer", body, 202)["transfer"]
        self.key = made["auth_key"]
        return made["id"]

    def attach(self, volume):
        self.client.action(volume, "os-attach", {"instance_uuid": str(uuid.uuid4()), "mountpoint": "/dev/vdb"}, 202)
        return self.client.call("GET", f"/volumes/{volume}")["volume"]["attachments"][0]["attachment_id"]

    def job(self):
        body = {"volume": {"availability_zone": "az-dc-1", "volume_type": "SSD", "size": 10}}
        job = self.client.call("POST", "/cloudvolumes", body, 200)["job_id"]
        wait_until(lambda: self.client.request("GET", f"/jobs/{job}", version="v1").json()["status"] == "SUCCESS", 30, "the job")
        return job

    def path(self):
        path, body = self.document["path"], self.document.get("body", {})
        makers = {"{volume_id}": self.volume, "{snapshot_id}": self.snapshot, "{transfer_id}": self.transfer, "{job_id}": self.job,
                  "{resource_type}": lambda: "volumes", "{resource_id}": self.volume,
                  "{type_id}": lambda: self.client.call("GET", "/types")["volume_types"][0]["id"],
                  "{target_project_id}": lambda: self.client.project, "{api_version}": lambda: "v2"}
        for name, make in makers.items():
            if name in path:
                self.target = make()
                path = path.replace(name, self.target)
        pair = body.get("meta") or body.get("tag")
        key = next(iter(pair)) if pair else "key_0" if "tags" in path else "key1"
        path = path.replace("{key}", key)
        if any(name.endswith("_links") for name in self.document.get("reply", ())):
            path += "?limit=1"
            if "count" in self.document["reply"]:
                path += "&with_count=true"
        return path

    def body(self):
        body = copy.deepcopy(self.document.get("body"))
        if not body:
            return None
        inner = next(iter(body.values()))
        if isinstance(inner, dict):
            if "imageRef" in inner:
                inner["imageRef"] = self.cloud.image
            if "volume_id" in inner:
                inner["volume_id"] = self.volume()
            if "auth_key" in inner:
                inner["auth_key"] = self.key
            if "attachment_id" in inner:
                inner["attachment_id"] = self.attach(self.target)
            if "new_size" in inner:
                inner["new_size"] = max(inner["new_size"], 11)
        if "os-unreserve" in body:
            self.client.action(self.target, "os-reserve", {}, 202)
        if body.get("action") in ("filter", "count"):
            body["offset"] = 0
            self.volume()
            body["tags"] = [{"key": "key1", "values": ["value1", "value2"]}]
            body["matches"] = [{"key": "resource_name", "value": "first"}, {"key": "service_type", "value": "EVS"}]
            if body["action"] == "count":
                del body["offset"]
        return body

    def populate_lists(self):
        """A list shows something: an attached disk, a snapshot, a transfer."""
        if getattr(self.cloud, "populated", False):
            return
        self.attach(self.volume())
        self.snapshot()
        self.transfer()
        self.transfer()
        self.cloud.populated = True


def compare(shape, got, where):
    if isinstance(shape, dict):
        assert isinstance(got, dict), where
        for key, inner in shape.items():
            assert key in got, f"{where}.{key} is missing"
            if got[key] is None and key in NULLABLE:
                continue
            compare(inner, got[key], f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(got, list), where
        if shape:
            assert got or where.endswith("attachments"), f"{where} is empty"
        for item in got:
            if shape:
                compare(shape[0], item, where + "[]")
    elif shape == "map":
        assert isinstance(got, dict) and all(isinstance(value, (str, list)) for value in got.values()), f"{where}: {got}"
    elif shape == "time":
        assert TIME.match(got), f"{where}: {got}"
    elif shape == "string":
        assert isinstance(got, str), f"{where}: {got}"
    elif shape in ("integer", "boolean"):
        assert isinstance(got, {"integer": int, "boolean": bool}[shape]), f"{where}: {got}"
    else:
        assert shape == "null"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_page(cloud, file):
    document = json.loads(file.read_text())
    page = Page(cloud, document)
    page.populate_lists()
    path, body = page.path(), page.body()
    if document["version"] == "root":
        reply = page.client.session.get(cloud.url + path, timeout=30)
    else:
        mv = "3.50" if document["version"] == "v3" else None  # the highest that the reference knows
        reply = page.client.request(document["method"], path, body, mv=mv, version=document["version"])
    assert reply.status_code == document["status"], f"{path}: {reply.status_code} {reply.text}"
    if "reply" in document:
        compare(document["reply"], reply.json(), "")
    else:
        assert reply.text == ""


def test_every_page_is_there():
    assert len(FILES) == 125
