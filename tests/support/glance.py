"""A real image service beside varved: Debian's Glance, its tokens checked by varved's identity."""
import os
import pathlib
import signal
import shutil
import socket
import subprocess
import sys
import tempfile

import requests
from varve import wait_until

PASTE = """
[pipeline:glance-api-keystone]
pipeline = versionnegotiation authtoken context rootapp
[pipeline:glance-api]
pipeline = versionnegotiation unauthenticated-context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:unauthenticated-context]
paste.filter_factory = glance.api.middleware.context:UnauthenticatedContextMiddleware.factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true
"""

CONFIG = """
[DEFAULT]
bind_host = 127.0.0.1
bind_port = {port}
workers = 0
enabled_backends = files:file
lock_path = {home}/lock
[database]
connection = sqlite:///{home}/glance.db
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = {home}/images
[os_glance_staging_store]
filesystem_store_datadir = {home}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {home}/tasks
[paste_deploy]
flavor = {flavor}
config_file = {home}/paste.ini
[keystone_authtoken]
www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
username = {user}
password = {password}
project_name = {project}
user_domain_name = Default
project_domain_name = Default
memcached_servers =
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Glance:
    """Choose the endpoint first (varved wants to know it), start() when varved runs."""

    def __init__(self):
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="varve-glance-"))
        self.process = None

    def start(self, server=None, identity=None):
        """Tokens are checked by varved or by a Keystone. Without either: whoever asks is an administrator."""
        rc = dict.fromkeys(("OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME"), "-")
        url = ""
        if server:
            rc, url = server.openrc(), server.url + "/identity/v3"
        if identity:
            rc, url = {"OS_USERNAME": "varved", "OS_PASSWORD": "secret", "OS_PROJECT_NAME": "service"}, identity.url
        for name in ("images", "staging", "tasks", "lock"):
            (self.home / name).mkdir()
        (self.home / "paste.ini").write_text(PASTE)
        (self.home / "glance.conf").write_text(CONFIG.format(
            port=self.port, home=self.home, flavor="keystone" if url else "", url=url, user=rc["OS_USERNAME"], password=rc["OS_PASSWORD"], project=rc["OS_PROJECT_NAME"]))
        subprocess.run(self.command("manage", "db_sync"), check=True, capture_output=True, timeout=120)
        with open(self.home / "log", "wb") as log:
            self.process = subprocess.Popen(self.command("api"), stdout=log, stderr=log, start_new_session=True)

        def ready():
            assert self.process.poll() is None, (self.home / "log").read_text()[-3000:]
            try:
                return requests.get(self.endpoint, timeout=5).status_code == 300
            except requests.ConnectionError:
                return False
        wait_until(ready, 60, "glance-api to answer")
        return self

    def command(self, name, *arguments):
        return [sys.executable, "-c", f"from glance.cmd.{name} import main; import sys; sys.exit(main())", "--config-file", str(self.home / "glance.conf"), *arguments]

    def destroy(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
        shutil.rmtree(self.home)

    def request(self, client, method, path, **options):
        headers = {"X-Auth-Token": client.session.headers["X-Auth-Token"] if client else "-", **options.pop("headers", {})}
        return requests.request(method, f"{self.endpoint}/v2/images{path}", headers=headers, timeout=120, **options)

    def create(self, client, data, disk_format="raw", **fields):
        """An active image with these bytes: its id."""
        body = {"name": "image", "disk_format": disk_format, "container_format": "bare", **fields}
        made = self.request(client, "POST", "", json=body)
        assert made.status_code == 201, made.text
        image = made.json()["id"]
        put = self.request(client, "PUT", f"/{image}/file", data=data, headers={"Content-Type": "application/octet-stream"})
        assert put.status_code == 204, put.text
        return image

    def ids(self, client=None):
        return {image["id"] for image in self.request(client, "GET", "").json()["images"]}

    def show(self, client, image):
        reply = self.request(client, "GET", f"/{image}")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def data(self, client, image):
        reply = self.request(client, "GET", f"/{image}/file")
        assert reply.status_code == 200, reply.text
        return reply.content
