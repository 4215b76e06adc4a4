"""What pdp claims about speed and size, each claim measured beside peers in the same run: one file per claim.

    decide    one decision in-process, beside Cedar, regorus and casbin
    growth    time, memory and loading from a hundred to a hundred thousand rules
    service   `/decide` over HTTP on one core, beside Cerbos, OPA and the ceiling that nginx sets
    load      from text to program: ten thousand rules cold, and one changed file among them
    evidence  tokens and proofs verified, over the bare signature checks, beside PyJWT and joserfc
    tokens    tokens exchanged, over the bare signatures; revoked, across processes; decided about, with a
              state of a million revocations

`python -m benchmarks.run` runs all of them. No peer is timed before it answered a sample as pdp does, and one
that is not to be had is named with the reason.
"""
