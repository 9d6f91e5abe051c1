"""PUT /v3/{project_id}/snapshots/{snapshot_id}, "Updating an EVS Snapshot": one test a rule of the page."""
import re
import sqlite3
import uuid

import pytest

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$")


@pytest.fixture(scope="module")
def snapshot(admin):
    return admin.create_snapshot(admin.create_volume(name="disk"), name="before", description="old", metadata={"k": "v"})


@pytest.fixture
def put(admin, snapshot):
    def call(body=None, target=snapshot, **options):
        return admin.request("PUT", f"/snapshots/{target}", body, **options)
    return call


def show(admin, snapshot):
    return admin.call("GET", f"/snapshots/{snapshot}")["snapshot"]


def refused(reply, status, fault, *words):
    assert reply.status_code == status, reply.text
    body = reply.json()
    assert list(body) == [fault]
    assert isinstance(body[fault]["message"], str) and isinstance(body[fault]["code"], str)
    for word in words:
        assert word in body[fault]["message"], body
    return body[fault]


def test_the_example_of_the_page(put, admin, snapshot):
    reply = put({"snapshot": {"name": "snap-001", "description": "Daily backup"}})
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "application/json"
    body = reply.json()
    assert list(body) == ["snapshot"]
    got = body["snapshot"]
    assert got["id"] == snapshot
    assert got["name"] == "snap-001"
    assert got["description"] == "Daily backup"
    assert got["status"] == "available"
    assert got["metadata"] == {"k": "v"}
    assert got["size"] == 1
    assert uuid.UUID(got["volume_id"])
    assert TIME.match(got["created_at"]) and TIME.match(got["updated_at"])
    assert got["os-extended-snapshot-attributes:progress"] == "100%"
    assert got["os-extended-snapshot-attributes:project_id"] == admin.project
    assert show(admin, snapshot) == got


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_it_is_served_under_both_versions(put, version):
    assert put({"snapshot": {"name": "n"}}, version=version).json()["snapshot"]["name"] == "n"


def test_name_alone_leaves_the_description(put):
    put({"snapshot": {"name": "a", "description": "d"}})
    got = put({"snapshot": {"name": "b"}}).json()["snapshot"]
    assert (got["name"], got["description"]) == ("b", "d")


def test_description_alone_leaves_the_name(put):
    put({"snapshot": {"name": "a", "description": "d"}})
    got = put({"snapshot": {"description": "e"}}).json()["snapshot"]
    assert (got["name"], got["description"]) == ("a", "e")


def test_updated_at_moves_and_created_at_does_not(put):
    first = put({"snapshot": {"name": "a"}}).json()["snapshot"]
    second = put({"snapshot": {"name": "a"}}).json()["snapshot"]
    assert second["created_at"] == first["created_at"]
    assert second["updated_at"] > first["updated_at"] > first["created_at"]


def test_null_clears(put):
    got = put({"snapshot": {"name": None, "description": None}}).json()["snapshot"]
    assert (got["name"], got["description"]) == (None, None)


def test_blanks_around_are_dropped(put):
    assert put({"snapshot": {"name": "  padded  "}}).json()["snapshot"]["name"] == "padded"


@pytest.mark.parametrize("field", ["name", "description"])
@pytest.mark.parametrize("text", ["n" * 255, "ü" * 127, "雪" * 85, "😀" * 63])
def test_255_bytes_are_allowed(put, field, text):
    assert put({"snapshot": {field: text}}).json()["snapshot"][field] == text


@pytest.mark.parametrize("field", ["name", "description"])
@pytest.mark.parametrize("text", ["n" * 256, "ü" * 128, "雪" * 86, "😀" * 64])
def test_256_bytes_are_not(put, field, text):
    refused(put({"snapshot": {field: text}}), 400, "badRequest", field, "255")


@pytest.mark.parametrize("target", ["5b07727e-4309-4656-9b24-12ce5ba39863", "nope", "..%2f..%2fetc", "%00", "é"])
def test_an_unknown_snapshot_is_not_found(put, target):
    fault = refused(put({"snapshot": {"name": "x"}}, target=target), 404, "itemNotFound")
    assert fault["code"] == "EVS.5404"


def test_another_projects_snapshot_is_not_found(member, snapshot, admin):
    before = show(admin, snapshot)
    refused(member.request("PUT", f"/snapshots/{snapshot}", {"snapshot": {"name": "x"}}), 404, "itemNotFound", snapshot)
    assert show(admin, snapshot) == before


def test_another_project_in_the_path_is_refused(admin, snapshot):
    url = f"{admin.server.url}/v3/{'0' * 32}/snapshots/{snapshot}"
    refused(admin.session.put(url, json={"snapshot": {"name": "x"}}, timeout=30), 400, "badRequest", "Malformed request url")


