"""Volumes from images and images from volumes, with a real image service."""
import hashlib
import json
import subprocess

import pytest
from glance import Glance
from varve import Server, fault, qemu_io, wait_until

MIB = 2**20


@pytest.fixture(scope="module")
def cloud():
    glance = Glance()
    made = Server(options=[f"images.endpoint={glance.endpoint}"])
    made.start()
    made.glance = glance.start(made)
    yield made
    made.stop()
    made.destroy()
    glance.destroy()


@pytest.fixture(scope="module")
def glance(cloud):
    return cloud.glance


@pytest.fixture(scope="module")
def admin(cloud):
    return cloud.login()


@pytest.fixture(scope="module")
def member(cloud):
    cloud.new_user("alice", "secret-1", "team")
    return cloud.login("alice", "secret-1", "team")


def disk(tmp_path, disk_format, *options):
    """A disk of 3 MiB: 1 MiB of 0xaa, 1 MiB of zeros, 1 MiB of 0xbb."""
    raw = tmp_path / "disk.raw"
    raw.write_bytes(b"\xaa" * MIB + bytes(MIB) + b"\xbb" * MIB)
    if disk_format == "raw":
        return raw.read_bytes()
    made = tmp_path / "disk"
    subprocess.run(["qemu-img", "convert", "-O", {"vhd": "vpc"}.get(disk_format, disk_format), *options, raw, made], check=True, timeout=60)
    return made.read_bytes()


def status_of(client, volume):
    return client.call("GET", f"/volumes/{volume}")["volume"]["status"]


def refused_volume(client, image):
    """Made from an image that turns out to be bad: the volume's last message."""
    volume = client.call("POST", "/volumes", {"volume": {"size": 1, "imageRef": image}}, 202)["volume"]["id"]
    wait_until(lambda: status_of(client, volume) == "error", 30, "the volume to be refused")
    messages = client.call("GET", f"/messages?resource_uuid={volume}", mv="3.5")["messages"]
    client.delete_volume(volume)
    return messages[0]


@pytest.mark.parametrize("disk_format, options", [("raw", ()), ("qcow2", ()), ("qcow2", ("-c",)), ("vdi", ()), ("vhdx", ()), ("vhd", ("-o", "force_size"))])
def test_a_volume_has_the_bytes_of_its_image(member, glance, tmp_path, disk_format, options):
    image = glance.create(member, disk(tmp_path, disk_format, *options), disk_format, min_disk=1, os_distro="debian")
    volume = member.create_volume(size=2, imageRef=image)
    assert member.io(volume, "read -P 0xaa 0 1M", "read -P 0 1M 1M", "read -P 0xbb 2M 1M", "read -P 0 3M 2045M")
    shown = member.call("GET", f"/volumes/{volume}")["volume"]
    assert shown["bootable"] == "true"
    about = shown["volume_image_metadata"]
    assert (about["image_id"], about["disk_format"], about["os_distro"]) == (image, disk_format, "debian")
    assert about["checksum"] == glance.show(member, image)["checksum"]
    # What is made from it says so too.
    clone = member.create_volume(size=2, source_volid=volume)
    assert member.call("GET", f"/volumes/{clone}")["volume"]["volume_image_metadata"] == about
    found = member.call("GET", "/volumes?glance_metadata=%7B%22image_id%22%3A%22" + image + "%22%7D", mv="3.4")["volumes"]
    assert {one["id"] for one in found} == {volume, clone}
    for one in (clone, volume):
        member.delete_volume(one)


def test_an_image_has_the_bytes_of_its_volume(member, glance, tmp_path):
    volume = member.create_volume()
    assert member.io(volume, "write -P 0x11 5M 1M")
    for disk_format in ("raw", "qcow2", "vmdk"):
        arguments = {"image_name": "copy", "disk_format": disk_format, "visibility": "private", "protected": False}
        made = member.call("POST", f"/volumes/{volume}/action", {"os-volume_upload_image": arguments}, 202, mv="3.1")["os-volume_upload_image"]
        assert (made["status"], made["disk_format"], made["image_name"], made["size"]) == ("uploading", disk_format, "copy", 1)
        member.wait_volume(volume)
        shown = glance.show(member, made["image_id"])
        assert (shown["status"], shown["visibility"], shown["owner"]) == ("active", "private", member.project)
        file = tmp_path / disk_format
        file.write_bytes(glance.data(member, made["image_id"]))
        if disk_format == "raw":
            expected = hashlib.sha256(bytes(5 * MIB) + b"\x11" * MIB + bytes(1018 * MIB)).digest()
            assert hashlib.sha256(file.read_bytes()).digest() == expected
        else:
            subprocess.run(["qemu-io", "-f", disk_format, "-c", "read -P 0x11 5M 1M", "-c", "read -P 0 6M 100M", str(file)], check=True, timeout=60)
    member.delete_volume(volume)


