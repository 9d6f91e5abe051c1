"""Power cuts: all that varved and its storage daemons write is recorded, and the store is put back to what a cut at some moment
may have left of it, with what was not synced kept, lost, or lost in part. varved starts on it: what was acknowledged is there.

By default a few moments; VARVE_POWER_CUTS=N tries N for each kind of loss, VARVE_POWER_CUTS=all all.
"""
import os
import shutil

import pytest
from recording import CREATE, EXCHANGE, LINK, LOSSES, RENAME, SYNC, SYNC_DIRECTORY, UNLINK, Disk, Recording
from scenario import Scenario, check, remove_everything

from varve import BUILD, Server

CUTS = os.environ.get("VARVE_POWER_CUTS", "8")
MOMENTS = (CREATE, EXCHANGE, LINK, RENAME, SYNC, SYNC_DIRECTORY, UNLINK)


@pytest.fixture
def recorded():
    """A stopped server whose directory is empty, and all that happened in it."""
    server = Server(["qcow2.long_chain=4"]).add_pool("second")
    recording = Recording(server, BUILD / "src" / "libvarve_recorder.so")
    try:
        Scenario(server, recording).run()
        records = recording.records()
        server.destroy()
        server.process = None
        yield server, records
    finally:
        server.destroy()
        recording.remove()


def chosen(records, phase):
    """Moments to cut at, spread over all of them."""
    moments = [at for at, record in enumerate(records) if record.kind in MOMENTS]
    if CUTS == "all" or len(moments) <= int(CUTS):
        return moments
    return [moments[(2 * i + 1 + phase) * len(moments) // (2 * int(CUTS) + len(LOSSES))] for i in range(int(CUTS))]


@pytest.mark.parametrize("loss", LOSSES)
def test_power_cut(recorded, loss):
    server, records = recorded
    cuts = set(chosen(records, LOSSES.index(loss)))
    disk = Disk()
    problems = []
    for at, record in enumerate(records):
        disk.play(record)
        if at not in cuts:
            continue
        shutil.rmtree(server.directory, ignore_errors=True)
        server.directory.mkdir(mode=0o700)
        try:
            disk.write_out(server.directory, loss, at)
            server.start()
            check(server, disk.known or {"volumes": {}, "snapshots": {}})
            remove_everything(server)
            server.stop()
        except Exception as problem:  # whatever it is, the other moments are worth a look
            problems.append(f"cut at {at} of {len(records)}, {loss} lost: {type(problem).__name__} {problem}")
            print(problems[-1], server.log()[-2000:], flush=True)
        server.destroy()
        server.process = None
    assert not problems, "\n".join(problems)