@pytest.mark.parametrize("body, words", [
    ({"snapshot": {}}, ["name", "description"]),
    ({"snapshot": None}, ["snapshot"]),
    ({"snapshot": []}, ["snapshot"]),
    ({"snapshot": "x"}, ["snapshot"]),
    ({}, ["snapshot"]),
    ([], ["object"]),
    ("x", ["object"]),
    ({"snapshot": {"name": 5}}, ["name"]),
    ({"snapshot": {"name": True}}, ["name"]),
    ({"snapshot": {"name": ["x"]}}, ["name"]),
    ({"snapshot": {"description": {}}}, ["description"]),
    ({"snapshot": {"name": "x", "bogus": 1}}, ["bogus"]),
    ({"snapshot": {"name": "x"}, "bogus": 1}, ["bogus"]),
    ({"snapshot": {"name": "x", "status": "available"}}, ["status"]),
    ({"snapshot": {"name": "a\u0000b"}}, ["name", "NUL"]),
])
def test_a_wrong_body_is_refused_and_changes_nothing(put, admin, snapshot, body, words):
    before = show(admin, snapshot)
    refused(put(body), 400, "badRequest", *words)
    assert show(admin, snapshot) == before


@pytest.mark.parametrize("raw", [b"", b"{", b'{"snapshot": {"name": "x"', b'{"snapshot": {"name": "x"}} garbage',
                                 b'{"snapshot": {"name": "\xff"}}', b'{"snapshot": {"name": "\\ud800"}}',
                                 b"[" * 100000, b'{"snapshot": {"name": \'x\'}}'])
def test_a_malformed_body_is_refused(put, raw):
    fault = refused(put(data=raw, headers={"Content-Type": "application/json"}), 400, "badRequest", "Malformed request body")
    assert fault["code"] == "EVS.5400"


def test_another_content_type_is_refused(put):
    refused(put(data="hello", headers={"Content-Type": "text/plain"}), 415, "badMediaType", "text/plain")


def test_a_charset_is_no_other_content_type(put):
    reply = put(data='{"snapshot": {"name": "x"}}', headers={"Content-Type": "application/json; charset=UTF-8"})
    assert reply.status_code == 200


def test_an_oversize_body_is_refused(put):
    fault = refused(put({"snapshot": {"name": "x" * 200000}}), 413, "overLimit", "114688")
    assert isinstance(fault["code"], str)


def test_no_token_is_refused(admin, snapshot):
    import requests
    reply = requests.put(admin.url(f"/snapshots/{snapshot}"), json={"snapshot": {"name": "x"}}, timeout=30)
    fault = refused(reply, 401, "unauthorized")
    assert fault["code"] == "EVS.5401"
    assert "Keystone uri=" in reply.headers["WWW-Authenticate"]


def test_a_reader_may_not_write(server, admin, snapshot):
    server.new_user("bob", "secret-2", "admin", "reader")
    bob = server.login("bob", "secret-2", "admin")
    assert bob.request("GET", f"/snapshots/{snapshot}").status_code == 200
    refused(bob.request("PUT", f"/snapshots/{snapshot}", {"snapshot": {"name": "x"}}), 403, "forbidden", "member")


@pytest.mark.parametrize("name", ["autobk_snapshot_", "autobk_snapshot_x", "  autobk_snapshot_x"])
def test_the_prefix_of_backups_is_refused_as_a_name(put, name):
    refused(put({"snapshot": {"name": name}}), 400, "badRequest", "autobk_snapshot_", "name")


def test_the_prefix_inside_a_name_is_fine(put):
    assert put({"snapshot": {"name": "my autobk_snapshot_x"}}).status_code == 200


def test_a_backups_snapshot_refuses_operations(own_server):
    own_server.start()
    admin = own_server.login()
    snapshot = admin.create_snapshot(admin.create_volume(), name="x")
    own_server.stop()
    with sqlite3.connect(own_server.store / "varve.db") as db:
        db.execute("UPDATE snapshots SET name = 'autobk_snapshot_1' WHERE id = ?", (snapshot,))
    own_server.start()
    admin = own_server.login()
    for method, path, body in [("PUT", "", {"snapshot": {"name": "mine"}}), ("DELETE", "", None),
                               ("POST", "/metadata", {"metadata": {"a": "b"}})]:
        refused(admin.request(method, f"/snapshots/{snapshot}{path}", body), 403, "forbidden", "autobk_snapshot_1")
    assert show(admin, snapshot)["name"] == "autobk_snapshot_1"


def test_codes_can_be_openstacks(own_server):
    own_server.options.append("api.error_codes=openstack")
    own_server.start()
    reply = own_server.login().request("PUT", "/snapshots/nope", {"snapshot": {"name": "x"}})
    assert reply.json() == {"itemNotFound": {"code": 404, "message": "Snapshot nope could not be found."}}


def test_sql_and_format_characters_are_just_text(put):
    for text in ["'; DROP TABLE snapshots; --", "{}", "%s%n", "\\", '"', "</script>"]:
        assert put({"snapshot": {"name": text}}).json()["snapshot"]["name"] == text


def test_a_microversion_is_echoed_and_adds_its_fields(put):
    reply = put({"snapshot": {"name": "x"}}, mv="3.65")
    assert reply.headers["OpenStack-API-Version"] == "volume 3.65"
    assert "OpenStack-API-Version" in reply.headers["Vary"]
    assert reply.json()["snapshot"]["consumes_quota"] is True
    assert "consumes_quota" not in put({"snapshot": {"name": "x"}}).json()["snapshot"]


def test_every_reply_has_its_request_id(put):
    first, second = put({"snapshot": {"name": "x"}}), put({"snapshot": {}})
    for reply in (first, second):
        assert re.match(r"^req-[0-9a-f-]{36}$", reply.headers["x-openstack-request-id"])
        assert reply.headers["X-Request-Id"] == reply.headers["x-openstack-request-id"]
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
