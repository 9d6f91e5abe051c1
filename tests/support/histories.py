"""Histories of concurrent clients, and whether a sequential model of the object could have answered so.

A history is a list of operations, each with the times of its call and of its reply. It is linearizable when every
operation can be given one moment between the two so that the model, asked in the order of these moments, answers as the
service did. The search is that of Wing and Gong with Lowe's memory, just in time: replies are taken in their order, and
an operation is given its moment only when a reply needs it.

An operation without a reply is *unknown*: it happened once before its deadline, or never. One without a deadline is
given its moment when a reply needs that.

A model has
    initial                  the state before the first operation (hashable)
    step(state, operation)   the states that may follow; none: it cannot have answered so. Unknown: as if accepted
    drift(state)             states that the object comes to by itself (a task ends)
    only_looks(operation)    it cannot have changed anything in any state
"""
import dataclasses
import math
from typing import Any

NEVER = math.inf


@dataclasses.dataclass(eq=False)
class Operation:
    name: str
    arguments: dict
    invoked: float
    returned: float = NEVER  # of an unknown one: its deadline
    reply: Any = None
    unknown: bool = False
    client: int = 0

    def __str__(self):
        end = "never" if self.returned == NEVER else f"{self.returned:.6f}"
        return (f"{self.invoked:.6f} - {end}  client {self.client:2}  {self.name} {self.arguments}"
                f" -> {'unknown' if self.unknown else self.reply}")


@dataclasses.dataclass
class Violation:
    operation: Operation  # the first whose reply no order explains
    states: set           # what the object could have been just before that reply
    matter: list          # the operations since the object was last known to be in one of ...
    since: set            # ... these states, without those that may be left out

    def __str__(self):
        def listed(those):
            return "".join(f"\n  {one}" for one in those)
        return (f"no order of operations explains the reply to\n  {self.operation}\nJust before it the object could be"
                f"{listed(sorted(map(str, self.states))[:10])}\nIt had been{listed(sorted(map(str, self.since))[:10])}\nand then came"
                f"{listed(self.matter)}")


class Drifts:
    """Every state that an object may come to by itself, the present one included; remembered."""

    def __init__(self, model):
        self.model, self.known = model, {}

    def of(self, state):
        if state not in self.known:
            seen, rest = {state}, [state]
            while rest:
                for following in self.model.drift(rest.pop()):
                    if following not in seen:
                        seen.add(following)
                        rest.append(following)
            self.known[state] = seen
        return self.known[state]


class Search:
    """A possibility is a state, the open operations that have had their moment, and the unknown ones that have."""

    def __init__(self, model, states):
        self.model, self.drifts = model, Drifts(model)
        self.open = {}
        self.possible = {(state, frozenset(), frozenset()) for state in states}

    def call(self, operation):
        self.open[id(operation)] = operation

    def expire(self, operation):
        """The deadline of an unknown operation: it happened by now, or never will."""
        happened = self.explore(id(operation))
        del self.open[id(operation)]
        self.possible = least({(state, done, used - {id(operation)}) for state, done, used in self.possible | happened})

    def reply(self, operation):
        """False: no possibility is left."""
        key = id(operation)
        answered = least({(state, done - {key}, used) for state, done, used in self.explore(key)})
        del self.open[key]
        if answered:
            self.possible = answered
        return bool(answered)

    def explore(self, key):
        """The possibilities in which the operation has had its moment, after as many others as may be."""
        reached, seen, rest = set(), set(), list(self.possible)
        while rest:
            possibility = rest.pop()
            if possibility in seen:
                continue
            seen.add(possibility)
            state, done, used = possibility
            if key in done or key in used:
                reached.add(possibility)
                continue
            for drifted in self.drifts.of(state):
                rest += self.following(drifted, done, used)
        return reached

    def following(self, state, done, used):
        out = []
        for key, operation in self.open.items():
            if key in done or key in used:
                continue
            outcomes = list(self.model.step(state, operation))
            if operation.unknown:
                out += [(after, done, used | {key}) for after in outcomes if after != state]
            elif outcomes == [state] and self.model.only_looks(operation):
                # What never changes anything and is right now may be done now: nothing is lost by it.
                return [(state, done | {key}, used)]
            else:
                out += [(after, done | {key}, used) for after in outcomes]
        return out


def least(possibilities):
    """Of those that differ only in the unknown operations that they needed, the ones that needed least."""
    groups = {}
    for state, done, used in possibilities:
        groups.setdefault((state, done), []).append(used)
    return {(state, done, used) for (state, done), uses in groups.items()
            for used in uses if not any(other < used for other in uses)}


def events_of(operations):
    events = []
    for operation in operations:
        events.append((operation.invoked, 0, operation))
        if operation.returned != NEVER:
            events.append((operation.returned, 1, operation))
    return sorted(events, key=lambda event: event[:2])


def search(model, operations, states):
    """(operation without an explanation, states before it, operations since a quiet moment, states in that moment)"""
    running = Search(model, states)
    since, quiet = list(operations), set(states)
    for at, is_end, operation in events_of(operations):
        if not running.open:
            since = [one for one in operations if one.invoked >= at]
            quiet = {state for state, _, _ in running.possible}
        if not is_end:
            running.call(operation)
        elif operation.unknown:
            running.expire(operation)
        elif not running.reply(operation):
            states = {state for first, _, _ in running.possible for state in running.drifts.of(first)}
            return operation, states, [one for one in since if one.invoked <= operation.returned], quiet
    return None


def violation(model, operations):
    """None: the history is linearizable."""
    found = search(model, operations, {model.initial})
    return found and Violation(found[0], found[1], shrink(model, found[2], found[3]), found[3])


def shrink(model, operations, states):
    """Leaves out what only looked, in ever smaller pieces, as long as there is no explanation."""
    kept = list(operations)
    size = len(kept)
    while size:
        at = 0
        while at < len(kept):
            fewer = kept[:at] + [one for one in kept[at:at + size] if not model.only_looks(one)] + kept[at + size:]
            if len(fewer) < len(kept) and search(model, fewer, states):
                kept = fewer
            at += size
        size //= 2
    return kept
