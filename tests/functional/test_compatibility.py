"""docs/compatibility/ tells the truth: every row is asked for, and every route has one."""
import re

import pytest

from varve import ROOT, routes


def rows(page):
    return re.findall(r"^\| `([A-Z]+) (/\S*)` \| (done|differs|missing) \|", (ROOT / "docs/compatibility" / page).read_text(), re.M)


ROWS = rows("cinder.md")
EVS_ROWS = rows("evs.md")


def test_the_tables_are_there():
    assert len(ROWS) > 140 and len(EVS_ROWS) > 117


@pytest.mark.parametrize("method, path, state", ROWS, ids=lambda value: str(value))
def test_row(admin, method, path, state):
    path = path.replace("{project_id}", admin.project, 1)
    path = re.sub(r"\{[^}]+\}", "00000000-0000-4000-8000-000000000000", path)
    reply = admin.session.request("TRACE", admin.server.url + path, timeout=30)
    allowed = reply.headers.get("Allow", "").split(", ")
    served = reply.status_code == 405 and method in allowed
    assert served == (state != "missing"), f"{method} {path}: {reply.status_code}, allowed {allowed}"


def shape(path):
    """A path without its version, and any parameter as {}."""
    return re.sub(r"^/v\d", "", re.sub(r"\{[^}]+\}", "{}", path))


def test_the_pages_tell_of_every_route():
    told = {(method, shape(path.replace("{api_version}", "v2"))) for page in ("cinder.md", "evs.md")
            for method, path in re.findall(r"`([A-Z]+) (/[^`\s]*)`", (ROOT / "docs/compatibility" / page).read_text())}
    served = {(route["verb"], shape(route["path"])) for route in routes() if "{project_id}" in route["path"]}
    assert served - told == set()


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


@pytest.mark.parametrize("method, path, state", EVS_ROWS, ids=lambda value: str(value))
def test_evs_row(admin, method, path, state):
    path = path.replace("{project_id}", admin.project, 1).replace("{api_version}", "v2").replace("{resource_type}", "volumes")
    path = re.sub(r"\{[^}]+\}", "00000000-0000-4000-8000-000000000000", path)
    reply = admin.session.request("TRACE", admin.server.url + path, timeout=30)
    assert reply.status_code == 405 and method in reply.headers["Allow"].split(", "), f"{method} {path}: {reply.status_code}"
    if state == "missing":
        refusal = admin.session.request(method, admin.server.url + path, json={}, timeout=30)
        assert refusal.status_code == 501 and "deprecated" in refusal.text


def test_evs_codes_are_those_of_the_source():
    """A code that is raised is in the table as done, and the reverse."""
    page = (ROOT / "docs/compatibility/evs.md").read_text()
    table = dict(re.findall(r"^\| ((?:EVS|Common)\.\d+) \| (done|differs|never) \|", page, re.M))
    source = "".join((ROOT / "src/api" / dialect / "faults.cc").read_text() for dialect in ("common", "evs"))
    raised = set(re.findall(r'"((?:EVS|Common)\.\d+)"', source))
    assert len(table) > 110
    assert {code for code, state in table.items() if state == "done"} <= raised
    assert {code for code in raised if table.get(code, "done") != "done"} == set()
