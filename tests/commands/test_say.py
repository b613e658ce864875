"""Output on the terminal."""

from __future__ import annotations

from pathlib import Path

import gptaudit.commands
from gptaudit.commands._say import say

FOLDER = Path(gptaudit.commands.__file__).parent


def test_no_text_controls_the_terminal(capsys):
    """Control characters, direction overrides and lone surrogates are shown as their code points."""
    say("a\x1b[2J\u202eb\ud800\nc")
    say("\rd", err=True)

    assert capsys.readouterr() == ("a⟨U+001B⟩[2J⟨U+202E⟩b⟨U+D800⟩\nc\n", "⟨U+000D⟩d\n")


def test_commands_print_in_no_other_way():
    """One line alone returns to its beginning, and it has the names of published files only."""
    others = [
        line.strip()
        for path in sorted(FOLDER.glob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if path.name != "_say.py" and ("click.echo(" in line or "click.secho(" in line or "print(" in line)
    ]

    assert [line.split("{")[0] for line in others] == ['click.echo(f"\\r']


def test_names_of_things_are_shown_so_too(gptaudit, tmp_path):
    """What a user typed is shown without its control characters, in click's own messages too."""
    ran = gptaudit("run", "hf:a\x1b[2Jb", "--seed", "\x1b[31m")

    assert ran.code == 2
    assert "\x1b" not in ran.err
