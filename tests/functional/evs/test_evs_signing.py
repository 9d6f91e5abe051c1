"""Access keys: requests signed as the vendors' SDKs sign them. Unit tests hold the signing to an SDK's own signatures."""
import datetime
import hashlib
import hmac
import json
import urllib.parse

import pytest
import requests
from evs import native


def stamp(minutes=0):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    return now.strftime("%Y%m%dT%H%M%SZ")


class Signer:
    def __init__(self, server, key):
        self.server, self.access, self.secret = server, key["access"], key["secret"]

    def headers(self, method, url, body=b"", date=None, project=None):
        parts = urllib.parse.urlsplit(url)
        headers = {"host": parts.netloc, "x-sdk-date": date or stamp()}
        if project:
            headers["x-project-id"] = project
        quote = lambda text: urllib.parse.quote(text, safe="-_.~")
        path = "/".join(quote(urllib.parse.unquote(piece)) for piece in parts.path.split("/")).rstrip("/") + "/"
        query = "&".join(f"{quote(k)}={quote(v)}" for k, v in sorted(urllib.parse.parse_qsl(parts.query, True)))
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        canonical = "\n".join([method, path, query, lines, names, hashlib.sha256(body).hexdigest()])
        text = "\n".join(["SDK-HMAC-SHA256", headers["x-sdk-date"], hashlib.sha256(canonical.encode()).hexdigest()])
        signature = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = f"SDK-HMAC-SHA256 Access={self.access}, SignedHeaders={names}, Signature={signature}"
        return headers

    def send(self, method, path, body=None, **options):
        url = self.server.url + path
        data = json.dumps(body).encode() if body is not None else b""
        headers = {**self.headers(method, url, data, **options), "content-type": "application/json"}
        return requests.request(method, url, data=data, headers=headers, timeout=30), headers


def keys(server, client):
    return lambda method, path="", body=None: client.session.request(
        method, server.url + "/identity/v3.0/OS-CREDENTIAL/credentials" + path, json=body, timeout=30)


@pytest.fixture(scope="module")
def key(server, member):
    made = keys(server, member)("POST", "", {"credential": {"description": "for tests"}})
    assert made.status_code == 201, made.text
    return made.json()["credential"]


@pytest.fixture
def signer(server, key):
    return Signer(server, key)


def test_a_signed_question(signer, member):
    reply, _ = signer.send("GET", f"/v2/{member.project}/cloudvolumes/detail?limit=5&name=a%20b&metadata=%7B%27k%27:%27v%27%7D")
    assert reply.status_code == 200 and reply.json()["volumes"] == []


def test_a_signed_change(signer, member):
    body = {"volume": {"availability_zone": "az-1", "volume_type": "SSD", "size": 10, "name": "sünd"}}
    reply, _ = signer.send("POST", f"/v2/{member.project}/cloudvolumes", body, project=member.project)
    assert reply.status_code == 200, reply.text


def test_a_change_is_good_once(signer, member):
    body = {"volume": {"availability_zone": "az-1", "volume_type": "SSD", "size": 10}}
    reply, headers = signer.send("POST", f"/v2/{member.project}/cloudvolumes", body)
    assert reply.status_code == 200
    again = requests.post(signer.server.url + f"/v2/{member.project}/cloudvolumes", data=json.dumps(body), headers=headers, timeout=30)
    assert again.status_code == 401 and "used already" in again.text
    _, headers = signer.send("GET", f"/v2/{member.project}/cloudvolumes")
    assert requests.get(signer.server.url + f"/v2/{member.project}/cloudvolumes", headers=headers, timeout=30).status_code == 200


@pytest.mark.parametrize("minutes, good", [(-14, True), (14, True), (-16, False), (16, False)])
def test_clocks_may_differ_by_a_quarter_of_an_hour(signer, member, minutes, good):
    reply, _ = signer.send("GET", f"/v2/{member.project}/cloudvolumes", date=stamp(minutes))
    assert (reply.status_code == 200) == good


def test_whatever_was_changed_on_the_way_is_refused(signer, member):
    path = f"/v2/{member.project}/cloudvolumes"
    url = signer.server.url + path
    headers = signer.headers("GET", url)
    assert requests.get(url + "?limit=1", headers=headers, timeout=30).status_code == 401
    assert requests.get(signer.server.url + f"/v2/{member.project}/types", headers=headers, timeout=30).status_code == 401
    assert requests.delete(url, headers=headers, timeout=30).status_code in (401, 405)
    assert requests.get(url, headers={**headers, "x-sdk-date": stamp(1)}, timeout=30).status_code == 401
    assert requests.get(url, headers={**headers, "authorization": headers["authorization"][:-1] + "0"}, timeout=30).status_code in (200, 401)
    signer.secret = "wrong"
    reply, _ = signer.send("GET", path)
    assert reply.status_code == 401


def test_another_project_is_refused(signer, admin):
    reply, _ = signer.send("GET", f"/v2/{admin.project}/cloudvolumes")
    assert reply.status_code == 401


def test_keys_are_listed_disabled_and_revoked(server, member, admin):
    mine = keys(server, member)
    made = mine("POST", "", {"credential": {}}).json()["credential"]
    signer = Signer(server, made)
    path = f"/v2/{member.project}/cloudvolumes"
    assert signer.send("GET", path)[0].status_code == 200
    listed = mine("GET").json()["credentials"]
    assert made["access"] in [one["access"] for one in listed] and all("secret" not in one for one in listed)
    assert mine("PUT", "/" + made["access"], {"credential": {"status": "inactive"}}).json()["credential"]["status"] == "inactive"
    assert signer.send("GET", path)[0].status_code == 401
    assert mine("PUT", "/" + made["access"], {"credential": {"status": "active", "description": "d"}}).status_code == 200
    assert signer.send("GET", path)[0].status_code == 200
    assert mine("GET", "/" + made["access"]).json()["credential"]["description"] == "d"
    assert keys(server, admin)("GET", f"?user_id={made['user_id']}").status_code == 200
    foreign = keys(server, admin)("POST", "", {"credential": {}}).json()["credential"]
    assert mine("GET", "/" + foreign["access"]).status_code == 403
    assert mine("DELETE", "/" + foreign["access"]).status_code == 403
    assert mine("DELETE", "/" + made["access"]).status_code == 204
    assert signer.send("GET", path)[0].status_code == 401
    assert mine("GET", "/" + made["access"]).status_code == 404
    assert mine("PUT", "/" + foreign["access"], {"credential": {"status": "odd"}}).status_code == 400


def test_at_most_ten_keys(server, admin, member):
    mine = keys(server, member)
    while mine("POST", "", {"credential": {}}).status_code == 201:
        assert len(mine("GET").json()["credentials"]) <= 10
    assert len(mine("GET").json()["credentials"]) == 10
    assert mine("POST", "", {"credential": {}}).status_code == 409
    assert native(admin, "GET", "/cloudvolumes/detail")["count"] == 0
