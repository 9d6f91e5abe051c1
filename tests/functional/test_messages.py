"""User messages: why an accepted call came to nothing."""
import pytest
from varve import wait_until


@pytest.fixture
def failing(own_server):
    """Two volumes that could not be extended."""
    own_server.start(environment={"VARVE_FAILPOINTS": "volume.extend.before_resize=error"})
    admin = own_server.login()
    volume = admin.create_volume()
    admin.action(volume, "os-extend", {"new_size": 2}, 202)
    wait_until(lambda: admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "error_extending", 30, "the failure")
    return admin, volume


def test_a_failed_task_leaves_a_message(failing):
    admin, volume = failing
    message, = admin.call("GET", "/messages", None, 200, "3.3")["messages"]
    assert (message["resource_type"], message["resource_uuid"], message["message_level"]) == ("VOLUME", volume, "ERROR")
    assert message["event_id"] == "VOLUME_VOLUME_007_907" and message["request_id"].startswith("req-")
    assert message["user_message"].startswith("extend volume:") and "failpoint" not in message["user_message"]
    assert message["created_at"] < message["guaranteed_until"]
    shown = admin.call("GET", f"/messages/{message['id']}", None, 200, "3.3")["message"]
    assert shown == message
    admin.call("DELETE", f"/messages/{message['id']}", None, 204, "3.3")
    assert admin.request("GET", f"/messages/{message['id']}", mv="3.3").status_code == 404
    assert admin.request("DELETE", f"/messages/{message['id']}", mv="3.3").status_code == 404


def test_messages_are_filtered_and_came_with_3_3(failing):
    admin, volume = failing
    for query, count in ((f"resource_uuid={volume}", 1), ("resource_uuid=x", 0), ("message_level=ERROR", 1),
                         ("resource_type=VOLUME_SNAPSHOT", 0), ("limit=1&sort=created_at:asc", 1)):
        assert len(admin.call("GET", f"/messages?{query}", None, 200, "3.5")["messages"]) == count, query
    assert admin.request("GET", "/messages", mv="3.2").status_code == 404


def test_another_projects_messages_are_not_there(failing, own_server):
    admin, _ = failing
    message, = admin.call("GET", "/messages", None, 200, "3.3")["messages"]
    own_server.new_user("alice", "secret-1", "team")
    alice = own_server.login("alice", "secret-1", "team")
    assert alice.call("GET", "/messages", None, 200, "3.3")["messages"] == []
    assert alice.request("GET", f"/messages/{message['id']}", mv="3.3").status_code == 404


def test_the_openstack_client_lists_them(failing, own_server):
    _, volume = failing
    done = own_server.run("cinder", "--os-volume-api-version", "3.5", "message-list", "--resource_uuid", volume)
    assert "extend volume" in done.stdout
