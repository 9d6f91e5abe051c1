"""What a stop meets: calls of other services that take longer than it waits for requests."""
import socket
import threading

import pytest
import requests

from varve import Server


class SlowService:
    """Answers what it is asked, but not before it is told to."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.asked, self.may_answer = threading.Event(), threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        client, _ = self.listener.accept()
        client.recv(65536)
        self.asked.set()
        self.may_answer.wait(60)
        client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        client.close()


@pytest.fixture
def service():
    made = SlowService()
    yield made
    made.may_answer.set()
    made.listener.close()


def ask_and_stop(server, service, ask):
    """The request is under way when the stop has given it up, and its call comes back after that."""
    def go():
        try:
            ask()
        except requests.ConnectionError:
            pass
    client = threading.Thread(target=go)
    client.start()
    assert service.asked.wait(30)
    threading.Timer(2, service.may_answer.set).start()
    server.stop()
    client.join(60)


def test_a_call_of_the_image_service_outlasts_the_drain(service):
    server = Server([f"images.endpoint={service.url}", "http.drain_timeout_s=1"])
    try:
        server.start()
        admin = server.login()
        body = {"volume": {"size": 1, "imageRef": "5f5cbc11-6e34-4dfb-8a6f-d1ba3cf5ba4c"}}
        ask_and_stop(server, service, lambda: admin.request("POST", "/volumes", body))
    finally:
        server.destroy()


def test_a_call_of_keystone_outlasts_the_drain(service):
    server = Server(["identity.provider=keystone", f"identity.keystone_url={service.url}", "identity.keystone_username=varved",
                     "identity.keystone_password=secret", "identity.keystone_project=service", "http.drain_timeout_s=1"])
    try:
        server.start()
        ask_and_stop(server, service, lambda: requests.get(server.url + "/v3/p/volumes", headers={"X-Auth-Token": "a"}, timeout=60))
    finally:
        server.destroy()
