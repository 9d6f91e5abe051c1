"""api/openapi.yaml: it knows every route, every operation answers as it says, /docs shows it."""
import json
import re

import contract
import made_up
import pytest
import requests
from varve import routes, wait_until

def test_the_contract_knows_every_route_and_no_other():
    served = set()
    for method, pattern in ((route["verb"], route["path"]) for route in routes()):
        version = re.match(r"/(v[23])(/\{project_id\}|/?$)", pattern)
        if version:
            served.add((method, re.sub(r"^/v\d", "/{version}", pattern)))
            assert version[1] in contract.versions(re.sub(r"^/v\d", "/{version}", pattern))
        elif not pattern.startswith("/v3/") or "default-types" in pattern:
            served.add((method, pattern))
    assert served == set(contract.operations())


def test_every_object_says_what_else_it_may_have_and_every_list_what_of():
    for place, schema in contract.schemas():
        assert "object" not in schema.get("type", ()) or "additionalProperties" in schema, f"{place} is silent about additionalProperties"
        assert "array" not in schema.get("type", ()) or {"items", "maxItems"} & schema.keys(), f"{place} is silent about its items"


def test_the_contract_knows_every_action_and_no_other():
    for route in routes():
        path = re.sub(r"^/v3/\{project_id\}", "/{version}/{project_id}", route["path"])
        if "actions" in route and ("POST", path) in contract.operations():
            known = contract.body_schema(contract.operations()["POST", path])["properties"]
            assert known.keys() == {action["name"] for action in route["actions"]}, path


def test_the_page(server):
    page = requests.get(server.url + "/docs", timeout=30)
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    for _, path in contract.operations():
        assert path in page.text
    raw = requests.get(server.url + "/docs/openapi.yaml", timeout=30)
    assert raw.text == contract.FILE.read_text()


def settle(client):
    wait_until(lambda: not client.server.rows("SELECT 1 FROM tasks WHERE state = 'live'"), 60, "the tasks to end")


