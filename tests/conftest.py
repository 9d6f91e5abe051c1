import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))

import invariants  # noqa: E402
from varve import Server  # noqa: E402


@pytest.fixture(scope="module")
def server(request):
    """One varved for the tests of a file, with the pools that it names in POOLS; the invariants are checked at its end."""
    made = Server()
    for name in getattr(request.module, "POOLS", ()):
        made.add_pool(name)
    made.start()
    yield made
    try:
        invariants.settle(made)
        invariants.check(made)
        made.stop()
    finally:
        made.destroy()


@pytest.fixture(scope="module")
def admin(server):
    return server.login()


@pytest.fixture
def own_server():
    """A varved for one test alone, started by it."""
    made = Server()
    yield made
    made.destroy()


@pytest.fixture(scope="module")
def member(server):
    """A user with the role member in a project of its own."""
    server.new_user("alice", "secret-1", "team")
    return server.login("alice", "secret-1", "team")
