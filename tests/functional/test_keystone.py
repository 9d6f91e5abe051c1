"""Identity by a real Keystone: its tokens, its roles, its revocations."""
import pytest
import requests
from glance import Glance
from keystone_service import Keystone
from varve import Client, Server, fault, wait_until


@pytest.fixture(scope="module")
def keystone():
    made = Keystone().start()
    for project in ("team-a", "team-b"):
        made.project(project)
    made.user("alice", "team-a", "member")
    made.user("bob", "team-b", "member")
    made.user("rita", "team-a", "reader")
    made.user("nemo", "team-a", "service")
    yield made
    made.destroy()


@pytest.fixture(scope="module")
def cloud(keystone):
    made = Server(options=keystone.options(keystone_cache_s=0))
    made.start()
    yield made
    made.stop()
    made.destroy()


def client(server, keystone, user, project):
    token = keystone.token(user, project)
    return Client(server, token, keystone.describe(token))


def test_tokens_roles_and_projects_are_keystones(cloud, keystone):
    alice, bob, rita, nemo, admin = (client(cloud, keystone, *who) for who in (
        ("alice", "team-a"), ("bob", "team-b"), ("rita", "team-a"), ("nemo", "team-a"), ("admin", "admin")))
    volume = alice.create_volume(name="mine")
    view = rita.call("GET", f"/volumes/{volume}")["volume"]
    assert view["user_id"] == alice.info["user"]["id"] and view["os-vol-tenant-attr:tenant_id"] == alice.project
    fault(rita.request("POST", "/volumes", {"volume": {"size": 1}}), 403)
    fault(nemo.request("GET", "/volumes"), 403)
    fault(bob.request("GET", f"/volumes/{volume}"), 404)
    assert [v["id"] for v in admin.call("GET", "/volumes?all_tenants=1&name=mine")["volumes"]] == [volume]
    fault(alice.request("GET", "/os-services"), 403)
    snapshot = alice.create_snapshot(volume)
    assert alice.call("PUT", f"/snapshots/{snapshot}", {"snapshot": {"name": "snap-001"}})["snapshot"]["name"] == "snap-001"
    alice.delete_volume(volume, cascade=True)


def test_bad_and_revoked_tokens_are_refused(cloud, keystone):
    alice = client(cloud, keystone, "alice", "team-a")
    alice.call("GET", "/volumes")
    good = alice.session.headers["X-Auth-Token"]
    for bad in ("nonsense", good[:-2], ""):
        reply = requests.get(alice.url("/volumes"), headers={"X-Auth-Token": bad}, timeout=30)
        assert reply.status_code == 401
    requests.delete(keystone.url + "/auth/tokens", headers={"X-Auth-Token": good, "X-Subject-Token": good}, timeout=30)
    assert requests.get(alice.url("/volumes"), headers={"X-Auth-Token": good}, timeout=30).status_code == 401
    assert requests.post(cloud.url + "/identity/v3/auth/tokens", json={}, timeout=30).status_code == 404


def test_a_validated_token_is_believed_for_a_while(keystone):
    server = Server(options=keystone.options(keystone_cache_s=3600))
    try:
        alice = client(server.start(), keystone, "alice", "team-a")
        alice.call("GET", "/volumes")
        keystone.stop()
        alice.call("GET", "/volumes")
        other = requests.get(alice.url("/volumes"), headers={"X-Auth-Token": "another"}, timeout=30)
        assert other.status_code == 503
        keystone.serve()
        server.restart()
        alice.server = server
        assert alice.request("GET", "/volumes").status_code == 200
    finally:
        if keystone.process is None:
            keystone.serve()
        server.destroy()


def test_a_service_acts_for_a_user_whose_token_has_ended(keystone):
    short = Keystone(expiration=4, like=keystone).start()
    server = Server(options=short.options(keystone_cache_s=0))
    try:
        ended = short.token("alice", "team-a")
        short.stop()
        short.expiration = 3600  # of those that it issues from now on
        short.configure()
        short.serve()
        server.start()
        alice = Client(server, ended, keystone.describe(keystone.token("alice", "team-a")))

        def ask(**headers):
            return requests.get(alice.url("/volumes"), headers={"X-Auth-Token": alice.token, **headers}, timeout=30).status_code
        wait_until(lambda: ask() == 401, 30, "the token to end")
        assert ask(**{"X-Service-Token": short.token("varved", "service")}) == 200
        assert ask(**{"X-Service-Token": short.token("alice", "team-a")}) == 401
        assert ask(**{"X-Service-Token": "nonsense"}) == 401
    finally:
        server.destroy()
        short.destroy()


def test_images_are_asked_for_as_the_user(keystone):
    glance = Glance()
    server = Server(options=[*keystone.options(), f"images.endpoint={glance.endpoint}"])
    try:
        server.start()
        glance.start(identity=keystone)
        alice, bob = client(server, keystone, "alice", "team-a"), client(server, keystone, "bob", "team-b")
        image = glance.create(alice, b"\x05" * 2**20)
        volume = alice.create_volume(imageRef=image)
        assert alice.io(volume, "read -P 5 0 1M")
        assert "unable to access" in fault(bob.request("POST", "/volumes", {"volume": {"size": 1, "imageRef": image}}), 400)
    finally:
        server.destroy()
        glance.destroy()
