"""HTTP as such: what is refused on the wire, what connections may do, TLS, and how the daemon starts and stops."""
import json
import pathlib
import re
import select
import socket
import ssl
import subprocess
import threading
import urllib.parse

import pytest
import requests

from varve import BINARY, Server, wait_until


def raw(server, text, more=None):
    """Sends bytes, returns all that comes back until the server closes or falls silent."""
    address = urllib.parse.urlparse(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(text)
        connection.settimeout(3 if more is None else more)
        out = b""
        try:
            while chunk := connection.recv(65536):
                out += chunk
        except (socket.timeout, ConnectionResetError):
            pass
        return out


@pytest.mark.parametrize("request_bytes", [
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: b\n\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"nonsense\r\n\r\n",
])
def test_ambiguous_requests_are_refused(server, request_bytes):
    reply = raw(server, request_bytes)
    assert reply.startswith(b"HTTP/1.1 400 "), reply[:200]
    assert b"Connection: close" in reply
    assert list(json.loads(reply.split(b"\r\n\r\n", 1)[1])) == ["badRequest"]


def test_a_header_that_is_too_large_is_refused(server):
    reply = raw(server, b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20000 + b"\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 431 ")


def test_requests_in_one_packet_are_answered_in_order(server):
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    reply = raw(server, one * 3 + last)
    assert re.findall(rb"HTTP/1\.1 (\d+)", reply) == [b"200"] * 3 + [b"404"]


def test_a_chunked_body_is_read(server, admin):
    def pieces():
        yield b'{"volume": '
        yield b'{"size": 0}}'
    reply = admin.session.post(admin.url("/volumes"), data=pieces(), headers={"Content-Type": "application/json"}, timeout=30)
    assert reply.status_code == 400 and "minimum" in reply.text


CHUNKED = b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("start, more, status", [
    (b"5;a=", b"b" * 65536, b"431"),
    (b"", b"0" * 65536, b"431"),
    (b"0\r\nA: ", b"b" * 65536, b"431"),
    (b"0\r\n", b"A: b\r\n" * 8192, b"431"),
    (b"", b"1;" + b"a" * 4000 + b"\r\nx\r\n", b"413"),
], ids=["extension", "size", "trailer field", "trailer fields", "extensions"])
def test_the_framing_of_a_body_is_bounded(own_server, start, more, status):
    """What is neither header nor body is counted too: whoever has no token yet could fill the memory with it."""
    own_server.start()
    memory = pathlib.Path(f"/proc/{own_server.process.pid}/statm")
    before = int(memory.read_text().split()[1])
    address = urllib.parse.urlparse(own_server.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(CHUNKED + start)
        sent = 0
        try:
            while sent < 64 << 20 and not select.select([connection], [], [], 0)[0]:
                connection.sendall(more)
                sent += len(more)
            reply = connection.recv(65536)
        except ConnectionError:
            reply = b""
    assert sent < 32 << 20, "it takes whatever is sent"
    assert not reply or reply.startswith(b"HTTP/1.1 " + status), reply[:100]
    assert (int(memory.read_text().split()[1]) - before) * 4096 < 64 << 20
    own_server.stop()


def test_what_follows_a_body_is_no_header(server, admin):
    token = admin.session.headers["X-Auth-Token"].encode()
    path = urllib.parse.urlparse(admin.url("/volumes")).path.encode()
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
    body = b"2\r\n{}\r\n0\r\n"
    assert raw(server, head + b"X-Auth-Token: " + token + b"\r\n\r\n" + body + b"\r\n").startswith(b"HTTP/1.1 400 ")
    assert raw(server, head + b"\r\n" + body + b"X-Auth-Token: " + token + b"\r\n\r\n").startswith(b"HTTP/1.1 401 ")


def test_head_is_get_without_a_body(server):
    reply = requests.head(server.url + "/healthz", timeout=30)
    assert reply.status_code == 200 and reply.text == "" and int(reply.headers["Content-Length"]) > 0


def test_another_method_is_refused_with_the_allowed_ones(admin):
    reply = admin.request("PATCH", "/volumes")
    assert reply.status_code == 405 and "GET" in reply.headers["Allow"] and "POST" in reply.headers["Allow"]
    assert list(reply.json()) == ["badMethod"]


@pytest.mark.parametrize("path", ["/nothing", "/v3/x/nothing", "/v1/x/volumes", "//", "/v3//volumes", "/identity/v2.0"])
def test_unknown_paths_are_not_found(server, path):
    reply = requests.get(server.url + path, timeout=30)
    assert reply.status_code in (401, 404) and len(reply.json()) == 1


@pytest.mark.parametrize("version, status", [("3.71", 406), ("4.0", 406), ("2.0", 406), ("abc", 400), ("3", 400), ("3.x", 400)])
def test_microversions_that_are_not_served(admin, version, status):
    assert admin.request("GET", "/volumes", mv=version).status_code == status


def test_latest_is_the_newest_and_other_services_versions_are_skipped(admin):
    reply = admin.request("GET", "/volumes", headers={"OpenStack-API-Version": "compute 2.1, volume latest"})
    assert reply.headers["OpenStack-API-Version"] == "volume 3.70"


def test_the_project_may_be_left_out_since_3_67(admin):
    url = admin.server.url + "/v3/volumes"
    headers = {"OpenStack-API-Version": "volume 3.67"}
    assert admin.session.get(url, headers=headers, timeout=30).status_code == 200
    assert admin.session.get(url, timeout=30).status_code == 404


def test_health_and_readiness(server):
    assert requests.get(server.url + "/healthz", timeout=30).status_code == 200
    assert requests.get(server.url + "/readyz", timeout=30).json()["ready"] is True


def test_more_connections_than_allowed_are_turned_away(own_server):
    own_server.options.append("http.max_connections=5")
    own_server.start()
    address = urllib.parse.urlparse(own_server.url)
    held = [socket.create_connection((address.hostname, address.port), timeout=10) for _ in range(5)]
    for connection in held:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert raw(own_server, b"").startswith(b"HTTP/1.1 503")
    for connection in held:
        connection.close()
    wait_until(lambda: requests.get(own_server.url + "/healthz", timeout=30).status_code == 200, 10, "room")


def test_slow_and_idle_connections_are_closed(own_server):
    own_server.options += ["http.header_timeout_s=1", "http.idle_timeout_s=1", "http.body_timeout_s=1"]
    own_server.start()
    assert raw(own_server, b"", 10) == b""
    assert raw(own_server, b"GET / HT", 10) == b""
    assert raw(own_server, b"POST /identity/v3/auth/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{", 10) == b""


def test_tls(own_server, tmp_path):
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
                   check=True, capture_output=True, timeout=60)
    own_server.options += [f"http.tls_certificate={certificate}", f"http.tls_key={key}"]
    own_server.start()
    assert own_server.url.startswith("https://")
    assert requests.get(own_server.url + "/healthz", verify=str(certificate), timeout=30).status_code == 200
    links = requests.get(own_server.url + "/v3/", verify=str(certificate), timeout=30).json()["versions"][0]["links"]
    assert links[1]["href"].startswith("https://")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    address = urllib.parse.urlparse(own_server.url)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        with socket.create_connection((address.hostname, address.port), timeout=10) as plain:
            old.wrap_socket(plain)


def test_a_second_daemon_on_the_store_is_refused(server):
    done = subprocess.run([str(BINARY), "serve", "-o", f"store.directory={server.store}", "-o", "http.port=0"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "another varved already runs" in done.stderr


def test_a_taken_port_is_told(server, own_server):
    port = urllib.parse.urlparse(server.url).port
    done = subprocess.run([str(BINARY), "serve", "-o", f"store.directory={own_server.store}", "-o", f"http.port={port}"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and f"cannot listen on 127.0.0.1:{port}" in done.stderr


def test_the_configuration_is_checked(tmp_path):
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text('[http]\nport = 1234\n[log]\nformat = "json"\n')
    bad.write_text("[http]\nprot = 1234\n")
    check = lambda path: subprocess.run([str(BINARY), "check-config", "-c", str(path)], capture_output=True, text=True, timeout=60)
    assert check(good).returncode == 0
    assert check(bad).returncode == 2 and "unknown key 'http.prot'" in check(bad).stderr
    version = subprocess.run([str(BINARY), "version"], capture_output=True, text=True, timeout=60)
    assert version.stdout.startswith("varved ")


def test_logs_can_be_json_and_carry_request_ids(own_server):
    own_server.options.append("log.format=json")
    own_server.start()
    reply = requests.get(own_server.url + "/healthz", timeout=30)
    lines = [json.loads(line) for line in own_server.log().splitlines() if line.startswith("{")]
    assert any(line.get("request_id") == reply.headers["X-Request-Id"] for line in lines)


def test_a_stop_lets_running_requests_end(own_server):
    admin = own_server.start().login()
    volumes = [admin.create_volume() for _ in range(4)]
    codes = []

    def attach(volume):
        body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h"}}}
        codes.append(admin.request("POST", "/attachments", body, mv="3.54").status_code)
    threads = [threading.Thread(target=attach, args=(volume,)) for volume in volumes]
    for thread in threads:
        thread.start()
    wait_until(lambda: own_server.rows("SELECT COUNT(*) FROM attachments")[0][0] == 4, 10, "the requests to have begun")
    own_server.stop()
    for thread in threads:
        thread.join()
    assert codes == [200] * 4
    own_server.start()
