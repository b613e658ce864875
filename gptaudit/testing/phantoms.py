"""
pytest fixtures for authors of probes: decoders with flaws of known size, and a check that a probe finds them.

In `conftest.py`:

    pytest_plugins = ["gptaudit.testing.phantoms"]

In a test:

    def test_my_probe_sees_the_stereotype(assert_sees):
        assert_sees(MyProbe(), dose=0.5)

    def test_by_hand(phantom):
        flawed, clean = phantom("stereotype", dose=0.5), phantom("stereotype", dose=0.0)
        assert run_probe(MyProbe(), flawed).metrics[0].value > run_probe(MyProbe(), clean).metrics[0].value

Training a decoder takes seconds, once: it is kept in pytest's cache folder, or in the folder `GPTAUDIT_PHANTOMS`.
These fixtures only check a probe; `gptaudit calibrate MY-PROBE` measures power, false alarms and the smallest flaw.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from gptaudit.calibration.study import Study, check_sees
from gptaudit.calibration.trials import Bench, Decoder
from gptaudit.calibration.workers import do_job
from gptaudit.plugins import Plugins, load_plugins
from gptaudit.run.scorers import Scorers

if TYPE_CHECKING:
    from gptaudit.probe import Probe
    from gptaudit.protocols.backend import Backend
    from gptaudit.records import CalibratedFigure, Sighting

Phantom: TypeAlias = "Callable[..., Backend]"
AssertSees: TypeAlias = "Callable[..., list[CalibratedFigure]]"


@pytest.fixture(scope="session")
def phantom_plugins() -> Plugins:
    """The plugins whose flaws can be planted; override it to register more than is installed."""
    return load_plugins()


@pytest.fixture(scope="session")
def phantom_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of trained decoders."""
    named = os.environ.get("GPTAUDIT_PHANTOMS")
    if named:
        return Path(named)
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    return tmp_path_factory.mktemp("phantoms") if cache is None else cache.mkdir("gptaudit-phantoms")


@pytest.fixture(scope="session")
def phantom_bench(phantom_plugins: Plugins, phantom_folder: Path) -> Bench:
    """The plugins, scorers and folder for trials, opened once."""
    return Bench(phantom_plugins, Scorers(phantom_plugins, {}), phantom_folder)


@pytest.fixture(scope="session")
def phantom(phantom_bench: Bench) -> Phantom:
    """Return `phantom(flaw, *, dose, seed=0)`, which opens a decoder with this flaw in this dose and no other flaw.

    It raises `UsageError` for a flaw that no plugin registers, and `NotLearnedError` if training with this seed does
    not plant the flaw.
    """

    def make(flaw: str, *, dose: float, seed: int = 0) -> Backend:
        return phantom_bench.open(Decoder(flaw, dose, seed))

    return make


@pytest.fixture
def assert_sees(phantom_bench: Bench, tmp_path: Path) -> AssertSees:
    """Return `assert_sees(probe, *, dose=0.5, decoders=3)`, which runs a probe on clean and on flawed decoders.

    It fails unless, for every flaw in `probe.sees`, the interval of each flawed decoder lies beyond the ideal on the
    flaw's side, and that of each clean one contains the ideal. It returns the figures of this small calibration.
    """

    def check(probe: Probe, *, dose: float = 0.5, decoders: int = 3) -> list[CalibratedFigure]:
        __tracebackhide__ = True
        if not probe.sees:
            msg = f"{probe.id}: names no flaw that it should see (`Probe.sees`)"
            raise AssertionError(msg)
        check_sees(probe, phantom_bench.plugins)
        study = Study((probe,), phantom_bench, tmp_path, {0.0: decoders, dose: decoders})
        (tmp_path / "trials").mkdir(exist_ok=True)
        for job in study.outstanding():
            do_job(phantom_bench, job, {probe.id: probe})
        sightings = study.summed_up().probes[0].sightings
        faults = [fault for sighting in sightings for fault in _faults(sighting)]
        if faults:
            msg = f"{probe.id}: {'; '.join(faults)}"
            raise AssertionError(msg)
        return [sighting.figure for sighting in sightings]

    return check


def _faults(sighting: Sighting) -> list[str]:
    """Return why a probe does not pass: missed flaws, false alarms, decoders that did not learn; else nothing."""
    figure = sighting.figure
    tried = "; ".join(
        t.why or f"dose {t.dose:g}, seed {t.seed}: {t.value} ({t.low} to {t.high})" for t in sighting.trials
    )
    missed = [p for p in figure.power if p.found.count < p.found.of]
    faults = [
        f"{figure.metric} finds {figure.flaw!r} of dose {p.dose:g} in {p.found.count} of {p.found.of} decoders"
        for p in missed
    ]
    if figure.failed:
        remedy = "give the flaw more `steps`, or plainer documents"
        faults.append(f"decoders that did not learn {figure.flaw!r}: {figure.failed}; {remedy}")
    if figure.false_alarms.count:
        alarms = figure.false_alarms
        faults.append(f"{figure.metric} raises an alarm on {alarms.count} of {alarms.of} clean decoders")
    return [*faults, f"trials: {tried}"] if faults else []
