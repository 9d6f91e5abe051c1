"""The embedded identity, through unmodified clients and by hand."""
import json
import sqlite3

import pytest
import requests
from keystoneauth1 import session as ks
from keystoneauth1.identity import v3

from varve import wait_until


def auth_url(server):
    return server.url + "/identity/v3"


def test_first_start_writes_a_private_openrc(server):
    path = server.store / "openrc"
    assert path.stat().st_mode & 0o777 == 0o600
    for private in ("varve.db", "layers", "volumes", "run"):
        assert (server.store / private).stat().st_mode & 0o077 == 0


def test_discovery_needs_no_token(server):
    assert requests.get(server.url + "/identity", timeout=30).status_code == 300
    assert requests.get(server.url + "/identity/v3", timeout=30).json()["version"]["id"] == "v3.14"
    assert requests.get(server.url + "/", timeout=30).status_code == 300
    assert requests.get(server.url + "/v3/", timeout=30).json()["versions"][0]["version"] == "3.70"


def test_projects_users_and_roles_through_openstackclient(server):
    project = server.openstack("project", "create", "--description", "d", "p1")
    assert server.openstack("project", "show", "p1")["id"] == project["id"]
    server.run("openstack", "project", "set", "--name", "p2", "p1")
    user = server.openstack("user", "create", "--password", "old-secret", "--project", "p2", "u1")
    server.run("openstack", "role", "add", "--project", "p2", "--user", "u1", "member")
    assert any(r["Role"] for r in server.openstack("role", "assignment", "list", "--user", "u1", "--names"))
    client = server.login("u1", "old-secret", "p2")
    assert {r["name"] for r in client.info["roles"]} == {"member", "reader"}
    server.run("openstack", "user", "set", "--password", "new-secret", "u1")
    assert client.request("GET", "/volumes").status_code == 401
    client = server.login("u1", "new-secret", "p2")
    server.run("openstack", "role", "remove", "--project", "p2", "--user", "u1", "member")
    assert client.request("GET", "/volumes").status_code == 401
    server.run("openstack", "role", "add", "--project", "p2", "--user", "u1", "reader")
    server.run("openstack", "user", "set", "--disable", "u1")
    assert client.request("GET", "/volumes").status_code == 401
    server.run("openstack", "user", "delete", "u1")
    server.run("openstack", "project", "delete", "p2")
    assert {u["Name"] for u in server.openstack("user", "list")} >= {"admin"}
    assert user["id"] not in {u["ID"] for u in server.openstack("user", "list")}


def test_application_credentials_through_keystoneauth(server, member):
    rc = server.openrc()
    made = json.loads(server.run(
        "openstack", "--os-username", "alice", "--os-password", "secret-1", "--os-project-name", "team",
        "application", "credential", "create", "--role", "reader", "cred", "-f", "json").stdout)
    auth = v3.ApplicationCredential(auth_url(server), application_credential_id=made["id"],
                                    application_credential_secret=made["secret"])
    session = ks.Session(auth=auth)
    assert session.get("/volumes", endpoint_filter={"service_type": "block-storage", "version": "3"}).status_code == 200
    with pytest.raises(Exception) as refused:
        session.post("/volumes", json={"volume": {"size": 1}}, endpoint_filter={"service_type": "volumev3"})
    assert refused.value.http_status == 403
    by_name = v3.ApplicationCredential(auth_url(server), application_credential_name="cred", username="alice",
                                       user_domain_name="Default", application_credential_secret=made["secret"])
    assert ks.Session(auth=by_name).get_token()
    server.run("openstack", "--os-username", "alice", "--os-password", "secret-1", "--os-project-name", "team",
               "application", "credential", "delete", "cred")
    with pytest.raises(Exception) as gone:
        ks.Session(auth=auth).get("/volumes", endpoint_filter={"service_type": "volumev3"})
    assert gone.value.http_status == 401
    assert rc["OS_USERNAME"] == "admin"


@pytest.mark.parametrize("limits", [{"roles": {"name": "reader"}}, {"roles": "reader"}, {"access_rules": {"path": "/v3/volumes"}}])
def test_what_limits_an_application_credential_is_a_list(server, admin, limits):
    """Dropped, it would leave a credential that may do everything."""
    path = f"{server.url}/identity/v3/users/{admin.info['user']['id']}/application_credentials"
    reply = admin.session.post(path, json={"application_credential": {"name": "limited", **limits}}, timeout=30)
    assert reply.status_code == 400, reply.text


def test_a_role_whose_name_holds_a_comma_is_one_role(server, admin):
    """Its credential must not get the roles that the name seems to list, which its user has as well."""
    odd = admin.session.post(f"{server.url}/identity/v3/roles", json={"role": {"name": "member,admin"}}, timeout=30)
    assert odd.status_code == 201, odd.text
    user, project = admin.info["user"]["id"], admin.info["project"]["id"]
    server.identity("PUT", f"/projects/{project}/users/{user}/roles/{odd.json()['role']['id']}")
    owner = server.login()
    body = {"application_credential": {"name": "odd", "roles": [{"name": "member,admin"}]}}
    made = owner.session.post(f"{server.url}/identity/v3/users/{user}/application_credentials", json=body, timeout=30)
    assert made.status_code == 201, made.text
    made = made.json()["application_credential"]
    assert [role["name"] for role in made["roles"]] == ["member,admin"]
    body = {"auth": {"identity": {"methods": ["application_credential"],
                                  "application_credential": {"id": made["id"], "secret": made["secret"]}}}}
    token = requests.post(auth_url(server) + "/auth/tokens", json=body, timeout=30)
    assert token.status_code == 201, token.text
    assert [role["name"] for role in token.json()["token"]["roles"]] == ["member,admin"]


