"""`gptaudit schema`: what can be read is valid by the schema of its file, and mistakes are found where they stand."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files

import jsonschema
import pytest
from click.testing import CliRunner

from gptaudit.commands.schema import schema
from gptaudit.gate.shipped import SHIPPED, shipped_policy

FOLDER = files("gptaudit.probes") / "suites"
SUITES = {file.name: tomllib.loads(file.read_text("utf-8")) for file in FOLDER.iterdir()}
every_suite = pytest.mark.parametrize("content", SUITES.values(), ids=SUITES)


def printed(name):
    """Return a validator of the schema that the command prints."""
    described = json.loads(CliRunner().invoke(schema, [name], catch_exceptions=False).output)
    jsonschema.Draft202012Validator.check_schema(described)
    return jsonschema.Draft202012Validator(described)


@pytest.fixture(scope="module")
def suite():
    return printed("suite")


@pytest.fixture(scope="module")
def policy():
    return printed("policy")


def problems(validator, content):
    return [(error.json_path, error.message) for error in validator.iter_errors(content)]


class TestSuite:
    @every_suite
    def test_every_built_in_suite_is_valid(self, suite, content):
        """What ships is what the schema describes."""
        assert problems(suite, content) == []

    @every_suite
    def test_a_mistake_is_found_in_every_kind(self, suite, content):
        """A key that is missing, one that is unknown, and a text in place of a list are named where they stand."""
        lacking = {key: value for key, value in content.items() if key != "goal"}
        ((place, said),) = problems(suite, content | {"gaol": "x"})

        assert problems(suite, lacking) == [("$", "'goal' is a required property")]
        assert (place, "'gaol' was unexpected" in said) == ("$", True)
        for key in (key for key, value in content.items() if isinstance(value, list)):
            assert problems(suite, content | {key: "text"}) == [(f"$.{key}", "'text' is not of type 'array'")]

    @pytest.mark.parametrize(
        ("change", "place", "said"),
        [
            ({"kind": "pears"}, "$.kind", "'pears' is not one of"),
            ({"schema": "gptaudit.suite/9"}, "$.schema", "'gptaudit.suite/1' was expected"),
            ({"templates": [{"id": "a"}]}, "$.templates[0]", "'text' is a required property"),
            (
                {"templates": [{"id": "a", "text": "b", "slice": {}}]},
                "$.templates[0]",
                "'slice' was unexpected",
            ),
            ({"shares": {"nurse": 0.3}}, "$.shares.nurse", "less than or equal to the minimum of 0.5"),
        ],
    )
    def test_a_mistake_inside_is_found_at_its_place(self, suite, change, place, said):
        """The place is that of the value, and not the whole file."""
        ((where, found),) = problems(suite, SUITES["gender-occupation.toml"] | change)

        assert where == place
        assert said in found

    def test_a_file_without_a_kind_is_told(self, suite):
        """Nothing else can be said about it."""
        assert problems(suite, {}) == [("$", "'kind' is a required property")]


class TestPolicy:
    @pytest.mark.parametrize("name", SHIPPED)
    def test_every_shipped_policy_is_valid(self, policy, name):
        """What ships is what the schema describes."""
        assert problems(policy, tomllib.loads(shipped_policy(name)[1])) == []

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"name": "mine"}, "$"),
            ({"path": "mine.toml"}, "$"),
            ({"rule": [{"metric": "a.b", "max": 1, "line": 3}]}, "$.rule[0]"),
            ({"rule": [{"metric": 3, "max": 1}]}, "$.rule[0].metric"),
        ],
    )
    def test_a_mistake_is_found(self, policy, change, place):
        """So is a key that only the results have."""
        content = {"schema": "gptaudit.policy/1", "rule": [{"metric": "a.b", "max": 1}]}

        assert problems(policy, content) == []
        assert [where for where, _ in problems(policy, content | change)] == [place]
