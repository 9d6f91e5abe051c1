"""The checker of histories refuses what is wrong and nothing else (tests/support/histories.py)."""
import itertools
import os
import random

import pytest
from histories import NEVER, Operation, violation
from history_models import Metadata, Names, Quota, VolumeLife


def op(name, start, end, reply=None, /, status=200, **arguments):
    """end None: unknown, without a deadline."""
    unknown = end is None
    return Operation(name, arguments, start, NEVER if unknown else end, None if unknown else {"status": status, **(reply or {})}, unknown)


def put(start, end, name, seen=None, **more):
    return op("put", start, end, {"fields": seen or (name, None)}, name=name, **more)


def get(start, end, name, description=None):
    return op("get", start, end, {"fields": (name, description)})


def names(*operations):
    return violation(Names("old", None), operations)


def test_a_read_during_a_change_may_see_either():
    for seen in ("old", "new"):
        assert not names(put(1, 4, "new"), get(2, 3, seen))


def test_a_read_after_a_change_sees_it():
    assert not names(put(1, 2, "new"), get(3, 4, "new"))
    assert names(put(1, 2, "new"), get(3, 4, "old"))


def test_two_reads_do_not_go_back():
    assert names(put(1, 9, "new"), get(2, 3, "new"), get(4, 5, "old"))


def test_a_value_that_nobody_wrote():
    assert names(get(1, 2, "else"))


def test_half_of_a_change():
    both = op("put", 1, 4, {"fields": ("new", "text")}, name="new", description="text")
    assert names(both, get(2, 3, "new", None))


def test_an_unknown_change_may_come_late_or_never_but_once():
    unknown = put(1, None, "maybe")
    assert not names(unknown, get(2, 3, "old"), get(4, 5, "maybe"))
    assert not names(unknown, get(2, 3, "old"), get(4, 5, "old"))
    assert names(unknown, get(2, 3, "maybe"), put(4, 5, "new"), get(6, 7, "maybe"))


def test_an_unknown_change_does_not_come_after_its_deadline():
    unknown = put(1, None, "maybe")
    unknown.returned = 3
    assert names(unknown, get(4, 5, "old"), get(6, 7, "maybe"))
    assert not names(unknown, get(4, 5, "maybe"), get(6, 7, "maybe"))
    assert not names(unknown, get(4, 5, "old"), get(6, 7, "old"))


def test_a_lost_update_of_metadata():
    one, two = op("merge", 1, 4, {"items": {"a": "1"}}, items={"a": "1"}), op("merge", 2, 3, {"items": {"b": "2"}}, items={"b": "2"})
    assert violation(Metadata({}), [one, two])
    two.reply["items"] = {"a": "1", "b": "2"}
    assert not violation(Metadata({}), [one, two])


def test_of_two_with_the_same_etag_one_changes():
    first = op("set_key", 1, 4, key="a", value="1", condition={})
    assert violation(Metadata({}), [first, op("set_key", 2, 3, key="b", value="2", condition={})])
    assert not violation(Metadata({}), [first, op("set_key", 2, 3, status=412, key="b", value="2", condition={})])


def life(*operations):
    shown = op("get", 1, 2, {"seen": ("available", 1, [])})
    return violation(VolumeLife(1), [shown, *operations])


@pytest.mark.parametrize("name, arguments", [("delete", {"cascade": False}), ("extend", {"size": 2}), ("reserve", {})])
def test_of_two_only_one_is_accepted(name, arguments):
    assert not life(op(name, 3, 6, status=202, **arguments), op(name, 4, 5, status=400, **arguments))
    assert life(op(name, 3, 6, status=202, **arguments), op(name, 4, 5, status=202, **arguments))


def test_one_of_two_attachments_is_accepted():
    assert life(op("attach", 3, 6, status=202, instance="a"), op("attach", 4, 5, status=202, instance="b"))
    assert not life(op("attach", 3, 6, status=202, instance="a"), op("attach", 4, 5, status=400, instance="b"))


