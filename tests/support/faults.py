"""Makes calls of a running varved to the system, to SQLite and to its storage daemons fail (src/base/fault.h)."""
import json
import socket

NEVER = 2**31 - 1  # so manieth call: armed to be counted
ENVIRONMENT = {"VARVE_FAULTS": ""}  # of a varved that may be armed while it runs


def ask(server, faults):
    """Takes back what is armed and arms this; what became of the former: {"struck", "calls"}."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(30)
        control.connect(str(server.store / "run" / "control.sock"))
        control.sendall(json.dumps({"faults": faults}).encode() + b"\n")
        answer = json.loads(control.makefile().readline())
    assert answer["ok"], answer
    return answer


def disarm(server):
    return ask(server, "")
