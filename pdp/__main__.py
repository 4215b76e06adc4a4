"""`python -m pdp` is `pdp`."""

from __future__ import annotations

from pdp.cli.main import main

main()
