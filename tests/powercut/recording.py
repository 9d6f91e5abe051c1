"""What recorder.cc wrote down, and the states of the disk that a power cut could have left.

A power cut takes what was not synced, or a part of it: writes and sizes of a file since its last sync, names in a
directory since the directory's. LOSSES says how much of that.
"""
import json
import os
import pathlib
import random
import struct

HEADER = struct.Struct("=4I3Q")
CREATE, WRITE, TRUNCATE, ZERO, SYNC, SYNC_DIRECTORY, RENAME, EXCHANGE, LINK, UNLINK, DIRECTORY, MARK = range(1, 13)
BLOCK = 65536
LOSSES = ("nothing", "some", "everything")


class Record:
    def __init__(self, kind, inode, offset, length, name, other_name, data):
        self.kind, self.inode, self.offset, self.length = kind, inode, offset, length
        self.name, self.other_name, self.data = name, other_name, data


class Recording:
    """The log of one varved with its storage daemons; marks say what its clients know."""

    def __init__(self, server, library):
        self.root = server.directory
        self.log = server.directory.with_name(server.directory.name + ".log")
        self.environment = {"LD_PRELOAD": str(library), "VARVE_RECORD_ROOT": str(self.root), "VARVE_RECORD_LOG": str(self.log)}

    def mark(self, known):
        data = json.dumps(known).encode()
        with open(self.log, "ab", buffering=0) as log:
            log.write(HEADER.pack(MARK, 0, 0, len(data), 0, 0, 0) + data)

    def records(self):
        out = []
        with open(self.log, "rb") as log:
            while header := log.read(HEADER.size):
                kind, name, other, data, inode, offset, length = HEADER.unpack(header)
                paths = [os.path.normpath(log.read(size).decode()) if size else "" for size in (name, other)]
                out.append(Record(kind, inode, offset, length, *paths, log.read(data)))
        return out

    def remove(self):
        self.log.unlink(missing_ok=True)


class File:
    """Its bytes, and those that no power cut takes."""

    def __init__(self):
        self.durable = bytearray()
        self.pending = []

    def content(self, keep):
        out = bytearray(self.durable)
        for record in self.pending:
            if keep():
                apply(out, record)
        return out

    def sync(self):
        for record in self.pending:
            apply(self.durable, record)
        self.pending = []


def apply(content, record):
    if record.kind == TRUNCATE:
        del content[record.length:]
        content.extend(bytes(record.length - len(content)))
        return
    end = record.offset + record.length
    if record.kind == ZERO:
        end = min(end, len(content))
    if end > len(content):
        content.extend(bytes(end - len(content)))
    if record.offset < end:
        content[record.offset:end] = record.data if record.kind == WRITE else bytes(end - record.offset)


class Directory:
    """Its names, and those that no power cut takes. An operation on names: of those it changes, what they are afterwards."""

    def __init__(self):
        self.now, self.durable, self.pending = {}, {}, []

    def set(self, changes):
        self.pending.append(changes)
        update(self.now, changes)

    def names(self, keep):
        out = dict(self.durable)
        for changes in self.pending:
            if keep():
                update(out, changes)
        return out

    def sync(self):
        self.durable, self.pending = dict(self.now), []


def update(names, changes):
    for name, file in changes.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


class Disk:
    """The state after a number of records."""

    def __init__(self):
        self.files = {}  # by inode
        self.directories = {}
        self.known = None  # the last mark

    def directory(self, path):
        return self.directories.setdefault(os.path.dirname(path), Directory())

    def at(self, path):
        return self.directory(path).now.get(os.path.basename(path))

    def set(self, path, file):
        self.directory(path).set({os.path.basename(path): file})

    def play(self, record):
        PLAY[record.kind](self, record)

    def create(self, record):
        present = self.at(record.name)
        if present is not None and present is self.files.get(record.inode):
            return
        linked = any(file is self.files.get(record.inode) for directory in self.directories.values() for file in directory.now.values())
        if not linked:
            self.files[record.inode] = File()
        self.set(record.name, self.files[record.inode])

    def change(self, record):
        self.files.setdefault(record.inode, File()).pending.append(record)

    def sync(self, record):
        self.files.setdefault(record.inode, File()).sync()

    def sync_directory(self, record):
        self.directories.setdefault(record.name, Directory()).sync()

    def rename(self, record):
        file = self.at(record.name)
        if os.path.dirname(record.name) == os.path.dirname(record.other_name):
            self.directory(record.name).set({os.path.basename(record.name): None, os.path.basename(record.other_name): file})
        else:
            self.set(record.other_name, file)
            self.set(record.name, None)

    def exchange(self, record):
        one, other = self.at(record.name), self.at(record.other_name)
        if os.path.dirname(record.name) == os.path.dirname(record.other_name):
            self.directory(record.name).set({os.path.basename(record.name): other, os.path.basename(record.other_name): one})
        else:
            self.set(record.other_name, one)
            self.set(record.name, other)

    def link(self, record):
        self.set(record.other_name, self.at(record.name))

    def unlink(self, record):
        if self.at(record.name) is None:  # a directory
            self.directories.pop(record.name, None)
        self.set(record.name, None)

    def make_directory(self, record):
        self.directories[record.name] = Directory()

    def mark(self, record):
        self.known = json.loads(record.data)

    def write_out(self, root, loss, seed):
        """As the power cut leaves it. Directories themselves are there, their names those of durable files at least."""
        choice = random.Random(seed)
        keep = {"nothing": lambda: True, "everything": lambda: False, "some": lambda: choice.random() < 0.5}[loss]
        for path, directory in self.directories.items():
            if not pathlib.Path(path).is_relative_to(root):
                continue
            make_directories(path)
            for name, file in directory.names(keep).items():
                # The index of SQLite's log is never synced, and made anew from the log.
                if not name.endswith("-shm"):
                    write_sparse(pathlib.Path(path) / name, file.content(keep))


def make_directories(path):
    if not os.path.isdir(path):
        make_directories(os.path.dirname(path))
        os.mkdir(path, 0o700)


def write_sparse(path, content):
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
        for at in range(0, len(content), BLOCK):
            block = content[at:at + BLOCK]
            if block.count(0) < len(block):
                out.seek(at)
                out.write(block)
        out.truncate(len(content))


PLAY = {CREATE: Disk.create, WRITE: Disk.change, TRUNCATE: Disk.change, ZERO: Disk.change, SYNC: Disk.sync, SYNC_DIRECTORY: Disk.sync_directory,
        RENAME: Disk.rename, EXCHANGE: Disk.exchange, LINK: Disk.link, UNLINK: Disk.unlink, DIRECTORY: Disk.make_directory, MARK: Disk.mark}
