"""varved stands still at a failpoint while storage daemons, or it and they, die or do not answer; then it goes on, or starts again.

The operation under way may fail, but then it says so, leaves everything else as it was, and can be done again.
"""
import os
import pathlib
import signal

import invariants
import matrix
import pytest
from breaking import break_at, build_world
from world import check_outcome, remove_everything, remove_failed

from varve import qemu_io, wait_until

POOL = "pool"
# So that what waits for a daemon that does not answer gives up soon.
ANSWER_MS = 2000


def state(pid):
    """Of a process, as in /proc: T when it stands still; None when there is none."""
    try:
        found = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return None if found == "Z" else found
    except OSError:
        return None


def kill_processes(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(state(pid) for pid in pids), 30, "the killed processes to end")


def go_on(server):
    server.process.send_signal(signal.SIGCONT)


def tasks_ended(server):
    return not server.rows("SELECT 1 FROM tasks WHERE state = 'live'")


def pool_dies(server):
    kill_processes([server.storage_daemons()[POOL]])
    go_on(server)


def others_die(server):
    kill_processes([pid for key, pid in server.storage_daemons().items() if key != POOL])
    go_on(server)


def all_die(server):
    kill_processes(server.storage_daemons().values())
    server.kill()
    server.start()


def none_answers(server):
    """For longer than varved waits: until what is under way has ended, well or not."""
    pids = set(server.storage_daemons().values())
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        go_on(server)
        wait_until(lambda: tasks_ended(server), 60, "the tasks to end though no storage daemon answers")
    finally:
        for pid in filter(state, pids):
            os.kill(pid, signal.SIGCONT)


TROUBLES = {"pool-dies": pool_dies, "daemons-die": others_die, "all-die": all_die, "daemons-stall": none_answers}


@pytest.mark.parametrize("failpoint, operation, world, trouble", matrix.of_troubles(TROUBLES))
def test_in_trouble_at(own_server, request, failpoint, operation, world, trouble):
    made = build_world(own_server, request, operation, world)
    options = [f"qcow2.answer_timeout_ms={ANSWER_MS}"] if trouble == "daemons-stall" else []
    break_at(made, failpoint, "pause", options)
    failed_before = failures(own_server)
    call = made.begin(operation)
    wait_until(lambda: state(own_server.process.pid) == "T", 30, f"{operation} to reach {failpoint}")
    TROUBLES[trouble](own_server)
    call.join()

    made.admin = own_server.login()
    come_to_rest(own_server)
    failed = failures(own_server) - failed_before
    check_told(own_server, failed)
    if failed:
        remove_failed(made)
        made.begin(operation).join()
        come_to_rest(own_server)
        assert failures(own_server) - failed_before == failed, "it fails again, though nothing is wrong any more"
    if operation != "detach":
        # An export that could not be brought back is tried again, at most half a minute later.
        wait_until(lambda: qemu_io(made.uri, "read -P 3 0 1M", "write -P 3 0 1M"), 60, "the attached volume to be served")
    check_outcome(made, operation)
    remove_everything(made)
    come_to_rest(own_server)
    assert own_server.layers() == set()
    own_server.stop()


def failures(server):
    return set(server.rows("SELECT id, request_id, error FROM tasks WHERE state = 'failed'"))


def check_told(server, failed):
    """Whoever asked for it can read that it failed."""
    told = {row[0] for row in server.rows("SELECT request_id FROM messages WHERE level = 'ERROR'")}
    for task, request, error in failed:
        assert error and request in told, f"task {task} failed without a word: {error}"


def come_to_rest(server):
    invariants.settle(server)

    def served():
        exported = {row[0] or row[1] for row in server.rows(
            "SELECT 'snapshot-' || snapshot_id, volume_id FROM attachments WHERE connection IS NOT NULL")}
        return set(server.storage_daemons()) - {POOL} == exported
    wait_until(served, 60, "the storage daemons to be those of the attachments")
    invariants.check(server)
