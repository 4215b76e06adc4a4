"""What need not be done again: the stages of loading, each kept by what it depends on.

A file is parsed again when its bytes change, a module checked again when its text or something it reads does.
Knows which result depends on what, and nothing of what policies mean.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from pdp.beside import Beside, Options, Text, share
from pdp.files import TEST_SUFFIX, read_files
from pdp.language.diagnostic import Diagnostic, PolicyError, each_once
from pdp.language.parse import decode
from pdp.language.source import Source
from pdp.packed import Findings
from pdp.program.program import Builder, Program
from pdp.rules.check import CheckedModule, still_holds, together
from pdp.rules.environment import Environment, merge
from pdp.rules.interface import Interface
from pdp.rules.rules import PolicySet
from pdp.schema.schema import Schema
from pdp.single import Parsed, checked, dangers, parsed
from pdp.uncollected import uncollected

Level = Literal["error", "warning", "off"]

MAX_RULES = 100_000


@dataclass(frozen=True, slots=True)
class Checked:
    """A policy set after `check`: what it means, what was found, and the text to show findings in.

    `sources` is keyed by `Span.path`. `digest` (`sha256:…`) names the set by its content: the bytes of every
    file but tests, under their module names, and whether it was checked strictly.
    """

    policies: PolicySet
    diagnostics: tuple[Diagnostic, ...]
    sources: dict[str, Source]
    digest: str

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")


class Loader:
    """Loads one folder, or one file, as often as asked; what did not change is not read anew."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        tests: bool = False,
        strict: bool = True,
        max_rules: int = MAX_RULES,
        lower: Mapping[str, Level] | None = None,
    ) -> None:
        self._path = path
        self._tests = tests
        self._stages = Stages(tests=tests, strict=strict, max_rules=max_rules, lower=lower)

    def load(self) -> Program:
        """The program of what is there now. Raises `PolicyError`, and `OSError` where it cannot be read."""
        return self._stages.compile(self.check())

    def check(self, today: datetime | None = None) -> Checked:
        """All that is there now, checked. `today` (default: now) tells which sunsets have passed."""
        files = read_files(self._path, tests=self._tests)
        return self._stages.check([(file.path, file.module, file.data) for file in files], today)


@dataclass(slots=True)
class _File:
    """What is kept of one file. What follows `parsed` changes: it is what came of the last check."""

    digest: bytes
    parsed: Parsed
    module: CheckedModule | None = None
    dangers: Findings = ()
    today: datetime | None = None

    def check(self, environment: Environment, today: datetime) -> CheckedModule:
        """The module as it is in `environment`."""
        module = self.module
        if module is None or not still_holds(module, environment):
            module = checked(self.parsed, environment)
            self.keep(module, dangers(module, today), today)
        elif self.today != today:
            # Only a sunset comes nearer.
            if any(rule.annotations.sunset is not None for rule in module.rules):
                self.dangers = dangers(module, today)
            self.today = today
        return module

    def keep(self, module: CheckedModule, found: Findings, today: datetime) -> None:
        """Keeps what came of a check."""
        self.module, self.dangers, self.today = module, found, today


