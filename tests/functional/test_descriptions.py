"""What the database knows is kept beside the images, a moment later, and follows every change."""
import json
import os

from varve import wait_until


def description(server, volume):
    path = server.store / "descriptions" / "volumes" / f"{volume}.json"
    return json.loads(path.read_text()) if path.exists() else None


def catalogue(server):
    path = server.store / "descriptions" / "catalogue.json"
    return json.loads(path.read_text())["tables"] if path.exists() else None


def wait_description(server, volume, good, what="the description"):
    wait_until(lambda: (d := description(server, volume)) and good(d), 30, what)
    return description(server, volume)


def test_a_volume_is_described_as_it_changes(admin, server):
    volume = admin.create_volume(name="data \u00e9", description="d", volume_type="SSD", metadata={"k": "v"})
    snapshot = admin.create_snapshot(volume, name="s")
    attachment, _ = admin.attach(volume)
    seen = wait_description(server, volume, lambda d: d["attachments"] and d["volume"]["status"] == "in-use")
    assert (seen["version"], seen["type"], seen["volume"]["name"], seen["volume"]["status"]) == (1, "SSD", "data \u00e9", "in-use")
    assert json.loads(seen["volume"]["metadata"])["k"] == "v" and seen["volume"]["project_id"] == admin.project
    assert [row["id"] for row in seen["snapshots"]] == [snapshot] and seen["snapshots"][0]["name"] == "s"
    assert [row["id"] for row in seen["attachments"]] == [attachment]
    admin.detach(attachment)
    admin.call("PUT", f"/volumes/{volume}", {"volume": {"name": "other"}})
    wait_description(server, volume, lambda d: d["volume"]["name"] == "other" and not d["attachments"])
    admin.call("DELETE", f"/snapshots/{snapshot}", None, 202)
    wait_description(server, volume, lambda d: not d["snapshots"])
    admin.delete_volume(volume)
    wait_until(lambda: description(server, volume) is None, 30, "the description to go")


def test_a_volume_that_was_given_up_is_told_from_one_that_is_unknown(admin, server):
    volume = admin.create_volume()
    admin.action(volume, "os-unmanage", {}, 202)
    wait_description(server, volume, lambda d: d == {"version": 1, "given_up": True})
    made = admin.call("POST", "/manageable_volumes", {"volume": {"host": "varve@qcow2#default", "ref": {"source-name": f"volume-{volume}"}}}, 202, "3.8")
    again = made["volume"]["id"]
    admin.wait_volume(again)
    wait_description(server, again, lambda d: d["volume"]["status"] == "available")
    admin.delete_volume(again)


def test_types_projects_and_users_are_described_without_secrets(admin, server):
    made = admin.call("POST", "/types", {"volume_type": {"name": "gold", "extra_specs": {"a": "b"}}}, 200)["volume_type"]["id"]
    server.openstack("project", "create", "kept")
    server.openstack("user", "create", "--password", "S3cret-word", "bob")
    wait_until(lambda: (c := catalogue(server)) and "bob" in [u["name"] for u in c["users"]], 30, "the catalogue")
    tables = catalogue(server)
    assert made in [t["id"] for t in tables["volume_types"]] and "kept" in [p["name"] for p in tables["projects"]]
    text = (server.store / "descriptions" / "catalogue.json").read_text()
    assert not any(word in text for word in ("password_hash", "S3cret-word", "scrypt", "signing_keys", "access_keys"))
    assert os.stat(server.store / "descriptions" / "catalogue.json").st_mode & 0o777 == 0o600
    admin.call("DELETE", f"/types/{made}", None, 202)
    wait_until(lambda: made not in [t["id"] for t in catalogue(server)["volume_types"]], 30, "the type to go")


def test_a_start_makes_good_what_a_crash_left(own_server):
    admin = own_server.start().login()
    kept, gone = admin.create_volume(name="kept"), "11111111-2222-4333-8444-555555555555"
    wait_description(own_server, kept, lambda d: d["volume"]["status"] == "available")
    own_server.kill()
    directory = own_server.store / "descriptions" / "volumes"
    (directory / f"{kept}.json").unlink()
    (directory / f"{gone}.json").write_text('{"version":1,"volume":{"id":"x"}}')
    (directory / f"{kept}.json.new").write_text("cut o")
    own_server.start()
    wait_description(own_server, kept, lambda d: d["volume"]["name"] == "kept")
    wait_until(lambda: sorted(p.name for p in directory.iterdir()) == [f"{kept}.json"], 30, "what is left over to go")
    own_server.stop()
