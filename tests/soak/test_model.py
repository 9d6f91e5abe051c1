"""The model of the soak finds what it is there to find."""
import threading

import model
import pytest
from model import Mismatch, unit_bytes


@pytest.fixture
def journal():
    return model.Journal(1, threading.Lock())


def write(journal, unit, flushed=False):
    stamp = journal.new_stamp()
    journal.batch += 1
    journal.begin(unit, 1, stamp)
    journal.acknowledged(unit, 1, stamp)
    if flushed:
        journal.flushed()
    return stamp


def test_an_acknowledged_write_must_be_read(journal):
    stamp = write(journal, 3)
    journal.check(3, unit_bytes(stamp, 3), "v")
    with pytest.raises(Mismatch):
        journal.check(3, unit_bytes(0, 3), "v")


def test_bytes_of_another_place_are_foreign(journal):
    stamp = write(journal, 3)
    with pytest.raises(Mismatch, match="foreign"):
        journal.check(3, unit_bytes(stamp, 4), "v")


def test_a_flushed_write_outlives_a_crash(journal):
    stamp = write(journal, 3, flushed=True)
    journal.crashed()
    with pytest.raises(Mismatch):
        journal.check(3, unit_bytes(0, 3), "v")
    journal.check(3, unit_bytes(stamp, 3), "v")


def test_an_unflushed_write_may_be_lost_but_not_come_back(journal):
    old = write(journal, 3, flushed=True)
    new = write(journal, 3)
    journal.crashed()
    journal.check(3, unit_bytes(old, 3), "v")
    with pytest.raises(Mismatch):
        journal.check(3, unit_bytes(new, 3), "v")


def test_a_snapshot_has_writes_of_its_time_and_no_later_ones(journal):
    before = write(journal, 3)
    moment = journal.begin_moment()
    during = write(journal, 3)
    journal.end_moment(moment)
    later = write(journal, 3)
    for stamp in (before, during):
        moment.content.copy().check(3, unit_bytes(stamp, 3), "s")
    with pytest.raises(Mismatch):
        moment.content.check(3, unit_bytes(later, 3), "s")


def test_a_snapshot_is_of_one_moment(journal):
    moment = journal.begin_moment()
    first, second = write(journal, 3), write(journal, 4)
    journal.end_moment(moment)
    model.check_order(moment, {3: first, 4: 0}, "s")
    with pytest.raises(Mismatch, match="older"):
        model.check_order(moment, {3: 0, 4: second}, "s")


def test_what_a_crash_may_take_of_a_snapshot_is_what_was_not_flushed_then(journal):
    kept = write(journal, 3, flushed=True)
    write(journal, 4)
    moment = journal.begin_moment()
    journal.crashed()
    journal.end_moment(moment)
    moment.content.check(4, unit_bytes(0, 4), "s")
    with pytest.raises(Mismatch):
        moment.content.check(3, unit_bytes(0, 3), "s")
    moment.content.check(3, unit_bytes(kept, 3), "s")


def test_a_kill_that_the_writer_has_not_noticed_counts_for_a_snapshot(journal):
    write(journal, 4)
    journal.kill(lambda: None)
    moment = journal.begin_moment()
    journal.end_moment(moment)
    moment.content.check(4, unit_bytes(0, 4), "s")


def test_a_trim_may_be_ignored(journal):
    stamp = write(journal, 3)
    journal.begin(3, 1, model.ZERO, hint=True)
    journal.trimmed(3, 1)
    journal.content.copy().check(3, unit_bytes(0, 3), "v")
    journal.check(3, unit_bytes(stamp, 3), "v")


def test_what_is_in_flight_may_be_in_a_snapshot(journal):
    stamp = journal.new_stamp()
    journal.begin(3, 1, stamp)
    moment = journal.begin_moment()
    journal.acknowledged(3, 1, stamp)
    journal.end_moment(moment)
    for seen in (0, stamp):
        moment.content.copy().check(3, unit_bytes(seen, 3), "s")


def test_what_was_trimmed_and_not_flushed_is_undefined_after_a_crash_until_it_is_written(journal):
    foreign = unit_bytes(7, 9)
    write(journal, 3, flushed=True)
    write(journal, 4, flushed=True)
    journal.begin(3, 1, model.ZERO, hint=True)
    journal.trimmed(3, 1)
    write(journal, 3)
    journal.crashed()
    journal.check(3, foreign, "v")
    with pytest.raises(Mismatch):
        journal.check(4, foreign, "v")
    write(journal, 3, flushed=True)
    with pytest.raises(Mismatch):
        journal.check(3, foreign, "v")


def test_a_flushed_trim_is_defined(journal):
    write(journal, 3, flushed=True)
    journal.begin(3, 1, model.ZERO, hint=True)
    journal.trimmed(3, 1)
    journal.flushed()
    journal.crashed()
    with pytest.raises(Mismatch):
        journal.check(3, unit_bytes(7, 9), "v")
