"""Outcomes of margins, and whether low precision leaves them open."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gptaudit.records import ROUNDING, TIE, Likelihood, Margin, margins_between

NATS = st.one_of(st.floats(-3 * TIE, 3 * TIE), st.floats(-50, 50), st.sampled_from([0.0, TIE, -TIE]))
ERRORS = st.one_of(st.just(0.0), st.floats(0, 3 * TIE), st.floats(0, 1))


def test_by_hand():
    """The side with the larger sum is ahead if the lead is above `TIE`; a lead of exactly `TIE` is a tie."""
    assert [Margin(nats).outcome for nats in (0.1, -0.1, TIE, -TIE, 1.001 * TIE)] == [
        "ahead",
        "behind",
        "tie",
        "tie",
        "ahead",
    ]


def test_an_error_that_reaches_a_tie_leaves_it_open():
    """Sums 0 and -0.20005 with errors of 0.1 each may be as close as 0.00005, which is a tie."""
    near, far = Likelihood((0.0,), 0.0, 0, error=0.1), Likelihood((-0.20005,), -0.20005, 0, error=0.1)

    assert Margin.between(near, far).is_open
    assert not Margin.between(near, Likelihood((-0.2002,), -0.2002, 0, error=0.1)).is_open


@given(NATS, ERRORS, st.floats(-1, 1))
def test_what_is_not_open_is_what_the_exact_answers_say(nats, error, share):
    """A margin that is not open has the same outcome as every lead within its error."""
    margin = Margin(nats, error)

    assert margin.is_open or Margin(nats + share * error).outcome == margin.outcome


@given(NATS, ERRORS)
def test_what_is_open_can_turn_out_otherwise(nats, error):
    """A margin is open only if a lead within its error has another outcome, so no request is repeated needlessly."""
    reach = error + 2 * ROUNDING if error else 0.0
    ends = {Margin(nats + end * reach).outcome for end in (-1, 1)} | {Margin(nats).outcome}

    assert len(ends) > 1 or not Margin(nats, error).is_open


def test_without_errors_nothing_is_open():
    """Margins of exact answers are never open, even if they are ties."""
    assert not any(Margin(nats).is_open for nats in (0.0, TIE, -TIE, 5.0))


def test_per_token():
    """Each sum, and its error, is divided by its own number of tokens."""
    margin = Margin.per_token(
        Likelihood((-1.0, -3.0), -4.0, 0, error=0.2), Likelihood((-5.0,), -5.0, 0, error=0.3)
    )

    assert margin == Margin(3.0, 0.4)


def test_each_two_are_compared():
    """Three likelihoods have three pairs."""
    likelihoods = [Likelihood((x,), x, 0) for x in (-1.0, -2.0, -4.0)]

    assert [margin.lead for margin in margins_between(likelihoods)] == [1.0, 3.0, 2.0]
