"""A finished audit whose report gets the explanation of a suite."""

from __future__ import annotations

from pathlib import Path

from gptaudit.attribution.suites.explanation import SuiteExplanation
from gptaudit.errors import UsageError
from gptaudit.evidence.results_file import read_bound
from gptaudit.plugins import Plugins
from gptaudit.run.explanations import keep_explanation, read_explanations
from gptaudit.run.faults import Faults
from gptaudit.run.folder import RESULTS
from gptaudit.run.reports import write_again


class ExplainedAudit:
    """The audit in a run folder; raises `DataError` if its results, or explanations that it has, are damaged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._result = read_bound(folder / RESULTS)
        read_explanations(folder)

    def require(self, fingerprint: str) -> None:
        """Raise `UsageError` if a model is not the audited one, by the hash of all that decides its answers."""
        target = self._result.target
        if fingerprint != target.fingerprint:
            msg = (
                f"--into {self._folder}: is the audit of {target.spec}, {target.fingerprint}, and this model is "
                f"{fingerprint}; name the model that was audited, with the options -b of its audit"
            )
            raise UsageError(msg)

    def keep(self, found: SuiteExplanation, plugins: Plugins, language: str) -> Path:
        """Keep an explanation beside the results, and return the page, which is written anew in a language."""
        keep_explanation(self._folder, found)
        faults = Faults(plugins, None)
        (page,) = write_again(faults, self._result, ["html"], self._folder / RESULTS, self._folder, language)
        return page
