"""Single faults, asked for while varved runs: what the loop of test_nth_failure.py once found, and that faults are for tests alone."""
import faults
import pytest

from varve import wait_until


def test_a_daemon_that_was_not_started_for_it_takes_no_faults(own_server):
    own_server.start()
    with pytest.raises(AssertionError, match="not known here"):
        faults.ask(own_server, "fsync:1")


def test_an_attached_volume_whose_extension_failed_is_in_use_when_it_is_extended_again(own_server):
    own_server.environment = faults.ENVIRONMENT
    admin = own_server.start().login()
    volume = admin.create_volume()
    attachment, _ = admin.attach(volume)
    faults.ask(own_server, "create:1=EMFILE")
    admin.action(volume, "os-extend", {"new_size": 2}, 202)
    wait_until(lambda: admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "error_extending", 30, "the extension to fail")
    admin.action(volume, "os-extend", {"new_size": 2}, 202)
    wait_until(lambda: not own_server.rows("SELECT id FROM tasks WHERE state = 'live'"), 30, "the extension")
    assert admin.call("GET", f"/volumes/{volume}")["volume"]["status"] == "in-use"
    admin.detach(attachment)
    admin.wait_volume(volume)
    own_server.stop()
