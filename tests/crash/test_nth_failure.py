"""The n-th failure loop through the services: every call to the system, to SQLite and to QEMU that an operation of the
API makes fails once, for n = 1, 2, 3 ... The request or its task succeeds or ends with a clear error, nothing is stuck,
lost or left, and the same operation then succeeds.

VARVE_NTH_FAILURE=all: every failure (many minutes); else a few of each operation. tests/contract/nth_failure_test.cc is
the same loop over the backend alone.
"""
import os

import faults
import invariants
import nth_operations
import pytest

from glance import Glance
from varve import Server, qemu_io, wait_until

FAILURES = {"create": "EMFILE", "open": "EMFILE", "write": "ENOSPC", "fsync": "EIO", "rename": "EIO", "unlink": "EIO", "spawn": "EAGAIN",
            "connect": "ECONNREFUSED", "refusal": "EIO", "silence": "EIO", "statement": "EIO", "commit": "ENOSPC"}
ALL = os.environ.get("VARVE_NTH_FAILURE") == "all"


class World:
    """What all operations have: an attached volume, two pools, an image service when it is needed."""

    def __init__(self):
        self.glance = Glance()
        self.server = Server(["tasks.retry_s=1", f"images.endpoint={self.glance.endpoint}"], faults.ENVIRONMENT)
        self.server.add_pool("second").start()
        self.admin = self.server.login()
        self.attached = self.admin.create_volume(name="a")
        self.attachment, self.uri = self.admin.attach(self.attached)
        assert qemu_io(self.uri, "write -P 3 0 1M", "flush")

    def start_glance(self):
        if not self.glance.process:
            self.glance.start()
            self.glance.image = self.glance.create(None, b"\x05" * 2**20)

    def destroy(self):
        self.server.destroy()
        self.glance.destroy()


class Ground:
    """A world for one operation after the other, and a new one after a problem."""

    def __init__(self):
        self.world = World()

    def renew(self):
        self.world.destroy()
        self.world = World()

    def leave(self):
        made = self.world
        invariants.settle(made.server)
        invariants.check(made.server)
        wait_until(lambda: qemu_io(made.uri, "read -P 3 0 1M"), 30, "the attached volume to be served")
        made.server.restart()
        invariants.settle(made.server)
        invariants.check(made.server)
        made.server.stop()


@pytest.fixture(scope="module")
def ground():
    made = Ground()
    yield made
    try:
        made.leave()
    finally:
        made.world.destroy()


def live_tasks(server):
    return server.rows("SELECT id FROM tasks WHERE state = 'live'")


def carry_out(operation, armed):
    """Does it once with this armed: its reply, and what varved told of the failures."""
    operation.before()
    invariants.settle(operation.server)
    return repeat(operation, armed)


def repeat(operation, armed):
    server = operation.server
    faults.ask(server, armed)
    try:
        reply = operation.send()
        wait_until(lambda: not live_tasks(server) and operation.over(), 60, "the operation to end")
    finally:
        told = faults.disarm(server)
    return reply, told


def expect_clear(server, reply, since):
    """A client can tell what went wrong."""
    if reply.status_code >= 400:
        (fault,) = reply.json().values()
        assert fault["message"] and "either erred" not in fault["message"], reply.text
    for kind, code, error in server.rows("SELECT kind, error_code, error FROM tasks WHERE state = 'failed' AND created_at >= ?", since):
        assert error and code != "internal", f"task {kind}: {code}: {error}"
    for (text,) in server.rows("SELECT text FROM messages WHERE created_at >= ?", since):
        assert "unknown" not in text, text


def expect_final_statuses(server):
    """What the failure has left of the layers is put in order by the next operation or start; statuses are right at once."""
    for table, transitional in (("volumes", invariants.TRANSITIONAL_VOLUME), ("snapshots", invariants.TRANSITIONAL_SNAPSHOT),
                                ("backups", {"creating", "restoring", "deleting"}), ("attachments", {"detaching"})):
        stuck = [row for row in server.rows(f"SELECT id, status FROM {table}") if row[1] in transitional]
        assert not stuck, f"{table}: {stuck}"


def is_well(log):
    return log.count("a layer is damaged") == log.count("a damaged layer is whole again")


def newest_task(server):
    return server.rows("SELECT coalesce(max(created_at), 0) FROM tasks")[0][0] + 1


def fail_once(operation, kind, n):
    server = operation.server
    since = newest_task(server)
    reply, _ = carry_out(operation, f"{kind}:{n}={FAILURES[kind]}")
    expect_clear(server, reply, since)
    expect_final_statuses(server)
    # An image that could not be read is its volume's damage until it can be.
    wait_until(lambda: is_well(server.log()), 30, "the images to be well")
    if not operation.done():
        operation.remove()
        reply, _ = repeat(operation, "")
        assert reply.status_code < 300, f"repeated: {reply.text}"
        assert operation.done(), "repeated, it does not hold"
    operation.remove()
    wait_until(lambda: not server.rows("SELECT id FROM tasks WHERE undo_left = 1"), 60, "what was left to be taken away")
    invariants.settle(server)
    # An export that did not come back at once is tried again until it is there.
    wait_until(lambda: qemu_io(operation.world.uri, "read -P 3 0 1M"), 30, "the attached volume to be served")
    # One that did not quit at once is told again by the next maintenance.
    wait_until(lambda: not [key for key in server.storage_daemons() if key.startswith(("merge-", "snapshot-"))], 30, "daemons of no use to go")
    invariants.check(server)


def chosen(calls, share, phase):
    """The failures to try: spread over all kinds, unless all are wanted."""
    everything = [(kind, n) for kind in FAILURES for n in range(1, calls[kind] + 1)]
    if ALL or len(everything) <= share:
        return everything
    return [everything[(phase + i * len(everything) // share) % len(everything)] for i in range(share)]


def begin(ground, kind_of_operation):
    if kind_of_operation.images:
        ground.world.start_glance()
    return kind_of_operation(ground.world)


@pytest.mark.parametrize("kind_of_operation", nth_operations.ALL, ids=lambda operation: operation.__name__)
def test_nth_failure(ground, kind_of_operation):
    operation = begin(ground, kind_of_operation)
    _, counted = carry_out(operation, f"create:{faults.NEVER}")
    assert operation.done(), "without a failure"
    operation.remove()
    print(f"{kind_of_operation.__name__}: {counted['calls']}")
    # Another part of the calls in every operation.
    phase = 7 * nth_operations.ALL.index(kind_of_operation)
    problems = []
    for kind, n in chosen(counted["calls"], operation.share, phase):
        try:
            fail_once(operation, kind, n)
        except Exception as problem:  # whatever it is, the other failures are worth a look, on new ground
            problems.append(f"{kind} {n}: {type(problem).__name__} {problem}")
            print(problems[-1], flush=True)
            ground.renew()
            operation = begin(ground, kind_of_operation)
    assert not problems, "\n".join(problems)
