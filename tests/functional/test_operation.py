"""What operators decide: service states, hosts, capabilities, private types, snapshot reports."""
from varve import fault, wait_until


def services(admin):
    return {one["binary"]: one for one in admin.call("GET", "/os-services")["services"]}


def refused_for(admin, volume):
    wait_until(lambda: admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "error", 30, "the volume to be refused")
    messages = admin.call("GET", f"/messages?resource_uuid={volume}", mv="3.5")["messages"]
    return messages[0]["user_message"]


def test_a_disabled_service_takes_no_new_volumes(own_server):
    admin = own_server.start().login()
    kept = admin.create_volume()
    where = {"host": services(admin)["cinder-volume"]["host"], "binary": "cinder-volume"}
    reply = admin.call("PUT", "/os-services/disable-log-reason", {**where, "disabled_reason": "disk swap"}, 200)
    assert reply["disabled"] and reply["disabled_reason"] == "disk swap"
    assert (services(admin)["cinder-volume"]["status"], services(admin)["cinder-volume"]["disabled_reason"]) == ("disabled", "disk swap")
    refused = admin.call("POST", "/volumes", {"volume": {"size": 1}}, 202)["volume"]["id"]
    assert refused_for(admin, refused)
    admin.create_snapshot(kept)  # what is there goes on
    own_server.restart()
    admin = own_server.login()
    assert services(admin)["cinder-volume"]["status"] == "disabled"
    admin.call("PUT", "/os-services/enable", where, 200)
    admin.create_volume()
    admin.call("PUT", "/os-services/freeze", {"host": where["host"]}, 202)
    assert services(admin)["cinder-volume"]["frozen"] is True
    refused_for(admin, admin.call("POST", "/volumes", {"volume": {"size": 1}}, 202)["volume"]["id"])
    admin.call("PUT", "/os-services/thaw", {"host": where["host"]}, 202)
    admin.create_volume()


def test_services_are_for_administrators_and_must_exist(admin, member):
    assert member.request("PUT", "/os-services/disable", {"host": "varve@qcow2", "binary": "cinder-volume"}).status_code == 403
    assert fault(admin.request("PUT", "/os-services/disable", {"host": "nowhere", "binary": "cinder-volume"}), 404)
    assert fault(admin.request("PUT", "/os-services/enable", {"host": "varve@qcow2"}), 400)
    assert fault(admin.request("PUT", "/os-services/freeze", {"host": "nowhere"}), 400)
    assert services(admin)["cinder-volume"]["status"] == "enabled"


def test_hosts_show_what_projects_have_there(own_server):
    admin = own_server.start().login()
    admin.create_snapshot(admin.create_volume(size=3))
    hosts = {host["host_name"] for host in admin.call("GET", "/os-hosts")["hosts"]}
    assert "varve@qcow2" in hosts
    rows = {row["resource"]["project"]: row["resource"] for row in admin.call("GET", "/os-hosts/varve@qcow2")["host"]}
    assert rows["(total)"]["total_volume_gb"] == rows[admin.project]["total_volume_gb"] == "3"
    assert rows["(total)"]["snapshot_count"] == "1"
    assert admin.request("GET", "/os-hosts/nowhere").status_code == 404
    assert admin.call("GET", "/capabilities/varve@qcow2")["storage_protocol"] == "nbd"
    assert admin.request("GET", "/capabilities/nowhere").status_code == 404


def test_a_type_may_ask_for_what_the_storage_has(admin):
    good = admin.call("POST", "/types", {"volume_type": {"name": "nbd-type", "extra_specs": {"capabilities:storage_protocol": "nbd"}}}, 200)
    admin.delete_volume(admin.create_volume(volume_type="nbd-type"))
    admin.call("POST", f"/types/{good['volume_type']['id']}/extra_specs", {"extra_specs": {"vendor_name": "Somebody"}}, 200)
    refused = admin.call("POST", "/volumes", {"volume": {"size": 1, "volume_type": "nbd-type"}}, 202)["volume"]["id"]
    refused_for(admin, refused)
    admin.delete_volume(refused)


def test_a_private_type_is_for_those_who_were_given_it(admin, member):
    made = admin.call("POST", "/types", {"volume_type": {"name": "secret", "os-volume-type-access:is_public": False}}, 200)["volume_type"]
    path = f"/types/{made['id']}"
    assert member.request("GET", path).status_code == 404
    assert fault(member.request("POST", "/volumes", {"volume": {"size": 1, "volume_type": "secret"}}), 404)
    admin.call("POST", path + "/action", {"addProjectAccess": {"project": member.project}}, 202)
    assert admin.request("POST", path + "/action", {"addProjectAccess": {"project": member.project}}).status_code == 409
    assert admin.call("GET", path + "/os-volume-type-access")["volume_type_access"] == [{"volume_type_id": made["id"], "project_id": member.project}]
    assert made["id"] in {one["id"] for one in member.call("GET", "/types")["volume_types"]}
    volume = member.create_volume(volume_type="secret")
    member.delete_volume(volume)
    assert member.request("POST", path + "/action", {"addProjectAccess": {"project": member.project}}).status_code == 403
    admin.call("POST", path + "/action", {"removeProjectAccess": {"project": member.project}}, 202)
    assert member.request("GET", path).status_code == 404
    assert admin.request("POST", path + "/action", {"removeProjectAccess": {"project": member.project}}).status_code == 404
    assert admin.request("DELETE", path).status_code == 202


def test_a_snapshot_report_ends_what_was_begun_and_nothing_else(admin, member):
    volume = member.create_volume()
    snapshot = member.create_snapshot(volume)
    report = f"/snapshots/{snapshot}/action"
    assert fault(member.request("POST", report, {"os-update_snapshot_status": {"status": "error"}}), 400)
    admin.call("POST", report, {"os-reset_status": {"status": "creating"}}, 202)
    member.call("POST", report, {"os-update_snapshot_status": {"status": "available", "progress": "80%"}}, 202)
    shown = member.call("GET", f"/snapshots/{snapshot}")["snapshot"]
    assert (shown["status"], shown["os-extended-snapshot-attributes:progress"]) == ("available", "80%")
