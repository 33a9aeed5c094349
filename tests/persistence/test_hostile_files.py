"""Files made with intent, and files that chance has changed: refused or loaded, and nothing of theirs is run.

Those made with intent carry a checksum that fits, as whoever writes a file can write one.
"""

import io
import json
import sys
import zipfile
from hashlib import sha256

import numpy as np
import pytest
from sklearn.base import BaseEstimator

import skscore
from skscore import ScoreMatchingDensity
from skscore.persistence import model_file

RUNS = {"os.system", "os.exec", "os.fork", "os.posix_spawn", "os.remove", "os.rename", "subprocess.Popen"}
RUNS |= {"pickle.find_class", "socket.connect"}
WATCHED = []  # a list of the events of a load while one is watched


def note(event, arguments):
    if WATCHED and event in RUNS:
        WATCHED[-1].append((event, arguments))


sys.addaudithook(note)


def loaded(path):
    """What `load` returns, or its ValueError; an assertion that it runs nothing."""
    WATCHED.append([])
    try:
        return skscore.load(path)
    except ValueError as error:
        return error
    finally:
        events = WATCHED.pop()
        assert not events, events


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(2).standard_normal((20, 2))


@pytest.fixture(scope="module")
def content(rows, tmp_path_factory):
    """The bytes of a saved model."""
    path = tmp_path_factory.mktemp("saved") / "model"
    skscore.save(ScoreMatchingDensity(random_state=1).fit(rows), path)
    return path.read_bytes()


def sealed(archive):
    """The file of an archive, with the checksum that fits."""
    return f"skscore model {model_file.FORMAT} by 0.1.0 sha256 {sha256(archive).hexdigest()}\n".encode() + archive


def archive_of(content):
    return content[content.index(b"\n") + 1 :]


def parts_of(content):
    """Schema and arrays of a file."""
    with zipfile.ZipFile(io.BytesIO(archive_of(content))) as files:
        parts = {name: files.read(name) for name in files.namelist()}
    return json.loads(parts.pop("schema.json")), parts


