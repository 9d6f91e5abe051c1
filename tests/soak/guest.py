"""A guest: writes to an attached volume and keeps a journal of what must be there. Its connection may break at any time."""
import random
import select
import threading
import time

import nbd

import model
from model import UNIT, ZERO

GIB = 1 << 30
LOW = 24 << 20  # bytes at the beginning that are used
WINDOW = 1 << 20  # around each further GiB's border
LONGEST = 32  # units of one write
PIECE = 1 << 20  # bytes of one read
RECONNECT_SECONDS = 90
ANSWER_SECONDS = 90


class Broken(Exception):
    """The connection; what was in flight may have been done or not."""


def ranges(size_gib):
    """(first unit, units) that a volume of this size uses."""
    out = [(0, LOW // UNIT)]
    for border in range(1, size_gib + 1):
        begin = border * GIB - WINDOW // 2
        end = min(border * GIB + WINDOW // 2, size_gib * GIB)
        out.append((begin // UNIT, (end - begin) // UNIT))
    return out


def pieces(size_gib):
    for first, count in ranges(size_gib):
        for unit in range(first, first + count, PIECE // UNIT):
            yield unit, min(PIECE // UNIT, first + count - unit)


class Connection:
    """Requests in flight at a time, without holding up other threads."""

    def __init__(self, uri):
        self.handle = nbd.NBD()
        self.buffers = []  # of requests in flight
        self._guard(lambda: self.handle.aio_connect_uri(uri))
        self._wait(self.handle.aio_is_ready)

    def _guard(self, call):
        try:
            return call()
        except nbd.Error as fault:
            if self.handle.aio_is_dead() or self.handle.aio_is_closed() or not self.handle.aio_is_ready():
                raise Broken(str(fault)) from fault
            raise

    def _wait(self, condition):
        deadline = time.monotonic() + ANSWER_SECONDS
        while not condition():
            if self.handle.aio_is_dead() or self.handle.aio_is_closed():
                raise Broken("closed")
            direction = self.handle.aio_get_direction()
            fd = self.handle.aio_get_fd()
            reads, writes, _ = select.select([fd] if direction & nbd.AIO_DIRECTION_READ else [], [fd] if direction & nbd.AIO_DIRECTION_WRITE else [], [], 1)
            if reads:
                self._guard(self.handle.aio_notify_read)
            elif writes:
                self._guard(self.handle.aio_notify_write)
            assert time.monotonic() < deadline, "an export does not answer"

    def finish(self, cookies):
        """Returns when all are answered."""
        left = set(cookies)

        def done():
            for cookie in list(left):
                if self._guard(lambda: self.handle.aio_command_completed(cookie)):
                    left.discard(cookie)
            return not left
        self._wait(done)
        self.buffers.clear()

    def read(self, unit, count):
        buffer = bytearray(count * UNIT)  # libnbd 1.14 never frees a Buffer of its own
        self.finish([self._guard(lambda: self.handle.aio_pread(buffer, unit * UNIT))])
        return bytes(buffer)

    def write(self, unit, data):
        self.buffers.append(data)
        return self._guard(lambda: self.handle.aio_pwrite(self.buffers[-1], unit * UNIT))

    def zero(self, unit, count, hole):
        return self._guard(lambda: self.handle.aio_zero(count * UNIT, unit * UNIT, flags=0 if hole else nbd.CMD_FLAG_NO_HOLE))

    def trim(self, unit, count):
        return self._guard(lambda: self.handle.aio_trim(count * UNIT, unit * UNIT))

    def flush(self):
        self.finish([self._guard(self.handle.aio_flush)])

    def size(self):
        return self.handle.get_size()

    def close(self):
        try:
            self.handle.shutdown()
        except nbd.Error:  # nothing is in flight: it may go
            pass


def check_all(uri, size_gib, content, what, counters, moment=None):
    """Reads everything that a volume of this size may hold; again when it is cut off."""
    deadline = time.monotonic() + RECONNECT_SECONDS
    pause = threading.Event()
    while True:
        try:
            return check_once(uri, size_gib, content, what, counters, moment)
        except Broken:
            assert time.monotonic() < deadline, f"{what}: the export does not come back"
            counters.add("broken connections")
            pause.wait(0.05)


def check_once(uri, size_gib, content, what, counters, moment):
    connection = Connection(uri)
    if connection.size() != size_gib * GIB:
        raise model.Mismatch(f"{what}: the export has {connection.size()} bytes instead of {size_gib} GiB")
    found = {}
    for unit, count in pieces(size_gib):
        stamps = content.check(unit, connection.read(unit, count), what)
        found.update(zip(range(unit, unit + count), stamps))
        counters.add("bytes verified", count * UNIT)
    connection.close()
    if moment and moment.ordered:
        model.check_order(moment, found, what)
        counters.add("snapshots of one moment")


class Guest(threading.Thread):
    def __init__(self, name, serial, seed, counters, content=None):
        super().__init__(name=name, daemon=True)
        self.journal = model.Journal(serial, threading.Lock(), content)
        self.random = random.Random(seed)
        self.counters = counters
        self.fault = None
        self.uri = None
        self.size_gib = 1
        self.connection = None
        self.wanted = threading.Event()  # it may write
        self.resting = threading.Event()  # it does not; all is flushed, nothing is connected
        self.resting.set()
        self.ended = False

    # Called by others

    def resume(self, uri, size_gib):
        self.uri, self.size_gib = uri, size_gib
        self.resting.clear()
        self.wanted.set()

    def pause(self):
        """Afterwards everything that was written is flushed."""
        self.wanted.clear()
        assert self.resting.wait(300), f"{self.name} does not come to rest"
        self.require_sound()

    def end(self):
        self.ended = True
        self.wanted.set()
        self.join(60)

    def require_sound(self):
        if self.fault:
            raise self.fault

    # Its own thread

    def run(self):
        try:
            while not self.ended:
                self.wanted.wait()
                if not self.ended:
                    self.work()
                self.resting.set()
        except BaseException as fault:  # noqa: B902: whoever waits for it raises it again
            self.fault = fault
            print(f"{self.name} at {self.uri} has a fault at {time.time():.6f}: {fault!r}", flush=True)
            self.resting.set()

    def work(self):
        while True:
            try:
                self.connect()
                while self.wanted.is_set() and not self.ended:
                    self.some_work()
                self.flush()
                self.connection.close()
                self.connection = None
                return
            except Broken:
                self.connection = None
                self.journal.crashed()
                self.counters.add("broken connections")

    def connect(self):
        deadline = time.monotonic() + RECONNECT_SECONDS
        pause = threading.Event()
        self.journal.connecting()
        while self.connection is None:
            try:
                self.connection = Connection(self.uri)
            except Broken:
                assert time.monotonic() < deadline, f"{self.name}: the export does not come back"
                pause.wait(0.05)
        self.check_unsure()

    def check_unsure(self):
        with self.journal.lock:
            unsure = sorted(self.journal.content.unsure)
        for unit in unsure:
            self.verify(unit, 1)

    def some_work(self):
        self.batch()
        if self.random.random() < 0.3:
            self.flush()
        if self.random.random() < 0.3:
            unit, count = self.random.choice(list(pieces(self.size_gib)))
            self.verify(unit, count)

    def place(self):
        """Half of the writes go where many go."""
        first, count = self.random.choice(ranges(self.size_gib)) if self.random.random() < 0.3 else (0, LOW // UNIT)
        if self.random.random() < 0.5:
            count = min(count, 512)
        length = self.random.choice((1, 1, 2, 7, 16, LONGEST))
        unit = first + self.random.randrange(max(1, count - length))
        return unit, min(length, first + count - unit)

    def batch(self):
        self.journal.batch += 1
        taken, sent = set(), []
        for _ in range(self.random.randrange(1, 12)):
            unit, count = self.place()
            if taken.isdisjoint(range(unit, unit + count)):
                taken.update(range(unit, unit + count))
                sent.append(self.send(unit, count))
        self.connection.finish(cookie for cookie, _ in sent)
        for _, acknowledge in sent:
            acknowledge()

    def send(self, unit, count):
        """One write: its cookie, and what its acknowledgement means."""
        kind = self.random.random()
        self.counters.add("writes")
        if kind < 0.05:
            self.journal.begin(unit, count, ZERO, hint=True)
            return self.connection.trim(unit, count), lambda: self.journal.trimmed(unit, count)
        if kind < 0.15:
            self.journal.begin(unit, count, ZERO)
            return self.connection.zero(unit, count, kind < 0.1), lambda: self.journal.acknowledged(unit, count, ZERO)
        stamp = self.journal.new_stamp()
        self.journal.begin(unit, count, stamp)
        data = b"".join(model.unit_bytes(stamp, each) for each in range(unit, unit + count))
        self.counters.add("bytes written", len(data))
        return self.connection.write(unit, data), lambda: self.journal.acknowledged(unit, count, stamp)

    def flush(self):
        self.connection.flush()
        self.journal.flushed()
        self.counters.add("flushes")

    def verify(self, unit, count):
        self.journal.check(unit, self.connection.read(unit, count), self.name)
        self.counters.add("bytes verified", count * UNIT)
