"""What the tests that break an operation have in common: its world, and a varved in which a failpoint is armed."""
import invariants
import matrix


def build_world(server, request, operation, world):
    """The world in a varved that has been stopped again."""
    assert operation != "none", "no operation reaches the failpoint"
    server.add_pool("second")
    glance = None
    if operation in matrix.WITH_IMAGES:
        glance = request.getfixturevalue("glance")
        server.options.append(f"images.endpoint={glance.endpoint}")
    made = world(server.start(), server.login(), glance)
    made.prepare(operation)
    invariants.settle(server)
    server.stop()
    return made


def break_at(world, failpoint, action, options=()):
    """Starts varved so that it does what the action says when it comes to the failpoint."""
    # At its start varved opens the attached volume again, which passes these two once.
    at_start = failpoint in ("attach.after_daemon", "attach.after_open")
    armed = f"{failpoint}={action}{'@2' if at_start else ''}"
    world.server.start({"VARVE_FAILPOINTS": armed}, options=options)
    world.admin = world.server.login()
