"""Bodies for a request: each one step away from a good one, so that a schema and a reader can be asked about the same."""
import json

import contract

ZERO = "00000000-0000-4000-8000-000000000000"
UNKNOWN = "made-up"
VALUES = [ZERO, "x", "", "1", "x" * 256, True, 0, -1, 1.5, 1 << 40, [], ["x"], [1], {}, {"k": "v"}, {"k": 1}, None]


def branches(schema):
    """The schema and all that it combines."""
    schema = contract.resolve(schema)
    yield schema
    for keyword in ("allOf", "anyOf", "oneOf"):
        for inner in schema.get(keyword, ()):
            yield from branches(inner)
    if "then" in schema:
        yield from branches(schema["then"])


def borders(schema):
    """The last values that a limit allows, and the first that it does not."""
    for branch in branches(schema):
        for keyword, beyond in (("minimum", -1), ("maximum", 1)):
            if keyword in branch:
                yield from (branch[keyword], branch[keyword] + beyond)
        for length in (branch.get("maxLength", -1), branch.get("maxLength", -1) + 1):
            yield "x" * length
        if "maxItems" in branch and "items" in branch:
            yield from ([sample(branch["items"])] * count for count in (branch["maxItems"], branch["maxItems"] + 1))


def values(schema):
    """Some that the schema may allow and some that it may not; what it does not look at, a few show."""
    if all(branch.keys() <= {"description"} for branch in branches(schema)):
        return VALUES[::6]
    return [*VALUES, *borders(schema)]


def candidates(schema):
    for branch in branches(schema):
        yield from branch.get("examples", branch.get("enum", ())[:1])
        yield from (branch[keyword] for keyword in ("const", "minimum") if keyword in branch)
        if "required" in branch or "properties" in branch:
            properties = {}
            for part in branches(schema):
                properties |= {name: inner for name, inner in part.get("properties", {}).items() if inner and name not in properties}
            least = {name: sample(properties[name]) for name in branch.get("required", ())}
            yield least
            yield from ({**least, name: sample(inner)} for name, inner in properties.items())
        if "items" in branch:
            yield [sample(branch["items"])]
    yield from VALUES


def sample(schema):
    """A value that the schema allows."""
    known = contract.validator_of(schema)
    return next(one for one in candidates(schema) if known.is_valid(one))


def children(branch, value):
    """(name, schema) of what is or may be inside of a value."""
    if isinstance(value, list) and "items" in branch:
        yield from ((at, branch["items"]) for at in range(len(value)))
    if not isinstance(value, dict):
        return
    named = branch.get("properties", {})
    more = len(value) < branch.get("maxProperties", len(value) + 1)
    yield from ((name, inner) for name, inner in named.items() if isinstance(inner, dict) and (more or name in value))
    if isinstance(branch.get("additionalProperties"), dict):
        yield from ((name, branch["additionalProperties"]) for name in value if name not in named)


def put(value, name, new):
    if isinstance(value, list):
        return [*value[:name], new, *value[name + 1:]]
    return {**value, name: new}


def steps(schema, value, build=lambda whole: whole):
    """(body, names): bodies that differ from the good value in one place; with an unknown field, the names that are known there."""
    for branch in branches(schema):
        for name, inner in children(branch, value):
            def at(new, name=name):
                return build(put(value, name, new))
            present = value[name] if isinstance(value, list) or name in value else sample(inner)
            yield from ((at(other), None) for other in (present, *values(inner)))
            yield from steps(inner, present, at)
            if isinstance(value, dict):
                yield build({key: kept for key, kept in value.items() if key != name}), None
        if isinstance(value, dict) and "additionalProperties" in branch:
            named = {name for part in branches(schema) for name in part.get("properties", ())}
            yield build({**value, UNKNOWN: "x"}), named


def good_bodies(schema, examples):
    """The examples; of a body that is one of several actions, one of each."""
    schema = contract.resolve(schema)
    if schema.get("maxProperties") == 1 and "properties" in schema:
        return [{name: sample(inner)} for name, inner in schema["properties"].items()]
    return examples


def bodies(schema, good):
    """steps(), each body once."""
    seen = set()
    for body, names in steps(schema, good):
        text = json.dumps(body)
        if text not in seen:
            seen.add(text)
            yield body, names
