"""Lists of disks: filters, order, pages, counts."""
import pytest
from evs import ZERO, create_disk, native, refused


@pytest.fixture(scope="module")
def disks(admin):
    made = [create_disk(admin, name=f"d{i}", size=10 + i, tags={"n": str(i)}, metadata={"m": str(i)}) for i in range(3)]
    shared = create_disk(admin, name="shared", multiattach=True, volume_type="SAS", enterprise_project_id="e-7")
    return [*made, shared]


def ids(admin, query="", path="/cloudvolumes/detail"):
    return [one["id"] for one in native(admin, "GET", f"{path}?{query}")["volumes"]]


@pytest.mark.parametrize("path", ["/cloudvolumes/detail", "/os-vendor-volumes/detail"])
def test_filters(admin, disks, path):
    one, two, three, shared = disks
    find = lambda query: ids(admin, query, path)
    assert find("name=d1") == [two] and find("name=d") == []
    assert find(f"id={three}") == [three]
    assert set(find(f"ids=['{one}','{three}','{ZERO}']")) == {one, three}
    assert find(f"ids=['{one}']&id={three}") == [one]
    assert find("multiattach=true") == [shared]
    assert find("metadata={'m':'1'}") == [two]
    assert set(find("status=available&availability_zone=az-1")) == set(disks)
    assert find("status=in-use") == []
    assert set(find("service_type=EVS")) == set(disks) and find("service_type=DSS") == []
    assert find("enterprise_project_id=e-7") == [shared] and len(find("enterprise_project_id=all_granted_eps")) == 4
    assert find(f"dedicated_storage_id={ZERO}") == [] and find("dedicated_storage_name=x") == []
    kind = next(one["id"] for one in admin.call("GET", "/types")["volume_types"] if one["name"] == "SAS")
    assert find(f"volume_type_id={kind}") == [shared]


def test_disks_of_a_server(admin, disks):
    server = "11111111-2222-4333-8444-555555555555"
    admin.action(disks[0], "os-attach", {"instance_uuid": server, "mountpoint": "/dev/vdb"}, 202)
    assert ids(admin, f"server_id={server}") == [disks[0]] and ids(admin, f"server_id={ZERO}") == []
    shown = native(admin, "GET", f"/cloudvolumes/{disks[0]}")["volume"]["attachments"]
    assert shown[0]["server_id"] == server and shown[0]["id"] == disks[0] and shown[0]["device"] == "/dev/vdb"
    admin.action(disks[0], "os-detach", {}, 202)


def test_order_pages_and_count(admin, disks):
    reply = native(admin, "GET", "/cloudvolumes/detail?limit=2&sort_key=size&sort_dir=asc")
    assert reply["count"] == 4 and len(reply["volumes"]) == 2 and reply["volumes_links"][0]["rel"] == "next"
    seen, url = [], "/cloudvolumes/detail?limit=2&sort_key=size&sort_dir=desc"
    while url:
        page = native(admin, "GET", url)
        seen += [one["size"] for one in page["volumes"]]
        links = page.get("volumes_links")
        url = links and "/cloudvolumes" + links[0]["href"].split("/cloudvolumes")[1]
    assert seen == [12, 11, 10, 10]
    assert len(ids(admin, "offset=3")) == 1 and ids(admin, "offset=99") == []
    brief = native(admin, "GET", "/cloudvolumes?limit=1")
    assert set(brief["volumes"][0]) == {"id", "links", "name"} and "count" not in brief


@pytest.mark.parametrize("query, code", [
    ("limit=0", "EVS.1023"), ("limit=x", "EVS.1023"), ("limit=-1", "EVS.1023"), ("limit=1001", "EVS.2142"), ("marker=x", "EVS.1024"),
    ("sort_key=name", "EVS.1039"), ("sort_dir=up", "EVS.1040"), ("availability_zone=mars", "EVS.1041"),
    ("metadata=x", "EVS.1058"), ("metadata={'a':1}", "EVS.1058"), ("status=odd", "EVS.1031")])
def test_bad_questions(admin, query, code):
    refused(admin.request("GET", f"/cloudvolumes/detail?{query}", version="v2"), 400, code)


def test_a_marker_that_is_gone(admin):
    refused(admin.request("GET", f"/cloudvolumes/detail?marker={ZERO}", version="v2"), 404, "EVS.5404")
