"""
Policy files: the figures that decide about a release, and their limits.

    schema = "gptaudit.policy/1"
    [[rule]]
    metric = "gender-occupation.association"
    ideal = 0
    tolerance = 0.5
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import AllowInfNan, ConfigDict, Strict, TypeAdapter, ValidationError, with_config

from gptaudit.errors import PolicyError
from gptaudit.files import newer, read_text, read_toml
from gptaudit.gate.shipped import SHIPPED, shipped_policy
from gptaudit.records.metric_name import MetricName
from gptaudit.stats.intervals import DEFAULT_LEVEL
from gptaudit.validation import json_schema, key_path, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from gptaudit.records.metric_specs import Bounds

POLICY_SCHEMA = "gptaudit.policy/1"

LimitKind: TypeAlias = Literal["range", "increase"]
Number: TypeAlias = Annotated[float, Strict(), AllowInfNan(allow_inf_nan=False)]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Rule:
    """Limit of one metric: `ideal` with `tolerance`, `min` and `max` (or one of them), or `max_increase`."""

    metric: str
    ideal: Number | None = None
    tolerance: Number | None = None
    min: Number | None = None
    max: Number | None = None
    max_increase: Number | None = None
    line: int | None = field(default=None, compare=False)
    """Where it stands in the file."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a malformed name or limits that contradict one another."""
        MetricName.of(self.metric)
        if problem := self._problem():
            raise ValueError(problem)

    def _problem(self) -> str | None:
        band, edges = {self.ideal, self.tolerance} != {None}, {self.min, self.max} != {None}
        if (self.ideal is None) != (self.tolerance is None):
            lacking, given = ("tolerance", "ideal") if self.tolerance is None else ("ideal", "tolerance")
            return f"has {given} without {lacking}; give both, or max or min alone"
        if band + edges + (self.max_increase is not None) != 1:
            kinds = "ideal with tolerance, or max and min (or one of them), or max_increase"
            return f"must have one kind of limit: {kinds}; write one [[rule]] for each"
        if self.tolerance is not None and self.tolerance <= 0:
            return f"tolerance = {self.tolerance:g} must be above 0, or nothing could ever pass"
        if self.min is not None and self.max is not None and self.min > self.max:
            return f"min = {self.min:g} lies above max = {self.max:g}; nothing could ever pass"
        return None

    @property
    def target(self) -> MetricName:
        """The parsed `metric`."""
        return MetricName.of(self.metric)

    @property
    def kind(self) -> LimitKind:
        """Whether the limit is on the figure itself or on its increase over a baseline."""
        return "range" if self.max_increase is None else "increase"

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """The least and the greatest value allowed; None for no limit."""
        if self.ideal is not None and self.tolerance is not None:
            # Rounded, so that 0.5 + 0.1 is the 0.6 that the policy's author meant.
            return round(self.ideal - self.tolerance, 12), round(self.ideal + self.tolerance, 12)
        return self.min, self.max if self.max_increase is None else self.max_increase


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Stop:
    """When an audit stops before its cases are out: as soon as every rule is decided."""

    until: Literal["decided"]


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class Policy:
    """Content of a policy file; `name` is the file's name without its folder, and `path` the file as it was given."""

    schema: Literal["gptaudit.policy/1"]
    rule: tuple[Rule, ...]
    coverage: Number = 0.95
    level: Number = DEFAULT_LEVEL
    correction: Literal["holm", "none"] = "holm"
    inconclusive: Literal["fail", "allow"] = "fail"
    name: str = ""
    stop: Stop | None = None
    path: str = field(default="", compare=False)

    @property
    def compares(self) -> bool:
        """Whether a rule needs a baseline."""
        return any(rule.kind == "increase" for rule in self.rule)

    def __post_init__(self) -> None:
        """Raise `ValueError` for settings out of range, no rule, or two rules that limit the same metric."""
        for key in ("coverage", "level"):
            if not 0 < getattr(self, key) < 1:
                msg = f"{key} = {getattr(self, key):g} must lie between 0 and 1, for example {key} = 0.95"
                raise ValueError(msg)
        if not self.rule:
            msg = "has no [[rule]]; write at least one, or nothing is decided"
            raise ValueError(msg)
        seen: dict[tuple[str, LimitKind], int] = {}
        for number, rule in enumerate(self.rule, 1):
            first = seen.setdefault((rule.metric, rule.kind), number)
            if first != number:
                msg = f"rule[{first}] and rule[{number}] both limit {rule.metric!r}; keep one"
                raise ValueError(msg)


