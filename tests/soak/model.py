"""What the bytes of volumes and snapshots must be, unit by unit, whatever was killed meanwhile.

The promises that are held:
- what was acknowledged is read as long as the storage daemon lives, also when varved dies;
- what was acknowledged before a flush that was acknowledged outlives the storage daemon;
- a later write may be lost with the storage daemon, as with the cache of a disk: the unit is then old or new, and stays what it was once read as;
- what was trimmed after the last flush may be anything when the storage daemon dies, as NBD has it: its room may have been given to other units;
- a snapshot is the volume at one moment between its request and its being available, and never changes again.
"""
import struct

UNIT = 4096
ZERO = 0


def unit_bytes(stamp, unit):
    """What a write puts into a unit: who wrote it, and where it belongs."""
    return struct.pack("<QQ", stamp, unit) * (UNIT // 16) if stamp else bytes(UNIT)


def stamp_of(data, unit):
    """None: nothing that anybody ever wrote there."""
    stamp = struct.unpack_from("<Q", data)[0]
    return stamp if data == unit_bytes(stamp, unit) else None


class Mismatch(AssertionError):
    pass


class Content:
    """By unit: the stamp that is there, or the stamps of which one is; undefined: units that may be anything."""

    def __init__(self, stamps=None, unsure=None, undefined=()):
        self.stamps = dict(stamps or {})
        self.unsure = {unit: set(some) for unit, some in (unsure or {}).items()}
        self.undefined = set(undefined)

    def copy(self):
        return Content(self.stamps, self.unsure, self.undefined)

    def allowed(self, unit):
        return self.unsure.get(unit) or {self.stamps.get(unit, ZERO)}

    def put(self, unit, stamp):
        self.undefined.discard(unit)
        self.unsure.pop(unit, None)
        self.stamps[unit] = stamp

    def widen(self, unit, stamps):
        self.unsure[unit] = self.allowed(unit) | stamps

    def check(self, first, data, what):
        """Whatever was unsure is known afterwards. Returns the stamps."""
        found = []
        for index in range(len(data) // UNIT):
            unit = first + index
            piece = data[index * UNIT:(index + 1) * UNIT]
            stamp = stamp_of(piece, unit)
            if unit in self.undefined:
                found.append(stamp)
                continue
            if stamp is None or stamp not in self.allowed(unit):
                read = f"{stamp:#x}" if stamp is not None else f"foreign bytes {piece[:32].hex()}"
                raise Mismatch(f"{what}: unit {unit} is {read}, not one of {sorted(map(hex, self.allowed(unit)))}")
            if unit in self.unsure:
                self.put(unit, stamp)
            found.append(stamp)
        return found


class Moment:
    """A snapshot in the making: the content at some moment of its life."""

    def __init__(self, content):
        self.content = content.copy()
        self.writes = []  # (batch, unit, stamp), in the order in which they began
        self.hinted = set()  # units that somebody trimmed
        self.ordered = True

    def note(self, batch, unit, stamp, hint):
        self.content.widen(unit, {stamp})
        if hint:
            self.hinted.add(unit)
        self.writes.append((batch, unit, stamp))

    def crashed(self, unflushed, trimmed):
        self.ordered = False
        for unit, stamps in unflushed.items():
            self.content.widen(unit, stamps)
        self.content.undefined |= trimmed


def check_order(moment, found, what):
    """A write that was acknowledged before another one began is there if the other is. found: stamp by unit."""
    writes = [write for write in moment.writes if write[1] not in moment.hinted]
    newest = max((batch for batch, unit, stamp in writes if stamp and found[unit] == stamp), default=0)
    before = {unit: stamp for batch, unit, stamp in writes if batch < newest}
    later = {}
    for batch, unit, stamp in writes:
        if batch >= newest:
            later.setdefault(unit, set()).add(stamp)
    for unit, stamp in before.items():
        if found[unit] != stamp and found[unit] not in later.get(unit, ()):
            raise Mismatch(f"{what}: unit {unit} is {found[unit]:#x}, older than {stamp:#x}, though batch {newest} is there")


class Journal:
    """The model of a volume that is written to. One writer, whose batches follow on each other; snapshots by others."""

    def __init__(self, serial, lock, content=None):
        self.content = content or Content()
        self.unflushed = {}  # what a unit may be instead when the storage daemon dies now
        self.unflushed_trims = set()
        self.moments = []
        self.in_flight = {}  # (stamp, hint) by unit
        self.kills = 0  # of its storage daemon
        self.noticed = 0  # of these by the writer, whose connection broke
        self.batch = 0
        self.serial = serial
        self.sequence = 0
        self.lock = lock

    def new_stamp(self):
        self.sequence += 1
        return self.serial << 40 | self.sequence

    def begin(self, first, count, stamp, hint=False):
        """hint: a trim, which the server may also ignore."""
        with self.lock:
            for unit in range(first, first + count):
                self.in_flight[unit] = stamp, hint
                if hint:
                    self.unflushed_trims.add(unit)
                self.unflushed[unit] = self.unflushed.get(unit, set()) | self.content.allowed(unit) | {stamp}
                for moment in self.moments:
                    moment.note(self.batch, unit, stamp, hint)

    def acknowledged(self, first, count, stamp):
        with self.lock:
            for unit in range(first, first + count):
                del self.in_flight[unit]
                self.content.put(unit, stamp)

    def trimmed(self, first, count):
        with self.lock:
            for unit in range(first, first + count):
                del self.in_flight[unit]
                self.content.widen(unit, {ZERO})

    def flushed(self):
        """Nothing is in flight."""
        with self.lock:
            self.unflushed.clear()
            self.unflushed_trims.clear()

    def kill(self, send):
        """send() kills the storage daemon."""
        with self.lock:
            self.kills += 1
            send()

    def crashed(self):
        """The connection broke; nothing is in flight."""
        with self.lock:
            for unit, stamps in self.unflushed.items():
                self.content.widen(unit, stamps)
            self.content.undefined |= self.unflushed_trims
            for moment in self.moments:
                moment.crashed(self.unflushed, self.unflushed_trims)
            self.unflushed.clear()
            self.unflushed_trims.clear()
            self.in_flight.clear()
            self.noticed = self.kills

    def connecting(self):
        """To a new storage daemon, should the last have been killed; everything is flushed."""
        with self.lock:
            assert not self.unflushed
            self.noticed = self.kills

    def check(self, first, data, what):
        with self.lock:
            self.content.check(first, data, what)

    def begin_moment(self):
        with self.lock:
            moment = Moment(self.content)
            for unit, (stamp, hint) in self.in_flight.items():
                moment.note(self.batch, unit, stamp, hint)
            self.moments.append(moment)
            return moment

    def end_moment(self, moment):
        with self.lock:
            if self.kills != self.noticed:
                moment.crashed(self.unflushed, self.unflushed_trims)
            self.moments.remove(moment)