class Walk:
    """Resources for the operations to work on."""

    def __init__(self, admin):
        self.admin = admin
        self.made = 0

    def example_of(self, collection):
        """One made by the example of what makes them, but for its name."""
        self.made += 1
        (body,) = self.bodies(contract.operations()["POST", collection])
        ((envelope, inner),) = body.items()
        inner.update({key: f"{inner[key]}-{self.made}" for key in ("name", "display_name") if key in inner})
        reply = self.admin.session.post(self.admin.server.url + self.fill(collection, "", ""), json=body, timeout=60)
        assert reply.status_code == 201, reply.text
        made = reply.json()[envelope]
        return made["access"] if "access" in made else made["id"]

    def target(self, path):
        admin = self.admin
        self.made += 1
        if path.startswith("/identity"):
            return self.example_of(path.split("/{id}")[0])
        if "/backups/{id}" in path:
            return admin.create_backup(admin.create_volume())
        if any(part in path for part in ("groups/{id}", "/group_snapshots/{id}", "/cgsnapshots/{id}")):
            body = {"group": {"group_type": "default_cgsnapshot_type", "volume_types": ["GPSSD"]}}
            group = admin.call("POST", "/groups", body, 202, "3.70")["group"]["id"]
            if "groups/{id}" in path:
                return group
            admin.call("POST", "/volumes", {"volume": {"size": 1, "group_id": group}}, 202, "3.70")
            settle(admin)
            return admin.call("POST", "/group_snapshots", {"group_snapshot": {"group_id": group}}, 202, "3.70")["group_snapshot"]["id"]
        if "/group_types/{id}" in path:
            body = {"group_type": {"name": f"g{self.made}", "group_specs": {"k": "v"}}}
            return admin.call("POST", "/group_types", body, 202, "3.70")["group_type"]["id"]
        if "/qos-specs/{id}" in path:
            return admin.call("POST", "/qos-specs", {"qos_specs": {"name": f"q{self.made}", "k": "v"}}, 200)["qos_specs"]["id"]
        if "/snapshots" in path or "snapshots/{id}" in path:
            return admin.create_snapshot(admin.create_volume(metadata={"k": "v"}), metadata={"k": "v"})
        if "/attachments" in path:
            return admin.attach(admin.create_volume())[0]
        if "transfer" in path:
            body = {"transfer": {"volume_id": admin.create_volume(), "name": "n"}}
            return admin.call("POST", "/os-volume-transfer", body, 202)["transfer"]["id"]
        if "/types" in path:
            specs = {"k": "v"}
            public = "access" not in path and "action" not in path
            body = {"name": f"t{self.made}", "extra_specs": specs, "os-volume-type-access:is_public": public}
            made = admin.call("POST", "/types", {"volume_type": body}, 200)["volume_type"]["id"]
            if "/encryption/" in path:
                body = {"encryption": {"provider": "luks", "control_location": "back-end", "cipher": "aes-xts-plain64"}}
                admin.call("POST", f"/types/{made}/encryption", body, 200)
            return made
        if "/jobs" in path:
            body = {"volume": {"availability_zone": "az-1", "volume_type": "SSD", "size": 1}}
            job = admin.call("POST", "/cloudvolumes", body, 200)["job_id"]
            wait_until(lambda: admin.request("GET", f"/jobs/{job}", version="v1").json()["status"] == "SUCCESS", 30, "the job")
            return job
        volume = admin.create_volume(metadata={"k": "v"})
        admin.call("PUT", f"/os-vendor-tags/volumes/{volume}", {"tags": {"k": "v"}})
        return volume

    def holders(self, path):
        """Who has the role or is in the group that the path is about, and where."""
        scope = self.admin.info["project"]
        own = "application_credentials" in path
        return {"user": self.admin.info["user"]["id"] if own or "{user}" not in path else self.example_of("/identity/v3/users"),
                "group": self.example_of("/identity/v3/groups") if "{group}" in path else "",
                "role": self.admin.server.named("roles", "reader") if "{role}" in path else "",
                "target": scope["domain"]["id"] if "/domains/" in path else scope["id"]}

    def fill(self, path, target, version):
        values = {"version": version, "project_id": self.admin.project, "id": target, "type": "volumes", "key": "k",
                  "target": "0" * 32, "class": "default", "alias": "os-quota-sets", "host": "varve@qcow2", "name": "c"}
        if path.startswith("/identity"):
            values.update(self.holders(path))
        if "/encryption/" in path:
            values["key"] = "cipher"
        filled = re.sub(r"\{(\w+)\}", lambda match: values[match[1]], path)
        if "anage" in path:
            filled += "?host=varve@qcow2%23default"
        if path.endswith("associate"):
            filled += "?vol_type_id=" + self.target("/types")
        return filled

    def bodies(self, operation, volume=None):
        """The examples, about the volume; about a new one, if none is named."""
        text = json.dumps(contract.examples(operation))
        return json.loads(text.replace("{uuid}", volume or self.admin.create_volume()) if "{uuid}" in text else text)

    def headers(self, path):
        subject = {"X-Subject-Token": self.admin.server.login().token} if path.endswith("/auth/tokens") else {}
        return {"OpenStack-API-Version": "volume 3.70", **subject}


@pytest.fixture(scope="module")
def walk(admin):
    yield Walk(admin)
    for action in ("enable", "thaw"):
        admin.call("PUT", f"/os-services/{action}", {"host": "varve@qcow2", **({"binary": "cinder-volume"} if action == "enable" else {})})


OPERATIONS = sorted(contract.operations())


@pytest.mark.parametrize("method, path", OPERATIONS, ids=lambda value: value)
def test_an_operation_answers_as_the_contract_says(walk, server, method, path):
    operation = contract.operations()[method, path]
    for version in contract.versions(path):
        target = walk.target(path) if "{id}" in path else ""
        url = server.url + walk.fill(path, target, version)
        if "requestBody" not in contract.operations().get(("PUT", path), {"requestBody"}):
            walk.admin.session.put(url, timeout=60)
        body = walk.bodies(operation)[0] if "requestBody" in operation else None
        reply = walk.admin.session.request(method, url, json=body, headers=walk.headers(path), timeout=60)
        contract.check(method, reply)
        assert reply.status_code < 500 or reply.status_code == 501, reply.text
        # Of messages there are none here; other tests see some.
        none = ("replication", "/messages/{id}", "/clusters/{name}", "/default-types/{target}", "/images/{id}")
        if method == "GET" and not any(part in path for part in none):
            assert reply.status_code < 400, reply.text


