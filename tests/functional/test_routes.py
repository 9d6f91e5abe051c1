"""Who may call what: every route and action is asked for by somebody who may not, and is refused."""
import re

import pytest
import requests

from varve import routes

ZERO = "00000000-0000-4000-8000-000000000000"

# What Cinder's own policies leave to administrators.
ADMINISTRATORS = [
    (verb, re.compile(r"/v[23](?:/\{project_id\})?" + path + "$")) for verbs, path in (
        ("GET PUT", r"/os-services(/.*)?"), ("GET", r"/os-hosts(/.*)?"), ("GET", r"/capabilities/.*"), ("GET", r"/scheduler-stats/.*"),
        ("GET PUT", r"/clusters(/.*)?"), ("POST", r"/workers/cleanup"), ("GET POST PUT DELETE", r"/qos-specs(/.*)?"),
        ("POST PUT DELETE", r"/types(/\{id\})?(/extra_specs.*)?"), ("GET POST PUT DELETE", r"/types/\{id\}/encryption(/.*)?"),
        ("GET", r"/types/\{id\}/os-volume-type-access"), ("POST PUT DELETE", r"/group_types(/\{id\})?(/group_specs.*)?"),
        ("PUT DELETE", r"/os-quota-(class-)?sets/.*"), ("GET POST", r"/manageable_(volumes|snapshots)(/detail)?"),
        ("GET POST", r"/os-(volume|snapshot)-manage(/detail)?"), ("POST", r"/backups/import_record"),
        ("GET", r"/backups/\{id\}/export_record"), ("GET PUT DELETE", r"/default-types(/.*)?")) for verb in verbs.split()]
ACTIONS = {"os-reset_status", "os-force_delete", "os-migrate_volume", "os-migrate_volume_completion", "os-unmanage", "os-force_detach",
           "addProjectAccess", "removeProjectAccess", "reset_status"}


class Caller:
    def __init__(self, server, name, role, deny=None):
        server.new_user(name, "secret-1", f"routes-{name}", role)
        if deny:
            statement = {"Effect": "Deny", "Action": [deny]}
            body = {"role": {"display_name": name, "type": "XA", "description": "d", "policy": {"Version": "1.1", "Statement": [statement]}}}
            admin = server.login()
            made = requests.post(server.url + "/identity/v3.0/OS-ROLE/roles", json=body, headers={"X-Auth-Token": admin.token}, timeout=30).json()["role"]["id"]
            user, project = server.named("users", name), server.named("projects", f"routes-{name}")
            server.identity("PUT", f"/projects/{project}/users/{user}/roles/{made}")
        self.client = server.login(name, "secret-1", f"routes-{name}")

    def ask(self, route, action=None):
        path = route["path"].replace("{project_id}", self.client.project).replace("{type}", "volumes")
        headers = {"X-Auth-Token": self.client.token, "OpenStack-API-Version": "volume 3.70"}
        body = {} if action is None else {action: {}}
        return requests.request(route["verb"], self.client.server.url + re.sub(r"\{\w+\}", ZERO, path), json=body, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def reader(server):
    return Caller(server, "routes-reader", "reader")


@pytest.fixture(scope="module")
def member(server):
    return Caller(server, "routes-member", "member")


@pytest.fixture(scope="module")
def denied(server):
    return Caller(server, "routes-denied", "member", "evs:*:*")


def needed():
    """Each route, and each of its actions, with what it needs."""
    for route in routes():
        if "actions" not in route:
            yield route, None, route["needs"]
        for action in route.get("actions", ()):
            yield route, action["name"], action["needs"]


def test_what_is_left_to_administrators():
    for route, action, needs in needed():
        meant = action in ACTIONS if action else any(route["verb"] == verb and path.match(route["path"]) for verb, path in ADMINISTRATORS)
        assert meant <= ("admin" in needs.split()), f"{route['verb']} {route['path']} {action}: {needs}"


def test_nobody_calls_anything_without_a_token(server):
    free = []
    for route in routes():
        reply = requests.request(route["verb"], server.url + route["path"], json={}, timeout=30)
        if route["needs"] == "anyone":
            free.append(route["path"])
        else:
            assert reply.status_code == 401, f"{route['verb']} {route['path']}: {reply.status_code}"
    assert {path.rstrip("/") for path in free} == {"", "/v2", "/v3", "/image", "/identity", "/identity/v3", "/identity/v3/auth/tokens", "/healthz",
                                                   "/healthcheck", "/readyz", "/docs", "/docs/openapi.yaml"}


def test_a_member_does_nothing_that_is_left_to_administrators(member):
    for route, action, needs in needed():
        if "admin" in needs.split():
            reply = member.ask(route, action)
            assert reply.status_code == 403, f"{route['verb']} {route['path']} {action}: {reply.status_code} {reply.text}"


def test_a_reader_changes_nothing(reader):
    for route, action, needs in needed():
        reading = needs.split()[-1].endswith((":get", ":list", ":getById")) and all(one.endswith((":get", ":list", ":getById")) for one in needs.split())
        if needs in ("anyone", "token") or route["verb"] == "GET" or reading:
            continue
        reply = reader.ask(route, action)
        assert reply.status_code == 403, f"{route['verb']} {route['path']} {action}: {reply.status_code} {reply.text}"


def test_what_a_policy_denies_is_denied_wherever_the_action_is_needed(denied):
    asked = 0
    for route, action, needs in needed():
        if "evs:" not in needs:
            continue
        asked += 1
        reply = denied.ask(route, action)
        assert reply.status_code == 403, f"{route['verb']} {route['path']} {action}: {reply.status_code} {reply.text}"
    assert asked > 200
