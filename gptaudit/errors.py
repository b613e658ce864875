"""
Every error a user may see.

    GptauditError                 has a message for the user; the command line prints it and exits 2
    ├── UsageError                an argument, option or output folder cannot be used
    ├── TargetError               the model under audit cannot be opened
    │   └── TargetFailedError     the model is there and does not answer; exits 4
    ├── DataError                 a data set, suite or results file is missing or malformed
    ├── NothingToAskError         a probe has no case for this audit, and is skipped
    ├── PolicyError               a policy file is malformed, or asks for what the results lack
    ├── PluginError               a plugin cannot be loaded, or two plugins clash
    ├── ScorerError               a scorer's model cannot be loaded
    └── BackendError              the model did not answer a call; the engine turns it into a `Failure`
        └── BackendLostError      the model can be asked nothing more; the audit ends early and is partial

    PluginCallError               a call of a plugin failed; costs the audit what the call was for, and nothing else
    Terminated                    SIGTERM, as CI sends it to cancel a job; handled as Ctrl-C is

Anything else that is raised is a bug: its traceback is kept in the run folder and the command exits 70.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import ClassVar

LONGEST_MESSAGE = 2000
LONGEST_END = 500
"""Characters of a message, which begins with the place and ends with the remedy."""


class ExitCode(IntEnum):
    """What the process returns; scripts rely on these numbers."""

    PASS = 0
    """The audit completed and, where a policy was given, passed."""
    FAIL = 1
    """The gate failed: evidence that a limit is exceeded."""
    USAGE = 2
    """Bad argument, file, policy, plugin or target."""
    INCONCLUSIVE = 3
    """Complete, but the intervals do not decide."""
    INCOMPLETE = 4
    """Too little was scored; nothing may be concluded."""
    BUG = 70
    """A bug in gptaudit or a plugin."""
    INTERRUPTED = 130
    """Interrupted (SIGINT); answers are kept and reported, and the run can be resumed."""
    TERMINATED = 143
    """Interrupted (SIGTERM), likewise."""


class Finished(Exception):  # noqa: N818 - it is the ordinary end of a command, not an error
    """Ends a command with a code that scripts rely on."""

    def __init__(self, code: ExitCode) -> None:
        super().__init__(code)
        self.code = code


def first_line(error: BaseException) -> str:
    """Return what an error of another library says, without the pages that may follow."""
    return (str(error).strip() or "no message").splitlines()[0]


@contextmanager
def no_panic() -> Iterator[None]:
    """Turn a panic of a library in Rust, which is no `Exception`, into a `RuntimeError`.

    tokenizers panics at some files that are damaged; its class cannot be imported.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(first_line(error)) from None


class Terminated(KeyboardInterrupt):
    """SIGTERM: the process is asked to end."""


class GptauditError(Exception):
    """Something the user can fix; the message says what, where and how."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE

    def __str__(self) -> str:
        """Return the message; of one that quotes a long text, its beginning and its end."""
        said = super().__str__()
        if len(said) <= LONGEST_MESSAGE:
            return said
        return f"{said[: LONGEST_MESSAGE - LONGEST_END]} [...] {said[-LONGEST_END:]}"


class UsageError(GptauditError):
    """An argument, option or output folder cannot be used."""


class TargetError(GptauditError):
    """The model under audit cannot be opened."""


class TargetFailedError(TargetError):
    """The model is there and does not answer: nothing is wrong with the call, and nothing was audited."""

    exit_code: ClassVar[ExitCode] = ExitCode.INCOMPLETE


class DataError(GptauditError):
    """A data set, suite or results file is missing or malformed."""


class NothingToAskError(GptauditError):
    """A probe has no case for this audit: it is skipped, and the message says why."""


class PolicyError(GptauditError):
    """A policy file is malformed, or asks for what the results lack."""


class PluginError(GptauditError):
    """A plugin cannot be loaded, or two plugins clash."""


class ScorerError(GptauditError):
    """A scorer's model cannot be loaded."""


class BackendError(GptauditError):
    """The model did not answer a call; the engine turns it into a `Failure` of the requests concerned."""


class BackendLostError(BackendError):
    """The model can be asked nothing more: the server is gone, or refuses the key. What was answered is kept."""


class PluginCallError(Exception):
    """A call of a plugin raised, or returned what it must not; the cause is what it raised."""

    def __init__(self, call: str, error: BaseException, *, plugin: str = "", case: str | None = None) -> None:
        super().__init__(f"{call}: {type(error).__name__}: {error}")
        self.call = call
        self.error = error
        self.plugin = plugin
        """Name of the plugin; empty where it is the one that registered the probe."""
        self.case = case


@contextmanager
def plugin_call(call: str, *, plugin: str = "", case: str | None = None) -> Iterator[None]:
    """Turn what a plugin raises inside into a `PluginCallError`; what the user can fix, and signals, pass through."""
    try:
        yield
    except (GptauditError, PluginCallError):
        raise
    except (Exception, SystemExit) as error:
        raise PluginCallError(call, error, plugin=plugin, case=case) from error
