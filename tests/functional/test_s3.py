"""Backups in an S3-compatible store."""
import pytest
from s3 import Bucket
from varve import Server, wait_until


@pytest.fixture(scope="module")
def bucket():
    made = Bucket()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(bucket):
    made = Server(options=bucket.options()).start()
    yield made
    made.stop()
    made.destroy()


def test_a_backup_goes_there_and_comes_back(admin, bucket):
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 3 0 21M")
    full = admin.create_backup(volume)
    assert admin.io(volume, "write -P 4 0 1M")
    second = admin.create_backup(volume, incremental=True)
    assert len([n for n in bucket.objects if n.startswith(f"varve/{full}/")]) == 7
    assert len([n for n in bucket.objects if n.startswith(f"varve/{second}/")]) == 2
    made = admin.call("POST", f"/backups/{second}/restore", {"restore": {}}, 202)["restore"]["volume_id"]
    admin.wait_volume(made, timeout=60)
    assert admin.io(made, "read -P 4 0 1M", "read -P 3 1M 20M", "read -P 0 21M 1M")
    admin.wait_backup(second)
    for backup in (second, full):
        admin.call("DELETE", f"/backups/{backup}", None, 202)
        admin.wait_gone(f"/backups/{backup}")
    assert bucket.objects == {}


def failed(admin, backup):
    def ended():
        view = admin.call("GET", f"/backups/{backup}")["backup"]
        return view["status"] == "error" and view["fail_reason"]
    return wait_until(ended, 60, "the failure")


def test_a_store_that_refuses_fails_the_backup_and_nothing_else(admin, bucket):
    volume = admin.create_volume()
    assert admin.io(volume, "write -P 3 0 1M")
    bucket.down = True
    backup = admin.create_backup(volume, wait=False)
    assert "503" in failed(admin, backup)
    bucket.down = False
    admin.wait_volume(volume)
    assert admin.call("GET", "/snapshots?volume_id=" + volume)["snapshots"] == []
    admin.call("DELETE", f"/backups/{backup}", None, 202)
    admin.wait_gone(f"/backups/{backup}")


def test_a_wrong_secret_is_said(bucket):
    server = Server(options=bucket.options(secret="wrong"))
    try:
        admin = server.start().login()
        volume = admin.create_volume()
        assert admin.io(volume, "write -P 3 0 1M")
        assert "SignatureDoesNotMatch" in failed(admin, admin.create_backup(volume, wait=False))
    finally:
        server.destroy()
