"""What the service counts. Knows prometheus-client, and that counting must cost a request next to nothing.

Requests count into plain dictionaries; `flush` carries the sums to prometheus-client, each second and before
every scrape. With several workers prometheus-client keeps its values in files that any worker can read
(`PROMETHEUS_MULTIPROC_DIR`), so a scrape tells the sum of all, at most a second late.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter as Sums
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from pdp.answer import Answer

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"

# From below one microsecond's worth of rules to what a client would call an outage.
_BOUNDS = (2e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 1e-2, 1e-1, 1.0)
# How many holders of standing credentials are told apart.
_HOLDERS = 1_000
_OTHERS = ("", "others")


class Metrics:
    """The metrics of one process. Its sums are the only thing that changes; `flush` empties them."""

    def __init__(self, lost: Callable[[], tuple[int, int]] = lambda: (0, 0)) -> None:
        """`lost` tells how many lines the decision log has written and lost so far."""
        registry = self._registry = CollectorRegistry()
        self._lost = lost
        self._log_seen = (0, 0)
        self._decisions = Counter(
            "pdp_decisions", "Decisions, by outcome and code.", ("decision", "code"), registry=registry
        )
        self._standing = Counter(
            "pdp_standing_credentials",
            "Decisions about a caller whose credential can outlive its work, by issuer and caller.",
            ("issuer", "caller"),
            registry=registry,
        )
        self._rules = Counter(
            "pdp_rule_decisions", "Decisions that a rule took part in.", ("rule",), registry=registry
        )
        self._failures = Counter(
            "pdp_rule_failures",
            "Rules that could not be evaluated, by kind of failure.",
            ("rule", "kind"),
            registry=registry,
        )
        self._problems = Counter(
            "pdp_request_problems", "Requests that were none, by HTTP status.", ("status",), registry=registry
        )
        self._seconds = Histogram(
            "pdp_decision_seconds", "Time from body to answer.", buckets=_BOUNDS, registry=registry
        )
        self._reloads = Counter(
            "pdp_policy_reloads", "Reloads of the policies, by outcome.", ("outcome",), registry=registry
        )
        self._stale = Gauge(
            "pdp_policy_stale",
            "1 while the policies on disk cannot be used and the last good ones decide.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._loaded = Gauge(
            "pdp_policy_rules", "Rules that decide.", registry=registry, multiprocess_mode="livemax"
        )
        self._keys_read = Gauge(
            "pdp_keys_read_timestamp_seconds",
            "When the keys of an issuer or trust domain were last read, by the worker that is most behind.",
            ("of",),
            registry=registry,
            # Every worker says so each second: the most recent word is anybody's.
            multiprocess_mode="livemin",
        )
        self._keys_stale = Gauge(
            "pdp_keys_stale",
            "1 while the keys of an issuer or trust domain cannot be read again.",
            ("of",),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._signals = Counter(
            "pdp_signals",
            "Signals, by transmitter and what came of them.",
            ("transmitter", "outcome"),
            registry=registry,
        )
        self._sent = Counter(
            "pdp_signals_sent", "Signals to a receiver, and what came of them.", ("receiver", "outcome"),
            registry=registry,
        )  # fmt: skip
        self._silent = Gauge(
            "pdp_signals_silent",
            "1 while a transmitter is not heard for longer than it should.",
            ("transmitter",),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._alarms = Counter(
            "pdp_alarms", "Credentials used as nobody should, by kind.", ("kind",), registry=registry
        )
        self._log_lines = Counter(
            "pdp_decision_log_lines", "Lines of the decision log, by fate.", ("fate",), registry=registry
        )
        # Both exist from the start, so that an alert on a rate sees the first loss.
        for fate in ("written", "lost"):
            self._log_lines.labels(fate)
        self._by_outcome: Sums[tuple[str, str | None, tuple[str, ...]]] = Sums()
        self._by_failure: Sums[tuple[str, str]] = Sums()
        self._by_holder: Sums[tuple[str, str]] = Sums()
        self._holders: set[tuple[str, str]] = set()
        self._by_status: Sums[int] = Sums()
        self._by_bucket = [0] * (len(_BOUNDS) + 1)
        self._sum = 0.0

    def decided(self, answer: Answer) -> None:
        """Count one answer."""
        decision = answer.decision
        self._by_outcome[decision.decision, decision.code, decision.rules] += 1
        for failure in decision.failures:
            self._by_failure[failure.rule, failure.kind] += 1
        facts = answer.facts
        if facts is not None and facts.credential.get("standing"):
            self._stands(facts.credential.get("issuer", ""), facts.caller["id"])

    def _stands(self, issuer: str, caller: str) -> None:
        """Count a standing credential. Names come from outside: of too many, the rest count together."""
        holder = issuer, caller
        if holder not in self._holders:
            if len(self._holders) >= _HOLDERS:
                holder = _OTHERS
            self._holders.add(holder)
        self._by_holder[holder] += 1

    def keys(self, of: str, read: float | None, *, stale: bool) -> None:
        """When the keys of an issuer or trust domain were last read (epoch seconds), and whether they still
        can be."""
        if read is not None:
            self._keys_read.labels(of).set(read)
        self._keys_stale.labels(of).set(stale)

    def signal(self, transmitter: str, outcome: str) -> None:
        """Count one signal."""
        self._signals.labels(transmitter, outcome).inc()

    def sent(self, receiver: str, outcome: str) -> None:
        """Count one signal that was sent, or could not be."""
        self._sent.labels(receiver, outcome).inc()

    def silent(self, transmitter: str, silent: bool) -> None:
        """Whether a transmitter is not heard."""
        self._silent.labels(transmitter).set(silent)

    def alarm(self, kind: str) -> None:
        """Count one alarm."""
        self._alarms.labels(kind).inc()

    def took(self, seconds: float) -> None:
        """Count the time of one answer."""
        self._by_bucket[bisect_left(_BOUNDS, seconds)] += 1
        self._sum += seconds

    def refused(self, status: int) -> None:
        """Count one body that was no request."""
        self._by_status[status] += 1

    def loaded(self, rules: int) -> None:
        """The policies were loaded, and decide now."""
        self._reloads.labels("ok").inc()
        self._loaded.set(rules)
        self._stale.set(0)

    def kept(self) -> None:
        """The policies could not be loaded, and the last good ones stay."""
        self._reloads.labels("failed").inc()
        self._stale.set(1)

    def flush(self) -> None:
        """Carry the sums over."""
        outcomes, self._by_outcome = self._by_outcome, Sums()
        for (decision, code, rules), count in outcomes.items():
            self._decisions.labels(decision, code or "").inc(count)
            for rule in rules:
                self._rules.labels(rule).inc(count)
        failures, self._by_failure = self._by_failure, Sums()
        for (rule, kind), count in failures.items():
            self._failures.labels(rule, kind).inc(count)
        holders, self._by_holder = self._by_holder, Sums()
        for (issuer, caller), count in holders.items():
            self._standing.labels(issuer, caller).inc(count)
        statuses, self._by_status = self._by_status, Sums()
        for status, count in statuses.items():
            self._problems.labels(str(status)).inc(count)
        buckets, self._by_bucket = self._by_bucket, [0] * len(self._by_bucket)
        # `observe` takes one value at a time; its parts are the only way to add many.
        for bucket, count in zip(self._seconds._buckets, buckets, strict=True):
            if count:
                bucket.inc(count)
        total, self._sum = self._sum, 0.0
        self._seconds._sum.inc(total)
        written, lost = self._lost()
        self._log_lines.labels("written").inc(written - self._log_seen[0])
        self._log_lines.labels("lost").inc(lost - self._log_seen[1])
        self._log_seen = (written, lost)

    def exposition(self) -> bytes:
        """Everything counted so far, as Prometheus reads it."""
        self.flush()
        registry = self._registry
        if MULTIPROCESS in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library's
        return generate_latest(registry)