class Stages:
    """The stages in their order, with or without `tests`. What changes is what is kept of each."""

    def __init__(
        self,
        *,
        tests: bool = True,
        strict: bool = True,
        max_rules: int = MAX_RULES,
        lower: Mapping[str, Level] | None = None,
    ) -> None:
        self._tests = tests
        self._lower = dict(lower or {})
        # A rule in which an error was told is left out of the policy set, so lowering the finding that nobody
        # declares an attribute must make it no error: such an attribute is then dynamically typed.
        undeclared = self._lower.get("PDP406", "error") if strict else "off"
        self._strict = undeclared == "error"
        self._warn = undeclared == "warning"
        self._max_rules = max_rules
        self._files: dict[str, _File] = {}
        self._schema: Schema | None = None
        self._builder = Builder()

    def check(self, texts: Sequence[Text], today: datetime | None = None) -> Checked:
        """Checks files given as path, module and bytes; no two have one path."""
        # Findings depend on the day alone, so that the hour of a reload does not make all of them anew.
        day = (today or datetime.now(UTC)).astimezone(UTC)
        today = day.replace(hour=0, minute=0, second=0, microsecond=0)
        options = Options(self._strict, self._warn, self._max_rules, self._tests, today)
        # All is new only once; later a second process would seldom have enough to do.
        theirs = () if self._files else share(texts)
        with uncollected(), Beside(theirs, options) as beside:
            return self._check(texts, options, beside)

    def compile(self, checked: Checked) -> Program:
        """The program of a checked set. Raises `PolicyError` when the check found an error."""
        if checked.errors:
            raise PolicyError(checked.diagnostics, checked.sources)
        with uncollected():
            return self._builder.build(checked.policies, checked.sources, checked.digest)

    def _check(self, texts: Sequence[Text], options: Options, beside: Beside) -> Checked:
        # 1. Text to trees, and what each module offers to others.
        files = self._parse(texts, beside)
        # 2. What they offer, together.
        environment, found = merge(
            [file.parsed.interface for file in files],
            strict=options.strict,
            warn=options.warn,
            max_rules=options.max_rules,
        )
        if environment.schema == self._schema:
            # Compared once here, and not again for every module.
            environment = replace(environment, schema=self._schema)
        self._schema = environment.schema
        # 3. Names, types and guards, and what is dangerous.
        ours = [file for file in files if file.parsed.source.path not in beside.paths]
        beside.check([file.parsed.interface for file in ours])
        for file in ours:
            file.check(environment, options.today)
        for path, (module, dangerous) in beside.modules(environment).items():
            self._files[path].keep(module, dangerous, options.today)
        modules = [file.check(environment, options.today) for file in files]
        # 4. Everything together.
        policies, told = together(environment, found, modules)
        parsed = [finding for file in files for finding in file.parsed.found]
        unsafe = [finding for file in files for finding in file.dangers]
        diagnostics = sorted({*parsed, *told, *unsafe}, key=lambda d: (d.span, d.code, d.message))
        sources = {file.parsed.source.path: file.parsed.source for file in files}
        return Checked(policies, tuple(self._lowered(each_once(diagnostics))), sources, self._digest(files))

    def _parse(self, texts: Sequence[Text], beside: Beside) -> list[_File]:
        files = {text[0]: self._file(*text) for text in texts if text[0] not in beside.paths}
        offers = beside.offers()
        files |= {
            text[0]: self._file(*text, offers.get(text[0])) for text in texts if text[0] in beside.paths
        }
        if len(files) < len(texts):
            raise ValueError("two texts have the same path")
        # Of files that are gone nothing is kept.
        self._files = {path: files[path] for path, _, _ in texts}
        return list(self._files.values())

    def _file(
        self, path: str, module: str, data: bytes, offered: tuple[Interface, Findings] | None = None
    ) -> _File:
        """The file as it was kept, or as it is new; what one offers that was parsed elsewhere is given."""
        digest = hashlib.sha256(data).digest()
        known = self._files.get(path)
        if known is not None and known.digest == digest and known.parsed.source.module == module:
            return known
        if offered is not None:
            return _File(digest, Parsed(decode(path, module, data)[0], *offered, self._tests, None))
        return _File(digest, parsed(path, module, data, tests=self._tests))

    def _lowered(self, diagnostics: Iterable[Diagnostic]) -> Iterable[Diagnostic]:
        for diagnostic in diagnostics:
            # Only what is found about a whole rule can be lowered: any other mistake left its rule out.
            level = self._lower.get(diagnostic.code) if diagnostic.code.startswith("PDP4") else None
            if level is None or (level == "error" and diagnostic.severity == "warning"):
                yield diagnostic
            elif level != "off":
                yield replace(diagnostic, severity=level)

    def _digest(self, files: Sequence[_File]) -> str:
        digest = hashlib.sha256(b"strict\n" if self._strict else b"not strict\n")
        parts = ((file.parsed.source, file.digest) for file in files)
        # Neither the order of files nor where they lie is content.
        for module, content in sorted((s.module, d) for s, d in parts if not s.path.endswith(TEST_SUFFIX)):
            digest.update(f"{module}\n".encode())
            digest.update(content)
        return f"sha256:{digest.hexdigest()}"
