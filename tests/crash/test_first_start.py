"""A first start that is cut off is made good by the next: somebody can log in and everything works."""
import invariants
import matrix
import pytest


@pytest.mark.parametrize("failpoint", matrix.OF_FIRST_START)
def test_killed_at(own_server, failpoint):
    own_server.start({"VARVE_FAILPOINTS": f"{failpoint}=kill"}, wait=False)
    assert own_server.process.wait(60) == -9, f"no start reaches {failpoint}"
    admin = own_server.start().login()
    admin.delete_volume(admin.create_volume())
    invariants.settle(own_server)
    invariants.check(own_server)
    own_server.stop()