def test_a_refusal_without_a_reason():
    assert life(op("reserve", 3, 4, status=400))


def test_a_task_ends_by_itself_and_only_once():
    grown = op("extend", 3, 4, status=202, size=2)
    seen = [op("get", at, at + 1, {"seen": one}) for at, one in ((5, ("extending", 1, [])), (7, ("available", 2, [])), (9, ("extending", 1, [])))]
    assert not life(grown, *seen[:2])
    assert life(grown, *seen)


def test_what_is_gone_does_not_come_back():
    gone = [op("delete", 3, 4, status=202, cascade=True), op("get", 5, 6, status=404)]
    assert not life(*gone)
    assert life(*gone, op("get", 7, 8, {"seen": ("deleting", 1, [])}))


def quota(*operations):
    return violation(Quota(3), operations)


def test_the_quota_is_never_exceeded():
    assert quota(op("create_volume", 1, 4, status=202, volume="a", size=2), op("create_volume", 2, 3, status=202, volume="b", size=2))
    assert not quota(op("create_volume", 1, 4, status=202, volume="a", size=2), op("create_volume", 2, 3, status=413, volume="b", size=2))


def test_the_quota_refuses_only_what_exceeds_it():
    first = op("create_volume", 1, 2, status=202, volume="a", size=2)
    assert quota(first, op("create_volume", 3, 4, status=413, volume="b", size=1))
    assert quota(first, op("release", 3, 4, key="a"), op("create_volume", 5, 6, status=413, volume="b", size=2))
    assert not quota(first, op("release", 3, 6, key="a"), op("create_volume", 4, 5, status=413, volume="b", size=2))


def test_what_is_used_is_the_sum():
    made = [op("create_volume", 1, 2, status=202, volume="a", size=1), op("create_snapshot", 3, 4, status=202, volume="a", snapshot="s")]
    for gigabytes, right in ((2, True), (1, False)):
        seen = op("usage", 5, 6, {"usage": {"gigabytes": gigabytes, "volumes": 1, "snapshots": 1}})
        assert bool(quota(*made, seen)) != right


def test_the_report_leaves_out_what_only_looked():
    found = names(*(get(at, at + 0.5, "old") for at in range(10)), put(11, 12, "new"), get(13, 14, "old"))
    assert found.operation.invoked == 13 and [one.name for one in found.matter] == ["get"]
    assert found.since == {("new", None)}


def explained(model, operations):
    """By trying all orders: slow and plain."""
    known = [one for one in operations if not one.unknown]
    unknown = [one for one in operations if one.unknown]
    for count in range(len(unknown) + 1):
        for some in itertools.combinations(unknown, count):
            for order in itertools.permutations([*known, *some]):
                early = any(order[later].returned < order[sooner].invoked for sooner in range(len(order)) for later in range(sooner + 1, len(order)))
                states = {model.initial}
                for one in order:
                    states = {after for state in states for after in model.step(state, one)}
                if states and not early:
                    return True
    return False


def random_history(rng):
    out = []
    for number in range(rng.randint(3, 6)):
        start = rng.random() * 10
        end = None if rng.random() < 0.2 else start + rng.random() * 4
        name = rng.choice(["a", "b", "old"])
        if rng.random() < 0.5:
            out.append(get(start, end or start + 1, name))
        else:
            out.append(put(start, end, name))
            if end is None and rng.random() < 0.5:
                out[-1].returned = start + rng.random() * 4
    return out


def test_it_says_what_trying_all_orders_says():
    seed = int(os.environ.get("VARVE_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"VARVE_SEED={seed}")
    rng, said = random.Random(seed), set()
    for _ in range(300):
        history = random_history(rng)
        right = explained(Names("old", None), history)
        assert (violation(Names("old", None), history) is None) == right, "\n".join(map(str, history))
        said.add(right)
    assert said == {True, False}
