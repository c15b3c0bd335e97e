"""As `tests.broken`, with an injection service that does something else than it is asked for:

python -m tests.broken_hardware always-slight -n "A worker whose GPU is throttled slightly" -D log_dir=/tmp/broken
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

from support.injection import Injected, InjectionService
from tests.broken import BREAKS, main


@contextmanager
def always_slight() -> Iterator[None]:
    """Whatever is asked for, the strain is slight."""
    strain = InjectionService.strain_gpu

    def slight(service: InjectionService, pod: str, kind: str, severity: str, *, seconds: float) -> Injected:
        return strain(service, pod, kind, "LOW", seconds=seconds)

    with patch.object(InjectionService, "strain_gpu", slight):
        yield


@contextmanager
def lasts_longer() -> Iterator[None]:
    """However soon a strain is to end, it ends after two minutes."""
    strain = InjectionService.strain_gpu

    def longer(service: InjectionService, pod: str, kind: str, severity: str, *, seconds: float) -> Injected:
        return strain(service, pod, kind, severity, seconds=120)

    with patch.object(InjectionService, "strain_gpu", longer):
        yield


@contextmanager
def reports_another() -> Iterator[None]:
    """Whichever XID is asked for, it is 43."""
    report = InjectionService.report_xid

    def another(service: InjectionService, code: int, pod: str, **how: Any) -> Injected:
        return report(service, 43, pod, **how)

    with patch.object(InjectionService, "report_xid", another):
        yield


BREAKS |= {
    "always-slight": always_slight,
    "lasts-longer": lasts_longer,
    "reports-another": reports_another,
    "recovers-nothing": partial(patch.object, InjectionService, "recover", InjectionService.fault),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
