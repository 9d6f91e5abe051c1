"""Starts the real varved for tests, talks to it, and looks behind it: its database, its files, its processes."""
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

import requests

import contract

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("VARVE_BUILD", "build/debug")
BINARY = BUILD / "src" / "varved"


def fault(reply, status):
    """The message of a refusal."""
    assert reply.status_code == status, reply.text
    (inner,) = reply.json().values()
    return inner["message"]


def wait_until(condition, timeout=30, what="a condition"):
    """Polls until the condition is true; its value is returned."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"timed out waiting for {what}"
        pause.wait(0.02)


@functools.cache
def routes():
    """What varved serves: as `varved routes` tells it."""
    return json.loads(subprocess.run([str(BINARY), "routes", "--json"], capture_output=True, check=True, timeout=60).stdout)


class Server:
    """One varved with a store of its own, in a short path (unix sockets)."""

    def __init__(self, options=(), environment=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="vrv-", dir="/tmp"))
        self.options = list(options)
        self.pools = []  # directories beside the store, see add_pool()
        self.environment = dict(environment or {})
        self.process = None
        self.url = None
        self.log_path = self.directory / "varved.log"
        self._token = None
        self.rows_were_changed = False  # by a test: into what varved itself would not make of them

    # life

    def start(self, environment=None, wait=True, options=()):
        env = dict(os.environ, **self.environment, **(environment or {}))
        command = [str(BINARY), "serve", "-o", f"store.directory={self.directory / 's'}", "-o", "http.port=0",
                   "-o", "log.level=debug"]
        for option in [*self.options, *options]:
            command += ["-o", option]
        start = self.log_path.stat().st_size if self.log_path.exists() else 0
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env, stdin=subprocess.DEVNULL)
        log.close()
        if wait:
            def ready():
                text = self.log_path.read_bytes()[start:].decode()
                found = re.search(r'varved is ready"?,? ?"?url"?[=:]"?([^\s",]+)', text)
                assert found or self.process.poll() is None, "varved ended at start:\n" + text[-3000:]
                return found
            self.url = wait_until(ready, 60, "varved to be ready").group(1)
        return self

    def add_pool(self, name):
        """Before start()."""
        self.pools.append(self.directory / name)
        self.options.append(f'qcow2.pools=["{name}={self.pools[-1]}"]')
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(60) == 0, self.log()[-3000:]
            assert self.rows_were_changed or "an unexpected change of status" not in self.log()
        self.process = None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def destroy(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
        for pid in self.storage_daemons().values():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not os.environ.get("VARVE_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        return self.log_path.read_text(errors="replace")

    # clients

    @property
    def store(self):
        return self.directory / "s"

    def openrc(self):
        text = (self.store / "openrc").read_text()
        variables = dict(re.findall(r"export (\w+)='([^']*)'", text))
        variables["OS_AUTH_URL"] = self.url + "/identity/v3"
        return variables

    def run(self, *command, check=True):
        """Runs a client with the administrator's openrc in its environment."""
        done = subprocess.run(command, env=dict(os.environ, **self.openrc()), capture_output=True, text=True,
                              timeout=120, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        return done

    def openstack(self, *arguments):
        done = self.run("openstack", *arguments, "-f", "json")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def identity(self, method, path, body=None):
        """A call of the identity API by the administrator."""
        token = self.login().token
        reply = requests.request(method, self.url + "/identity/v3" + path, json=body, headers={"X-Auth-Token": token}, timeout=30)
        contract.check(method, reply)
        assert reply.status_code < 300, reply.text
        return reply.json() if reply.text else None

    def named(self, kind, name):
        """The id of the one with the name, or None."""
        found = [one["id"] for one in self.identity("GET", f"/{kind}?name={name}")[kind] if one["name"] == name]
        return found[0] if found else None

    def grant(self, user, project, role):
        path = f"/projects/{self.named('projects', project)}/users/{self.named('users', user)}/roles/{self.named('roles', role)}"
        self.identity("PUT", path)

    def new_user(self, name, password, project, role="member"):
        """A user with the role in the project, which is made unless it is there."""
        if not self.named("projects", project):
            self.identity("POST", "/projects", {"project": {"name": project}})
        self.identity("POST", "/users", {"user": {"name": name, "password": password}})
        self.grant(name, project, role)

    def login(self, user=None, password=None, project=None):
        rc = self.openrc()
        domain = {"name": "Default"}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "name": user or rc["OS_USERNAME"], "password": password or rc["OS_PASSWORD"], "domain": domain}}},
            "scope": {"project": {"name": project or rc["OS_PROJECT_NAME"], "domain": domain}}}}
        reply = requests.post(self.url + "/identity/v3/auth/tokens", json=body, timeout=30)
        contract.check("POST", reply)
        assert reply.status_code == 201, reply.text
        return Client(self, reply.headers["X-Subject-Token"], reply.json()["token"])

    # behind the scenes

    def database(self):
        return sqlite3.connect(f"file:{self.store / 'varve.db'}?mode=ro", uri=True, timeout=30)

    def rows(self, sql, *arguments):
        with self.database() as db:
            return db.execute(sql, arguments).fetchall()

    def storage_daemons(self):
        """Pid by key, of those that run."""
        out = {}
        run = self.store / "run"
        for directory in run.iterdir() if run.exists() else ():
            try:
                pid = int((directory / "pid").read_text())
                os.kill(pid, 0)
                if "qemu-storage" in pathlib.Path(f"/proc/{pid}/comm").read_text():
                    out[directory.name] = pid
            except (OSError, ValueError):
                continue
        return out

    def layer_files(self):
        """File by id."""
        return {path.stem: path for pool in (self.store, *self.pools) for path in (pool / "layers").glob("*.qcow2")}

    def layers(self):
        return set(self.layer_files())

    def manifests(self):
        """Of volumes that are not deleted."""
        out = {}
        for path in (self.store / "volumes").glob("*.json"):
            try:
                out[path.stem] = json.loads(path.read_text())
            except FileNotFoundError:  # deleted meanwhile
                continue
        return out

    def quarantined(self):
        """Files of volumes; a damaged database that was kept is told apart by its folder."""
        return [path for pool in (self.store, *self.pools) for path in (pool / "quarantine").glob("*") if path.is_file()]


