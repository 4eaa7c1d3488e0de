"""Manifests: what is composed is read, and nothing else is."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberkeep.errors import StoreProblem
from emberkeep.keys.explain import explain
from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.startup_records import as_dict, parse_json
from emberkeep.store.files import LONGEST_TEXT
from emberkeep.store.manifest import (
    DEEPEST,
    FORMAT,
    MOST_BLOBS,
    TRAILER,
    TRAILER_BYTES,
    read_document,
)
from emberkeep.store.manifest_writing import (
    RECORDED_LEVELS,
    RECORDED_NODES,
    canonical,
    compose,
    read_ingredients,
)
from emberkeep.store.protocol import DAMAGED, NEWER_FORMAT, UNTRUSTED, BlobRef, Key, Manifest, Miss
from emberkeep.testing import accept, artifacts, kept, keys, layouts, unsealed

SIZES = st.integers(0, 2**63)
DIGESTS = st.binary(max_size=4).map(lambda seed: sha256(seed).hexdigest())
TEXTS = st.text(max_size=30) | st.sampled_from(["\ud800", "\0", "\u2028", '"', "\\", "\x7f"])
MANIFESTS = st.builds(
    Manifest,
    key=keys(),
    blobs=st.lists(
        st.builds(BlobRef, TEXTS, DIGESTS, SIZES), max_size=5, unique_by=lambda blob: blob.role
    ).map(tuple),
    layout=layouts(),
    cost_s=st.floats(0, 1e9),
    made_at=st.floats(0, 1e12),
    made_by=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
)
DIGEST = sha256(b"").hexdigest()


def a_seal(digest):
    return sha256(b"seal" + digest.encode()).hexdigest()


def judge(manifest, stamps):
    return None if stamps.seal == a_seal(stamps.digest) else "not sealed"


@given(MANIFESTS)
def test_what_is_composed_is_read(manifest):
    document = compose(manifest, {}, a_seal)
    assert read_document(document, manifest.key, judge) == manifest
    assert read_document(document, None, judge) == manifest


@given(MANIFESTS, keys())
def test_it_is_read_under_its_own_name_alone(manifest, other):
    found = read_document(compose(manifest, {}, a_seal), other, judge)
    assert found == manifest if other == manifest.key else found.reason == DAMAGED


@given(artifacts())
def test_a_document_is_ascii_json_in_three_lines(artifact):
    *lines, trailer, nothing = artifact.document.split(b"\n")
    assert (len(lines), nothing, len(trailer) + 1) == (2, b"", TRAILER_BYTES)
    assert artifact.document.isascii()
    document = json.loads(artifact.document)
    body = artifact.document[:-TRAILER_BYTES]
    assert document["digest"] == sha256(body).hexdigest()
    assert document["manifest"]["format"] == FORMAT


@given(MANIFESTS)
def test_the_same_manifest_is_the_same_bytes(manifest):
    turned = Manifest(**{**as_dict(manifest), "made_by": dict(reversed(manifest.made_by.items()))})
    assert compose(manifest, {}, a_seal) == compose(turned, {}, a_seal)


@given(st.binary(max_size=400))
def test_garbage_is_damage(garbage):
    assert read_document(garbage, None, accept).reason == DAMAGED


@given(st.binary(max_size=200), st.booleans())
def test_garbage_with_the_right_digest_is_damage(garbage, wrapped):
    body = b'{"manifest":' + garbage + b",\n{}" if wrapped else garbage
    document = body + TRAILER % (sha256(body).hexdigest().encode(), b"0" * 64)
    assert read_document(document, None, accept).reason == DAMAGED


@given(layouts(), st.sampled_from(["manifest", "blobs", "layout", "kind", "cost_s", "format"]))
def test_any_json_in_the_wrong_place_raises_nothing(value, field):
    fields = json.loads(kept().document)["manifest"]
    fields[field] = value
    outer = {"manifest": value} if field == "manifest" else {"manifest": fields}
    body = (canonical(outer)[:-1] + ',\n"ingredients":{},\n').encode()
    document = body + TRAILER % (sha256(body).hexdigest().encode(), b"0" * 64)
    found = read_document(document, kept().manifest.key, accept)
    assert isinstance(found, (Miss, Manifest))
    assert isinstance(found, Miss) or found.key == kept().manifest.key


def signed(fields, seal=a_seal):
    body = ('{"manifest":' + fields + ',\n"ingredients":{},\n').encode()
    digest = sha256(body).hexdigest()
    return body + TRAILER % (digest.encode(), seal(digest).encode())


@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 1, 900, 10_000, 1_000_000])
@pytest.mark.parametrize(("begin", "end"), ["[]", ('{"a":', "}")])
def test_deep_nesting_is_damage_or_a_layout(depth, begin, end):
    """Never a crash, and never an error that leaves the reader."""
    nested = begin * depth + ("1" if end == "}" else "") + end * depth
    found = read_document(signed(with_field("layout", nested)), kept().manifest.key, judge)
    assert isinstance(found, Manifest) if depth == DEEPEST else found.reason == DAMAGED


def with_field(name, text):
    """The fields of a manifest, one of them as this text."""
    fields = json.loads(kept().document)["manifest"]
    return canonical({**fields, name: "@"}).replace('"@"', text)


LONG = "x" * (LONGEST_TEXT + 1)
DIGEST_OF_NOTHING = f'"digest":"{DIGEST}"'


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("layout", "1e400"),
        ("layout", '{"a":[-1e400]}'),
        ("layout", "9" * 5000),
        ("cost_s", "1e400"),
        ("cost_s", '"nan"'),
        ("cost_s", "true"),
        ("cost_s", "1" + "0" * 400),
        ("made_at", "-1e400"),
        ("made_at", '"inf"'),
        ("made_by", '["ab"]'),
        ("made_by", '{"a":["b"]}'),
        ("format", "true"),
        ("format", "1.0"),
        ("kind", f'"{LONG}"'),
        ("name", f'"{LONG}"'),
        ("plan", '"../../x"'),
        ("build", '"/etc/passwd"'),
        ("blobs", f'[{{"role":["code"],{DIGEST_OF_NOTHING},"size_bytes":0}}]'),
        ("blobs", f'[{{"role":"{LONG}",{DIGEST_OF_NOTHING},"size_bytes":0}}]'),
        ("blobs", f'[{{"role":"a",{DIGEST_OF_NOTHING},"size_bytes":true}}]'),
        ("blobs", f'[{{"role":"a",{DIGEST_OF_NOTHING},"size_bytes":{2**63 + 1}}}]'),
        ("blobs", "[" + ",".join([f'{{"role":"a",{DIGEST_OF_NOTHING},"size_bytes":0}}'] * 2) + "]"),
        (
            "blobs",
            "["
            + ",".join(
                f'{{"role":"{n}",{DIGEST_OF_NOTHING},"size_bytes":0}}'
                for n in range(MOST_BLOBS + 1)
            )
            + "]",
        ),
    ],
)
def test_what_is_never_written_is_damage_whoever_vouches_for_it(field, text):
    found = read_document(signed(with_field(field, text)), None, judge)
    assert found.reason == DAMAGED
    assert len(found.detail) < 300


@pytest.mark.parametrize("depth", [5, 900, 10_000])
def test_ingredients_are_read_however_deep_they_are_said_to_be(depth):
    node = "[]"
    for _ in range(depth):
        node = f'[["label","dict","","",{node}]]'
    body = f'{{"manifest":{{}},\n"ingredients":{{"plan":["dict","","",{node}]}},\n'
    try:
        found = read_ingredients(body.encode())
    except StoreProblem:
        assert depth > RECORDED_LEVELS
        return
    levels, tree = 1, found["plan"]
    while tree.children:
        levels, tree = levels + 1, tree.children[0][1]
    assert levels == min(depth + 1, RECORDED_LEVELS)
    assert explain(found["plan"], leaf("str", b"", "")), "and it can be compared"


@pytest.mark.parametrize("node", ["[1,2,3,[]]", '["a","b",null,[]]', "{}", '["a","b","c",{"x":1}]'])
def test_ingredients_that_are_none_are_told_as_such(node):
    body = f'{{"manifest":{{}},\n"ingredients":{{"plan":{node}}},\n'
    with pytest.raises(StoreProblem, match="cannot be read"):
        read_ingredients(body.encode())


def test_ingredients_of_any_depth_are_written():
    tree = leaf("str", b"", "the innermost")
    for _ in range(5_000):
        tree = branch("list", [("0", tree)])
    document = compose(kept().manifest, {"plan": tree}, a_seal)
    found, levels = read_ingredients(document)["plan"], 1
    while found.children:
        found, levels = found.children[0][1], levels + 1
    assert levels == RECORDED_LEVELS


def test_a_shape_that_is_none_is_damage_whoever_vouches_for_it():
    assert read_document(signed('{"format":1}', unsealed), None, judge).reason == DAMAGED
    assert read_document(signed('{"format":1}'), None, judge).reason == DAMAGED


def test_what_nobody_vouches_for_is_not_trusted():
    found = read_document(kept().document, None, judge)
    assert found == Miss(UNTRUSTED, "not sealed")


def test_an_unknown_format_is_told_before_the_seal():
    found = read_document(signed('{"format":2}', unsealed), None, judge)
    assert found.reason == NEWER_FORMAT
    assert "2" in found.detail


def test_a_document_without_its_own_digest_is_not_shown_to_the_judge():
    def never(manifest, stamps):
        pytest.fail("what is damaged is no question of trust")

    document = bytearray(kept().document)
    document[20] ^= 1
    assert read_document(bytes(document), None, never).reason == DAMAGED


def test_duplicate_names_are_read_as_json_reads_them():
    """The last one counts, for us and for everybody who looks at the file."""
    fields = canonical(json.loads(kept(layout=1).document)["manifest"])
    doubled = fields.replace('"layout":1', '"layout":1,"layout":2')
    found = read_document(signed(doubled), None, judge)
    assert found.layout == 2
    assert json.loads(doubled)["layout"] == 2


def test_other_letters_than_ascii_are_damage():
    fields = canonical(json.loads(kept(layout="e").document)["manifest"])
    raw = fields.replace('"layout":"e"', '"layout":"\u00e9"')
    assert json.loads(raw)["layout"] == "\u00e9"
    assert read_document(signed(raw), None, judge).reason == DAMAGED


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_json_has_no_number_for_is_refused(value):
    with pytest.raises(ValueError, match="JSON compliant"):
        kept(layout=[value])


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_what_json_has_no_number_for_is_not_read(text):
    fields = canonical(json.loads(kept(layout=1).document)["manifest"])
    raw = fields.replace('"layout":1', f'"layout":{text}')
    assert read_document(signed(raw), None, judge).reason == DAMAGED


# Ingredients ----------------------------------------------------------------------------------


def test_ingredients_come_back():
    tree = branch("ingredients", [("x", leaf("int", b"1", "1")), ("y", branch("list", []))])
    manifest = kept().manifest
    document = compose(manifest, {"plan": tree, "build": branch("toolchain", [])}, a_seal)
    found = read_ingredients(document)
    assert found == {"plan": tree, "build": branch("toolchain", [])}


def test_of_many_ingredients_some_are_recorded_as_digests():
    leaves = [(str(n), leaf("int", b"%d" % n, str(n))) for n in range(RECORDED_NODES)]
    wide, narrow = branch("list", leaves), branch("list", leaves[:3])
    tree = branch("ingredients", [("narrow", narrow), ("wide", wide)])
    found = read_ingredients(compose(kept().manifest, {"plan": tree}, a_seal))["plan"]
    assert (found.digest, dict(found.children)["narrow"]) == (tree.digest, narrow)
    cut = dict(found.children)["wide"]
    assert (cut.digest, cut.children) == (wide.digest, ())


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b'"ingredients":1,', b'"ingredients":{"plan":[1]},', b"\xff,"]
    + [b'"ingredients":{"plan":' + b"[" * 100_000 + b"]" * 100_000 + b"},"],
    ids=["none", "other", "number", "short", "no text", "deep"],
)
def test_ingredients_that_cannot_be_read_are_a_store_problem(line):
    first, _, *rest = kept().document.split(b"\n")
    with pytest.raises(StoreProblem, match="ingredients"):
        read_ingredients(b"\n".join([first, line, *rest]))
    with pytest.raises(StoreProblem, match="ingredients"):
        read_ingredients(first)


# The parser -----------------------------------------------------------------------------------


@given(layouts())
def test_the_parser_reads_what_json_reads(value):
    text = json.dumps(value)
    assert parse_json(text) == json.loads(text) == value
    assert repr(parse_json(text)) == repr(json.loads(text))  # 1 and 1.0 and True told apart


GARBAGE = st.text(max_size=30) | st.text(
    alphabet='{}[]",:0123456789.eE+-truefalsn\\u \n', max_size=30
)


@given(GARBAGE)
def test_the_parser_reads_no_more_than_json(text):
    try:
        value = parse_json(text)
    except ValueError:
        return
    assert repr(value) == repr(json.loads(text))


@pytest.mark.parametrize(
    "text", ["", " ", "{", "[1,]", "{1:2}", '"\n"', "01", "1 2", "nul", "NaN", "-Infinity", "[1]x"]
)
def test_the_parser_refuses(text):
    with pytest.raises(ValueError):
        parse_json(text)


# Digests as file names ------------------------------------------------------------------------


@given(st.text(max_size=70) | st.integers() | st.none() | DIGESTS.map(str.upper))
def test_a_digest_is_64_hexadecimal_digits(value):
    fields = json.loads(kept(blobs={"code": b""}).document)["manifest"]
    fields["blobs"][0]["digest"] = value
    found = read_document(signed(canonical(fields)), None, judge)
    if isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef"):
        assert found.blobs[0].digest == value
    else:
        assert found.reason == DAMAGED


@pytest.mark.parametrize("size", [-1, 1.5, "1", None, [1]])
def test_a_size_is_a_whole_number(size):
    fields = json.loads(kept(blobs={"code": b""}).document)["manifest"]
    fields["blobs"][0]["size_bytes"] = size
    assert read_document(signed(canonical(fields)), None, judge).reason == DAMAGED


def test_a_key_as_text():
    assert str(Key("tables", "sample", "plan", "build")) == "plan-build"


@pytest.mark.parametrize("number", ["0", "-1", '"2"', "null", "1.5", "[]"])
def test_a_format_that_never_was_is_damage(number):
    fields = f'{{"build":"b","format":{number},"kind":"k","name":"n","plan":"p"}}'
    found = read_document(signed(fields), None, accept)
    assert (found.reason, "format" in found.detail) == (DAMAGED, True)
