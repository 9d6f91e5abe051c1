"""Sequential models of what clients of varved share (see histories.py): what one client at a time would be answered."""
from typing import NamedTuple

GONE = "gone"
OK = (200, 202, 204)


def accepted(operation):
    return operation.unknown or operation.reply["status"] in OK


def reply_is(operation, **fields):
    """The reply has these fields; an unknown one may have had them."""
    return operation.unknown or all(operation.reply[key] == value for key, value in fields.items())


class Model:
    """step() calls the method with the operation's name: (state, operation, **arguments)."""
    LOOKS = ()
    initial = None

    def step(self, state, operation):
        return getattr(self, operation.name)(state, operation, **operation.arguments)

    def drift(self, state):
        return []

    def only_looks(self, operation):
        return operation.name in self.LOOKS or not operation.unknown and operation.reply["status"] not in OK


class Names(Model):
    """Name and description of a volume or snapshot: a change sets the fields given and answers with both."""
    LOOKS = ("get",)

    def __init__(self, name, description):
        self.initial = (name, description)

    def get(self, state, operation):
        return [state] if reply_is(operation, fields=state) else []

    def put(self, state, operation, name=None, description=None):
        after = (name or state[0], description or state[1])
        return [after] if reply_is(operation, fields=after) else []


class Metadata(Model):
    """The user's metadata. condition: the metadata whose ETag was sent as If-Match, or None."""
    LOOKS = ("get",)

    def __init__(self, items):
        self.initial = frozenset(items.items())

    def get(self, state, operation):
        return [state] if reply_is(operation, items=dict(state)) else []

    def changed(self, state, operation, after, condition, **answer):
        if condition is not None and frozenset(condition.items()) != state:
            return [state] if reply_is(operation, status=412) else []
        return [frozenset(after.items())] if reply_is(operation, status=200, **answer) else []

    def replace(self, state, operation, items, condition=None):
        return self.changed(state, operation, items, condition, items=items)

    def merge(self, state, operation, items, condition=None):
        after = {**dict(state), **items}
        return self.changed(state, operation, after, condition, items=after)

    def set_key(self, state, operation, key, value, condition=None):
        return self.changed(state, operation, {**dict(state), key: value}, condition)

    def delete_key(self, state, operation, key, condition=None):
        after = dict(state)
        if after.pop(key, None) is None and (condition is None or frozenset(condition.items()) == state):
            return [state] if reply_is(operation, status=404) else []
        return self.changed(state, operation, after, condition)


class Quota(Model):
    """Gigabytes, volumes and snapshots of a project: {key: (volume, GiB)}; a volume's key is its own."""
    LOOKS = ("usage",)

    def __init__(self, gigabytes):
        self.initial, self.limit = frozenset(), gigabytes

    def used(self, state):
        return sum(size for _, _, size in state)

    def added(self, state, operation, after):
        if self.used(after) > self.limit:
            return [state] if not operation.unknown and operation.reply["status"] == 413 else []
        return [after] if accepted(operation) else []

    def create_volume(self, state, operation, volume, size):
        return self.added(state, operation, state | {(volume, volume, size)})

    def create_snapshot(self, state, operation, volume, snapshot):
        sizes = [size for key, _, size in state if key == volume]
        return self.added(state, operation, state | {(snapshot, volume, sizes[0])}) if sizes else []

    def extend(self, state, operation, volume, size):
        present = [entry for entry in state if entry[0] == volume]
        if not present or present[0][2] >= size:
            return []
        return self.added(state, operation, (state - set(present)) | {(volume, volume, size)})

    def release(self, state, operation, key):
        """The row went, and a volume's snapshots with it."""
        return [frozenset(entry for entry in state if key not in entry[:2])]

    def usage(self, state, operation):
        volumes = sum(1 for key, volume, _ in state if key == volume)
        seen = {"gigabytes": self.used(state), "volumes": volumes, "snapshots": len(state) - volumes}
        return [state] if reply_is(operation, usage=seen) else []


class Volume(NamedTuple):
    """attachments: (key, instance, status); snapshots: (name, status); task: of an extension, (new size, status after).
    An attachment that is `connected` is shown as reserved: os-initialize_connection has given it a connector."""
    status: str
    size: int
    attachments: frozenset = frozenset()
    snapshots: frozenset = frozenset()
    transfers: frozenset = frozenset()
    task: tuple = None

    def has(self, *statuses):
        return any(status in statuses for _, _, status in self.attachments)

    def settled(self):
        """The status follows from the attachments, unless it is other work's."""
        if self.status not in ("available", "reserved", "attaching", "in-use", "detaching"):
            return self
        if self.has("attached", "detaching"):
            return self._replace(status="in-use")
        if self.has("attaching"):
            return self._replace(status="attaching")
        return self._replace(status="reserved" if self.attachments else "available")

    def with_snapshot(self, name, status):
        others = frozenset(one for one in self.snapshots if one[0] != name)
        return self._replace(snapshots=others | {(name, status)} if status else others)

    def with_attachment(self, key, instance, status):
        others = frozenset(one for one in self.attachments if one[0] != key)
        return self._replace(attachments=others | {(key, instance, status)} if status else others)


