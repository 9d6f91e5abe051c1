"""QoS specs, default types, filters of types, log levels: what administrators decide."""
import subprocess
import time
import urllib.parse

import pytest
from varve import fault, wait_until


@pytest.fixture
def volume_type(admin, request):
    return admin.call("POST", "/types", {"volume_type": {"name": request.node.name[:200]}}, 200)["volume_type"]["id"]


def qos(admin, name, **specs):
    return admin.call("POST", "/qos-specs", {"qos_specs": {"name": name, **specs}}, 200)["qos_specs"]["id"]


def test_specs_are_associated_and_changed(admin, volume_type):
    spec = qos(admin, "gold", consumer="back-end", total_iops_sec="500", note="x")
    admin.call("GET", f"/qos-specs/{spec}/associate?vol_type_id={volume_type}", None, 202)
    (one,) = admin.call("GET", f"/qos-specs/{spec}/associations")["qos_associations"]
    assert one["id"] == volume_type and one["association_type"] == "volume_type"
    assert admin.call("GET", f"/types/{volume_type}")["volume_type"]["qos_specs_id"] == spec
    admin.call("PUT", f"/qos-specs/{spec}", {"qos_specs": {"total_iops_sec": 600}}, 200)
    admin.call("PUT", f"/qos-specs/{spec}/delete_keys", {"keys": ["note"]}, 202)
    assert admin.call("GET", f"/qos-specs/{spec}")["qos_specs"]["specs"] == {"total_iops_sec": "600"}
    other = qos(admin, "silver")
    assert "already associated" in fault(admin.request("GET", f"/qos-specs/{other}/associate?vol_type_id={volume_type}"), 400)
    assert "still associated" in fault(admin.request("DELETE", f"/qos-specs/{spec}"), 400)
    admin.call("DELETE", f"/qos-specs/{spec}?force=True", None, 202)
    assert admin.call("GET", f"/types/{volume_type}")["volume_type"]["qos_specs_id"] is None
    fault(admin.request("POST", "/qos-specs", {"qos_specs": {"name": "silver"}}), 409)
    fault(admin.request("POST", "/qos-specs", {"qos_specs": {"name": "x", "consumer": "nobody"}}), 400)
    fault(admin.request("PUT", f"/qos-specs/{other}/delete_keys", {"keys": ["none"]}), 400)


def test_a_limit_is_enforced(admin, server, volume_type):
    """20 writes at 10 a second, behind the first tenth of a second that a bucket gives, take more than a second."""
    spec = qos(admin, "slow", total_iops_sec="10")
    admin.call("GET", f"/qos-specs/{spec}/associate?vol_type_id={volume_type}", None, 202)
    volume = admin.create_volume(volume_type=volume_type)
    attachment, uri = admin.attach(volume)
    commands = [part for number in range(20) for part in ("-c", f"write {number * 64}k 4k")]
    started = time.monotonic()
    subprocess.run(["qemu-io", "-f", "raw", *commands, uri], check=True, capture_output=True, timeout=60)
    assert time.monotonic() - started > 1
    admin.detach(attachment)


def test_a_project_has_its_default_type(admin, member, volume_type):
    base = admin.server.url + "/v3/default-types/"
    headers = {"OpenStack-API-Version": "volume 3.62"}
    put = admin.session.put(base + member.project, json={"default_type": {"volume_type": volume_type}}, headers=headers, timeout=30)
    assert put.status_code == 200 and put.json()["default_type"] == {"project_id": member.project, "volume_type_id": volume_type}
    assert member.call("GET", "/types/default")["volume_type"]["id"] == volume_type
    volume = member.create_volume()
    assert member.call("GET", f"/volumes/{volume}", mv="3.63")["volume"]["volume_type_id"] == volume_type
    assert admin.call("GET", "/types/default")["volume_type"]["id"] != volume_type
    assert len(admin.session.get(base, headers=headers, timeout=30).json()["default_types"]) == 1
    assert member.session.get(base, headers=headers, timeout=30).status_code == 403
    assert admin.session.get(base, timeout=30).status_code == 404
    assert admin.session.delete(base + member.project, headers=headers, timeout=30).status_code == 204
    assert admin.session.get(base + member.project, headers=headers, timeout=30).status_code == 404


def test_types_are_found_by_their_specs(admin, volume_type):
    admin.call("POST", f"/types/{volume_type}/extra_specs", {"extra_specs": {"colour": "red"}}, 200)
    found = admin.call("GET", "/types?extra_specs={'colour':'red'}", mv="3.52")["volume_types"]
    assert [t["id"] for t in found] == [volume_type]


def test_the_log_level_is_changed_while_varved_runs(admin, server):
    assert admin.call("PUT", "/os-services/get-log", {"binary": "cinder-volume"}, 200, "3.32")["log_levels"][0]["levels"] == {"varve": "DEBUG"}
    admin.call("PUT", "/os-services/set-log", {"level": "warning"}, 202, "3.32")
    before = server.log()
    admin.call("GET", "/volumes")
    assert "path=/v3" not in server.log()[len(before):]
    admin.call("PUT", "/os-services/set-log", {"level": "debug"}, 202, "3.32")
    admin.call("GET", "/volumes")
    wait_until(lambda: "path=/v3" in server.log()[len(before):], 10, "the log line")
    fault(admin.request("PUT", "/os-services/set-log", {"level": "loud"}, "3.32"), 400)


def test_filters_are_told_and_hold(admin):
    rows = {row["resource"]: row["filters"] for row in admin.call("GET", "/resource_filters", mv="3.33")["resource_filters"]}
    assert "status" in rows["volume"] and "group_id" in rows["volume"] and set(rows) >= {"snapshot", "backup", "group", "pool"}
    assert len(admin.call("GET", "/resource_filters?resource=backup", mv="3.33")["resource_filters"]) == 1
    assert admin.call("GET", "/clusters", mv="3.7") == {"clusters": []}
    fault(admin.request("GET", "/clusters/x", mv="3.7"), 404)
    assert admin.call("POST", "/workers/cleanup", {}, 202, "3.24") == {"cleaning": [], "unavailable": []}


def test_specs_that_are_not_for_users_cannot_be_asked_for(own_server):
    admin = own_server.start().login()
    own_server.new_user("eve", "secret-1", "elsewhere")
    eve = own_server.login("eve", "secret-1", "elsewhere")
    specs = {"volume_backend_name": "qcow2", "multiattach": "<is> True"}
    made = admin.call("POST", "/types", {"volume_type": {"name": "shared", "extra_specs": specs}}, 200)["volume_type"]["id"]
    path = f"/types/{made}/extra_specs"
    for key, value in specs.items():
        assert admin.call("GET", f"{path}/{key}") == {key: value}
    seen = {"multiattach": "<is> True"}
    assert eve.call("GET", path) == {"extra_specs": seen} and eve.call("GET", f"{path}/multiattach") == seen
    fault(eve.request("GET", f"{path}/volume_backend_name"), 404)

    def found(client, key):
        wanted = urllib.parse.quote(str({key: specs[key]}))
        return [one["id"] for one in client.call("GET", f"/types?extra_specs={wanted}", mv="3.52")["volume_types"]]
    for key in specs:
        assert found(admin, key).count(made) == 1
    assert found(eve, "multiattach").count(made) == 1 and not found(eve, "volume_backend_name")
