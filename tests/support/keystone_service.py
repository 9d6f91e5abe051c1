"""A real Keystone beside varved: Debian's, with a database of its own."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import requests
from glance import free_port
from varve import wait_until

CONFIG = """
[DEFAULT]
log_dir = {home}
[database]
connection = sqlite:///{home}/keystone.db
[token]
provider = fernet
expiration = {expiration}
allow_expired_window = 3600
[fernet_tokens]
key_repository = {home}/fernet
[fernet_receipts]
key_repository = {home}/fernet
[credential]
key_repository = {home}/credential
[identity]
password_hash_rounds = 4
[cache]
enabled = false
"""

SERVE = """
import sys
from wsgiref.simple_server import make_server
port = int(sys.argv.pop())
from keystone.server.wsgi import initialize_public_application
make_server("127.0.0.1", port, initialize_public_application()).serve_forever()
"""


# One process a command, but Keystone is loaded once.
MANAGE = """
import json, os, sys
from keystone.cmd.manage import main
common, commands = json.loads(sys.argv[1]), json.loads(sys.argv[2])
for command in commands:
    child = os.fork()
    if child == 0:
        sys.argv = ["keystone-manage", *common, *command]
        os._exit(main() or 0)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(f"{command[0]} failed")
"""


class Keystone:
    """admin/secret in the project admin; a service user varved/secret with the roles service and admin in the project service."""

    def __init__(self, expiration=3600, like=None):
        """like: another one, whose users and projects this one has too."""
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="varve-keystone-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/v3"
        self.expiration = expiration
        self.like = like
        self.admin = None
        self.process = None

    def start(self):
        if self.like:
            shutil.copytree(self.like.home, self.home, dirs_exist_ok=True)
            self.roles = self.like.roles
            self.configure()
            self.serve()
            return self
        for name in ("fernet", "credential"):
            (self.home / name).mkdir(mode=0o700)
        self.configure()
        user = ["--keystone-user", "root", "--keystone-group", "root"]
        urls = [word for kind in ("public", "internal", "admin") for word in (f"--bootstrap-{kind}-url", self.url)]
        self.manage(["db_sync"], ["fernet_setup", *user], ["credential_setup", *user],
                    ["bootstrap", "--bootstrap-password", "secret", *urls, "--bootstrap-region-id", "RegionOne"])
        self.serve()
        self.admin = admin = self.token("admin", "admin")
        roles = {r["name"]: r["id"] for r in self.call(admin, "GET", "/roles")["roles"]}
        if "service" not in roles:
            roles["service"] = self.call(admin, "POST", "/roles", {"role": {"name": "service"}})["role"]["id"]
        self.roles = roles
        self.project("service")
        self.user("varved", "service", "admin", "service")
        return self

    def configure(self):
        (self.home / "keystone.conf").write_text(CONFIG.format(home=self.home, expiration=self.expiration))

    def serve(self):
        environment = dict(os.environ, OS_KEYSTONE_CONFIG_DIR=str(self.home))
        with open(self.home / "out", "ab") as out:
            self.process = subprocess.Popen([sys.executable, "-c", SERVE, str(self.port)], stdout=out, stderr=out, env=environment)

        def ready():
            assert self.process.poll() is None, (self.home / "out").read_text()[-3000:]
            try:
                return requests.get(self.url, timeout=5).status_code == 200
            except requests.ConnectionError:
                return False
        wait_until(ready, 60, "Keystone to answer")

    def manage(self, *commands):
        common = ["--config-file", str(self.home / "keystone.conf")]
        subprocess.run([sys.executable, "-c", MANAGE, json.dumps(common), json.dumps(commands)], check=True, timeout=240)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def destroy(self):
        self.stop()
        shutil.rmtree(self.home)

    def options(self, **more):
        values = {"provider": "keystone", "keystone_url": self.url, "keystone_username": "varved", "keystone_password": "secret",
                  "keystone_project": "service", **more}
        return [f"identity.{key}={value}" for key, value in values.items()]

    def token(self, user, project, password="secret"):
        domain = {"name": "Default"}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": user, "password": password, "domain": domain}}},
                         "scope": {"project": {"name": project, "domain": domain}}}}
        reply = requests.post(self.url + "/auth/tokens", json=body, timeout=30)
        assert reply.status_code == 201, reply.text
        return reply.headers["X-Subject-Token"]

    def call(self, token, method, path, body=None):
        reply = requests.request(method, self.url + path, json=body, headers={"X-Auth-Token": token}, timeout=30)
        assert reply.status_code < 300, reply.text
        return reply.json() if reply.text else None

    def project(self, name):
        admin = self.admin
        found = self.call(admin, "GET", f"/projects?name={name}")["projects"]
        return found[0]["id"] if found else self.call(admin, "POST", "/projects", {"project": {"name": name}})["project"]["id"]

    def user(self, name, project, *roles):
        """A user with the password `secret` and these roles in the project: its id."""
        admin = self.admin
        made = self.call(admin, "POST", "/users", {"user": {"name": name, "password": "secret"}})["user"]["id"]
        for role in roles:
            self.call(admin, "PUT", f"/projects/{self.project(project)}/users/{made}/roles/{self.roles[role]}")
        return made

    def describe(self, token):
        return requests.get(self.url + "/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token}, timeout=30).json()["token"]
