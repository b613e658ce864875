"""Calibration studies on scripted decoders with known noise: results, resuming, choice of probes."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
import toy_flaw
from toy_flaw import Rain

from gptaudit.calibration.phantom import NotLearnedError
from gptaudit.calibration.recipe import SHAPES
from gptaudit.calibration.study import Study, seeing_probes, with_data
from gptaudit.calibration.trials import Bench
from gptaudit.calibration.workers import do_job
from gptaudit.data.datasets import DataNotGivenError
from gptaudit.errors import UsageError
from gptaudit.markers import hookimpl
from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext, Scored, Sees
from gptaudit.records import PlantedFlaw
from gptaudit.run.scorers import Scorers
from gptaudit.testing import ScriptedBackend

PLAN = {0.0: 4, 0.5: 3, 1.0: 3}
CASES = 60


class Weather(toy_flaw.Weather):
    times = CASES


class Blind(Weather):
    """Declares the same flaw, but cannot detect it."""

    id = "blind"

    def measure(self, answered):
        return Scored({"rain_rate": 0.0})


@dataclass(frozen=True, slots=True)
class ScriptedBench(Bench):
    """Decoders that say rain with the planted probability over their layers; that of dose 1, seed 2, did not learn."""

    def open(self, decoder):
        if (decoder.dose, decoder.seed) == (1.0, 2):
            raise NotLearnedError("rain", dose=1.0, seed=2, planted=1.0, learned=0.4, within=0.05)
        rng = random.Random(f"{decoder}")
        rate = decoder.dose / decoder.shape.layers
        backend = ScriptedBackend(
            complete=lambda prompt, sample: " rain" if rng.random() < rate else " sun",
            fingerprint=str(decoder),
        )
        backend.planted = (
            PlantedFlaw("rain", decoder.dose, "weather.rain_rate", decoder.dose, decoder.dose),
        )
        return backend


class Offered:
    @hookimpl
    def gptaudit_register_flaws(self, register):
        register(Rain())

    @hookimpl
    def gptaudit_register_probes(self, register):
        register(Weather())
        register(Blind())


@pytest.fixture
def plugins():
    found = load_plugins()
    found.manager.register(Offered(), "offered")
    return found


@pytest.fixture
def study(plugins, tmp_path):
    def make(*probes, **settings):
        (tmp_path / "trials").mkdir(exist_ok=True)
        bench = ScriptedBench(plugins, Scorers(plugins, {}), tmp_path / "decoders")
        return Study(probes or (Weather(), Blind()), bench, tmp_path, PLAN, **settings)

    return make


def by_id(study):
    return {probe.id: probe for probe in study.probes}


def done(study):
    """Do all outstanding jobs; return their number."""
    jobs = study.outstanding()
    study.wait_for((do_job(study.bench, job, by_id(study)) for job in jobs), len(jobs))
    return len(jobs)


class TestFindings:
    def test_a_seeing_probe_and_a_blind_one(self, study):
        """One finds every flaw and recovers the planted rate; the other finds none and has slope 0."""
        whole = study()
        done(whole)
        seeing, blind = (probe.sightings[0].figure for probe in whole.summed_up().probes)

        assert seeing.slope.value == pytest.approx(1, abs=0.1)
        assert [(p.dose, p.found.count, p.found.of) for p in seeing.power] == [(0.5, 3, 3), (1.0, 2, 2)]
        assert (seeing.false_alarms.count, seeing.false_alarms.of, seeing.cases) == (0, 4, CASES)
        assert blind.slope.value == 0
        assert [p.found.count for p in blind.power] == [0, 0]

    def test_a_decoder_that_did_not_learn_is_counted_and_named(self, study):
        """It is among the trials with its reason and learned rate, and counts only in `failed`."""
        whole = study()
        done(whole)
        sighting = whole.summed_up().probes[0].sightings[0]
        (failed,) = [t for t in sighting.trials if t.failed]

        assert (sighting.figure.failed, sighting.figure.decoders) == (1, 9)
        assert (failed.dose, failed.seed, failed.learned, failed.value) == (1.0, 2, 0.4, None)
        assert "within" in failed.why

    def test_probes_of_one_flaw_share_decoders(self, study):
        """Two probes of the same flaw are tried on the same decoders."""
        assert len(study().jobs) == sum(PLAN.values())
        assert all(len(job.probes) == 2 for job in study().jobs)

    def test_the_figures_of_two_shapes_stand_apart(self, study):
        """A second shape adds its decoders to those that are kept, and has a slope of its own."""
        done(study(Weather()))
        both = study(Weather(), shapes=tuple(SHAPES.values()))

        assert done(both) == sum(PLAN.values())
        small, large = (sighting.figure for sighting in both.summed_up().probes[0].sightings)
        assert [(f.shape.layers, f.shape.width, f.decoders) for f in (small, large)] == [
            (1, 64, 9),
            (4, 128, 9),
        ]
        assert small == study(Weather()).summed_up().probes[0].sightings[0].figure
        assert [small.slope.value, large.slope.value] == pytest.approx([1, 1 / 4], abs=0.1)


class TestResuming:
    def test_what_is_kept_is_not_done_again(self, study):
        """An interrupted study continues with the missing jobs, and gives the same figures as a complete one."""
        first = study()
        for job in first.outstanding()[:4]:
            do_job(first.bench, job, by_id(first))

        assert done(study()) == sum(PLAN.values()) - 4
        assert done(study()) == 0
        assert study().summed_up().probes == first.summed_up().probes

    def test_a_changed_probe_is_tried_again(self, study):
        """A new version of one probe is tried on all decoders, the other probe on none."""
        done(study())
        changed = Weather()
        changed.version = "2"
        again = study(changed, Blind())

        assert {name for job in again.outstanding() for name, _ in job.probes} == {"weather"}
        assert len(again.outstanding()) == sum(PLAN.values())

    def test_a_changed_flaw_is_tried_again(self, study, plugins, monkeypatch):
        """Other documents give other decoders."""
        done(study())
        flaw = Rain(sky="heaven")
        monkeypatch.setitem(plugins.registered("flaws"), "rain", (flaw, "offered"))

        assert len(study().outstanding()) == sum(PLAN.values())

    def test_a_damaged_trial_is_tried_again(self, study):
        """A truncated file counts as missing."""
        whole = study()
        done(whole)
        file = whole.jobs[0].probes[0][1]
        file.write_text(file.read_text()[:50])

        assert len(study().outstanding()) == 1


class TestChoosing:
    def test_a_probe_that_sees_nothing(self, plugins):
        """It is named, with those that can be calibrated."""
        with pytest.raises(UsageError, match=r"crows-pairs: declares no flaw.*weather"):
            seeing_probes(plugins, ["crows-pairs"])

    def test_an_unknown_probe(self, plugins):
        """The nearest name is offered."""
        with pytest.raises(UsageError, match=r"wether: no such probe. Did you mean 'weather'"):
            seeing_probes(plugins, ["wether"])

    @pytest.mark.parametrize("attack", ["rot13", "insisting"])
    def test_a_probe_under_an_attack(self, plugins, attack):
        """It is calibrated where the attack declares a flaw, on that flaw and not on the one of the plain probe."""
        plain, attacked = seeing_probes(plugins, ["harmful-requests", f"harmful-requests+{attack}"])

        assert [sees.flaw for sees in plain.sees] == ["refusal"]
        assert [(sees.flaw, sees.metric) for sees in attacked.sees] == [(f"refusal-{attack}", "lift")]
        with pytest.raises(UsageError, match=r"harmful-requests\+base64: no such probe"):
            seeing_probes(plugins, ["harmful-requests+base64"])

    @pytest.mark.parametrize(
        ("sees", "named"),
        [
            (Sees("snow", "rain_rate"), "'snow', which no plugin registers"),
            (Sees("rain", "x"), "not one of its metrics"),
        ],
    )
    def test_a_probe_that_names_what_is_not_there(self, plugins, monkeypatch, sees, named):
        """A flaw or a metric that does not exist is an error, not a probe that finds nothing."""
        monkeypatch.setattr(Weather, "sees", (sees,))
        with pytest.raises(UsageError, match=named):
            seeing_probes(plugins, ["weather"])

    def test_missing_data(self):
        """A probe without its data is skipped with the reason, or an error if it was named."""

        class Needy(Weather):
            def source(self, context: ProbeContext):
                msg = "needs the data set x"
                raise DataNotGivenError(msg)

        probes = [Needy(), Weather()]
        ready, reasons = with_data(probes, None, named=False)

        assert ready == probes[1:]
        assert reasons == ["weather: needs the data set x"]
        with pytest.raises(DataNotGivenError):
            with_data(probes, None, named=True)
