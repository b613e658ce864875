"""An explanation of a suite with every part, for tests of what is shown and kept."""

from __future__ import annotations

from gptaudit.attribution.orders import Curve
from gptaudit.attribution.suites.explanation import (
    CurvePoint,
    Estimated,
    Faithfulness,
    HeadEffect,
    HeadPart,
    Mediated,
    MediationPart,
    Proof,
    SlotScore,
    Stability,
    SuiteExplanation,
    TokenPart,
)


def estimated(value: float) -> Estimated:
    """Return a figure whose interval is as wide as its value."""
    return Estimated(value, value - 0.5, value + 0.5, 10, 10)


def suite_explanation(
    fingerprint: str, probe: str = "gender-occupation", word: str = "first word"
) -> SuiteExplanation:
    """Return the explanation of a model of two layers with two heads, of which 0.1 carries the difference."""
    points = tuple(
        CurvePoint(
            k=k,
            heads=("0.1", "1.0")[:k],
            gap=estimated(2.0 if k == 0 else 0.1),
            removed=None if k == 0 else estimated(0.95),
            at_random=() if k == 0 else (1.9, 2.1),
            whole=estimated(2.0),
            fact=estimated(2.5 if k == 0 else 2.4),
            fact_removed=None if k == 0 else Estimated(0.04, 0.0, 0.08, 10, 10),
            unrelated=estimated(0.3),
            perplexity=40.0 + k,
        )
        for k in (0, 1, 2)
    )
    both = Mediated("all heads", estimated(3.0), estimated(0.1))
    return SuiteExplanation(
        probe=probe,
        title="Gender and occupation" if probe == "gender-occupation" else probe,
        axis="gender",
        slot="term",
        fingerprint=fingerprint,
        seed=0,
        cases=40,
        items=20,
        left_out={},
        gap=estimated(2.0),
        tokens=TokenPart(
            method="integrated gradients (captum, Gauss-Legendre)",
            baseline="mean token embedding",
            items=20,
            incomplete=1,
            slots=(SlotScore("term", estimated(1.8)), SlotScore("all other words", estimated(0.2))),
            words=(SlotScore(word, Estimated(1.4, None, None, 1, 1)),),
            first_in_pairs=0.9,
            first_in_prompts=0.7,
            faithfulness=Faithfulness(
                prompts=16,
                comprehensiveness=1.0,
                sufficiency=0.2,
                random_comprehensiveness=(0.3, 0.5),
                random_sufficiency=(0.8, 1.1),
                deletion=Curve(
                    (0.0, 0.5, 1.0), (1.2, 0.1, 0.0), ((1.2, 0.8, 0.0), (1.2, 0.6, 0.0)), 0.35, (0.7, 0.6)
                ),
                insertion=Curve(
                    (0.0, 0.5, 1.0), (0.0, 1.1, 1.2), ((0.0, 0.4, 1.2), (0.0, 0.6, 1.2)), 0.85, (0.5, 0.6)
                ),
                infidelity=0.2,
                random_infidelity=(0.5, 0.9),
                sensitivity=1.5,
                randomised=0.1,
                randomised_size=0.4,
            ),
        ),
        heads=HeadPart(
            how="mean",
            layers=2,
            heads=2,
            key_heads=1,
            items=10,
            gap=estimated(2.0),
            predicted=((0.0, -1.6), (0.1, 0.0)),
            stability=Stability(1000, 0.98, 0.7, 4),
            confirmed=(HeadEffect("0.1", -1.6, estimated(-1.9), lowers=True),),
        ),
        proof=Proof(10, points, 1, (2.3, 2.6), (40.0, 41.0), "Physical appearance"),
        mediation=MediationPart(
            10, estimated(3.0), both, (Mediated("layer 0", estimated(2.9), estimated(0.2)),), (both,)
        ),
        sentences=("Kept for programs.",),
    )
