"""docs/compatibility/cinder.md tells the truth: every row is asked for."""
import re

import pytest

from varve import ROOT

ROWS = re.findall(r"^\| `([A-Z]+) (/\S*)` \| (done|differs|missing) \|", (ROOT / "docs/compatibility/cinder.md").read_text(), re.M)


def test_the_table_is_there():
    assert len(ROWS) > 140


@pytest.mark.parametrize("method, path, state", ROWS, ids=lambda value: str(value))
def test_row(admin, method, path, state):
    path = path.replace("{project_id}", admin.project, 1)
    path = re.sub(r"\{[^}]+\}", "00000000-0000-4000-8000-000000000000", path)
    reply = admin.session.request("TRACE", admin.server.url + path, timeout=30)
    allowed = reply.headers.get("Allow", "").split(", ")
    served = reply.status_code == 405 and method in allowed
    assert served == (state != "missing"), f"{method} {path}: {reply.status_code}, allowed {allowed}"


def test_volume_actions(admin):
    page = (ROOT / "docs/compatibility/cinder.md").read_text()
    section = page.split("## Volume actions")[1].split("## ")[0]
    volume = admin.create_volume()
    for names, state in re.findall(r"^\| (`.+?`) \| (done|differs|missing) \|", section, re.M):
        for name in re.findall(r"`([^`]+)`", names):
            reply = admin.request("POST", f"/volumes/{volume}/action", {name: {"bogus": 1}})
            unknown = reply.status_code == 400 and "no such action" in reply.text
            assert unknown == (state == "missing"), f"{name}: {reply.status_code} {reply.text}"
            if name == "os-force_delete":
                admin.wait_gone(f"/volumes/{volume}")
                volume = admin.create_volume()
            if name == "os-reserve":
                admin.action(volume, "os-unreserve", {}, 202)
