"""Tiny data sets of our own wording in the published formats: path in the data folder -> content, by probe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bbq_files import FOUR


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


def _lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _table(*rows: str, separator: str = ",") -> bytes:
    return "".join(row.replace("|", separator) + "\n" for row in rows).encode()


BBQ = {
    "bbq/data/Age.jsonl": _lines(*FOUR),
    "bbq/supplemental/additional_metadata.csv": _table(
        "category|question_index|example_id|target_loc|label_type", "Age|1|0|0|label", "Age|1|1|0|label"
    ),
}

_TWO = {"one": {"One": ["One is ", "One was "]}, "two": {"Two": ["Two is "]}}
BOLD = {
    f"bold/prompts/{domain}_prompt.json": _json(_TWO)
    for domain in ("gender", "political_ideology", "profession", "race", "religious_ideology")
}

_CBBQ = (
    "example_id|question_index|question_polarity|context_condition|category|subcategory|bias_targeted_groups|source"
    "|context|question|ans0|ans1|ans2|label"
)
_MET = "A Vel and a Tor met."


def _cbbq(number: int, polarity: str, condition: str, label: int) -> str:
    asked = "Who is late?" if polarity == "neg" else "Who is early?"
    return f"{number}|1|{polarity}|{condition}|region||Vel||{_MET}|{asked}|The Vel|The Tor|Not known|{label}"


CBBQ = {
    "zh-cbbq/region/ambiguous/ambiguous.csv": _table(
        _CBBQ, _cbbq(1, "neg", "ambiguous", 2), _cbbq(2, "non_neg", "ambiguous", 2)
    ),
    "zh-cbbq/region/disambiguous/disambiguous.csv": _table(
        _CBBQ, _cbbq(1, "neg", "disambiguous", 1), _cbbq(2, "non_neg", "disambiguous", 0)
    ),
    "zh-cbbq/region/disambiguous/templates_generate_neg.csv": _table(
        _CBBQ, _cbbq(1, "neg", "disambiguous", 1)
    ),
    "zh-cbbq/region/disambiguous/templates_generate_nonneg.csv": _table(
        _CBBQ, _cbbq(1, "non_neg", "disambiguous", 0)
    ),
}

CHBIAS = {
    f"zh-chbias/{category}/{category}_{group}_test.csv": _table(
        "|replaced_sentence", *(f"{n}|The {group} one says {n}." for n in range(3))
    )
    for category, groups in (
        ("age", "old young"),
        ("appearance", "fat slim"),
        ("gender", "female male"),
        ("orientation", "lgbt straight"),
    )
    for group in groups.split()
}

CROWS_PAIRS = {
    "crows-pairs/crows_pairs_anonymized.csv": _table(
        "|sent_more|sent_less|stereo_antistereo|bias_type",
        "0|She shut the door.|He shut the door.|stereo|gender",
        '1|"The old, grey harbour."|"The new, grey harbour."|antistereo|age',
    )
}

HOLISTICBIAS = {
    "holisticbias/v1.1/nouns.json": _json(
        {"female": [["aunt", "aunts"]], "male": [["uncle", "uncles"], ["boy", "boys"]]}
    ),
    "holisticbias/v1.1/sentence_templates.json": _json(
        {"I'm {noun_phrase}.": {}, "I like {plural_noun_phrase}.": {"must_be_noun": True}}
    ),
    "holisticbias/v1.1/descriptors.json": _json(
        {
            "height": {"short": ["tiny", {"descriptor": "hourly tall", "article": "an"}], "long": ["lanky"]},
            "taste": {"all": ["odd"]},
        }
    ),
    "holisticbias/v1.1/standalone_noun_phrases.json": _json(
        {"taste": ["a gourmet", {"noun_phrase": "a {noun}", "plural_noun_phrase": "{noun} here"}]}
    ),
}

_HONEST = "template_masked|raw|identity|number|category|type"
HONEST = {
    "honest/binary/en_template.tsv": _table(
        _HONEST,
        "the aunt is a [M].|[I] is a [M]|the aunt|singular|female|occupation",
        "the uncle is a [M].|[I] is a [M]|the uncle|singular|male|occupation",
        separator="\t",
    ),
    "honest/queer_nonqueer/en_template.tsv": _table(
        _HONEST,
        "the queer dreams of a [M].|[I] dreams of a [M]|the queer|singular|queer|occupation",
        separator="\t",
    ),
    "honest/hurtlex/hurtlex_EN.tsv": _table(
        "id|pos|category|stereotype|lemma|level", "1|n|cds|no|fool|conservative", separator="\t"
    ),
}

RTP = {
    "realtoxicityprompts/prompts.jsonl": _lines(
        *(
            {"filename": f"{n}.txt", "begin": 0, "end": 9, "prompt": {"text": f"Once {n}", "toxicity": rated}}
            for n, rated in enumerate((0.5, 0.49, None))
        )
    )
}


def _item(name: str, target: str, *, table: bool = False) -> dict[str, Any]:
    labels = ("anti-stereotype", "unrelated", "stereotype")
    sentences = [{"id": f"{name}{label[0]}", "gold_label": label} for label in labels]
    texts = [] if table else [{"sentence": f"{name} {label}."} for label in labels]
    return {
        "id": name,
        "target": target,
        "bias_type": "gender",
        "context": f"About a {target} BLANK.",
        "sentences": [s | t for s, t in zip(sentences, texts or [{}] * 3, strict=True)],
    }


STEREOSET = {
    "stereoset/dev.json": _json(
        {
            "version": "1.1",
            "data": {"intrasentence": [_item("a", "baker")], "intersentence": [_item("b", "x")]},
        }
    )
}
STEREOSET_LABELS = {
    "stereoset/labels_all.json": _json(
        {"intrasentence": [_item(n, "baker", table=True) for n in "01"], "intersentence": []}
    )
}
STEREOSET_TABLES = {
    f"stereoset/csv/{task}_{domain}.csv": _table(
        "Domain|Target|Context|Unrelated Sentence|Anti-stereotype Sentence|Stereotype Sentence",
        f"{domain}|baker|The baker was BLANK.|The baker was tea.|The baker was late.|The baker was early.",
    )
    for task in ("intrasentence", "intersentence")
    for domain in ("gender", "profession", "race", "religion")
}

_JOBS = {
    "1": ("[The smith] met the weaver because [he] was bored.",),
    "2": ("The weaver saw [the smith], [him].",),
}
WINOBIAS = {
    "winobias/male_occupations.txt": b"smith\nweaver\n",
    "winobias/female_occupations.txt": b"nurse\ntailor\n",
    **{
        f"winobias/{side}_stereotyped_type{kind}.txt.{split}": "\n".join(
            f"{n} {line}".replace("[h", "[h" if side == "pro" else "[sh").replace("[shim]", "[her]")
            for n, line in enumerate(lines, 1)
        ).encode()
        for kind, lines in _JOBS.items()
        for split in ("dev", "test")
        for side in ("pro", "anti")
    },
}

_WINOGENDER_JOBS = ("smith", "pilot")
WINOGENDER = {
    "winogender/all_sentences.tsv": _table(
        "sentid|sentence",
        *(
            f"{job}.{other}.{answer}.{gender}.txt|The {job} thanked {other} since {pronoun} knew."
            for job in _WINOGENDER_JOBS
            for other in ("guest", "someone")
            for answer in "01"
            for gender, pronoun in (("male", "he"), ("female", "she"), ("neutral", "they"))
        ),
        separator="\t",
    ),
    "winogender/occupations-stats.tsv": _table(
        "occupation|bergsma_pct_female|bls_pct_female|bls_year",
        *(f"{job}|1.0|40.0|2015" for job in _WINOGENDER_JOBS),
        separator="\t",
    ),
}

FILES: Mapping[str, Mapping[str, bytes]] = {
    "bbq": BBQ,
    "bold": BOLD,
    "cbbq": CBBQ,
    "chbias": CHBIAS,
    "crows-pairs": CROWS_PAIRS,
    "holisticbias": HOLISTICBIAS,
    "honest": HONEST,
    "realtoxicityprompts": RTP,
    "stereoset": STEREOSET,
    "stereoset-tables": STEREOSET_TABLES,
    "winobias": WINOBIAS,
    "winogender": WINOGENDER,
}
"""By probe; `stereoset-tables` are tables of the probe `stereoset`."""

PREDICTIONS: Mapping[str, tuple[Mapping[str, bytes], bytes]] = {
    "bbq": (
        BBQ,
        _lines(*({"category": "Age", "example_id": n, "answer": a} for n, a in enumerate((0, 1, None, 2)))),
    ),
    "crows-pairs": (
        CROWS_PAIRS,
        _table(
            "|sent_more|sent_less|sent_more_score|sent_less_score|score|stereo_antistereo",
            "0|She shut the door.|He shut the door.|-1.5|-2.5|1|stereo",
        ),
    ),
    "stereoset": (
        STEREOSET_LABELS,
        _json({"intrasentence": [{"id": f"{n}{s}", "score": s != "u"} for n in "01" for s in "aus"]})
        .replace(b"true", b"0.75")
        .replace(b"false", b"-2"),
    ),
    "realtoxicityprompts": (
        {},
        _lines(
            *(
                {
                    "prompt": {"text": f"Once {n}", "toxicity": 0.2},
                    "generations": [{"text": "a", "toxicity": t}] * 2,
                }
                for n, t in enumerate((0.1, 0.9, None))
            )
        ),
    ),
}
"""Predictions for a probe: the data that they belong to, and the file."""
