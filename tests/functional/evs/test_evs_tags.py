"""Tags: the present calls and the older ones."""
import pytest
from evs import ZERO, create_disk, native


@pytest.fixture(scope="module")
def disk(admin):
    return create_disk(admin, name="tagged")


def tags(admin, disk):
    return {one["key"]: one["value"] for one in native(admin, "GET", f"/os-vendor-volumes/{disk}/tags")["tags"]}


def act(admin, disk, action, *pairs, status=204):
    items = [{"key": key, "value": value} if value is not None else {"key": key} for key, value in pairs]
    return native(admin, "POST", f"/os-vendor-volumes/{disk}/tags/action", {"action": action, "tags": items}, status)


def clean(admin, disk):
    native(admin, "PUT", f"/os-vendor-tags/volumes/{disk}", {"tags": {}})


def test_adding_overwrites_and_deleting_forgives(admin, disk):
    clean(admin, disk)
    act(admin, disk, "create", ("key1", "value1"), ("key2", "value3"))
    act(admin, disk, "create", ("key1", "other"))
    assert tags(admin, disk) == {"key1": "other", "key2": "value3"}
    act(admin, disk, "delete", ("key1", None), ("never", None))
    assert tags(admin, disk) == {"key2": "value3"}


def test_at_most_ten(admin, disk):
    clean(admin, disk)
    act(admin, disk, "create", *[(f"k{i}", "v") for i in range(10)])
    reply = act(admin, disk, "create", ("one-more", "v"), status=400)
    assert reply["badRequest"]["code"] == "EVS.5400" and "10" in reply["badRequest"]["message"]
    assert len(tags(admin, disk)) == 10
    act(admin, disk, "create", ("k3", "w"))


@pytest.mark.parametrize("key, value", [("", "v"), ("k" * 37, "v"), ("k", "v" * 44), ("a b", "v"), ("k", "ü"), ("k", "a.b")])
def test_bad_tags(admin, disk, key, value):
    before = tags(admin, disk)
    act(admin, disk, "create", (key, value), status=400)
    assert tags(admin, disk) == before


@pytest.mark.parametrize("body", [{}, {"action": "create"}, {"action": "odd", "tags": [{"key": "k", "value": "v"}]},
                                  {"action": "create", "tags": []}, {"action": "create", "tags": [{"key": "k"}]},
                                  {"action": "create", "tags": [{"key": "k", "value": "v"}, {"key": "k", "value": "w"}]},
                                  {"action": "create", "tags": [{"key": "k", "value": "v", "x": 1}]}])
def test_bad_tag_bodies(admin, disk, body):
    assert admin.request("POST", f"/os-vendor-volumes/{disk}/tags/action", body, version="v2").status_code == 400


@pytest.fixture(scope="module")
def herd(admin):
    return {name: create_disk(admin, name=name, tags=own) for name, own in
            {"ab": {"a": "b"}, "ac": {"a": "c"}, "acde": {"a": "c", "d": "e"}, "none": {}}.items()}


def found(admin, herd, **question):
    reply = native(admin, "POST", "/os-vendor-volumes/resource_instances/action", {"action": "filter", **question})
    count = native(admin, "POST", "/os-vendor-volumes/resource_instances/action",
                   {"action": "count", **{key: value for key, value in question.items() if key in ("tags", "matches")}})
    assert count == {"total_count": reply["total_count"]}
    names = {one["resource_name"] for one in reply["resources"]}
    return names & set(herd)


def test_disks_by_tag(admin, herd):
    find = lambda *wanted, **more: found(admin, herd, tags=[{"key": key, "values": values} for key, values in wanted], **more)
    assert find(("a", ["b"])) == {"ab"}
    assert find(("a", ["b", "c"])) == {"ab", "ac", "acde"}
    assert find(("a", [])) == {"ab", "ac", "acde"}
    assert find(("a", ["c"]), ("d", ["e"])) == {"acde"}
    assert find(("a", ["x"])) == set()
    assert find(("a", []), matches=[{"key": "resource_name", "value": "cd"}]) == {"acde"}
    assert find(("a", []), matches=[{"key": "service_type", "value": "evs"}]) == {"ab", "ac", "acde"}
    assert find(("a", []), matches=[{"key": "service_type", "value": "DSS"}]) == set()


def test_the_reply_by_tag(admin, herd):
    reply = native(admin, "POST", "/os-vendor-volumes/resource_instances/action",
                   {"action": "filter", "tags": [{"key": "d", "values": ["e"]}], "limit": "1", "offset": "0"}, version="v3")
    one, = reply["resources"]
    assert one["resource_id"] == herd["acde"] == one["resource_detail"]["id"]
    assert one["tags"] == [{"key": "a", "value": "c"}, {"key": "d", "value": "e"}]
    assert one["resource_detail"]["service_type"] == "EVS" and reply["total_count"] == 1


