"""Which operations pass which failpoint, and what a run tries of all that could happen there.

By default varved is killed in every operation on plain volumes, and every few failpoints have one of the other troubles.
VARVE_CRASH=all tries every operation, on plain and on encrypted volumes, with every trouble.
"""
import os
import subprocess

import pytest

from varve import BINARY
from world import EncryptedWorld, World

ALL_FAILPOINTS = subprocess.run([str(BINARY), "failpoints"], capture_output=True, text=True, check=True, timeout=60).stdout.split()
# No operation passes those of a first start (test_first_start.py), nor that of a database that somebody has removed (test_misuse.py).
OF_FIRST_START = [failpoint for failpoint in ALL_FAILPOINTS if failpoint.startswith("start.")]
FAILPOINTS = [failpoint for failpoint in ALL_FAILPOINTS if not failpoint.startswith(("start.", "database."))]
EVERYTHING = os.environ.get("VARVE_CRASH") == "all"

# Of the failpoints that begin so; the first that fits counts.
OPERATIONS = {
    "task.": ["create", "delete", "extend", "snapshot_attached", "delete_snapshot", "rollback", "clone_snapshot", "attach", "detach",
              "retype_attached", "retype_to_pool"],
    "volume.create.": ["create"],
    "volume.migrate.": ["migrate", "retype_to_pool"],
    "volume.adopt.": ["manage", "manage_file"],
    "backup.after_helper": ["backup"],
    "backup.after_archive": ["backup"],
    "backup.after_remove": ["remove_backup"],
    "backup.": ["restore", "restore_new"],
    "group_snapshot.": ["group_snapshot"],
    "transfer.": ["offer", "accept", "withdraw"],
    "volume.delete.": ["delete"],
    "volume.extend.": ["extend", "extend_attached"],
    "volume.rollback.": ["rollback"],
    "snapshot.create.after_switch": ["snapshot", "snapshot_attached", "migrate"],
    "snapshot.create.": ["snapshot", "snapshot_attached"],
    "snapshot.delete.": ["delete_snapshot"],
    "clone.after_freeze": ["clone_attached"],
    "clone.": ["clone_snapshot", "clone_attached"],
    "layer.merge.before_root": ["clone_snapshot", "clone_attached"],
    "layer.commit.": ["create", "snapshot", "rollback", "clone_snapshot"],
    "layer.merge.": ["delete_snapshot", "clone_snapshot", "clone_attached"],
    "layer.remove.": ["delete_snapshot", "delete"],
    "attach.after_open": ["attach"],  # a snapshot has no filter to wait for
    "attach.": ["attach", "attach_snapshot"],
    "detach.": ["detach"],
    "image.before_download": ["from_image"],
    "image.after_download": ["from_image"],
    "image.after_fill": ["from_image"],
    "image.": ["upload", "upload_attached"],
}
WITH_IMAGES = {"from_image", "upload", "upload_attached"}
NOT_ENCRYPTED = {"manage", "manage_file"}
EVERY = 5  # failpoints have a trouble by default: what the time of `make test` allows


def cells(failpoint):
    """(operation, world) of all operations that pass the failpoint; of a plain world first."""
    prefix = next((prefix for prefix in OPERATIONS if failpoint.startswith(prefix)), None)
    operations = OPERATIONS.get(prefix, ["none"])
    return [(operation, World) for operation in operations] + [
        (operation, EncryptedWorld) for operation in operations if operation not in NOT_ENCRYPTED]


def parameters(failpoint, operation, world, *more):
    name = "-".join([failpoint, operation, *more, *(["encrypted"] if world.encrypted else [])])
    return pytest.param(failpoint, operation, world, *more, id=name)


def of_kills():
    """Every operation at each of its failpoints."""
    for failpoint in FAILPOINTS:
        for operation, world in cells(failpoint):
            if EVERYTHING or not world.encrypted:
                yield parameters(failpoint, operation, world)


def of_troubles(troubles):
    """By default each trouble in turn, and each operation on plain volumes in turn."""
    for number, failpoint in enumerate(FAILPOINTS):
        turn, rest = divmod(number, EVERY)
        plain = [operation for operation, world in cells(failpoint) if not world.encrypted]
        for at, trouble in enumerate(troubles):
            for operation, world in cells(failpoint):
                picked = rest == 0 and at == turn % len(troubles) and world is World and operation == plain[turn % len(plain)]
                if EVERYTHING or picked:
                    yield parameters(failpoint, operation, world, trouble)
