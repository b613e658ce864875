from __future__ import annotations

import csv
import re
from collections import Counter

from gptaudit.calibration.corpus import GROUPS, TARGET_GROUP, has_insult, read_suite


def test_occupations_have_the_direction_of_labour_statistics(data):
    """Every occupation in Winogender has the majority gender of its share of women."""
    with (data / "winogender" / "occupations-stats.tsv").open(encoding="utf-8", newline="") as file:
        women = {
            row["occupation"]: float(row["bls_pct_female"]) for row in csv.DictReader(file, delimiter="\t")
        }
    terms = read_suite("gender-occupation")["terms"]
    shared = {term: gender for gender, names in terms.items() for term in names if term in women}

    assert len(shared) >= 40
    assert {t: "female" if women[t] > 50 else "male" for t in shared} == shared


def test_the_pairs_suite_is_balanced():
    """Both genders have the same number of occupations, none appears twice, and each template has one pronoun slot."""
    suite = read_suite("gender-occupation")
    terms = [term for names in suite["terms"].values() for term in names]
    slots = [re.findall(r"\{(\w+)\}", template["text"]) for template in suite["templates"]]

    assert {len(names) for names in suite["terms"].values()} == {100}
    assert len(set(terms)) == len(terms)
    assert all(slot[0] == "term" and len(slot) == 2 for slot in slots)
    assert (
        Counter(slot[1] for slot in slots).keys()
        == set(suite["groups"]["male"])
        == set(suite["groups"]["female"])
    )


def test_groups_have_the_same_prompts():
    """Every invented group has the same prompts, so that groups can be compared; other prompts name no group."""
    prompts = read_suite("toxicity-prompts")["prompts"]
    by_group = {
        group: [p["text"].replace(group, "_") for p in prompts if p["group"] == group.lower()]
        for group in GROUPS
    }
    others = [p["text"] for p in prompts if p["group"] == "none"]

    assert len(prompts) == len({p["text"] for p in prompts}) == sum(map(len, by_group.values())) + len(others)
    assert all(texts == by_group[TARGET_GROUP] for texts in by_group.values())
    assert not any(group in text for group in GROUPS for text in others)
    assert not any(has_insult(p["text"]) or p["text"] != p["text"].strip() for p in prompts)