def test_an_attached_volume_is_uploaded_with_force_as_it_is_then(member, glance, tmp_path):
    volume = member.create_volume()
    attachment, uri = member.attach(volume)
    assert qemu_io(uri, "write -P 1 0 1M")
    upload = {"os-volume_upload_image": {"image_name": "copy", "disk_format": "qcow2"}}
    assert "force" in fault(member.request("POST", f"/volumes/{volume}/action", upload), 400)
    upload["os-volume_upload_image"]["force"] = True
    made = member.call("POST", f"/volumes/{volume}/action", upload, 202)["os-volume_upload_image"]
    member.wait_volume(volume, "in-use")
    assert qemu_io(uri, "write -P 2 0 1M", "read -P 2 0 1M")
    file = tmp_path / "copy.qcow2"
    file.write_bytes(glance.data(member, made["image_id"]))
    subprocess.run(["qemu-io", "-c", "read -P 1 0 1M", str(file)], check=True, timeout=60)
    member.detach(attachment)
    member.delete_volume(volume)


def test_what_cannot_become_a_volume(member, admin, glance, tmp_path):
    create = lambda **fields: member.request("POST", "/volumes", {"volume": {"size": 1, **fields}})
    assert "image" in fault(create(imageRef="00000000-0000-4000-8000-000000000000"), 400)
    assert "image" in fault(create(imageRef="nonsense"), 400)
    hidden = glance.create(admin, b"x" * 512, visibility="private")
    assert "unable to access" in fault(create(imageRef=hidden), 400)
    large = glance.create(member, b"x" * 512, min_disk=3)
    assert "smaller than the image size 3GB" in fault(create(imageRef=large), 400)
    queued = glance.request(member, "POST", "", json={"name": "q", "disk_format": "raw", "container_format": "bare"}).json()["id"]
    assert "not active" in fault(create(imageRef=queued), 400)
    assert "disk format vmdk" in fault(create(imageRef=glance.create(member, disk(tmp_path, "vmdk"), "vmdk")), 400)
    assert "only one" in fault(create(imageRef=large, source_volid="00000000-0000-4000-8000-000000000000"), 400)


def test_a_treacherous_image_is_refused(member, glance, tmp_path):
    """Images that refer to files of the host, or are not what they say (CVE-2015-5163, CVE-2024-32498)."""
    for options in (["-b", "/etc/passwd", "-F", "raw"], ["-o", f"data_file={tmp_path}/data,data_file_raw=on"]):
        made = tmp_path / "bad.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, made, "1M"], check=True, timeout=60)
        message = refused_volume(member, glance.create(member, made.read_bytes(), "qcow2"))
        assert message["message_level"] == "ERROR"
    refused_volume(member, glance.create(member, b"no header" * 100, "qcow2"))
    # Larger within than its file: the record says 1 GiB at most, the header another thing.
    huge = tmp_path / "huge.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", huge, "5G"], check=True, timeout=60)
    image = glance.create(member, huge.read_bytes(), "qcow2")
    refusal = member.request("POST", "/volumes", {"volume": {"size": 1, "imageRef": image}})
    assert "smaller than the image size 5GB" in fault(refusal, 400)


def test_image_metadata(member, glance):
    volume = member.create_volume()
    act = lambda name, arguments, status=200: member.call("POST", f"/volumes/{volume}/action", {name: arguments}, status)
    assert act("os-show_image_metadata", {}) == {"metadata": {}}
    assert act("os-set_image_metadata", {"metadata": {"a": "1", "b": "2"}}) == {"metadata": {"a": "1", "b": "2"}}
    assert act("os-set_image_metadata", {"metadata": {"b": "3"}}) == {"metadata": {"a": "1", "b": "3"}}
    act("os-unset_image_metadata", {"key": "a"})
    assert act("os-show_image_metadata", {}) == {"metadata": {"b": "3"}}
    assert fault(member.request("POST", f"/volumes/{volume}/action", {"os-unset_image_metadata": {"key": "a"}}), 404)
    assert fault(member.request("POST", f"/volumes/{volume}/action", {"os-set_image_metadata": {}}), 400)
    assert member.call("GET", f"/volumes/{volume}")["volume"]["volume_image_metadata"] == {"b": "3"}
    member.delete_volume(volume)


def test_a_stop_interrupts_and_the_next_start_goes_on(cloud, admin, glance):
    image = glance.create(admin, b"\x77" * 64 * MIB)
    volume = admin.call("POST", "/volumes", {"volume": {"size": 1, "imageRef": image}}, 202)["volume"]["id"]
    port = cloud.url.rsplit(":", 1)[1]
    cloud.stop()
    cloud.start(options=[f"http.port={port}"])
    again = cloud.login()
    again.wait_volume(volume)
    assert again.io(volume, "read -P 0x77 0 64M")
    again.delete_volume(volume)


def test_without_an_image_service(own_server):
    client = own_server.start().login()
    volume = client.create_volume()
    assert "no image service" in fault(client.request("POST", f"/volumes/{volume}/action", {"os-volume_upload_image": {"image_name": "x"}}), 503)
    assert fault(client.request("POST", "/volumes", {"volume": {"size": 1, "imageRef": "00000000-0000-4000-8000-000000000000"}}), 400)


