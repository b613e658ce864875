"""Settings of an audit, after the checks that need no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gptaudit.errors import UsageError
from gptaudit.gate.policy import Policy, load_policy
from gptaudit.language import ENGLISH
from gptaudit.plugins import Plugins
from gptaudit.run.folder import default_folder
from gptaudit.run.probe_file import with_probe_files
from gptaudit.run.reports import choose_reporters


@dataclass(frozen=True, slots=True)
class Settings:
    """All that decides an audit."""

    target: str
    folder: Path
    suites: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()
    """Names of attacks, or `all`: each is tried on every probe that can be attacked."""
    options: Mapping[str, str] = field(default_factory=dict)
    scorers: Mapping[str, str] = field(default_factory=dict)
    probe_options: Mapping[str, str] = field(default_factory=dict)
    """`PROBE.OPTION` -> value."""
    data: Path | None = None
    secrets: Path | None = None
    """A file of texts that nothing may keep; see `gptaudit.probes.secret_file`."""
    limit: int | None = None
    elicited: bool = False
    """Whether probes that compare likelihoods ask questions with lettered options instead, where they can."""
    seed: int = 0
    engine: str = "local"
    max_requests: int | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    policy: Policy | None = None
    until: Literal["decided", "all"] | None = None
    """Whether to stop asking as soon as every rule is decided, or once all cases are asked; None as the policy says."""
    baseline: Path | None = None
    cache: Path | None = None
    reports: tuple[str, ...] = ()
    lang: str = ENGLISH
    """Language of the reports and the decision, of `gptaudit.language.LANGUAGES`."""
    fresh: bool = False
    command: tuple[str, ...] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)
    """Which file held some of this, and its sha256: recorded, and of no effect."""

    @property
    def until_decided(self) -> bool:
        """Whether the audit stops as soon as every rule is decided."""
        by_policy = self.policy is not None and self.policy.stop is not None
        return self.until == "decided" or (self.until is None and by_policy)


def checked_settings(
    plugins: Plugins,
    target: str,
    *,
    output: Path | None,
    policy: str | None,
    reports: Sequence[str],
    data: Path | None,
    probes: Sequence[str] = (),
    without: Sequence[str] = (),
    **given: Any,  # noqa: ANN401 - the other settings, by name
) -> Settings:
    """Return the settings of an audit; leave out the plugins in `without`, and load the files among the `probes`.

    Raises:
        UsageError: there is no report or plugin of that name, or no such folder of data, or a file of probes that
            cannot be run.
        PluginError: a plugin that is not left out could not be loaded.
        PolicyError: the policy is missing or malformed.
    """
    plugins.disable(without, "[plugins] disable")
    plugins.require_sound()
    probes = with_probe_files(plugins, probes)
    choose_reporters(plugins, reports)
    if data is not None and not data.is_dir():
        msg = f"--data {data}: no such folder"
        raise UsageError(msg)
    return Settings(
        target,
        output or default_folder(target),
        probes=probes,
        policy=None if policy is None else load_policy(policy),
        reports=("html", *reports),
        data=data,
        **given,
    )
