"""The README's tour, line by line as it stands there, against a varved that serves the store `var` of the working directory."""
import os
import re
import subprocess

from varve import ROOT


def test_the_tour(own_server, tmp_path):
    text = (ROOT / "README.md").read_text()
    (tour,) = re.findall(r"```sh\n(.*?)```", text, re.S)
    own_server.start()
    (own_server.directory / "var").symlink_to(own_server.store)
    # The test's varved has another port than the one in its openrc.
    script = tour.replace(". var/openrc", f". var/openrc; export OS_AUTH_URL={own_server.url}/identity/v3")
    assert script != tour
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=own_server.directory, env=environment,
                          capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "verification failed" not in done.stdout
    assert '"name":"snap-001"' in done.stdout and "read 1048576/1048576" in done.stdout


def test_make_help_knows_the_two_commands():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "make run" in done.stdout and "make test" in done.stdout
