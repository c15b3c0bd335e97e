"""A target that keeps deployments for the next scenario that wants the same."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import ExitStack
from typing import Generic, TypeVar

from support.deployment import Deployment, Target
from support.errors import Unavailable
from support.kept_deployment import KeptDeployment
from support.spec import DeploymentSpec

IDLE = 2
"""Deployments that wait in the pool at most; the least recently used one goes."""
Kept = TypeVar("Kept", bound=KeptDeployment)


class PooledTarget(Target, Generic[Kept]):
    """Makes what is not there, and ends what is no longer as good as new."""

    def __init__(self, *, fresh: bool) -> None:
        """fresh: a new deployment for every scenario."""
        self._fresh = fresh
        self._idle: list[Kept] = []
        self._busy: list[Kept] = []

    @abstractmethod
    def _new(self, spec: DeploymentSpec) -> Kept:
        """One that starts; nothing of it is left when it cannot be made."""

    def deployment(self, spec: DeploymentSpec) -> Deployment:
        reason = self.unavailable(spec)
        if reason:
            raise Unavailable(reason)
        chosen = self._pooled(spec) or self._made_ready(spec)
        self._busy.append(chosen)
        return chosen

    def release(self, deployment: Deployment, *, reuse: bool = True) -> None:
        (released,) = [one for one in self._busy if one is deployment]
        self._busy.remove(released)
        if not reuse or self._fresh or released.ailments():
            released.close()
            return
        self._idle.append(released)
        for surplus in self._idle[:-IDLE]:
            self._idle.remove(surplus)
            surplus.close()

    def close(self) -> None:
        with ExitStack() as closing:  # one that cannot be ended keeps none of the others up
            for deployment in [*self._busy, *self._idle]:
                closing.callback(deployment.close)
            self._busy, self._idle = [], []

    def _pooled(self, spec: DeploymentSpec) -> Kept | None:
        for deployment in [one for one in self._idle if one.spec == spec]:
            self._idle.remove(deployment)
            if not deployment.ailments():
                deployment.forget()
                return deployment
            deployment.close()
        return None

    def _made_ready(self, spec: DeploymentSpec) -> Kept:
        """A new one; nothing of it is left when it cannot be made ready."""
        deployment = self._new(spec)
        try:
            deployment.ready()
        except BaseException:
            deployment.close()
            raise
        return deployment