def version_of(method, path):
    """The first of the path's versions that has the method: what came with a microversion is not under /v2."""
    served = {(route["verb"], route["path"]) for route in routes()}
    versions = contract.versions(path)
    return next(version for version in versions if (method, path.replace("{version}", version)) in served)


@pytest.mark.parametrize("method, path", OPERATIONS, ids=lambda value: value)
def test_an_operation_refuses_as_the_contract_says(walk, server, method, path):
    url = server.url + walk.fill(path, made_up.ZERO, version_of(method, path))
    operation = contract.operations()[method, path]
    anonymous = requests.request(method, url, timeout=30)
    if operation.get("security") == []:
        assert anonymous.status_code < 400 or "requestBody" in operation
        contract.check(method, anonymous)
        return
    assert anonymous.status_code == 401
    contract.check(method, anonymous)
    broken = walk.admin.session.request(method, url, data=b"{", headers={"Content-Type": "application/json", "OpenStack-API-Version": "volume 3.70"}, timeout=30)
    contract.check(method, broken)
    if "{id}" in path and "replication" not in path:
        assert broken.status_code in (400, 404), broken.text


def refused_for_its_form(reply):
    said = ("Invalid input for field/attribute", "required property", "Additional properties are not allowed")
    return reply.status_code == 400 and any(words in reply.text for words in said) and "There is no such" not in reply.text


def known_fields(log):
    """What the reader that refused the last body had asked for."""
    (line,) = (line for line in log.read().splitlines() if f"field={made_up.UNKNOWN}" in line)
    return set(re.search(r'known="?([^\s"]*)', line)[1].split(",")) - {""}


@pytest.fixture(scope="module")
def full(admin):
    """A project where nothing more can be made: whatever is good enough to be made is refused for that."""
    limits = {"volumes": 0, "snapshots": 0, "backups": 0, "groups": 0}
    admin.call("PUT", f"/os-quota-sets/{admin.project}", {"quota_set": limits}, 200)


@pytest.mark.parametrize("method, path", [one for one in OPERATIONS if contract.body_schema(contract.operations()[one])], ids=lambda value: value)
def test_a_body_is_read_as_the_contract_says(walk, server, full, method, path):
    """What the schema allows is not refused for its form, and all else is; the reader knows of no field that the schema does not know."""
    operation = contract.operations()[method, path]
    schema = contract.body_schema(operation)
    allowed = contract.validator_of(schema)
    # The body is read before what it is about is looked for; not so a policy's.
    target = walk.target(path) if "/OS-ROLE/" in path and "{id}" in path else made_up.ZERO
    url = server.url + walk.fill(path, target, contract.versions(path)[-1])
    headers = {"OpenStack-API-Version": "volume 3.70"}
    with open(server.log_path) as log:
        for good in made_up.good_bodies(schema, walk.bodies(operation, made_up.ZERO)):
            assert allowed.is_valid(good), good
            usual = walk.admin.session.request(method, url, json=good, headers=headers, timeout=60)
            assert not refused_for_its_form(usual), usual.text
            for body, names in made_up.bodies(schema, good):
                log.seek(0, 2)
                reply = walk.admin.session.request(method, url, json=body, headers=headers, timeout=60)
                told = f"{json.dumps(body)[:300]}: {reply.status_code} {reply.text}"
                assert reply.status_code < 500, told
                if allowed.is_valid(body):
                    assert reply.text == usual.text or not refused_for_its_form(reply), f"refused, and allowed by the contract: {told}"
                else:
                    assert reply.status_code == 400 and reply.text != usual.text, f"taken, and not allowed by the contract: {told}"
                if names is not None and "Invalid input" in reply.text and "Additional properties" in reply.text:
                    assert not known_fields(log) - names, f"the reader knows more than the contract: {told}"