_RECORDED: Mapping[type, tuple[str, ...]] = {Policy: ("name", "path"), Rule: ("line",)}
"""Fields that say where a policy was read, and that are no keys of its file."""


class Limitable(NamedTuple):
    """What decides whether a rule on a metric makes sense."""

    bounds: Bounds
    """The least and greatest values that it can have."""
    unit: str
    unfit: str = ""
    """Why no rule may limit it; empty if one may."""


Limitables: TypeAlias = Mapping[str, Limitable]
"""The metrics of a probe."""


def require_measured(
    policy: Policy, metrics: Mapping[str, Limitables], on: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Raise `PolicyError` if a rule names a probe or metric that the audit will not have, or makes no sense.

    It is called before the model is asked, so that no time is lost. `metrics` holds the metrics of each probe; `on`
    says for each on what and how it is measured, for example ` on python:model:answer`.
    """
    for number, rule in enumerate(policy.rule, 1):
        target = rule.target
        where = f"{policy.name}, rule[{number}].metric"
        if target.probe not in metrics:
            msg = f"{where}: the probe {target.probe!r} is not run.{nearest(target.probe, metrics)}"
            raise PolicyError(f"{msg} Run it too, or use a policy without that rule")
        if target.name not in metrics[target.probe]:
            hint = nearest(target.name, metrics[target.probe])
            how = on.get(target.probe, "")
            msg = f"{where}: the probe {target.probe!r} has no metric {target.name!r}{how}.{hint}"
            raise PolicyError(msg)
        require_sense(policy, rule, metrics[target.probe][target.name])


def require_sense(policy: Policy, rule: Rule, metric: Limitable) -> None:
    """Raise `PolicyError` for a rule on an unfit metric, and for one that no value within the metric's bounds fails."""
    if metric.unfit:
        msg = f"{policy.name}: the rule on {rule.metric!r} limits a figure that is not fit for it: {metric.unfit}"
        raise PolicyError(msg)
    lowest, highest = metric.bounds
    least, greatest = rule.limits
    what = "values"
    if rule.kind == "increase" and lowest is not None and highest is not None:
        lowest, highest, what = lowest - highest, highest - lowest, "increases"
    falls = least is not None and (lowest is None or lowest < least)
    exceeds = greatest is not None and (highest is None or highest > greatest)
    if falls or exceeds or (lowest, highest) == (None, None):
        return
    hint = "; write 5 % as 0.05" if metric.unit == "fraction" else ""
    msg = f"{policy.name}: the rule on {rule.metric!r} can never fail: {what} lie between {lowest} and {highest}"
    raise PolicyError(f"{msg}, in the unit {metric.unit!r}{hint}. Write a limit that a model can miss")


def require_slices(policy: Policy, slices: Mapping[str, Collection[tuple[str, str]]]) -> None:
    """Raise `PolicyError` if a rule names a slice that no case of its probe belongs to.

    `slices` holds the axis and group of each slice of the probes that are asked. Rules on other probes are not checked
    here; the gate finds them incomplete.
    """
    for number, rule in enumerate(policy.rule, 1):
        target = rule.target
        if target.axis is None or target.probe not in slices:
            continue
        known = {f"{axis}={group}" for axis, group in slices[target.probe]}
        every = {f"{axis}=*" for axis, _ in slices[target.probe]}
        named = f"{target.axis}={target.group}"
        if named not in known | every:
            msg = f"{policy.name}, rule[{number}].metric: no case of {target.probe!r} has {named}."
            raise PolicyError(msg + nearest(named, known))


def load_policy(name_or_path: str) -> Policy:
    """Read a policy file, or one of those that ship with gptaudit, by its name in `SHIPPED`.

    Raises:
        PolicyError: it is missing or malformed; the message names the file, the line and the key.
    """
    if name_or_path in SHIPPED:
        name, text = shipped_policy(name_or_path)
        return parse_policy(text, name)
    path = Path(name_or_path)
    return parse_policy(read_text(path, error=PolicyError), path.name, path.as_posix())


def policy_schema() -> dict[str, Any]:
    """Return the JSON schema of a policy file, read as JSON."""
    described = json_schema(Policy)
    for table, keys in _RECORDED.items():
        of_table = described if table is Policy else described["$defs"][table.__name__]
        for key in keys:
            del of_table["properties"][key]
    return described


def parse_policy(text: str, name: str, path: str = "") -> Policy:
    """Parse a policy in TOML; `name` is the file's name in messages and results. Raises as `load_policy` does."""
    document = read_toml(text, where=name, error=PolicyError)
    found = document.get("schema")
    if found != POLICY_SCHEMA:
        remedy = newer(found, POLICY_SCHEMA) or "Write it as the first line"
        msg = f"{name}: expected schema = {POLICY_SCHEMA!r}, found {found!r}. {remedy}"
        raise PolicyError(msg)
    for keys in _recorded_keys(document):
        raise PolicyError(_unknown(name, text, keys))
    if isinstance(document.get("rule"), list):
        document["rule"] = tuple(_with_line(rule, text, at) for at, rule in enumerate(document["rule"]))
    try:
        return TypeAdapter(Policy).validate_python(document | {"name": name, "path": path})
    except ValidationError as error:
        # A key that is misspelt is missing under its right name too: say the first.
        found = sorted(error.errors(), key=lambda e: e["type"] != "unexpected_keyword_argument")
        raise PolicyError(_problem(name, text, found[0])) from None


def _recorded_keys(document: Mapping[str, Any]) -> Iterator[tuple[str | int, ...]]:
    """Yield the keys of a policy in TOML that are fields of the records, but no keys of the file."""
    yield from ((key,) for key in _RECORDED[Policy] if key in document)
    rules = document.get("rule")
    for at, rule in enumerate(rules if isinstance(rules, list) else ()):
        yield from (("rule", at, key) for key in _RECORDED[Rule] if isinstance(rule, dict) and key in rule)


def _with_line(rule: object, text: str, at: int) -> object:
    return rule | {"line": _line(text, ("rule", at))} if isinstance(rule, dict) else rule


def _problem(name: str, text: str, error: ErrorDetails) -> str:
    """Return the message for one of pydantic's errors, in terms of the policy file."""
    keys = error["loc"]
    place = _place(name, text, keys)
    match error["type"]:
        case "unexpected_keyword_argument":
            return _unknown(name, text, keys)
        case "missing":
            needs = "every policy needs a [[rule]], every [[rule]] a metric, and a [stop] the key 'until'"
            return f"{place}: is missing; {needs}"
        case "value_error":
            return f"{place}: {error['ctx']['error']}"
        case "tuple_type" | "dataclass_type":
            header = (
                "[stop] on a line of its own"
                if "stop" in keys
                else "[[rule]] on a line of its own above each rule"
            )
            return f"{place}: found {error['input']!r}; write {header}"
        case _:
            return f"{place}: {error['msg']}; found {error['input']!r}"


def _unknown(name: str, text: str, keys: tuple[str | int, ...]) -> str:
    table = Policy if len(keys) == 1 else Stop if keys[0] == "stop" else Rule
    known = [f.name for f in fields(table) if f.name not in _RECORDED.get(table, ())]
    return f"{_place(name, text, keys)}: unknown key.{nearest(str(keys[-1]), known)}"


def _place(name: str, text: str, keys: tuple[str | int, ...]) -> str:
    """Return the file, the line and the key, as far as they are known."""
    line = _line(text, keys)
    return ", ".join(part for part in (name, f"line {line}" if line else "", key_path(keys)) if part)


def _line(text: str, keys: tuple[str | int, ...]) -> int | None:
    """Return the line of a key, or else the first line of its rule."""
    rule = keys[1] if len(keys) > 1 and keys[0] == "rule" else None
    key = re.compile(rf"\s*[\"']?{re.escape(str(keys[-1]))}[\"']?\s*=") if keys else None
    current, header = -1, None
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*\[\[\s*rule\s*\]\]", line):
            current += 1
            header = number if current == rule else header
        if key and key.match(line) and rule in (None, current):
            return number
    return header