class VolumeLife(Model):
    """A volume with its snapshots, attachments and transfers: who may do what, and what it comes to."""
    LOOKS = ("get", "get_snapshot", "list_snapshots", "list_attachments", "attachment_is_gone")

    def __init__(self, size):
        self.initial = Volume("creating", size)

    def only_looks(self, operation):
        return super().only_looks(operation) and operation.name != "connect"  # see there

    def step(self, state, operation):
        if state == GONE:
            nothing = operation.unknown or operation.reply["status"] == 404 or operation.reply.get("seen") == frozenset()
            return [state] if nothing or operation.name == "attachment_is_gone" else []
        return super().step(state, operation)

    def drift(self, state):
        if state == GONE:
            return []
        out = []
        if state.status == "creating":
            out.append(state._replace(status="available"))
        if state.status == "deleting":
            out.append(GONE)
        if state.status == "extending":
            size, after = state.task
            after = "in-use" if state.has("attached", "detaching") or after == "in-use" and state.attachments else "available"
            out.append(state._replace(status=after, size=size, task=None))
        for name, status in state.snapshots:
            if status == "creating":
                out.append(state.with_snapshot(name, "available"))
            if status == "deleting":
                out.append(state.with_snapshot(name, None))
            if status == "rollbacking":
                out.append(state.with_snapshot(name, "available")._replace(status="available"))
        for key, instance, status in state.attachments:
            if status == "detaching":
                out.append(state.with_attachment(key, instance, None).settled())
        return out

    def decided(self, state, operation, may, after, refusal=400):
        """Accepted exactly when it may be. What the quota refuses is the quota's (413)."""
        if not may:
            return [state] if not operation.unknown and operation.reply["status"] == refusal else []
        if not operation.unknown and operation.reply["status"] == 413:
            return [state]
        return [after] if accepted(operation) else []

    # looks

    def get(self, state, operation):
        instances = sorted(instance for _, instance, status in state.attachments if status == "attached")
        return [state] if reply_is(operation, status=200, seen=(state.status, state.size, instances)) else []

    def get_snapshot(self, state, operation, name):
        status = dict(state.snapshots).get(name)
        known = reply_is(operation, status=200, seen=status) if status else reply_is(operation, status=404)
        return [state] if known else []

    def list_snapshots(self, state, operation):
        return [state] if reply_is(operation, seen=state.snapshots) else []

    def list_attachments(self, state, operation):
        seen = frozenset((instance, "reserved" if status == "connected" else status) for _, instance, status in state.attachments)
        return [state] if reply_is(operation, seen=seen) else []

    def attachment_is_gone(self, state, operation, key):
        return [] if any(one[0] == key for one in state.attachments) else [state]

    # changes

    def extend(self, state, operation, size):
        may = state.status in ("available", "in-use") and size > state.size
        return self.decided(state, operation, may, state._replace(status="extending", task=(size, state.status)))

    def delete(self, state, operation, cascade):
        removable = all(status in ("available", "deleting") for _, status in state.snapshots)
        may = state.status == "available" and not state.attachments and removable and (cascade or not state.snapshots)
        going = frozenset((name, "deleting") for name, _ in state.snapshots)
        return self.decided(state, operation, may, state._replace(status="deleting", snapshots=going))

    def create_snapshot(self, state, operation, name):
        may = state.status in ("available", "in-use", "attaching", "reserved", "detaching")
        return self.decided(state, operation, may, state.with_snapshot(name, "creating"))

    def delete_snapshot(self, state, operation, name):
        status = dict(state.snapshots).get(name)
        if status is None:
            return [state] if not operation.unknown and operation.reply["status"] == 404 else []
        return self.decided(state, operation, status in ("available", "deleting"), state.with_snapshot(name, "deleting"))

    def rollback(self, state, operation, name):
        status = dict(state.snapshots).get(name)
        if status is None:
            return [state] if not operation.unknown and operation.reply["status"] == 404 else []
        may = state.status == "available" and status == "available" and not state.attachments
        after = state.with_snapshot(name, "rollbacking")._replace(status="rollbacking")
        return self.decided(state, operation, may, after)

    def reserve(self, state, operation):
        return self.decided(state, operation, state.status == "available", state._replace(status="attaching"))

    def unreserve(self, state, operation):
        return self.decided(state, operation, True, state.settled() if state.status == "attaching" else state)

    def begin_detaching(self, state, operation):
        return self.decided(state, operation, state.status == "in-use", state._replace(status="detaching"))

    def roll_detaching(self, state, operation):
        back = state._replace(status="in-use") if state.status == "detaching" else state
        return self.decided(state, operation, True, back)

    def attach(self, state, operation, instance):
        """os-attach: takes a waiting attachment over, or makes one."""
        may = not state.has("attached", "detaching") and state.status in ("available", "attaching", "reserved", "in-use")
        out = []
        for key, before, status in state.attachments:
            if status == "attaching":
                out += self.decided(state, operation, may, state.with_attachment(key, instance, "attached")._replace(status="in-use"))
        return out or self.decided(state, operation, may, state.with_attachment(instance, instance, "attached")._replace(status="in-use"))

    def detach(self, state, operation):
        """os-detach of the only attachment."""
        if not state.attachments:
            return self.decided(state, operation, True, state.settled())
        ((key, instance, _), *others) = state.attachments
        return self.decided(state, operation, not others, state.with_attachment(key, instance, "detaching"))

    def create_attachment(self, state, operation, key):
        may = not state.attachments and state.status == "available"
        return self.decided(state, operation, may, state.with_attachment(key, key, "reserved")._replace(status="reserved"))

    def used_beside(self, state, key):
        """The volume has one user: is that another attachment? One that waits for a connector is nobody's."""
        return any(one[0] != key and one[2] != "reserved" for one in state.attachments)

    def with_present(self, state, operation, key, decide):
        for one, instance, status in state.attachments:
            if one == key:
                return decide(instance, status)
        return [state] if not operation.unknown and operation.reply["status"] == 404 else []

    def complete(self, state, operation, key):
        def decide(instance, status):
            if status == "attached":
                return self.decided(state, operation, True, state)
            may = status != "detaching" and not self.used_beside(state, key)
            return self.decided(state, operation, may, state.with_attachment(key, instance, "attached").settled())
        return self.with_present(state, operation, key, decide)

    def connect(self, state, operation, key):
        """Answers when it is served; until then another may have deleted it. What is served already stays what it is."""
        def decide(instance, status):
            alone = not self.used_beside(state, key)
            if status == "detaching" or not operation.unknown and operation.reply["status"] not in (200, 404):
                return self.decided(state, operation, status != "detaching" and alone, state)
            out = [] if status == "reserved" else [state]
            if alone:
                after = state.with_attachment(key, instance, "attaching") if status in ("reserved", "connected") else state
                out.append(after._replace(status="attaching") if after.status == "reserved" else after)
            return out
        return self.with_present(state, operation, key, decide)

    def initialize(self, state, operation):
        """os-initialize_connection: of the attachment that has the volume, else of the reservation, else of a new one without an
        instance. Answers when it is served; until then another may have ended it, as with connect()."""
        users = [one for one in state.attachments if one[2] != "reserved"]
        may = state.status in ("available", "attaching", "reserved", "in-use") and (not users or len(users) == 1 and users[0][2] != "detaching")
        after = state
        if not state.attachments:
            after = state.with_attachment("initialized", None, "attaching")
            after = after._replace(status="attaching") if after.status == "available" else after
        elif not users:
            ((key, instance, _),) = state.attachments
            after = state.with_attachment(key, instance, "connected")
        ended = not operation.unknown and operation.reply["status"] == 404
        return [after] if may and ended else self.decided(state, operation, may, after)

    def delete_attachment(self, state, operation, key):
        def decide(instance, _):
            return self.decided(state, operation, True, state.with_attachment(key, instance, "detaching"))
        return self.with_present(state, operation, key, decide)

    def offer(self, state, operation, name):
        at_rest = all(status == "available" for _, status in state.snapshots)
        may = state.status == "available" and not state.attachments and at_rest
        after = state._replace(status="awaiting-transfer", transfers=state.transfers | {name})
        return self.decided(state, operation, may, after)

    def end_transfer(self, state, operation, name):
        """Accepted, or taken back."""
        if name not in state.transfers:
            return [state] if not operation.unknown and operation.reply["status"] == 404 else []
        after = state._replace(status="available", transfers=state.transfers - {name})
        return self.decided(state, operation, True, after)
