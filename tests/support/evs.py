"""Helpers for the EVS dialect."""
from varve import wait_until

ZERO = "00000000-0000-4000-8000-000000000000"


def native(client, method, path, body=None, status=200, version="v2"):
    reply = client.request(method, path, body, version=version)
    assert reply.status_code == status, f"{method} {path}: {reply.status_code} {reply.text}"
    return reply.json() if reply.text else None


def refused(reply, status, code, *words):
    """An error in the envelope of the routes that only EVS has."""
    assert reply.status_code == status, reply.text
    assert list(reply.json()) == ["error"], reply.text
    error = reply.json()["error"]
    assert error["code"] == code, error
    for word in words:
        assert word in error["message"], error
    return error


def job(client, job_id, wanted="SUCCESS"):
    """Waits for the end of a job."""
    def ended():
        seen = native(client, "GET", f"/jobs/{job_id}", version="v1")
        assert seen["status"] in ("INIT", "RUNNING", wanted), seen
        return seen if seen["status"] == wanted else None
    return wait_until(ended, 60, f"job {job_id} to be {wanted}")


def create_disk(client, **fields):
    body = {"availability_zone": "az-1", "volume_type": "SSD", "size": 10, **fields}
    reply = native(client, "POST", "/cloudvolumes", {"volume": body})
    return job(client, reply["job_id"])["entities"]["volume_id"]
