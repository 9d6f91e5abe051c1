#!/usr/bin/python3
"""make bench: figures of the release build, absolute and as ratios of the same run.

Machines are noisy, so only the ratios are compared with the bars. wrk drives; varved and wrk share the machine's cores.
"""
import argparse
import datetime
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "support"))

from bytes import compare_bytes  # noqa: E402
from varve import Server, qemu_io  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
CONNECTIONS = (1, 8, 32)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid, what="VmRSS"):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", text).group(1)) / 1024


def milliseconds(text):
    number, unit = re.match(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


class Load:
    """One run of wrk against a URL."""

    def __init__(self, server, client, path, connections, seconds, script=None):
        before = cpu_seconds(server.process.pid)
        command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency",
                   "-H", f"X-Auth-Token: {client.token}"]
        if script:
            command += ["-s", str(HERE / script)]
        done = subprocess.run([*command, path if path.startswith("http") else client.url(path)], capture_output=True,
                              text=True, check=True, timeout=seconds + 60)
        text = done.stdout
        self.rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
        self.p50 = milliseconds(re.search(r"^\s+50%\s+(\S+)", text, re.M).group(1))
        self.p99 = milliseconds(re.search(r"^\s+99%\s+(\S+)", text, re.M).group(1))
        requests = int(re.search(r"(\d+) requests in", text).group(1))
        self.cpu_us = (cpu_seconds(server.process.pid) - before) * 1e6 / max(requests, 1)
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        assert not refused, f"{path}: {refused.group(0)}"


def fill(server, admin, count):
    """Rows of `count` snapshots of one volume, written while varved is stopped."""
    volume = admin.create_volume(name="many")
    user = admin.info["user"]["id"]
    server.stop()
    start = int(datetime.datetime(2026, 1, 1).timestamp()) * 1_000_000
    with sqlite3.connect(server.store / "varve.db") as db:
        db.executemany(
            "INSERT INTO snapshots (id, project_id, user_id, volume_id, name, status, size_gib, metadata, created_at)"
            " VALUES (?, ?, ?, ?, ?, 'available', 1, '{}', ?)",
            ((str(uuid.uuid4()), admin.project, user, volume, f"snap-{i:06}", start + i) for i in range(count)))
    db.close()
    server.start()
    return server.login()


def snapshot_rate(admin, volumes, per_volume):
    """Snapshots a second to `available`, one volume a thread."""
    def run(volume):
        for _ in range(per_volume):
            admin_clients[volume].create_snapshot(volume)
    admin_clients = {volume: admin.server.login() for volume in volumes}
    threads = [threading.Thread(target=run, args=(volume,)) for volume in volumes]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(volumes) * per_volume / (time.monotonic() - started)


