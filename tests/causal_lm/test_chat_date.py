"""The date that a chat template prints."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from transformers import AutoTokenizer

from gptaudit.causal_lm.chat_date import DEFAULT_DATE, read_date, with_date
from gptaudit.errors import TargetError

DAY = date(2031, 3, 7)
FORMATS = ["%d %B %Y", "%Y-%m-%d", "%-d/%-m/%y", "%A, %b %e", "100 %% on day %j", "%%d", "%H:%M:%S", "%c", ""]
USER = [{"role": "user", "content": "The harbour"}]


@pytest.fixture
def render(llama_folder):
    tokenizer = AutoTokenizer.from_pretrained(llama_folder)

    def render(template, **settings):
        return tokenizer.apply_chat_template(USER, chat_template=template, tokenize=False, **settings)

    return render


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_that_day(render, form):
    """A format gives what `strftime` gives for midnight of the day."""
    template = "{{ strftime_now('" + form + "') }}|{{ messages[0].content }}"

    expected = datetime(DAY.year, DAY.month, DAY.day).strftime(form)  # noqa: DTZ001 - a template's clock has no zone
    assert render(with_date(template, DAY)) == f"{expected}|The harbour"


@pytest.mark.parametrize(
    "template",
    [
        "{%- if strftime_now is defined -%}{% set day = strftime_now('%d %b %Y') %}{%- endif -%}\n  {{ day }}\n",
        "  {% if true %}\n{{ strftime_now('%Y') | int + 1 }}\n{% endif %}\n",
        "\n{% macro head() %}\n Today: {{ strftime_now('%d.%m.%Y').split('.')[1] }}{% endmacro %}\n{{ head() }}\n",
    ],
)
def test_the_rest_is_rendered_as_it_was(render, template):
    """With today as the day, templates give what transformers renders by its clock, white space included."""
    before = date.today()  # noqa: DTZ011 - the clock of transformers has no zone
    by_clock = render(template)
    after = date.today()  # noqa: DTZ011

    assert by_clock in {render(with_date(template, day)) for day in (before, after)}


def test_reading_a_date():
    """A day is read as ISO 8601 writes it; without one it is the documented constant; all else is refused."""
    assert read_date("2031-03-07") == DAY
    assert read_date("") == DEFAULT_DATE
    for wrong in ("7 March", "2031-02-30", "2031-03-07T10:00"):
        with pytest.raises(TargetError, match="YYYY-MM-DD"):
            read_date(wrong)
