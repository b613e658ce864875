"""Separation of a reasoning model's thought from its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gptaudit.records import Completion, Failure
from gptaudit.text import is_blank

TAGS: Final[Mapping[str, str]] = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "[THINK]": "[/THINK]",
}
"""Tags of known models: what opens a thought, and what ends it."""

NO_TAGS = "none"
"""Value of the option `think_end` for texts that are all answer."""

UNFINISHED = Failure(
    "unfinished-thought",
    "the text ended before the model's thought did: allow more tokens, or turn thinking off with "
    "-b template.enable_thinking=false for a local model, or the server's own switch, such as "
    '-b body.chat_template_kwargs={"enable_thinking":false}',
)

FRAGMENT = Failure(
    "thought-fragment",
    "the end of a thought stands in the answer, so that it is not known where the answer begins; give the model's own "
    "tag with -b think_end=TAG, or none if all text is answer",
)


def without_thought(found: Completion, end: str = "") -> Completion | Failure:
    """Move the thought from a completion's text to its field `thought`.

    Return `UNFINISHED` if no answer follows it, `FRAGMENT` if another known end tag does. A completion may come with a
    thought already, from a server that separates them itself. `end` is explained at `split_thought`.
    """
    inside, answer = split_thought(found.text, end)
    thought = "\n\n".join(part for part in (found.thought, inside) if part)
    cut = found.finish == "length"
    if answer is None or (cut and _opens(answer, end)) or (cut and thought and is_blank(answer)):
        return UNFINISHED
    if any(tag in answer for tag in tags_of(end).values() if tag in TAGS.values()):
        return FRAGMENT
    return replace(found, text=answer, thought=thought)


def split_thought(text: str, end: str = "") -> tuple[str, str | None]:
    """Return the thought and the answer of a text; the answer is None if a thought is opened and never ended.

        split_thought("<think>A riddle.</think>An egg.") == ("A riddle.", "An egg.")

    The opening tag may be missing, since many templates end the prompt with it: then the thought is all before the
    first end tag. `end` is the end tag of another model, or `NO_TAGS`; empty for the known `TAGS`.
    """
    tags = tags_of(end)
    if not tags:
        return "", text
    thoughts: list[str] = []
    answers: list[str] = []
    awaited, begin = "", 0
    for found in re.finditer("|".join(re.escape(tag) for pair in tags.items() for tag in pair if tag), text):
        tag = found.group()
        if tag == awaited or (tag in tags.values() and not awaited and not thoughts):
            thoughts.append(text[begin : found.start()].strip())
            awaited = ""
        elif tag in tags and not awaited:
            answers.append(text[begin : found.start()])
            awaited = tags[tag]
        else:
            continue
        begin = found.end()
    thought = "\n\n".join(part for part in thoughts if part)
    if awaited:
        return thought, None
    answer = "".join([*answers, text[begin:]])
    return thought, answer.lstrip() if thoughts else answer


def tags_of(end: str) -> Mapping[str, str]:
    """Return what opens and what ends a thought: with the end tag `end`, or the known tags; nothing for `NO_TAGS`."""
    if end == NO_TAGS:
        return {}
    return {_opening(end): end} if end else TAGS


def opened_thought(prompt: str, end: str = "") -> str:
    """Return the tag at the end of a rendered prompt that opens the model's thought; empty if there is none.

    opened_thought("<|assistant|><think>") == "<think>"
    """
    return next((tag for tag in tags_of(end) if tag and prompt.rstrip().endswith(tag)), "")


def _opens(answer: str, end: str) -> bool:
    """Return whether all of an answer is the beginning of a tag that opens a thought."""
    text = answer.strip()
    return bool(text) and any(tag.startswith(text) for tag in tags_of(end))


def _opening(end: str) -> str:
    """Return what opens a thought with this end tag; empty if unknown."""
    known = (opening for opening, ending in TAGS.items() if ending == end)
    return next(known, end.replace("/", "", 1) if "/" in end else "")
