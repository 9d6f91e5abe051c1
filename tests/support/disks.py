"""A file system of its own for a store, which can be filled, made read-only and frozen. Only root can make one."""
import contextlib
import itertools
import os
import shutil
import signal
import subprocess

import pytest

from varve import BUILD


class Disk:
    def __init__(self, directory):
        self.directory = directory
        self.frozen = False
        self.covered = False

    def filler(self):
        return self.directory / "filler"

    def fill(self):
        """Not one block is left for anybody."""
        with open(self.filler(), "ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\xff" * size)
        assert os.statvfs(self.directory).f_bavail == 0

    def free(self):
        self.filler().unlink()

    def take_every_file(self):
        """There is room, and no file can be made."""
        directory = self.directory / "files"
        directory.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):
            for number in itertools.count():
                (directory / str(number)).touch()
        assert os.statvfs(self.directory).f_favail == 0

    def give_files_back(self):
        shutil.rmtree(self.directory / "files")

    def make_read_only(self):
        """For every file that is opened from now on: a file system with files open for writing cannot be remounted."""
        subprocess.run(["mount", "--bind", str(self.directory), str(self.directory)], check=True)
        self.covered = True
        subprocess.run(["mount", "-o", "remount,bind,ro", str(self.directory)], check=True)

    def make_writable(self):
        if self.covered:
            subprocess.run(["umount", "-l", str(self.directory)], check=True)
        self.covered = False

    def freeze(self):
        subprocess.run(["fsfreeze", "-f", str(self.directory)], check=True)
        self.frozen = True

    def thaw(self):
        if self.frozen:
            subprocess.run(["fsfreeze", "-u", str(self.directory)], check=True)
        self.frozen = False


@contextlib.contextmanager
def small_disk(directory, mib=256):
    image = directory.with_suffix(".img")
    directory.mkdir()
    subprocess.run(["truncate", "-s", f"{mib}M", str(image)], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-b", "4096", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image)], check=True)
    mounted = subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(image), str(directory)], capture_output=True, text=True)
    if mounted.returncode != 0:
        image.unlink()
        pytest.skip("a file system cannot be mounted here: " + mounted.stderr.strip())
    disk = Disk(directory)
    try:
        yield disk
    finally:
        disk.thaw()
        disk.make_writable()
        subprocess.run(["umount", "-l", str(directory)], check=True)
        image.unlink(missing_ok=True)


@contextlib.contextmanager
def server_on_a_small_disk(server):
    """The server, its disk; in the end its processes go before the disk does."""
    with small_disk(server.store) as disk:
        try:
            yield server, disk
        finally:
            disk.thaw()
            pids = list(server.storage_daemons().values())
            if server.process and server.process.poll() is None:
                server.kill()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            server.destroy()


class FailingDisk:
    """Makes the calls of varved and its storage daemons to files below a directory fail with EIO. See failing_disk.cc."""

    def __init__(self, server):
        self.control = server.directory.with_name(server.directory.name + ".failing")
        self.environment = {"LD_PRELOAD": str(BUILD / "src" / "libvarve_failing_disk.so"), "VARVE_FAILING_DISK": str(self.control)}

    def hang(self, directory):
        """The calls do not return, until the disk is healed."""
        self.fail(f"hang:{directory}")

    def fail(self, directory):
        made = self.control.with_suffix(".new")
        made.write_text(str(directory))
        made.rename(self.control)

    def heal(self):
        self.control.unlink(missing_ok=True)
