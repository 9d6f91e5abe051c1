import pytest

from glance import Glance


@pytest.fixture(scope="session")
def glance():
    made = Glance().start()
    made.image = made.create(None, b"\x05" * 2**20)
    yield made
    made.destroy()
