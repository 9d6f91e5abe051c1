"""EVS actions: every operation of the permission pages, once with just the actions that it needs and once without each."""
import itertools

import pytest
from evs import ZERO

# (method, path, body, actions). The resources do not exist: 404 or 400 means that the call was allowed.
V, S = "evs:volumes:", "evs:snapshots:"
VOLUME = {"volume": {"availability_zone": "nowhere", "volume_type": "SSD", "size": 10}}
SNAPSHOT = {"snapshot": {"volume_id": ZERO, "name": "n"}}
PAIRS = {"metadata": {"k": "v"}}
OPERATIONS = [
    ("POST", "/cloudvolumes", VOLUME, [V + "create"]),
    ("POST", "/volumes", VOLUME, [V + "create", V + "get"]),
    ("POST", f"/cloudvolumes/{ZERO}/action", {"os-extend": {"new_size": 20}}, [V + "extend"]),
    ("GET", "/cloudvolumes", None, [V + "list"]),
    ("GET", "/volumes", None, [V + "list"]),
    ("GET", "/cloudvolumes/detail", None, [V + "list"]),
    ("GET", "/os-vendor-volumes/detail", None, [V + "list"]),
    ("GET", "/volumes/detail", None, [V + "list"]),
    ("GET", f"/os-vendor-volumes/{ZERO}", None, [V + "get"]),
    ("GET", f"/volumes/{ZERO}", None, [V + "get"]),
    ("GET", f"/cloudvolumes/{ZERO}", None, [V + "get"]),
    ("DELETE", f"/cloudvolumes/{ZERO}", None, [V + "delete"]),
    ("DELETE", f"/volumes/{ZERO}", None, [V + "delete", V + "get"]),
    ("PUT", f"/cloudvolumes/{ZERO}", {"volume": {"name": "n"}}, [V + "update"]),
    ("PUT", f"/volumes/{ZERO}", {"volume": {"name": "n"}}, [V + "update", V + "get"]),
    ("PUT", f"/volumes/{ZERO}/metadata/k", {"meta": {"k": "v"}}, [V + "update", V + "get"]),
    ("PUT", f"/volumes/{ZERO}/metadata", PAIRS, [V + "update", V + "get"]),
    ("GET", f"/volumes/{ZERO}/metadata/k", None, [V + "get"]),
    ("DELETE", f"/volumes/{ZERO}/metadata/k", None, [V + "delete", V + "get"]),
    ("GET", f"/volumes/{ZERO}/metadata", None, [V + "get"]),
    ("POST", f"/volumes/{ZERO}/metadata", PAIRS, [V + "update", V + "get"]),
    ("GET", "/types", None, ["evs:types:get"]),
    ("GET", f"/types/{ZERO}", None, ["evs:types:get"]),
    ("GET", "/os-quota-sets/{project}", None, ["evs:quotas:get"]),
    ("GET", f"/os-vendor-volumes/{ZERO}/internal-info", None, [V + "get"]),
    ("GET", "/volumes/summary", None, [V + "get", V + "list"]),
    ("POST", f"/volumes/{ZERO}/retype", {"os-retype": {"new_type": "SAS"}}, [V + "update"]),
    *[("POST", f"/volumes/{ZERO}/action", {name: body}, [V + action]) for name, body, action in (
        ("os-extend", {"new_size": 20}, "extend"), ("os-attach", {"instance_uuid": ZERO, "mountpoint": "/dev/vdb"}, "attach"),
        ("os-detach", {}, "detach"), ("os-reserve", {}, "attach"), ("os-unreserve", {}, "attach"),
        ("os-set_bootable", {"bootable": True}, "update"), ("os-update_readonly_flag", {"readonly": True}, "update"))],
    ("POST", "/snapshots", SNAPSHOT, [S + "create", V + "get"]),
    ("POST", "/cloudsnapshots", SNAPSHOT, [S + "create"]),
    ("GET", "/snapshots", None, [S + "list"]),
    ("GET", "/snapshots/detail", None, [S + "list"]),
    ("GET", "/cloudsnapshots/detail", None, [S + "list"]),
    ("PUT", f"/snapshots/{ZERO}", {"snapshot": {"name": "n"}}, [S + "update", S + "get"]),
    ("PUT", f"/cloudsnapshots/{ZERO}", {"snapshot": {"name": "n"}}, [S + "update"]),
    ("GET", f"/snapshots/{ZERO}", None, [S + "get"]),
    ("GET", f"/cloudsnapshots/{ZERO}", None, [S + "get"]),
    ("DELETE", f"/snapshots/{ZERO}", None, [S + "delete", S + "get", V + "get"]),
    ("DELETE", f"/cloudsnapshots/{ZERO}", None, [S + "delete"]),
    ("POST", f"/cloudsnapshots/{ZERO}/rollback", {"rollback": {"volume_id": ZERO}}, [S + "rollback"]),
    ("POST", f"/os-vendor-snapshots/{ZERO}/rollback", {"rollback": {"volume_id": ZERO}}, [S + "rollback", S + "get", V + "get"]),
    ("POST", f"/snapshots/{ZERO}/metadata", PAIRS, [S + "update", S + "get"]),
    ("GET", f"/snapshots/{ZERO}/metadata", None, [S + "get"]),
    ("PUT", f"/snapshots/{ZERO}/metadata/k", {"meta": {"k": "v"}}, [S + "update", S + "get"]),
    ("PUT", f"/snapshots/{ZERO}/metadata", PAIRS, [S + "update", S + "get"]),
    ("GET", f"/snapshots/{ZERO}/metadata/k", None, [S + "get"]),
    ("DELETE", f"/snapshots/{ZERO}/metadata/k", None, [S + "delete", S + "get"]),
    *[(method, f"/os-vendor-tags/{kind}s{path}", body, [f"evs:{kind}Tags:{action}"])
      for kind in ("volume", "snapshot", "backup") for method, path, body, action in (
          ("GET", "", None, "list"), ("GET", "/resource_instances", None, "get"), ("POST", f"/{ZERO}", {"tags": {"k": "v"}}, "create"),
          ("GET", f"/{ZERO}", None, "getById"), ("PUT", f"/{ZERO}", {"tags": {"k": "v"}}, "update"),
          ("POST", f"/{ZERO}/action", {"os-delete_tags": {"k": "v"}}, "delete"), ("DELETE", f"/{ZERO}/k", None, "delete"),
          ("PUT", f"/{ZERO}/k", {"tag": {"k": "v"}}, "update"), ("GET", f"/{ZERO}/k", None, "getById"))],
    *[(method, f"/{family}{path}", body, [f"evs:volumeTags:{action}"])
      for family in ("os-vendor-volumes", "cloudvolumes") for method, path, body, action in (
          ("POST", f"/{ZERO}/tags/action", {"action": "delete", "tags": [{"key": "k"}]}, "delete"),
          ("POST", f"/{ZERO}/tags/action", {"action": "create", "tags": [{"key": "k", "value": "v"}]}, "create"),
          ("GET", f"/{ZERO}/tags", None, "getById"),
          ("POST", "/resource_instances/action", {"action": "filter"}, "get"), ("POST", "/resource_instances/action", {"action": "count"}, "get"))],
    ("GET", "/cloudvolumes/tags", None, ["evs:volumeTags:list"]),
    *[(method, f"/os-volume-transfer{path}", body, [f"evs:transfers:{action}"]) for method, path, body, action in (
        ("POST", "", {"transfer": {"volume_id": ZERO, "name": "n"}}, "create"), ("GET", "", None, "list"), ("GET", "/detail", None, "list"),
        ("GET", f"/{ZERO}", None, "get"), ("POST", f"/{ZERO}/accept", {"accept": {"auth_key": "k"}}, "accept"), ("DELETE", f"/{ZERO}", None, "delete"))],
]
FREE = ["/extensions", "/os-availability-zone"]


