"""What must hold whenever varved is at rest, whatever happened before."""
import json
import subprocess

from varve import wait_until

TRANSITIONAL_VOLUME = {"creating", "extending", "rollbacking", "retyping", "downloading", "uploading", "backing-up", "restoring-backup", "deleting"}
TRANSITIONAL_SNAPSHOT = {"creating", "rollbacking", "backing-up", "deleting"}


def settle(server, timeout=60):
    """Waits until no task is live and maintenance has nothing to remove."""
    wait_until(lambda: not server.rows("SELECT 1 FROM tasks WHERE state = 'live'"), timeout, "the tasks to end")
    wait_until(lambda: server.layers() == needed_layers(server), timeout, "unneeded layers to go")


def parents(server):
    out = {}
    for layer, path in server.layer_files().items():
        done = subprocess.run(["qemu-img", "info", "-U", "--output=json", str(path)], capture_output=True, text=True,
                              timeout=30)
        if done.returncode != 0:  # removed meanwhile
            continue
        backing = json.loads(done.stdout).get("backing-filename")
        out[layer] = backing.rsplit("/", 1)[-1].removesuffix(".qcow2") if backing else None
    return out


def roots(server):
    out = set()
    for manifest in server.manifests().values():
        out.add(manifest["active"])
        out.update(frozen["layer"] for frozen in manifest["snapshots"].values())
    return out


def needed_layers(server):
    parent = parents(server)
    needed = set()
    for layer in roots(server):
        while layer is not None and layer not in needed:
            needed.add(layer)
            layer = parent.get(layer)
    return needed


def layer_fault(server):
    """What is wrong with the layer graph now; None: every layer is needed, and following parents ends."""
    if server.layers() != needed_layers(server):
        return "a layer belongs to nothing"
    parent = parents(server)
    for layer in parent:
        seen = set()
        while layer is not None:
            if layer in seen:
                return "the layers form a circle"
            if layer not in parent:
                return f"layer {layer} is missing"
            seen.add(layer)
            layer = parent[layer]
    return None


def check(server):
    """Call with varved running and settled."""
    live_volumes = {row[0] for row in server.rows("SELECT volume_id FROM tasks WHERE state = 'live'")}
    volumes = dict(server.rows("SELECT id, status FROM volumes"))
    for volume, status in volumes.items():
        assert status not in TRANSITIONAL_VOLUME or volume in live_volumes, f"volume {volume} is stuck in {status}"
    snapshots = {row[0]: row[1:] for row in server.rows("SELECT id, volume_id, status FROM snapshots")}
    for snapshot, (volume, status) in snapshots.items():
        assert status not in TRANSITIONAL_SNAPSHOT or volume in live_volumes, f"snapshot {snapshot} is stuck in {status}"

    # Every file belongs to a row and every row has its files.
    manifests = server.manifests()
    assert set(manifests) <= set(volumes), "a manifest belongs to no volume"
    for volume, status in volumes.items():
        assert status == "error" or volume in manifests, f"volume {volume} ({status}) has no manifest"
    kept = {snapshot for manifest in manifests.values() for snapshot in manifest["snapshots"]}
    assert kept <= set(snapshots), "a manifest has a snapshot without a row"
    for snapshot, (volume, status) in snapshots.items():
        assert status == "error" or snapshot in kept, f"snapshot {snapshot} ({status}) has no layer"
    assert not any("intent" in manifest for manifest in manifests.values()), "an intent was left"
    quarantined = {path.name: path.read_text(errors="replace")[:200] for path in server.quarantined()}
    assert not quarantined, f"could not be accounted for: {quarantined}"
    # Maintenance may be about its work: what it leaves in the end counts.
    wait_until(lambda: not layer_fault(server), 60, f"the layers to be in order: {layer_fault(server)}")

    # No export without an attachment, and no attachment without its volume.
    exported = {f"snapshot-{snapshot}" if snapshot else volume for volume, snapshot in server.rows(
        "SELECT volume_id, snapshot_id FROM attachments WHERE connection IS NOT NULL")}
    def running():
        return set(server.storage_daemons()) - {"pool"}
    wait_until(lambda: running() == exported, 60, f"the storage daemons {running()} to be those of the exports {exported}")


def is_encrypted(path):
    """By the method of encryption in the header of a qcow2 file."""
    with open(path, "rb") as image:
        return image.read(36)[32:] != bytes(4)


def check_images(server):
    """With varved stopped and nothing attached: every image is sound. Encrypted ones are let through: QEMU checks none without its key."""
    for layer, path in server.layer_files().items():
        if is_encrypted(path):
            continue
        done = subprocess.run(["qemu-img", "check", "-q", str(path)], capture_output=True, text=True, timeout=60)
        # 3: leaked clusters only; harmless, and what a crash may leave.
        assert done.returncode in (0, 3), f"{layer}: {done.stdout}{done.stderr}"
