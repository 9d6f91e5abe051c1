"""Ansible's modules for volumes, snapshots and backups (collection openstack.cloud)."""
import os
import pathlib
import subprocess

PLAYBOOK = pathlib.Path(__file__).parent / "ansible" / "volumes.yml"

# Debian's collection (1.10) refuses the SDK that Debian has beside it (0.101: it wants less than 0.99), though it works
# with it. It reads the version from here.
SHIM = "import openstack.version\nopenstack.version.__version__ = '0.98.999'\n"


def test_a_playbook_of_every_volume_module(server, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SHIM)
    env = dict(os.environ, **server.openrc(), PYTHONPATH=str(tmp_path), HOME=str(tmp_path), ANSIBLE_LOCALHOST_WARNING="false")
    done = subprocess.run(["ansible-playbook", "-e", "ansible_python_interpreter=/usr/bin/python3", str(PLAYBOOK)],
                          env=env, capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
