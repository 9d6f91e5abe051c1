"""Requests to a varved that may die at any moment: repeated until they are known to have been done."""
import threading
import time

import requests

from varve import Client, qemu_io, wait_until

PATIENCE_SECONDS = 120
STILL = ("available", "in-use", "error", "error_extending", "error_rollbacking", "error_deleting")


class Api:
    def __init__(self, client, counters):
        """A session of its own with the client's token."""
        self.client = Client(client.server, client.token, client.info)
        self.counters = counters

    def request(self, method, path, body=None, mv=None):
        """The reply, and whether an earlier try may have been carried out as well."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        pause = threading.Event()
        repeated = False
        while True:
            try:
                reply = self.client.request(method, path, body, mv)
                if reply.status_code != 503:
                    return reply, repeated
                self.counters.add("replies 503")
            except requests.RequestException:
                self.counters.add("requests cut off")
                repeated = True
            assert time.monotonic() < deadline, f"{method} {path}: no answer"
            pause.wait(0.05)

    def get(self, path, mv=None):
        reply, _ = self.request("GET", path, mv=mv)
        assert reply.status_code in (200, 404), f"GET {path}: {reply.status_code} {reply.text}"
        return next(iter(reply.json().values())) if reply.status_code == 200 else None

    def create(self, kind, name, **fields):
        """kind: "volume" or "snapshot". The name tells whether a request that was cut off has arrived. None: refused."""
        while True:
            reply, repeated = self.request("POST", f"/{kind}s", {kind: {"name": name, **fields}})
            if repeated:
                made = self.get(f"/{kind}s?name={name}")
                for double in made[1:]:
                    self.wait(f"/{kind}s/{double['id']}", STILL)
                    self.delete(kind, double["id"])
                if made:
                    return made[0]["id"]
            if reply.status_code == 202:
                return reply.json()[kind]["id"]
            self.refused(reply)
            return None

    def action(self, volume, name, arguments, mv=None):
        """False: refused; or an earlier try was carried out, and what it did cannot be done again."""
        for _ in range(2):
            reply, repeated = self.request("POST", f"/volumes/{volume}/action", {name: arguments}, mv)
            if reply.status_code == 202:
                return True
            self.refused(reply)
            if not repeated:
                break
            self.wait(f"/volumes/{volume}", STILL)  # an earlier try may have been under way
        return False

    def refused(self, reply):
        assert reply.status_code in (400, 403, 404, 409, 413), f"{reply.status_code} {reply.text}"
        self.counters.add("refusals")

    def wait(self, path, statuses, seconds=PATIENCE_SECONDS):
        """The resource in one of these statuses; None: gone."""
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while True:
            shown = self.get(path)
            if shown is None or shown["status"] in statuses:
                return shown
            assert time.monotonic() < deadline, f"{path} is stuck in {shown['status']}"
            pause.wait(0.05)

    def delete(self, kind, resource):
        path = f"/{kind}s/{resource}"
        reply, _ = self.request("DELETE", path)
        assert reply.status_code in (202, 404), f"DELETE {path}: {reply.status_code} {reply.text}"
        left = self.wait(path, ("error_deleting",))
        assert left is None, f"{path}: {left}"

    def attach(self, volume, snapshot=None):
        """(attachment, URI)"""
        body = {"volume_uuid": volume, "connector": {"host": "soak", "mode": "ro" if snapshot else "rw"}}
        if snapshot:
            body["snapshot_uuid"] = snapshot
        while True:
            reply, repeated = self.request("POST", "/attachments", {"attachment": body}, "3.54")
            if repeated:
                # What an earlier try has made goes, and everything begins anew.
                self.detach_all(volume, snapshot)
                continue
            assert reply.status_code == 200, f"attach {body}: {reply.status_code} {reply.text}"
            made = reply.json()["attachment"]
            self.request("POST", f"/attachments/{made['id']}/action", {"os-complete": None}, "3.54")
            return made["id"], made["connection_info"]["uri"]

    def reach(self, uri):
        """Waits until an export answers."""
        wait_until(lambda: qemu_io(uri, "read 0 4k"), PATIENCE_SECONDS, f"the export {uri}")

    def detach(self, attachment):
        reply, _ = self.request("DELETE", f"/attachments/{attachment}", mv="3.54")
        assert reply.status_code in (200, 404), f"detach: {reply.status_code} {reply.text}"

    def detach_all(self, volume, snapshot=None):
        for attachment in self.get(f"/attachments/detail?volume_id={volume}", mv="3.27"):
            if attachment.get("snapshot_id") == snapshot:
                self.detach(attachment["id"])
