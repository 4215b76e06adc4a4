"""The certificates of a real certificate authority, while it runs and its own certificates change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.x509 import load_pem_x509_certificate

from pdp.evidence.evidence import Evidence
from pdp.evidence.refusals import (
    CERTIFICATE_EXPIRED,
    CERTIFICATE_INVALID,
    CERTIFICATE_NOT_TRUSTED,
    CERTIFICATE_UNTRUSTED,
    KEYS_STALE,
    SPIFFE_ID_INVALID,
    TRUST_DOMAIN_UNKNOWN,
    EvidenceError,
)
from pdp.evidence.spiffe import parse_bundle
from pdp.evidence.trust import Trust, TrustDomain
from pdp.evidence.verify import Presented, Verifier
from tests.evidence.certificate_authority import (
    CertificateAuthority,
    Domain,
    certificate_authority,
    escaped,
    forwarded,
    leaf,
)

NAME = "prod.example"
WORKLOAD = f"spiffe://{NAME}/ns/payments/sa/api"
AUDIENCE = "ledger"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CertificateAuthority]:
    with certificate_authority(tmp_path_factory.mktemp("ca")) as made:
        yield made


@pytest.fixture
def domain(authority: CertificateAuthority) -> Domain:
    return authority.domain(NAME)


class Believer:
    """Who believes trust domains, each by its own bundle, and has read those."""

    def __init__(self, *domains: Domain) -> None:
        self._verifier = Verifier(
            Trust(domains={domain.name: TrustDomain(domain.name) for domain in domains})
        )
        for domain in domains:
            self.read(domain.name, domain.bundle())

    def read(self, domain: str, bundle: bytes, believed: timedelta = timedelta(days=30)) -> None:
        until = (datetime.now(UTC) + believed).timestamp()
        self._verifier.replace(self._verifier.trust.with_bundle(domain, parse_bundle(bundle, until)))

    def verify(self, presented: Presented, after: timedelta = timedelta()) -> Evidence:
        return self._verifier.verify(presented, AUDIENCE, datetime.now(UTC) + after)

    def refusal(self, presented: Presented, after: timedelta = timedelta()) -> str:
        with pytest.raises(EvidenceError) as refused:
            self.verify(presented, after)
        return refused.value.code


def shown(chain: str) -> Presented:
    return Presented(certificate=chain, forwards=True)


def told(chain: str, **values: str) -> Presented:
    return Presented(xfcc=forwarded(chain, **values), forwards=True)


@pytest.mark.parametrize("present", [shown, told])
def test_a_certificate_is_evidence_of_the_workload_it_names(present: type[Presented], domain: Domain) -> None:
    found = Believer(domain).verify(present(domain.issue(WORKLOAD)))
    assert found.caller == {"id": WORKLOAD, "kind": "workload"}
    assert (found.form, found.binding, found.bound) == ("x509_svid", "mtls", True)


def test_certificates_from_before_and_after_a_new_intermediate_are_believed(domain: Domain) -> None:
    believer, before = Believer(domain), domain.issue(WORKLOAD)
    domain.new_intermediate()
    for chain in (before, domain.issue(WORKLOAD)):
        believer.verify(shown(chain))


def test_a_new_root_refuses_nobody_when_it_was_in_the_bundle_before(domain: Domain) -> None:
    believer, before = Believer(domain), domain.issue(WORKLOAD)
    domain.add_root()
    believer.read(domain.name, domain.bundle())
    domain.new_intermediate()
    for chain in (before, domain.issue(WORKLOAD)):
        believer.verify(shown(chain))


def test_a_new_root_is_not_believed_before_it_is_in_the_bundle(domain: Domain) -> None:
    believer = Believer(domain)
    domain.add_root()
    domain.new_intermediate()
    chain = domain.issue(WORKLOAD)
    assert believer.refusal(shown(chain)) == CERTIFICATE_UNTRUSTED
    believer.read(domain.name, domain.bundle())
    believer.verify(shown(chain))


def test_a_certificate_is_refused_once_its_root_is_no_more_in_the_bundle(domain: Domain) -> None:
    believer, chain = Believer(domain), domain.issue(WORKLOAD)
    domain.add_root()
    believer.verify(shown(chain))
    believer.read(domain.name, domain.bundle(domain.roots[1:]))
    assert believer.refusal(shown(chain)) == CERTIFICATE_UNTRUSTED
    assert believer.refusal(told(chain)) == CERTIFICATE_UNTRUSTED


def test_a_certificate_ends_in_its_time(domain: Domain) -> None:
    believer, chain = Believer(domain), domain.issue(WORKLOAD, lifetime="1h")
    believer.verify(shown(chain), after=timedelta(minutes=59))
    assert believer.refusal(shown(chain), after=timedelta(minutes=61)) == CERTIFICATE_EXPIRED


def test_a_bundle_that_is_not_read_again_ends_what_is_believed_but_no_certificate(domain: Domain) -> None:
    believer, chain = Believer(domain), domain.issue(WORKLOAD, lifetime="1h")
    believer.read(domain.name, domain.bundle(), believed=timedelta(minutes=10))
    ends = load_pem_x509_certificate(chain.encode()).not_valid_after_utc.timestamp()
    assert believer.verify(shown(chain)).expires == ends
    assert believer.refusal(shown(chain), after=timedelta(minutes=11)) == KEYS_STALE


def test_a_certificate_ends_with_the_intermediate_that_issued_it(domain: Domain) -> None:
    domain.new_intermediate(ttl="30m")
    believer, chain = Believer(domain), domain.issue(WORKLOAD, lifetime="1h")
    believer.verify(shown(chain))
    assert believer.refusal(shown(chain), after=timedelta(minutes=31)) == CERTIFICATE_UNTRUSTED
    assert believer.refusal(told(chain), after=timedelta(minutes=31)) == CERTIFICATE_UNTRUSTED


def test_a_certificate_without_the_intermediate_leads_to_no_root(domain: Domain) -> None:
    believer, chain = Believer(domain), domain.issue(WORKLOAD)
    assert believer.refusal(shown(leaf(chain))) == CERTIFICATE_UNTRUSTED


def test_nobody_else_issues_for_a_trust_domain(authority: CertificateAuthority, domain: Domain) -> None:
    stranger, neighbour = authority.domain(NAME), authority.domain("other.example")
    believer = Believer(domain, neighbour)
    believer.verify(shown(neighbour.issue("spiffe://other.example/sa/api")))
    for impostor in (stranger, neighbour):
        assert believer.refusal(shown(impostor.issue(WORKLOAD))) == CERTIFICATE_UNTRUSTED
    unheard = stranger.issue("spiffe://unheard.example/sa/api")
    assert believer.refusal(shown(unheard)) == TRUST_DOMAIN_UNKNOWN


def test_an_authority_is_no_workload(domain: Domain) -> None:
    believer, chain = Believer(domain), domain.issue(WORKLOAD)
    assert believer.refusal(shown(chain.removeprefix(leaf(chain)))) == CERTIFICATE_INVALID


@pytest.mark.parametrize(
    ("identities", "code"),
    [
        ((WORKLOAD, f"spiffe://{NAME}/ns/payments/sa/admin"), CERTIFICATE_INVALID),
        ((f"spiffe://{NAME}",), SPIFFE_ID_INVALID),
        ((f"spiffe://{NAME}/ns/../admin",), SPIFFE_ID_INVALID),
        ((f"spiffe://{NAME.upper()}/ns/payments/sa/api",), SPIFFE_ID_INVALID),
        ((f"{WORKLOAD}?admin",), SPIFFE_ID_INVALID),
    ],
)
def test_a_name_that_is_no_workloads_is_refused_though_the_authority_signed_it(
    identities: tuple[str, ...], code: str, domain: Domain
) -> None:
    assert Believer(domain).refusal(shown(domain.issue(*identities))) == code


def test_a_proxy_is_believed_about_its_client_only_where_it_is_trusted_to_be(domain: Domain) -> None:
    believer, chain, other = Believer(domain), domain.issue(WORKLOAD), domain.issue(f"{WORKLOAD}-2")
    assert believer.refusal(Presented(xfcc=forwarded(chain))) == CERTIFICATE_NOT_TRUSTED
    assert believer.refusal(told(chain, Chain=escaped(other))) == CERTIFICATE_INVALID
    assert believer.refusal(told(chain, URI=f"{WORKLOAD}-2")) == CERTIFICATE_INVALID