def file_of(schema, arrays, compression=zipfile.ZIP_STORED):
    """The file of a schema and arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as files:
        for name, array in {"schema.json": json.dumps(schema), **arrays}.items():
            files.writestr(name, array)
    return sealed(buffer.getvalue())


# ---- made with intent ----------------------------------------------------------------------------


def node(loader, name, identity=1, **more):
    module, _, own = name.rpartition(".")
    return {"__class__": own, "__module__": module, "__loader__": loader, "__id__": identity, **more}


def a_list(content, identity=2):
    return node("ListNode", "builtins.list", identity, content=content)


def text(value, identity):
    return node("JsonNode", "builtins.str", identity, content=json.dumps(value), is_json=True)


EMPTY = node("DictNode", "builtins.dict", 3, content={}, key_types=a_list([], 4))
COMMAND = node("TupleNode", "builtins.tuple", 5, content=[text("touch trace", 6)])
SYSTEM = node("FunctionNode", "posix.system", 7)
PARTIAL = {"func": SYSTEM, "args": COMMAND, "kwds": EMPTY, "namespace": text(None, 8)}
STRINGS = a_list([node("TypeNode", "builtins.str", 14)], 15)
SEED = node("DictNode", "builtins.dict", 9, content={"bit_generator": text("seed", 10)}, key_types=STRINGS)
GENERATOR = {"bit_generator": SEED, "seed_seq": EMPTY}
HOSTILE = {
    "a type": node("TypeNode", "os.system"),
    "a function": SYSTEM,
    "a function of ours": node("FunctionNode", "skscore.demo.main"),
    "a function in a module of ours": node("FunctionNode", "skscore.persistence.model_file.os"),
    "a class that a module of ours imports": node("ObjectNode", "skscore.persistence.model_file.BaseEstimator"),
    "a class of no module of ours": node("ObjectNode", "skscore_of_others.Density"),
    "a module of ours that is none": node("ObjectNode", "skscore.nothing.Density"),
    "a partial function": node("PartialNode", "functools.partial", content=PARTIAL),
    "a call": node("ConstructorFromReduceNode", "subprocess.Popen", content=COMMAND),
    "a call of ours": node("ConstructorFromReduceNode", "skscore.domains.box.Box", content=COMMAND),
    "a list of ours": node("ListNode", "skscore.domains.box.Box", content=[text("x", 11)]),
    "a dictionary of another class": node("DictNode", "shelve.Shelf", content={}, key_types=a_list([], 12)),
    "an object": node("ObjectNode", "subprocess.Popen", content=EMPTY),
    "a method": node(
        "MethodNode",
        "skscore.models.gaussian.Gaussian",
        content={"func": "get_params", "obj": node("ObjectNode", "skscore.models.gaussian.Gaussian", 13)},
    ),
    "an operator": node("OperatorFuncNode", "operator.methodcaller", attrs=COMMAND),
    "a generator": node("RandomGeneratorNode", "numpy.random._generator.Generator", content=GENERATOR),
    "a loader of another version": node("NoNode", "builtins.list"),
    "an array elsewhere": node("NdArrayNode", "numpy.ndarray", type="numpy", file="../secret.npy"),
    "an array of objects": node("NdArrayNode", "numpy.ndarray", type="json", content=[SYSTEM], shape=COMMAND),
    "no name": {**text("x", 1), "__id__": 0},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_parts_are_refused(kind, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    schema, arrays = parts_of(content)
    schema["content"]["content"]["criterion"] = HOSTILE[kind]
    (tmp_path / "model").write_bytes(file_of(schema, arrays))
    found = loaded("model")
    assert isinstance(found, ValueError)
    assert str(found).startswith("model is refused: ")
    assert not (tmp_path / "trace").exists()


def test_the_parts_are_refused_for_what_they_are(content, tmp_path):
    schema, arrays = parts_of(content)
    schema["content"]["content"]["criterion"] = text("log_likelihood", 1)
    (tmp_path / "model").write_bytes(file_of(schema, arrays))
    assert isinstance(loaded(tmp_path / "model"), ScoreMatchingDensity)


def refusal(file, tmp_path):
    (tmp_path / "model").write_bytes(file)
    found = loaded(tmp_path / "model")
    assert isinstance(found, ValueError)
    return str(found)


@pytest.mark.parametrize("name", ["../trace", "/trace", "a/../../trace", "model.py"])
def test_names_that_lead_elsewhere(name, content, tmp_path):
    schema, arrays = parts_of(content)
    assert f"{name!r}, which is no part" in refusal(file_of(schema, {**arrays, name: b"x"}), tmp_path)


def test_compressed_parts_do_not_unfold(content, tmp_path):
    schema, arrays = parts_of(content)
    file = file_of(schema, {**arrays, "1.npy": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    assert len(file) < 10**5
    assert "compressed" in refusal(file, tmp_path)


def test_an_array_that_claims_to_be_large(content, tmp_path):
    schema, arrays = parts_of(content)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**15,)})
    assert "refused" in refusal(file_of(schema, {**arrays, min(arrays): head.getvalue()}), tmp_path)


def test_lists_of_lists_do_not_unfold(content, tmp_path):
    schema, arrays = parts_of(content)
    inner = a_list([text("x", 99)], 100)
    for k in range(101, 160):
        inner = a_list([inner, {"__id__": k - 1, **node("ListNode", "builtins.list", k - 1, content=[])}], k)
    schema["content"]["content"]["criterion"] = inner
    assert "one name to two parts" in refusal(file_of(schema, arrays), tmp_path)


def test_a_part_within_itself(content, tmp_path):
    schema, arrays = parts_of(content)
    schema["content"]["content"]["criterion"] = a_list([node("ListNode", "builtins.list", 2, content=[])], 2)
    assert "one name to two parts" in refusal(file_of(schema, arrays), tmp_path)


def test_a_deep_schema(content, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as files:
        files.writestr("schema.json", "[" * 10**5 + "]" * 10**5)
    assert "refused" in refusal(sealed(buffer.getvalue()), tmp_path)


def test_an_archive_of_something_else(tmp_path):
    assert "no estimator" in refusal(file_of(a_list([]), {}), tmp_path)


# ---- changed by chance ---------------------------------------------------------------------------


def damaged(data, rng):
    """Bytes with a few flipped bits, a piece left out, said twice or put in, or cut short."""
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 40))
    end = start + length
    kind = rng.integers(5)
    if kind == 0:
        changed = bytearray(data)
        for place in rng.integers(len(data), size=rng.integers(1, 5)):
            changed[place] ^= 1 << rng.integers(8)
        return bytes(changed)
    middle = [b"", data[start:end] * 2, rng.bytes(length)][min(kind - 1, 2)]
    return data[:start] + middle + (b"" if kind == 4 else data[end:])


def nodes_in(part):
    """Every dictionary and list of a schema."""
    if isinstance(part, dict | list):
        yield part
        for value in part.values() if isinstance(part, dict) else part:
            yield from nodes_in(value)


def rewritten(content, rng):
    """A file of which one part is missing, stands elsewhere too, or says something else."""
    schema, arrays = parts_of(content)
    nodes = [part for part in nodes_in(schema) if len(part)]
    part, other = (nodes[k] for k in rng.integers(len(nodes), size=2))
    key = rng.choice(list(part)) if isinstance(part, dict) else int(rng.integers(len(part)))
    copy = json.loads(json.dumps(other))
    said = [None, -1, "x", [], {}, "os", "system", "FunctionNode", "skscore.models", 10**30, copy]
    kind = rng.integers(3)
    if kind == 0:
        del part[key]
    elif kind == 1:
        part[key] = said[rng.integers(len(said))]
    else:
        name = sorted(arrays)[rng.integers(len(arrays))]
        arrays[name] = damaged(arrays[name], rng)
    return file_of(schema, arrays)


@pytest.mark.parametrize("n", [100, pytest.param(10_000, marks=pytest.mark.slow)])
def test_files_that_chance_has_changed(n, content, rows, tmp_path):
    """A third as they are, a third with a checksum that fits, a third with a schema rewritten."""
    rng, expected = np.random.default_rng(n), ScoreMatchingDensity(random_state=1).fit(rows).score_samples(rows)
    counts = {(kind, end): 0 for kind in ("damaged", "sealed", "rewritten") for end in ("refused", "loaded")}
    for k in range(n):
        kind = ("damaged", "sealed", "rewritten")[k % 3]
        if kind == "damaged":
            changed = damaged(content, rng)
        else:
            changed = sealed(damaged(archive_of(content), rng)) if kind == "sealed" else rewritten(content, rng)
        (tmp_path / "model").write_bytes(changed)
        found = loaded(tmp_path / "model")
        assert isinstance(found, BaseEstimator | ValueError)
        assert isinstance(found, BaseEstimator) or "\n" not in str(found)
        if kind == "damaged" and isinstance(found, BaseEstimator):
            np.testing.assert_array_equal(found.score_samples(rows), expected)
        counts[kind, "refused" if isinstance(found, ValueError) else "loaded"] += 1
    print(f"{n} model files: {counts}")
    assert min(counts["damaged", "refused"], counts["sealed", "refused"], counts["rewritten", "refused"]) > n // 20
    assert counts["sealed", "loaded"] + counts["rewritten", "loaded"] > n // 20
