#!/usr/bin/python3
"""OpenStack's Tempest and its Cinder plugin against a fresh varved: passed, failed and skipped, against what is expected (expected.txt).

run.py [REGEX]: only the tests whose names match. Exits 1 when a test of expected.txt did not pass.
run.py --accept: writes what passes into expected.txt.
"""
import csv
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from glance import Glance  # noqa: E402
from varve import Server  # noqa: E402

EXPECTED = pathlib.Path(__file__).with_name("expected.txt")
WORKERS = "2"
# Boots a server, and does not say so: there is no compute service here.
EXCLUDED = r"cinder_tempest_plugin\.api\.volume\.test_volume_backup\.VolumesBackupsTest\.test_incremental_backup\["


def configuration(server, directory, image):
    rc = server.openrc()
    return f"""
[DEFAULT]
log_file = tempest.log
[oslo_concurrency]
lock_path = {directory}/lock
[auth]
use_dynamic_credentials = true
admin_username = {rc["OS_USERNAME"]}
admin_password = {rc["OS_PASSWORD"]}
admin_project_name = {rc["OS_PROJECT_NAME"]}
admin_domain_name = Default
tempest_roles = member
[identity]
auth_version = v3
uri_v3 = {server.url}/identity/v3
region = RegionOne
[identity-feature-enabled]
api_v2 = false
[service_available]
cinder = true
nova = false
glance = true
neutron = false
swift = false
[image]
catalog_type = image
[image-feature-enabled]
api_v2 = true
[compute]
image_ref = {image}
image_ref_alt = {image}
[volume]
catalog_type = volumev3
min_microversion = 3.0
max_microversion = latest
build_interval = 1
storage_protocol = nbd
vendor_name = Varve
volume_size = 1
backend_names = qcow2,second
manage_volume_ref = source-name,volume-%s
manage_snapshot_ref = source-name,snapshot-%s
[volume-feature-enabled]
backup = true
snapshot = true
clone = true
extend_attached_volume = false
volume_revert = true
multi_backend = true
manage_volume = true
manage_snapshot = true
consistency_group = false
[validation]
run_validation = false
"""


def names(lines):
    return [re.sub(r"\[.*", "", line.strip()) for line in lines if line.strip() and not line.startswith("#")]


def run(regex):
    # Replies as Cinder's to the letter: Tempest refuses a field that Cinder does not send.
    glance = Glance()
    server = Server()
    server.options += ["api.profile=cinder", "api.error_codes=openstack", f"images.endpoint={glance.endpoint}",
                       f'qcow2.pools=["second={server.directory}/second"]']
    with tempfile.TemporaryDirectory(prefix="varve-tempest-") as directory:
        try:
            glance.start(server.start())
            image = glance.create(server.login(), bytes(2**20), visibility="public")
            subprocess.run(["tempest", "init", "--workspace-path", directory + "/workspaces.yaml", directory + "/w"], check=True,
                           capture_output=True, timeout=120)
            (pathlib.Path(directory) / "w/etc/tempest.conf").write_text(configuration(server, directory, image))
            subprocess.run(["tempest", "run", "--regex", regex, "--exclude-regex", EXCLUDED, "--concurrency", WORKERS], cwd=directory + "/w", timeout=1800,
                           stdout=None if os.environ.get("VERBOSE") else subprocess.DEVNULL)
            stream = subprocess.run(["stestr", "last", "--subunit"], cwd=directory + "/w", capture_output=True, timeout=120).stdout
            if os.environ.get("VARVE_KEEP"):
                text = subprocess.run(["stestr", "last"], cwd=directory + "/w", capture_output=True, text=True, timeout=120).stdout
                pathlib.Path(os.environ["VARVE_KEEP"]).write_text(text)
            return outcome(stream)
        finally:
            server.destroy()
            glance.destroy()


def outcome(stream):
    """Name: success, fail, skip."""
    rows = subprocess.run(["subunit2csv"], input=stream, capture_output=True, text=False, timeout=120).stdout.decode(errors="replace")
    out = {}
    for row in list(csv.reader(rows.splitlines()))[1:]:
        out[re.sub(r"\[.*", "", row[0])] = row[1]
    return out


def main():
    accept = sys.argv[1:] == ["--accept"]
    regex = sys.argv[1] if len(sys.argv) > 1 and not accept else r"^(tempest|cinder_tempest_plugin)\.api\.volume"
    started = time.monotonic()
    seen = run(regex)
    if accept:
        EXPECTED.write_text("".join(f"{name}\n" for name, status in sorted(seen.items()) if status == "success"))
    count = lambda status: sum(one == status for one in seen.values())
    for name, status in sorted(seen.items()):
        if status not in ("success", "skip"):
            print(f"{status}: {name}")
    missing = [name for name in names(EXPECTED.read_text().splitlines()) if re.search(regex, name) and seen.get(name) != "success"]
    for name in missing:
        print(f"expected to pass: {name}: {seen.get(name, 'not run')}")
    print(f"conformance: {count('success')} passed, {count('failure')} failed, {count('skip')} skipped in {time.monotonic() - started:.0f} s")
    return 1 if missing or count('fail') + count('failure') else 0


if __name__ == "__main__":
    sys.exit(main())
