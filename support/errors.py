"""What can go wrong, by whose doing.

    AssertionError            Dynamo broke a promise: the scenario *failed*
    ├── NotWithin             ... because something did not happen before its deadline
    └── WrongAnswer           ... because an answer that completed is not what it should be

    SpecsError                anything else: the scenario is an *error*, the run ends with status 2
    ├── UsageError            the user asked for something that does not exist or contradicts itself
    ├── Unavailable           this machine, target or version cannot do what was asked
    ├── DeploymentError       the deployment under test did not start, or is not what its spec says
    │   └── Silent            ... because a part of it does not tell what it was asked; who waits asks again
    └── FaultError            a fault did not happen, or could not be taken back
        └── TooBusy           ... or this machine was too busy to tell whether a promise of times was kept

    LeftOut                   no error: what the scenario needs is not here, so the rest of it is left out, and says so

Every message is one sentence that names the thing and says what to do.
"""

from __future__ import annotations


class SpecsError(Exception):
    """Base of every error of our own; never raised itself."""


class UsageError(SpecsError):
    """The user did something wrong: an unknown key, tag, backend or version, a malformed value."""


class Unavailable(SpecsError):
    """What was asked cannot be done here; the message says why and how to get it."""


class DeploymentError(SpecsError):
    """The deployment under test did not become, or is no longer, what its spec says."""


class Silent(DeploymentError, ConnectionError):
    """A part of the deployment does not tell what it was asked. A ConnectionError too: a wait takes it as "not yet"."""


class FaultError(SpecsError):
    """A fault did not have its effect, or could not be taken back: no promise can be judged."""


class TooBusy(FaultError):
    """This machine was too busy to tell whether a promise of times was kept."""


class NotWithin(AssertionError):
    """What was promised did not happen before its deadline; says what was seen last."""


class WrongAnswer(AssertionError):
    """An answer that completed is not what it should be: no defect that is met by chance explains that."""


class LeftOut(Exception):
    """A step ends its scenario: what it needs is not here. `support.hooks` makes it a skip with this reason."""