def snapshot_seconds(admin, mib):
    """Median time to `available` of a snapshot of an attached volume with that much written."""
    volume = admin.create_volume(size=8)
    attachment, uri = admin.attach(volume)
    step = 64
    for at in range(0, mib, step):
        assert qemu_io(uri, f"write -P 7 {at}M {min(step, mib - at)}M")
    assert qemu_io(uri, "flush")
    times = []
    for _ in range(9):
        task = admin.create_snapshot(volume)
        (created, ended), = admin.server.rows("SELECT created_at, ended_at FROM tasks WHERE snapshot_id = ?", task)
        times.append((ended - created) / 1e6)
    admin.detach(attachment)
    admin.delete_volume(volume, cascade=True)
    return sorted(times)[len(times) // 2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5, help="of each run of wrk and fio")
    parser.add_argument("--large-mib", type=int, default=4096, help="written to the large volume")
    parser.add_argument("--snapshots", type=int, default=100_000, help="rows of the long list")
    parser.add_argument("--turns", type=int, default=9, help="of each comparison of bytes")
    parser.add_argument("--bytes", action="store_true", help="only the path of the bytes")
    parser.add_argument("--calls", action="store_true", help="all but the path of the bytes")
    parser.add_argument("--share", action="store_true", help="everything once and shortly: does it work; no bar counts")
    options = parser.parse_args()
    if options.share:
        options.seconds, options.large_mib, options.snapshots, options.turns = 1, 128, 2000, 1
    server = Server(["log.level=info", "volumes.max_snapshots=10000"])
    bars = []
    try:
        if options.bytes:
            compare_bytes(server, server.start().login(), options, bars)
        else:
            run(server, options, bars)
    finally:
        server.destroy()
    if options.share:
        return 0
    print()
    for name, value, bar, good in bars:
        print(f"  {'met   ' if good else 'MISSED'}  {name}: {value} (bar: {bar})")
    return 0 if all(bar[3] for bar in bars) else 1


def table(name, load, base=None):
    ratio = f"{load.rate / base:8.2f}" if base else "        "
    print(f"  {name:34} {load.rate:10.0f} {load.p50:9.2f} {load.p99:9.2f} {load.cpu_us:9.1f} {ratio}")


def run(server, options, bars):
    server.start()
    rest = memory_mib(server.process.pid)
    bars.append(("varved at rest, MiB", f"{rest:.1f}", "<= 40", rest <= 40))
    admin = server.login()
    snapshot = admin.create_snapshot(admin.create_volume(name="one"), name="snap-000")

    print(f"  {'':34} {'requests/s':>10} {'p50 ms':>9} {'p99 ms':>9} {'CPU us':>9} {'/healthz':>8}")
    ratios = {}
    for connections in CONNECTIONS:
        health = Load(server, admin, server.url + "/healthz", connections, options.seconds)
        table(f"/healthz, {connections} connections", health)
        get = Load(server, admin, f"/snapshots/{snapshot}", connections, options.seconds)
        table(f"GET snapshot, {connections} connections", get, health.rate)
        put = Load(server, admin, f"/snapshots/{snapshot}", connections, options.seconds, "put_snapshot.lua")
        table(f"PUT snapshot, {connections} connections", put, health.rate)
        ratios[connections] = (get.rate / health.rate, put.rate / health.rate)
    get_ratio, put_ratio = ratios[32]
    bars.append(("PUT snapshot / healthz, 32 connections", f"{put_ratio:.2f}", ">= 0.20", put_ratio >= 0.20))
    bars.append(("GET snapshot / healthz, 32 connections", f"{get_ratio:.2f}", ">= 0.40", get_ratio >= 0.40))

    volumes = [admin.create_volume() for _ in range(8)]
    for count in (1, 8):
        rate = snapshot_rate(admin, volumes[:count], 40 // count)
        print(f"  create snapshot to available, {count} volumes: {rate:.0f} a second")
    small = snapshot_seconds(admin, 64)
    large = snapshot_seconds(admin, options.large_mib)
    print(f"  snapshot of an attached volume: {small * 1000:.1f} ms with 64 MiB written, {large * 1000:.1f} ms with {options.large_mib} MiB")
    bars.append(("snapshot with much written / with little", f"{large / small:.2f}", "<= 1.5", large / small <= 1.5))

    if not options.calls:
        compare_bytes(server, admin, options, bars)

    admin = fill(server, admin, options.snapshots)
    page = Load(server, admin, "/snapshots/detail?limit=1000", 1, options.seconds)
    table(f"1,000 of {options.snapshots:,} snapshots, 1 conn.", page)
    middle = server.rows("SELECT id FROM snapshots ORDER BY created_at LIMIT 1 OFFSET ?", options.snapshots // 2)[0][0]
    deep = Load(server, admin, f"/snapshots/detail?limit=1000&marker={middle}", 1, options.seconds)
    table("the same from the middle", deep)
    bars.append(("a page of 1,000 of 100,000, ms", f"{page.p50:.1f}", "<= 15", page.p50 <= 15))
    print(f"  peak memory: {memory_mib(server.process.pid, 'VmHWM'):.0f} MiB")


if __name__ == "__main__":
    sys.exit(main())
