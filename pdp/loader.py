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

from pdp.files import TEST_SUFFIX, read_files
from pdp.language import syntax
from pdp.language.diagnostic import Diagnostic, PolicyError
from pdp.language.parse import decode, parse
from pdp.language.source import Source, Span
from pdp.program.program import Builder, Program
from pdp.rules.check import CheckedModule, Interface, check_module, interface, merge, still_holds, together
from pdp.rules.lint import lint_rule
from pdp.rules.rules import PolicySet

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
        self._stages = Stages(strict=strict, max_rules=max_rules, lower=lower)

    def load(self) -> Program:
        """The program of what is there now. Raises `PolicyError`, and `OSError` where it cannot be read."""
        return self._stages.compile(self.check())

    def check(self, today: datetime | None = None) -> Checked:
        """All that is there now, checked. `today` (default: now) tells which sunsets have passed."""
        files = read_files(self._path, tests=self._tests)
        return self._stages.check([(file.path, file.module, file.data) for file in files], today)


@dataclass(slots=True)
class _File:
    """One file as parsed. `tree` is dropped once it was checked, and parsed again should it be needed."""

    digest: bytes
    source: Source
    interface: Interface
    found: tuple[Diagnostic, ...]
    tree: syntax.Module | None

    @property
    def is_test(self) -> bool:
        return self.source.path.endswith(TEST_SUFFIX)


@dataclass(frozen=True, slots=True)
class _Findings:
    """What `lint` said of a module on a day."""

    module: CheckedModule
    today: datetime
    found: tuple[Diagnostic, ...]


class Stages:
    """The stages in their order. What changes is what is kept of each."""

    def __init__(
        self,
        *,
        strict: bool = True,
        max_rules: int = MAX_RULES,
        lower: Mapping[str, Level] | None = None,
    ) -> None:
        self._lower = dict(lower or {})
        # A rule in which an error was told is left out of the policy set, so lowering the finding that nobody
        # declares an attribute must make it no error: such an attribute is then dynamically typed.
        undeclared = self._lower.get("PDP406", "error") if strict else "off"
        self._strict = undeclared == "error"
        self._warn = undeclared == "warning"
        self._max_rules = max_rules
        self._files: dict[str, _File] = {}
        self._modules: dict[str, CheckedModule] = {}
        self._findings: dict[str, _Findings] = {}
        self._builder = Builder()

    def check(self, texts: Sequence[tuple[str, str, bytes]], today: datetime | None = None) -> Checked:
        """Checks files given as path, module and bytes."""
        # Findings depend on the day alone, so that the hour of a reload does not make all of them anew.
        day = (today or datetime.now(UTC)).astimezone(UTC)
        today = day.replace(hour=0, minute=0, second=0, microsecond=0)
        # 1. Text to trees, and what each module offers to others.
        files = self._parse(texts)
        # 2. All of them together: names, types, guards.
        environment, found = merge(
            [file.interface for file in files],
            strict=self._strict,
            warn=self._warn,
            max_rules=self._max_rules,
        )
        modules = []
        for file in files:
            known = self._modules.get(file.source.path)
            if known is None or not still_holds(known, environment):
                known = check_module(file.tree or parse(file.source)[0], environment)
                self._modules[file.source.path] = known
            file.tree = None
            modules.append(known)
        policies, told = together(environment, found, modules)
        # 3. Safety.
        unsafe = [
            finding
            for file, module in zip(files, modules, strict=True)
            for finding in self._lint(file, module, today)
        ]
        parsed = [finding for file in files for finding in file.found]
        sources = {file.source.path: file.source for file in files}
        diagnostics = sorted({*parsed, *told, *unsafe}, key=lambda d: (d.span, d.code, d.message))
        return Checked(policies, tuple(self._lowered(diagnostics)), sources, self._digest(files))

    def compile(self, checked: Checked) -> Program:
        """The program of a checked set. Raises `PolicyError` when the check found an error."""
        if checked.errors:
            raise PolicyError(checked.diagnostics, checked.sources)
        return self._builder.build(checked.policies, checked.sources, checked.digest)

    def _parse(self, texts: Sequence[tuple[str, str, bytes]]) -> list[_File]:
        files = []
        for path, module, data in texts:
            digest = hashlib.sha256(data).digest()
            file = self._files.get(path)
            if file is None or file.digest != digest or file.source.module != module:
                file = _parsed(path, module, data, digest)
            files.append(file)
        # A file that is gone takes what was kept of it along, and so does one that changed.
        kept = {file.source.path for file in files if self._files.get(file.source.path) is file}
        self._files = {file.source.path: file for file in files}
        self._modules = {path: module for path, module in self._modules.items() if path in kept}
        self._findings = {path: one for path, one in self._findings.items() if path in kept}
        return files

    def _lint(self, file: _File, module: CheckedModule, today: datetime) -> tuple[Diagnostic, ...]:
        known = self._findings.get(file.source.path)
        if known is None or known.module is not module or known.today != today:
            found = tuple(finding for rule in module.rules for finding in lint_rule(rule, today))
            known = self._findings[file.source.path] = _Findings(module, today, found)
        return known.found

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
        for file in files:
            if not file.is_test:
                digest.update(f"{file.source.module}\n".encode())
                digest.update(file.digest)
        return f"sha256:{digest.hexdigest()}"


def _parsed(path: str, module: str, data: bytes, digest: bytes) -> _File:
    source, wrong = decode(path, module, data)
    tree, found = parse(source)
    return _File(digest, source, interface(tree), (*wrong, *found, *_misplaced(source, tree)), tree)


def _misplaced(source: Source, tree: syntax.Module) -> list[Diagnostic]:
    """What the name of a file forbids: no name at all, and rules where a server would never see them."""
    found = []
    if not source.module:
        message = f"`{source.path}` names no module"
        hint = "call files and folders by lower case letters, digits and `_`, a letter first"
        found.append(Diagnostic("PDP215", Span(source.path, 0, 0), message, hint))
    if source.path.endswith(TEST_SUFFIX):
        for declaration in tree.declarations:
            if isinstance(declaration, syntax.Rule | syntax.Schema):
                what = "a rule" if isinstance(declaration, syntax.Rule) else "a schema"
                message = f"{what} stands in a test file, which a server never loads"
                found.append(
                    Diagnostic("PDP512", declaration.span, message, "move it to the module that is served")
                )
    return found
