"""api/openapi.yaml, held against real replies: every reply that a test gets through Client is checked."""
import functools
import pathlib
import re
import urllib.parse

import jsonschema
import yaml

FILE = pathlib.Path(__file__).resolve().parent.parent.parent / "api" / "openapi.yaml"


@functools.cache
def document():
    return yaml.load(FILE.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@functools.cache
def operations():
    """(method, path pattern): the operation."""
    return {(method.upper(), path): operation for path, item in document()["paths"].items()
            for method, operation in item.items() if method != "parameters"}


def versions(path):
    """What {version} may be in a path."""
    for parameter in document()["paths"][path].get("parameters", ()):
        parameter = resolve(parameter)
        if parameter["name"] == "version":
            return parameter["schema"]["enum"]
    return ["v3"]


def resolve(node):
    while "$ref" in node:
        target = document()
        for part in node["$ref"].lstrip("#/").split("/"):
            target = target[part]
        node = target
    return node


def parts(schema, place):
    """(where, schema) of a schema and of all inside of it; what it refers to is a schema of its own."""
    if isinstance(schema, bool):
        return
    yield place, schema
    for name, inner in schema.get("properties", {}).items():
        yield from parts(inner, f"{place}/{name}")
    for keyword in ("items", "additionalProperties", "then"):
        yield from parts(schema.get(keyword, False), f"{place}/{keyword}")
    for keyword in ("allOf", "anyOf", "oneOf"):
        for inner in schema.get(keyword, ()):
            yield from parts(inner, place)


def schemas():
    """(where, schema) of all that the contract has."""
    for name, schema in document()["components"]["schemas"].items():
        yield from parts(schema, name)
    for (method, path), operation in operations().items():
        yield from parts(body_schema(operation) or False, f"{method} {path}")
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                yield from parts(content["schema"], f"{method} {path} {status}")


@functools.cache
def patterns():
    out = []
    for method, path in operations():
        text = re.sub(r"\\\{version\\\}", "(?:%s)" % "|".join(versions(path)), re.escape(path))
        out.append((method, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", text) + "$"), path))
    # A literal beats a parameter.
    return sorted(out, key=lambda entry: entry[2].count("{"))


def find(method, url):
    path = urllib.parse.urlsplit(url).path
    # Since 3.67 the project may be left out.
    bare = re.sub(r"^/v3/(?![0-9a-f]{32}(/|$))(?=.)", "/v3/" + "0" * 32 + "/", path)
    for candidate in (path, bare):
        for known, pattern, name in patterns():
            if known == ("GET" if method == "HEAD" else method) and pattern.match(candidate):
                return name
    return None


def validator_of(schema):
    return jsonschema.Draft202012Validator({**schema, "components": document()["components"]})


def body_schema(operation):
    """Of what is to be sent, or None."""
    return operation["requestBody"]["content"]["application/json"]["schema"] if "requestBody" in operation else None


def examples(operation):
    """Of what is to be sent."""
    content = operation["requestBody"]["content"]["application/json"]
    return [content["example"]] if "example" in content else [one["value"] for one in content["examples"].values()]


@functools.cache
def validator(method, path, status):
    responses = operations()[method, path]["responses"]
    response = responses.get(str(status)) or (responses.get("default") if status >= 400 else None)
    assert response, f"{method} {path}: the contract knows no reply {status}"
    content = resolve(response).get("content", {})
    media = content.get("application/json")
    if media is None:
        return None
    return validator_of(media["schema"])


def check(method, reply):
    """Asserts that a reply is as the contract says."""
    path = find(method, reply.url)
    assert path or reply.status_code in (400, 401, 404, 405), f"{method} {reply.url} is answered and not in the contract"
    if path is None or reply.status_code in (404, 405) and not reply.text:
        return
    method = "GET" if method == "HEAD" else method
    if method == "TRACE":
        return
    known = validator(method, path, reply.status_code)
    if known is None:
        assert not reply.text or "json" not in reply.headers["Content-Type"], f"{method} {path}: a body that the contract does not know"
    elif reply.text and reply.request.method != "HEAD":
        faults = sorted(known.iter_errors(reply.json()), key=lambda fault: list(fault.path))
        assert not faults, f"{method} {path} {reply.status_code}: {list(faults[0].path)}: {faults[0].message}"