@pytest.mark.parametrize("question", [
    {"action": "odd"}, {"tags": []}, {"action": "filter", "tags": {}}, {"action": "filter", "limit": 0}, {"action": "filter", "limit": 1001},
    {"action": "filter", "offset": -1}, {"action": "filter", "tags": [{"key": "a", "values": ["b", "b"]}]},
    {"action": "filter", "tags": [{"key": "a"}, {"key": "a"}]}, {"action": "filter", "tags": [{"key": f"k{i}"} for i in range(11)]},
    {"action": "filter", "tags": [{"key": "a", "values": [str(i) for i in range(11)]}]},
    {"action": "filter", "matches": [{"key": "odd", "value": "x"}]}])
def test_bad_questions(admin, question):
    reply = admin.request("POST", "/os-vendor-volumes/resource_instances/action", question, version="v2")
    assert reply.status_code == 400, reply.text


def test_the_older_questions(admin, herd):
    def find(query):
        reply = native(admin, "GET", f"/os-vendor-tags/volumes/resource_instances?{query}")
        assert reply["total_count"] == len(reply["resources"])
        return {one["resource_name"] for one in reply["resources"]} & set(herd)
    assert find("tags={'a':['b','c']}") == {"ab", "ac", "acde"}
    assert find("tags={'a':['b','c'],'d':['e']}") == {"acde"}
    assert find("tags_any={'a':['b'],'d':['e']}") == {"ab", "acde"}
    assert find("not_tags={'a':['c'],'d':['e']}") == {"ab", "ac", "none"}
    assert find("not_tags_any={'a':['b'],'d':['e']}") == {"ac", "none"}
    assert find("") == set(herd)
    assert admin.request("GET", "/os-vendor-tags/volumes/resource_instances?tags=x", version="v2").status_code == 400


@pytest.mark.parametrize("kind", ["volumes", "snapshots"])
def test_tags_by_kind_of_resource(admin, disk, kind):
    target = disk if kind == "volumes" else admin.create_snapshot(disk)
    path = f"/os-vendor-tags/{kind}/{target}"
    native(admin, "PUT", path, {"tags": {}})
    assert native(admin, "POST", path, {"tags": {"key_0": "value_0", "key_1": "value_1"}}) == {"tags": {"key_0": "value_0", "key_1": "value_1"}}
    native(admin, "POST", path, {"tags": {"key_1": "val_11"}})
    assert native(admin, "GET", path) == {"tags": {"key_0": "value_0", "key_1": "val_11"}}
    assert native(admin, "GET", path + "/key_0") == {"tag": {"key_0": "value_0"}}
    assert native(admin, "PUT", path + "/key_0", {"tag": {"key_0": "new"}}) == {"tag": {"key_0": "new"}}
    assert "mismatch" in native(admin, "PUT", path + "/key_0", {"tag": {"key_1": "new"}}, 400)["badRequest"]["message"]
    assert native(admin, "GET", f"/os-vendor-tags/{kind}")["tags"]["key_0"] == ["new"]
    native(admin, "POST", path + "/action", {"os-delete_tags": {"key_1": "val_11"}})
    native(admin, "DELETE", path + "/key_0")
    assert native(admin, "GET", path) == {"tags": {}}
    assert "itemNotFound" in native(admin, "GET", path + "/key_0", None, 404)
    native(admin, "DELETE", path + "/key_0", None, 404)
    assert native(admin, "PUT", path, {"tags": {"key_new": "value_new"}}) == {"tags": {"key_new": "value_new"}}
    native(admin, "PUT", path, {"tags": {}})


def test_backups_have_no_tags_since_there_are_none(admin):
    assert native(admin, "GET", "/os-vendor-tags/backups") == {"tags": {}}
    assert native(admin, "GET", "/os-vendor-tags/backups/resource_instances") == {"total_count": 0, "resources": []}
    native(admin, "GET", f"/os-vendor-tags/backups/{ZERO}", None, 404)
    native(admin, "GET", "/os-vendor-tags/odd", None, 400)


def test_tags_of_a_disk_that_is_not_there(admin, member, disk):
    native(admin, "GET", f"/os-vendor-volumes/{ZERO}/tags", None, 404)
    native(member, "GET", f"/os-vendor-volumes/{disk}/tags", None, 404)
    native(member, "POST", f"/os-vendor-volumes/{disk}/tags/action", {"action": "create", "tags": [{"key": "k", "value": "v"}]}, 404)
