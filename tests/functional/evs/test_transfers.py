"""Transfers: a disk changes its project. The calls are Cinder's, and EVS's too."""
import pytest
from evs import ZERO, native


@pytest.fixture(params=["/os-volume-transfer", "/volume-transfers"])
def path(request):
    return request.param


def call(client, method, path, body=None, status=200):
    return client.call(method, path, body, status, "3.57")


def offer(client, path, volume, **more):
    return call(client, "POST", path, {"transfer": {"volume_id": volume, "name": "first", **more}}, 202)["transfer"]


def test_a_volume_goes_to_another_project(admin, member, path):
    volume = admin.create_volume(name="gift")
    assert admin.io(volume, "write -P 9 0 64k")
    snapshot = admin.create_snapshot(volume)
    made = offer(admin, path, volume)
    assert made["volume_id"] == volume and len(made["auth_key"]) >= 16 and made["created_at"]
    assert [link["rel"] for link in made["links"]] == ["self", "bookmark"]
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "awaiting-transfer"
    shown = call(admin, "GET", f"{path}/{made['id']}")["transfer"]
    assert "auth_key" not in shown and shown["created_at"] == made["created_at"]
    assert made["id"] in [one["id"] for one in call(admin, "GET", path)["transfers"]]
    assert made["id"] in [one["id"] for one in call(admin, "GET", f"{path}/detail")["transfers"]]
    assert member.request("GET", f"{path}/{made['id']}", mv="3.57").status_code == 404
    wrong = member.request("POST", f"{path}/{made['id']}/accept", {"accept": {"auth_key": "wrong"}}, mv="3.57")
    assert wrong.status_code == 400 and "Invalid auth key" in wrong.text
    taken = call(member, "POST", f"{path}/{made['id']}/accept", {"accept": {"auth_key": made["auth_key"]}}, 202)["transfer"]
    assert taken["id"] == made["id"] and taken["volume_id"] == volume
    assert admin.request("GET", f"/volumes?name=gift").json()["volumes"] == []
    assert member.call("GET", f"/volumes/{volume}")["volume"]["status"] == "available"
    assert member.call("GET", f"/snapshots/{snapshot}")["snapshot"]["os-extended-snapshot-attributes:project_id"] == member.project
    assert member.io(volume, "read -P 9 0 64k")
    assert call(admin, "GET", path)["transfers"] == []
    member.delete_volume(volume, cascade=True)


def test_an_offer_is_withdrawn(admin, member, path):
    volume = admin.create_volume()
    made = offer(admin, path, volume)
    assert admin.request("DELETE", f"/volumes/{volume}").status_code == 400
    assert admin.request("POST", path, {"transfer": {"volume_id": volume, "name": "x"}}, mv="3.57").status_code == 400
    assert member.request("DELETE", f"{path}/{made['id']}", mv="3.57").status_code == 404
    call(admin, "DELETE", f"{path}/{made['id']}", None, 202)
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "available"
    accept = {"accept": {"auth_key": made["auth_key"]}}
    assert member.request("POST", f"{path}/{made['id']}/accept", accept, mv="3.57").status_code == 404


def test_refusals(admin, path):
    volume = admin.create_volume()
    post = lambda body: admin.request("POST", path, body, mv="3.57").status_code
    assert post({"transfer": {"volume_id": ZERO, "name": "n"}}) == 404
    assert post({"transfer": {"name": "n"}}) == 400
    assert post({"transfer": {"volume_id": volume, "name": "n" * 256}}) == 400
    attachment, _ = admin.attach(volume)
    assert post({"transfer": {"volume_id": volume, "name": "n"}}) == 400
    admin.detach(attachment)
    assert admin.request("GET", f"{path}/{ZERO}", mv="3.57").status_code == 404
    assert admin.request("POST", f"{path}/{ZERO}/accept", {"accept": {"auth_key": "k"}}, mv="3.57").status_code == 404
    assert admin.request("POST", f"{path}/{ZERO}/accept", {"accept": {}}, mv="3.57").status_code == 400


def test_snapshots_that_are_not_to_go_along(admin):
    volume = admin.create_volume()
    admin.create_snapshot(volume)
    body = {"transfer": {"volume_id": volume, "name": "n", "no_snapshots": True}}
    assert admin.request("POST", "/volume-transfers", body, mv="3.57").status_code == 400


def test_the_quota_of_the_taker_holds(admin, member, path):
    admin.call("PUT", f"/os-quota-sets/{member.project}", {"quota_set": {"volumes": 0}})
    made = offer(admin, path, admin.create_volume())
    accept = {"accept": {"auth_key": made["auth_key"]}}
    assert member.request("POST", f"{path}/{made['id']}/accept", accept, mv="3.57").status_code == 413
    admin.call("DELETE", f"/os-quota-sets/{member.project}")
    call(member, "POST", f"{path}/{made['id']}/accept", accept, 202)


def test_guessing_is_slowed_down(admin, member):
    made = offer(admin, "/os-volume-transfer", admin.create_volume())
    guess = lambda: member.request("POST", f"/os-volume-transfer/{made['id']}/accept", {"accept": {"auth_key": "x"}}).status_code
    assert 429 in [guess() for _ in range(8)]


def test_the_newer_path_came_with_3_55(admin):
    assert admin.request("GET", "/volume-transfers", mv="3.54").status_code == 404
    assert native(admin, "GET", "/os-volume-transfer")["transfers"] is not None
