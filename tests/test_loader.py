"""Loading again: what is kept never shows, and what did not change is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdp.language.diagnostic import PolicyError
from pdp.loader import Checked, Loader, Stages
from pdp.rules.rules import Rule
from tests.whole import whole

TODAY = datetime(2026, 6, 15, 12, 30, tzinfo=UTC)
Texts: TypeAlias = dict[str, str]

BASE = """
schema { resource doc { size: int } context { ip: ip } }
let small = 10
def fresh(limit: duration) = credential.bound and credential.age <= limit
"""
DOCS = """
use base
permit read {
  caller workload "w" audience "docs" action "doc.read" resource doc
  when base.fresh(5m) and resource.size < base.small
}
"""
OTHER = """
forbid at_night { action "doc.*" when hour(now, "UTC") < 6 because "nobody reads at night" }
"""
SET = {"base.policy": BASE, "docs.policy": DOCS, "other.policy": OTHER}


def check(
    texts: Texts, stages: Stages | None = None, *, today: datetime = TODAY, **settings: bool
) -> Checked:
    stages = stages or Stages(**settings)
    modules = (
        (path, path.removesuffix(".policy").replace("/", "."), text) for path, text in sorted(texts.items())
    )
    return stages.check([(path, module, text.encode()) for path, module, text in modules], today)


def codes(checked: Checked) -> list[str]:
    return [found.code for found in checked.diagnostics]


def rules(checked: Checked) -> dict[str, Rule]:
    return {rule.identity: rule for rule in checked.policies.rules}


def kept(before: Checked, after: Checked) -> set[str]:
    """The rules of `after` that are the very same objects as before."""
    old = rules(before)
    return {identity for identity, rule in rules(after).items() if rule is old.get(identity)}


# What is kept never shows.

# Texts that read, hide, contradict and miss one another, in any combination.
HEADS = [
    "", "use a\n", "use b as c\n", "use c\nuse a as d\n", "use t.deep as c\n", "use nowhere\n",
    "use a\nuse a\n",
]  # fmt: skip
BODIES = [
    "",
    "schema { resource doc { size: int } }\n",
    "schema { resource doc { size: string, kept?: bool } context { ip: ip } }\n",
    'schema { caller { team?: "x" | "y" } action "doc.*" { dry: bool } }\n',
    "let limit = 5m\n",
    "let limit = a.limit\n",
    'let limit = "x"\nlet limit = 1\n',
    "let limit = credential.age\ndef fresh(l: duration) = credential.bound and l < limit\n",
    'def fresh(l: string) = caller.team ?? "" == l\n',
    'permit r { caller any audience "x" action "doc.read" '
    "when credential.bound and credential.age < a.limit }\n",
    "permit r { caller any audience any action any resource doc "
    "when a.fresh(c.limit) and resource.size > 1 }\n",
    '@sunset(2026-07-01) @owner("o")\npermit s { caller any audience any action any because "soon over" }\n',
    '@sunset(2026-06-16)\nforbid s { when c.fresh("x") require log { at: now } because "no" }\n',
    "forbid { }\npermit r {\n",
    "assert n { never allow when credential.standing or a.limit < 1s }\n",
    "fixture f { caller workload \"w\" credential { binding: \"mtls\", age: 1m, lifetime: 2m } }\n",
    'test "t" using f { audience "x" action "doc.read" expect allow by r require log }\n',
    'test "u" using a.f { resource doc "d" { size: 1 } expect deny by c.s, a.r }\n',
    "# nothing but a comment\n",
    "let tab = \t'x'\x07\n",
]  # fmt: skip
PATHS = ["a.policy", "b.policy", "c.policy", "t/deep.policy", "a.test.policy", "Bad.policy", "t/a.policy"]

texts_of_files = st.builds(
    lambda head, bodies: head + "".join(bodies),
    st.sampled_from(HEADS),
    st.lists(st.sampled_from(BODIES), max_size=4),
)
a_path = st.sampled_from(PATHS)
an_edit = st.one_of(
    st.tuples(st.just("write"), a_path, texts_of_files),
    st.tuples(st.just("append"), a_path, st.sampled_from(BODIES)),
    st.tuples(st.just("shift"), a_path, st.just("")),
    st.tuples(st.just("remove"), a_path, st.just("")),
    st.tuples(st.just("rename"), a_path, a_path),
    st.tuples(st.just("wait"), st.just(""), st.just("")),
)


def edited(texts: Texts, kind: str, path: str, argument: str) -> Texts:
    texts = dict(texts)
    match kind:
        case "write":
            texts[path] = argument
        case "append":
            texts[path] = texts.get(path, "") + argument
        case "shift":
            texts[path] = "\n" + texts.get(path, "")
        case "remove":
            texts.pop(path, None)
        case "rename" if path in texts:
            texts[argument] = texts.pop(path)
        case _:
            pass
    return texts


@given(
    st.dictionaries(a_path, texts_of_files, min_size=2),
    st.lists(st.lists(an_edit, min_size=1, max_size=3), min_size=1, max_size=6),
    st.booleans(),
    st.booleans(),
)
@settings(deadline=None)
def test_loading_again_gives_what_loading_afresh_gives(texts, steps, tests, strict):
    stages = Stages(tests=tests, strict=strict)
    today = TODAY
    check(texts, stages, today=today)
    for step in steps:
        for kind, path, argument in step:
            texts = edited(texts, kind, path, argument)
            today += timedelta(days=kind == "wait")
        again = check(texts, stages, today=today)
        assert whole(again) == whole(check(texts, tests=tests, strict=strict, today=today))


def test_a_broken_edit_and_its_repair_leave_no_trace():
    stages = Stages()
    before = check(SET, stages)
    assert codes(check(SET | {"base.policy": BASE + "let ="}, stages)) == ["PDP101"]
    assert whole(check(SET, stages)) == whole(before)


# What did not change is kept.


@pytest.mark.parametrize("text", [OTHER + "# a remark\n", "\n" + OTHER, "", "let =", OTHER * 2])
def test_a_change_of_one_module_leaves_the_others_alone(text):
    stages = Stages()
    before = check(SET, stages)
    assert "docs.read" in kept(before, check(SET | {"other.policy": text}, stages))


def test_a_change_of_what_is_used_reaches_those_who_use_it():
    stages = Stages()
    before = check(SET, stages)
    after = check(SET | {"base.policy": BASE.replace("10", "20")}, stages)
    assert kept(before, after) == {"other.at_night"}
    assert "20" in repr(rules(after)["docs.read"].conditions)


def test_a_change_of_the_schema_reaches_all():
    stages = Stages()
    before = check(SET, stages)
    after = check(SET | {"more.policy": "schema { caller { team: string } }"}, stages)
    assert kept(before, after) == set()


def test_a_schema_that_says_the_same_elsewhere_is_no_change():
    stages = Stages()
    schema = "schema { resource doc { size: int } context { ip: ip } }\n"
    before = check(SET, stages)
    after = check(SET | {"base.policy": BASE.replace(schema, ""), "more.policy": schema}, stages)
    assert kept(before, after) == {"other.at_night"}


def test_what_is_gone_is_forgotten():
    stages = Stages()
    before = check(SET, stages)
    without = {path: text for path, text in SET.items() if path != "other.policy"}
    assert set(rules(check(without, stages))) == {"docs.read"}
    assert "other.at_night" not in kept(before, check(SET, stages))


def test_tests_that_a_server_never_runs_bind_no_module_to_another():
    texts = SET | {"docs.policy": DOCS + 'test "t" { expect deny }\nfixture f { }\n'}
    served, tested = Stages(tests=False), Stages(tests=True)
    more = texts | {"other.policy": OTHER + "# a remark\n"}
    assert kept(check(texts, served), check(more, served)) == {"docs.read"}
    assert len(check(texts, tested).policies.cases) == 1
    assert check(texts, served).policies.cases == ()


def test_another_day_looks_at_sunsets_again_and_at_nothing_else():
    sunset = '@sunset(2026-08-01)\npermit old { caller any audience any action any because "until August" }\n'
    texts = SET | {"old.policy": sunset}
    stages = Stages()
    before = check(texts, stages, today=TODAY)
    warned = check(texts, stages, today=TODAY + timedelta(days=30))
    over = check(texts, stages, today=TODAY + timedelta(days=60))
    assert codes(before) == ["PDP405"]
    assert [(found.code, found.severity) for found in warned.diagnostics] == [
        ("PDP403", "warning"), ("PDP405", "error")
    ]  # fmt: skip
    assert [(found.code, found.severity) for found in over.diagnostics] == [
        ("PDP403", "error"), ("PDP405", "error")
    ]  # fmt: skip
    assert kept(before, over) == set(rules(over))


def test_a_day_is_a_day_in_utc():
    west = timezone(timedelta(hours=-10))
    rule = 'permit old { caller any audience any action any when credential.bound because "x" }'
    sunset = f"@sunset(2026-06-16)\n{rule}"
    texts = {"old.policy": sunset}
    late = datetime(2026, 6, 15, 15, tzinfo=west)
    assert [found.severity for found in check(texts, today=late).diagnostics] == ["error"]
    assert [found.severity for found in check(texts, today=TODAY).diagnostics] == ["warning"]


# The digest names the content.


def test_the_digest_depends_on_content_and_module_names_alone():
    digest = check(SET).digest
    assert digest.startswith("sha256:")
    assert len(digest) == 71
    assert check({f"./elsewhere/../{path}": text for path, text in SET.items()}).digest != digest
    stages = [
        (f"/elsewhere/{path}", path.removesuffix(".policy"), text.encode()) for path, text in SET.items()
    ]
    assert Stages().check(stages, TODAY).digest == digest
    assert Stages().check(stages[::-1], TODAY).digest == digest
    assert check(SET | {"other.policy": OTHER + " "}).digest != digest
    assert check({"renamed.policy" if p == "other.policy" else p: t for p, t in SET.items()}).digest != digest
    swapped = {"base.policy": DOCS, "docs.policy": BASE, "other.policy": OTHER}
    assert check(swapped).digest != digest


def test_the_digest_tells_how_strictly_was_checked():
    assert check(SET, strict=False).digest != check(SET).digest
    assert Stages(lower={"PDP406": "warning"}).check([]).digest != Stages().check([]).digest


@pytest.mark.parametrize("text", ["", 'test "t" { expect deny }', "let ="])
def test_test_files_never_change_the_digest(text):
    assert check(SET | {"docs.test.policy": text}).digest == check(SET).digest


# What can be wrong with files as such.


def test_a_second_file_for_one_module_is_told_and_its_rules_are_left_out():
    texts = [("p/a/b.policy", "a.b", b"let x = 1"), ("p/a.b.policy", "a.b", OTHER.encode())]
    checked = Stages().check(texts, TODAY)
    (found,) = checked.diagnostics
    assert (found.code, found.span.path) == ("PDP213", "p/a/b.policy")
    assert set(rules(checked)) == {"a.b.at_night"}


def test_a_path_that_names_no_module_is_told():
    (found,) = Stages().check([("p/No.policy", "", b"let x = 1")], TODAY).diagnostics
    assert (found.code, found.span) == ("PDP215", ("p/No.policy", 0, 0))


@pytest.mark.parametrize("text", [OTHER, "schema { context { ip: ip } }"])
def test_what_a_server_would_never_see_is_told(text):
    (found,) = check({"docs.test.policy": text}).diagnostics
    assert found.code == "PDP512"


def test_two_texts_with_one_path_are_refused():
    with pytest.raises(ValueError, match="same path"):
        Stages().check([("a.policy", "a", b""), ("a.policy", "b", b"")])


def test_there_is_a_most_of_rules():
    texts = [("a.policy", "a", (OTHER + OTHER.replace("at_night", "early")).encode())]
    assert codes(Stages(max_rules=2).check(texts, TODAY)) == []
    assert codes(Stages(max_rules=1).check(texts, TODAY)) == ["PDP324"]


# Lowering.

LOOSE = 'permit p { caller any audience any action any when resource.size > 1 and caller.kind == "human" }'


@pytest.mark.parametrize(
    ("level", "severities"),
    [("error", ["error"]), ("warning", ["warning"]), ("off", []), (None, ["error"])],
)
def test_safety_findings_are_lowered_by_code(level, severities):
    lower = {} if level is None else {"PDP402": level}
    found = Stages(lower=lower | {"PDP405": "off", "PDP406": "off"}).check(
        [("a.policy", "a", LOOSE.encode())], TODAY
    )
    assert [each.severity for each in found.diagnostics if each.code == "PDP402"] == severities


def test_nothing_is_raised_by_lowering_and_nothing_else_lowered():
    rule = 'permit p { caller any audience any action any when credential.bound because "x" }'
    text = f"@sunset(2026-07-01) {rule}"
    (found,) = Stages(lower={"PDP403": "error"}).check([("a.policy", "a", text.encode())], TODAY).diagnostics
    assert found.severity == "warning"
    assert codes(Stages(lower={"PDP101": "off"}).check([("a.policy", "a", b"let =")], TODAY)) == ["PDP101"]


@pytest.mark.parametrize(("level", "expected"), [("warning", ["PDP406"]), ("off", [])])
def test_an_attribute_that_nobody_declares_can_be_let_pass(level, expected):
    lower = {"PDP406": level, "PDP402": "off", "PDP405": "off"}
    checked = Stages(lower=lower).check([("a.policy", "a", LOOSE.encode())], TODAY)
    assert codes(checked) == expected
    assert set(rules(checked)) == {"a.p"}


# Folders.

Write: TypeAlias = Callable[[Texts], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Write:
    """Puts texts, and nothing else, into a folder."""

    def write(texts: Texts) -> Path:
        shutil.rmtree(tmp_path / "p", ignore_errors=True)
        for path, text in texts.items():
            file = tmp_path / "p" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path / "p"

    return write


def test_a_folder_is_loaded_as_often_as_it_changes(folder):
    loader = Loader(folder(SET))
    first = loader.load()
    assert [rule.identity for rule in first.rules] == ["docs.read", "other.at_night"]
    assert loader.load().digest == first.digest
    folder(SET | {"other.policy": ""})
    assert [rule.identity for rule in loader.load().rules] == ["docs.read"]


def test_an_error_stops_the_load_and_tells_all(folder):
    loader = Loader(folder(SET | {"base.policy": BASE + "let =", "other.policy": "permit"}))
    with pytest.raises(PolicyError, match="2 problems") as refused:
        loader.load()
    assert [found.code for found in refused.value.diagnostics] == ["PDP101", "PDP101"]
    assert {Path(path).name for path in refused.value.sources} == set(SET)
    folder(SET)
    assert len(loader.load().rules) == 2


def test_warnings_do_not_stop_the_load(folder):
    loader = Loader(
        folder({"a.policy": LOOSE}), strict=False, lower={"PDP402": "warning", "PDP405": "warning"}
    )
    assert len(loader.load().rules) == 1
    assert loader.check().errors == ()
    assert codes(loader.check()) == ["PDP402", "PDP405"]


def test_tests_are_checked_only_where_asked_for(folder):
    texts = SET | {"docs.policy": DOCS + 'test "t" { expect }', "docs.test.policy": 'test "u" { }'}
    with_tests, without = Loader(folder(texts), tests=True).check(), Loader(folder(texts)).check()
    assert codes(with_tests) == ["PDP101", "PDP501"]
    assert codes(without) == ["PDP101"]


def test_a_mistake_in_what_a_test_means_is_none_of_a_server_s_business(folder):
    texts = SET | {"docs.policy": DOCS + 'test "t" { expect allow by nobody }'}
    assert codes(Loader(folder(texts), tests=True).check()) == ["PDP508"]
    assert len(Loader(folder(texts)).load().rules) == 2


def test_what_cannot_be_read_stops_the_load(tmp_path):
    with pytest.raises(FileNotFoundError):
        Loader(tmp_path / "nowhere").load()