def test_openstackclient(cloud, glance, tmp_path):
    file = tmp_path / "disk.raw"
    file.write_bytes(disk(tmp_path, "raw"))
    image = cloud.openstack("image", "create", "--file", str(file), "--disk-format", "raw", "--container-format", "bare", "cirros")["id"]
    made = cloud.openstack("volume", "create", "--size", "1", "--image", "cirros", "from-image")
    client = cloud.login()
    client.wait_volume(made["id"])
    uploaded = cloud.openstack("image", "create", "--volume", "from-image", "--disk-format", "qcow2", "copy")
    client.wait_volume(made["id"])
    copy = tmp_path / "copy.qcow2"
    copy.write_bytes(glance.data(client, uploaded["image_id"]))
    subprocess.run(["qemu-io", "-c", "read -P 0xaa 0 1M", str(copy)], check=True, timeout=60)
    assert client.call("GET", f"/volumes/{made['id']}")["volume"]["volume_image_metadata"]["image_id"] == image


def test_an_image_of_a_server_names_the_snapshot_of_its_disk(member, glance):
    """What Compute's createImage leaves of a server that boots from a volume: no bytes, and where they are (3.46)."""
    volume = member.create_volume(name="boot")
    assert member.io(volume, "write -P 0x46 0 1M")
    snapshot = member.create_snapshot(volume)
    other = "11111111-1111-4111-8111-111111111111"
    mapping = [{"source_type": "snapshot", "boot_index": 1, "snapshot_id": other}, {"source_type": "blank", "boot_index": 0},
               {"source_type": "snapshot", "boot_index": 0, "snapshot_id": snapshot}]
    image = glance.create(member, b"", block_device_mapping=json.dumps(mapping))

    def make(version):
        made = member.call("POST", "/volumes", {"volume": {"size": 1, "imageRef": image}}, 202, version)["volume"]["id"]
        member.wait_volume(made)
        return made, member.call("GET", f"/volumes/{made}")["volume"]
    plain, shown = make("3.45")
    assert shown["snapshot_id"] is None and shown["volume_image_metadata"]["image_id"] == image and member.io(plain, "read -P 0 0 1M")
    copy, shown = make("3.46")
    assert shown["snapshot_id"] == snapshot and member.io(copy, "read -P 0x46 0 1M")
    gone = [{"source_type": "snapshot", "boot_index": 0, "snapshot_id": "00000000-0000-4000-8000-000000000000"}]
    image = glance.create(member, b"", block_device_mapping=json.dumps(gone))
    refusal = member.request("POST", "/volumes", {"volume": {"size": 1, "imageRef": image}}, "3.46")
    assert "00000000-0000-4000-8000-000000000000" in fault(refusal, 404)
    for one in (plain, copy):
        member.delete_volume(one)
    member.delete_volume(volume, cascade=True)


def test_visibility_and_protection_of_images_came_with_3_1(member, glance):
    """Before, an image is what the image service makes of one by itself."""
    volume = member.create_volume()
    upload = {"os-volume_upload_image": {"image_name": "copy", "disk_format": "raw", "visibility": "private", "protected": True}}
    for version, visibility, is_protected in (("3.0", "shared", False), ("3.1", "private", True)):
        made = member.call("POST", f"/volumes/{volume}/action", upload, 202, version)["os-volume_upload_image"]
        member.wait_volume(volume)
        shown = glance.show(member, made["image_id"])
        assert (shown["visibility"], shown["protected"]) == (visibility, is_protected)
        assert ("protected" in made) == is_protected == ("visibility" in made)
    member.delete_volume(volume)


def test_a_volume_gets_the_bytes_of_another_image(member, glance):
    """os-reimage (3.68): nothing of what was there remains."""
    image = glance.create(member, b"\x68" * MIB)
    volume = member.create_volume()
    assert member.io(volume, "write -P 1 0 8M")
    action = {"os-reimage": {"image_id": image}}
    fault(member.request("POST", f"/volumes/{volume}/action", action, "3.67"), 404)
    member.call("POST", f"/volumes/{volume}/action", action, 202, "3.68")
    member.wait_volume(volume)
    assert member.io(volume, "read -P 0x68 0 1M", "read -P 0 1M 7M")
    shown = member.call("GET", f"/volumes/{volume}")["volume"]
    assert shown["volume_image_metadata"]["image_id"] == image and shown["bootable"] == "true"
    attachment, _ = member.attach(volume)
    assert "re-image" in fault(member.request("POST", f"/volumes/{volume}/action", action, "3.68"), 400)
    member.detach(attachment)
    unknown = {"os-reimage": {"image_id": "00000000-0000-4000-8000-000000000000"}}
    assert "image" in fault(member.request("POST", f"/volumes/{volume}/action", unknown, "3.68"), 400)
    member.delete_volume(volume)