class Client:
    """A token and the project's URL."""

    def __init__(self, server, token, info):
        self.server = server
        self.token = token
        self.info = info
        self.project = info["project"]["id"]
        self.session = requests.Session()
        self.session.headers["X-Auth-Token"] = token

    def url(self, path, version="v3"):
        return f"{self.server.url}/{version}/{self.project}{path}"

    def request(self, method, path, body=None, mv=None, version="v3", **options):
        headers = options.pop("headers", {})
        if mv:
            headers["OpenStack-API-Version"] = f"volume {mv}"
        reply = self.session.request(method, self.url(path, version), json=body, headers=headers, timeout=60, **options)
        contract.check(method, reply)
        return reply

    def call(self, method, path, body=None, status=None, mv=None):
        reply = self.request(method, path, body, mv)
        wanted = (status,) if isinstance(status, int) else status or (200, 202, 204)
        assert reply.status_code in wanted, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.text else None

    # resources

    def wait_volume(self, volume, status="available", timeout=30):
        def reached():
            present = self.call("GET", f"/volumes/{volume}")["volume"]["status"]
            assert present == status or not present.startswith("error"), f"volume is {present}"
            return present == status
        wait_until(reached, timeout, f"volume {volume} to be {status}")

    def wait_snapshot(self, snapshot, status="available", timeout=30):
        def reached():
            present = self.call("GET", f"/snapshots/{snapshot}")["snapshot"]["status"]
            assert present == status or not present.startswith("error"), f"snapshot is {present}"
            return present == status
        wait_until(reached, timeout, f"snapshot {snapshot} to be {status}")

    def wait_gone(self, path, timeout=30):
        wait_until(lambda: self.request("GET", path).status_code == 404, timeout, f"{path} to be gone")

    def create_volume(self, size=1, wait=True, **fields):
        volume = self.call("POST", "/volumes", {"volume": {"size": size, **fields}}, 202)["volume"]
        if wait:
            self.wait_volume(volume["id"])
        return volume["id"]

    def create_encrypted_type(self, name="secret"):
        made = self.call("POST", "/types", {"volume_type": {"name": name}}, 200)["volume_type"]["id"]
        body = {"encryption": {"provider": "luks", "control_location": "back-end", "cipher": "aes-xts-plain64", "key_size": 256}}
        self.call("POST", f"/types/{made}/encryption", body, 200)
        return made

    def create_snapshot(self, volume, wait=True, **fields):
        body = {"snapshot": {"volume_id": volume, "force": True, **fields}}
        snapshot = self.call("POST", "/snapshots", body, 202)["snapshot"]
        if wait:
            self.wait_snapshot(snapshot["id"])
        return snapshot["id"]

    def create_backup(self, volume, wait=True, timeout=60, mv=None, **fields):
        body = {"backup": {"volume_id": volume, **fields}}
        backup = self.call("POST", "/backups", body, 202, mv)["backup"]["id"]
        if wait:
            self.wait_backup(backup, timeout=timeout)
        return backup

    def wait_backup(self, backup, status="available", timeout=60):
        def reached():
            present = self.call("GET", f"/backups/{backup}")["backup"]
            assert present["status"] == status or not present["status"].startswith("error"), present
            return present["status"] == status
        wait_until(reached, timeout, f"backup {backup} to be {status}")

    def action(self, volume, name, arguments=None, status=None, mv=None):
        return self.call("POST", f"/volumes/{volume}/action", {name: arguments}, status, mv)

    def rollback(self, volume, snapshot):
        self.action(volume, "revert", {"snapshot_id": snapshot}, 202, "3.40")
        self.wait_volume(volume)

    def delete_volume(self, volume, cascade=False):
        self.call("DELETE", f"/volumes/{volume}?cascade={cascade}", None, 202)
        self.wait_gone(f"/volumes/{volume}")

    def attach(self, volume, mode="rw", snapshot=None):
        body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h", "mode": "ro" if snapshot else mode}}}
        if snapshot:
            body["attachment"]["snapshot_uuid"] = snapshot
        made = self.call("POST", "/attachments", body, 200, "3.54")["attachment"]
        self.call("POST", f"/attachments/{made['id']}/action", {"os-complete": None}, 204, "3.54")
        return made["id"], made["connection_info"]["uri"]

    def detach(self, attachment):
        self.call("DELETE", f"/attachments/{attachment}", None, 200, "3.54")

    def io(self, volume, *commands):
        """Attaches, runs qemu-io commands, detaches; true if all of them succeeded."""
        attachment, uri = self.attach(volume)
        good = qemu_io(uri, *commands)
        self.detach(attachment)
        return good


def qemu_io(uri, *commands, readonly=False):
    arguments = ["qemu-io", "-f", "raw", *(["-r"] if readonly else [])]
    for command in commands:
        arguments += ["-c", command]
    done = subprocess.run([*arguments, uri], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    output = done.stdout + done.stderr
    return done.returncode == 0 and "verification failed" not in output and "error" not in output.lower()