def test_tokens_are_shown_rescoped_and_revoked(server, member):
    session = requests.Session()
    session.headers["X-Auth-Token"] = member.token
    url = auth_url(server) + "/auth/tokens"
    shown = session.get(url, headers={"X-Subject-Token": member.token}, timeout=30)
    assert shown.status_code == 200 and shown.json()["token"]["user"]["name"] == "alice"
    assert session.head(url, headers={"X-Subject-Token": member.token}, timeout=30).status_code == 200
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": member.token}}, "scope": "unscoped"}}
    unscoped = requests.post(url, json=body, timeout=30)
    assert unscoped.status_code == 201 and "project" not in unscoped.json()["token"]
    assert unscoped.json()["token"]["expires_at"] == member.info["expires_at"]
    token = unscoped.headers["X-Subject-Token"]
    assert requests.get(member.url("/volumes"), headers={"X-Auth-Token": token}, timeout=30).status_code == 403
    assert requests.delete(url, headers={"X-Auth-Token": token, "X-Subject-Token": token}, timeout=30).status_code == 204
    assert session.get(url, headers={"X-Auth-Token": token, "X-Subject-Token": token}, timeout=30).status_code == 401
    assert session.get(member.url("/volumes"), timeout=30).status_code == 200


def tampered(token):
    head, claims, signature = token.split(".")
    return ["", "x", "a.b.c", f"{head}.{claims}.", f"{head}.{claims}.{'A' * len(signature)}",
            "eyJhbGciOiJub25lIn0." + claims + ".", f"{head}.{claims}x.{signature}", "x" * 100000]


def test_no_forged_token_is_taken(server, admin):
    for token in tampered(admin.token):
        reply = requests.get(admin.url("/volumes"), headers={"X-Auth-Token": token}, timeout=30)
        assert reply.status_code in (401, 431), token[:40]


@pytest.mark.parametrize("body", [{}, {"auth": {}}, {"auth": {"identity": {}}}, {"auth": {"identity": {"methods": []}}},
                                  {"auth": {"identity": {"methods": ["password"]}}},
                                  {"auth": {"identity": {"methods": ["magic"]}}},
                                  {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin"}}}}}])
def test_bad_logins_are_refused(server, body):
    assert requests.post(auth_url(server) + "/auth/tokens", json=body, timeout=30).status_code in (400, 401)


def test_guessing_is_slowed_down(own_server):
    own_server.start()
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {
        "name": "admin", "password": "guess", "domain": {"id": "default"}}}}}}
    url = auth_url(own_server) + "/auth/tokens"
    codes = [requests.post(url, json=body, timeout=30).status_code for _ in range(8)]
    assert codes[:5] == [401] * 5 and 429 in codes[5:]
    body["auth"]["identity"]["password"]["user"]["password"] = own_server.openrc()["OS_PASSWORD"]
    wait_until(lambda: requests.post(url, json=body, timeout=30).status_code == 201, 30, "the wait to be over")


def test_members_may_not_manage(server, member):
    for path in ("/users", "/projects", "/roles", "/domains", "/role_assignments"):
        reply = requests.get(auth_url(server) + path, headers={"X-Auth-Token": member.token}, timeout=30)
        assert reply.status_code == 403, path
    own = f"/users/{member.info['user']['id']}"
    assert requests.get(auth_url(server) + own, headers={"X-Auth-Token": member.token}, timeout=30).status_code == 200


@pytest.mark.parametrize("kind", ["groups", "projects"])
def test_a_user_that_is_not_there_has_no_list(admin, kind):
    """Keystone says so too, and not that the list is empty."""
    reply = admin.session.get(f"{admin.server.url}/identity/v3/users/nobody/{kind}", timeout=30)
    assert reply.status_code == 404, reply.text


def test_a_project_with_volumes_is_not_deleted(server, member):
    member.create_volume()
    reply = requests.delete(auth_url(server) + f"/projects/{member.project}",
                            headers={"X-Auth-Token": server.login().token}, timeout=30)
    assert reply.status_code == 409 and "volumes" in reply.json()["error"]["message"]


def test_a_domain_with_groups_is_not_deleted(server):
    domain = server.identity("POST", "/domains", {"domain": {"name": "of-groups", "enabled": False}})["domain"]["id"]
    group = server.identity("POST", "/groups", {"group": {"name": "g", "domain_id": domain}})["group"]["id"]
    reply = requests.delete(auth_url(server) + f"/domains/{domain}", headers={"X-Auth-Token": server.login().token}, timeout=30)
    assert reply.status_code == 409 and "has groups (g)" in reply.json()["error"]["message"]
    server.identity("DELETE", f"/groups/{group}")
    server.identity("DELETE", f"/domains/{domain}")


def test_tokens_survive_a_restart(own_server):
    admin = own_server.start().login()
    own_server.restart()
    admin.server = own_server
    assert admin.request("GET", "/volumes").status_code == 200


def test_a_clock_that_was_set_back_locks_nobody_out(own_server):
    own_server.start()
    own_server.stop()
    with sqlite3.connect(own_server.store / "varve.db") as db:
        db.execute("UPDATE users SET password_changed_at = password_changed_at + 3600 * 1000000")
    db.close()
    admin = own_server.start().login()
    assert admin.call("GET", "/volumes") == {"volumes": []}
    own_server.stop()