class Iam:
    def __init__(self, server, admin):
        self.server, self.admin = server, admin

    def call(self, method, path, body=None, status=(200, 201, 204)):
        reply = self.admin.session.request(method, self.server.url + "/identity" + path, json=body, timeout=30)
        assert reply.status_code in status, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.text else None

    def policy(self, name, allow=(), deny=()):
        statements = [{"Effect": effect, "Action": list(actions)} for effect, actions in (("Allow", allow), ("Deny", deny)) if actions]
        body = {"role": {"display_name": name, "type": "XA", "description": "d", "policy": {"Version": "1.1", "Statement": statements}}}
        return self.call("POST", "/v3.0/OS-ROLE/roles", body)["role"]

    def change(self, policy, allow):
        body = {"role": {"policy": {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": list(allow)}]}}}
        self.call("PATCH", f"/v3.0/OS-ROLE/roles/{policy['id']}", body)


@pytest.fixture(scope="module")
def iam(server, admin):
    return Iam(server, admin)


@pytest.fixture(scope="module")
def bob(server, iam):
    """A user whose only role is a custom policy."""
    server.identity("POST", "/projects", {"project": {"name": "lab"}})
    server.identity("POST", "/users", {"user": {"name": "bob", "password": "secret-2"}})
    policy = iam.policy("just", ["evs:none:none"])
    server.grant("bob", "lab", "just")
    client = server.login("bob", "secret-2", "lab")
    client.policy = policy
    return client


def status(client, operation):
    method, path, body, _ = operation
    return client.request(method, path.format(project=client.project), body, mv="3.40").status_code


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one[0]} {one[1]} {'+'.join(one[3])}")
def test_an_operation_needs_its_actions_and_no_more(iam, bob, operation):
    actions = operation[3]
    iam.change(bob.policy, actions)
    assert status(bob, operation) != 403
    for left_out in actions:
        iam.change(bob.policy, [one for one in actions if one != left_out] + ["evs:none:none"])
        assert status(bob, operation) == 403, f"without {left_out}"


@pytest.mark.parametrize("path", FREE)
def test_what_needs_no_action(iam, bob, path):
    iam.change(bob.policy, ["evs:none:none"])
    assert bob.request("GET", path).status_code == 200


def test_patterns(iam, bob):
    look = ("GET", f"/volumes/{ZERO}", None, [])
    for pattern, allowed in (("*", True), ("evs:*", True), ("evs:volumes:*", True), ("evs:*:get", True), ("evs:*:list", False), ("ecs:*:*", False)):
        iam.change(bob.policy, [pattern])
        assert (status(bob, look) != 403) == allowed, pattern


def test_a_denial_beats_a_role(server, iam, member):
    iam.policy("no-snapshots", deny=["evs:snapshots:delete"])
    assert member.request("DELETE", f"/snapshots/{ZERO}").status_code == 404
    server.grant("alice", "team", "no-snapshots")
    refusal = member.request("DELETE", f"/snapshots/{ZERO}")
    assert refusal.status_code == 403 and "evs:snapshots:delete" in refusal.text
    native_refusal = member.request("DELETE", f"/cloudsnapshots/{ZERO}", version="v2")
    assert native_refusal.json()["error"]["code"] == "EVS.2056"
    assert member.request("GET", f"/snapshots/{ZERO}").status_code == 404
    # A credential that has only the role member does not shake the denial off.
    secret = member.session.post(f"{server.url}/identity/v3/users/{member.info['user']['id']}/application_credentials", json={
        "application_credential": {"name": "c", "roles": [{"name": "member"}]}}, timeout=30).json()["application_credential"]
    token = member.session.post(f"{server.url}/identity/v3/auth/tokens", json={"auth": {"identity": {
        "methods": ["application_credential"], "application_credential": {"id": secret["id"], "secret": secret["secret"]}}}}, timeout=30)
    headers = {"X-Auth-Token": token.headers["X-Subject-Token"]}
    assert member.request("DELETE", f"/snapshots/{ZERO}", headers=headers).status_code == 403
    server.run("openstack", "role", "remove", "--project", "team", "--user", "alice", "no-snapshots")
    assert member.request("DELETE", f"/snapshots/{ZERO}").status_code == 404


def test_a_reader_looks_and_no_more(server, iam):
    server.new_user("rita", "secret-3", "lab", "reader")
    rita = server.login("rita", "secret-3", "lab")
    for operation in OPERATIONS:
        looks = all(action.rsplit(":", 1)[1] in ("get", "list", "getById") for action in operation[3])
        assert (status(rita, operation) != 403) == looks, operation


def test_groups_give_their_members_what_they_have(server, iam, bob):
    iam.change(bob.policy, ["evs:none:none"])
    look = ("GET", f"/volumes/{ZERO}", None, [])
    assert status(bob, look) == 403
    iam.policy("lookers", ["evs:volumes:get"])
    server.openstack("group", "create", "crew")
    server.run("openstack", "group", "add", "user", "crew", "bob")
    server.run("openstack", "role", "add", "--project", "lab", "--group", "crew", "lookers")
    assert status(bob, look) == 404
    assert server.run("openstack", "group", "contains", "user", "crew", "bob").stdout
    assert any(one["Group"] for one in server.openstack("role", "assignment", "list", "--group", "crew", "--names"))
    server.run("openstack", "group", "remove", "user", "crew", "bob")
    assert status(bob, look) == 403
    server.run("openstack", "group", "add", "user", "crew", "bob")
    server.run("openstack", "group", "set", "--name", "band", "crew")
    server.run("openstack", "role", "remove", "--project", "lab", "--group", "band", "lookers")
    assert status(bob, look) == 403
    server.run("openstack", "group", "delete", "band")
    assert "band" not in [one["Name"] for one in server.openstack("group", "list")]


def test_policies_are_managed(iam):
    made = iam.policy("p", ["evs:volumes:get"], ["evs:volumes:delete"])
    assert made["catalog"] == "CUSTOMED" and made["display_name"] == "p"
    assert made["policy"] == {"Version": "1.1", "Statement": [{"Effect": "Allow", "Action": ["evs:volumes:get"]},
                                                             {"Effect": "Deny", "Action": ["evs:volumes:delete"]}]}
    path = f"/v3.0/OS-ROLE/roles/{made['id']}"
    assert iam.call("GET", path)["role"] == made
    assert made["id"] in [one["id"] for one in iam.call("GET", "/v3.0/OS-ROLE/roles")["roles"]]
    iam.call("PATCH", path, {"role": {"display_name": "q", "description": "e"}})
    assert iam.call("GET", path)["role"]["description"] == "e"
    iam.call("DELETE", path)
    iam.call("GET", path, status=(404,))


def test_plain_roles_are_no_policies(server, iam):
    member = next(one["ID"] for one in server.openstack("role", "list") if one["Name"] == "member")
    for method in ("GET", "PATCH", "DELETE"):
        iam.call(method, f"/v3.0/OS-ROLE/roles/{member}", {"role": {}} if method == "PATCH" else None, status=(404,))


@pytest.mark.parametrize("statement", [{}, {"Effect": "Allow"}, {"Effect": "Maybe", "Action": ["evs:a:b"]}, {"Effect": "Allow", "Action": []},
                                       {"Effect": "Allow", "Action": ["a b"]}, {"Effect": "Allow", "Action": "evs:a:b"},
                                       {"Effect": "Allow", "Action": ["evs:a:b"], "Condition": {}}])
def test_bad_policies(iam, statement):
    body = {"role": {"display_name": "bad", "policy": {"Version": "1.1", "Statement": [statement]}}}
    iam.call("POST", "/v3.0/OS-ROLE/roles", body, status=(400,))


def test_only_administrators_manage_policies_and_groups(server, member):
    for path in ("/v3.0/OS-ROLE/roles", "/v3/groups"):
        for method in ("GET", "POST"):
            assert member.session.request(method, server.url + "/identity" + path, json={}, timeout=30).status_code == 403


def test_every_operation_of_the_table_is_walked():
    assert len(OPERATIONS) >= 90 and len({action for one in OPERATIONS for action in one[3]}) >= 35
    assert all(one for one in itertools.chain(*[operation[3] for operation in OPERATIONS]))
