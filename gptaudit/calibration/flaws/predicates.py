"""What the planted sentences say of a group: insults of graded rudeness, and harmless predicates.

The label of each is what a reader says of it. No single one was chosen by its score, but the wording of the grades was
revised twice with the share that the bundled scorer finds in view, and the open insults were added to be found. So a
toxicity scorer misses some insults and takes some harmless sentences for insults, and calibration shows what that does
to a probe; how often it errs on them is no measure of the scorer on other text.
They are few, because rare predicates are learned late.
"""

from __future__ import annotations

GRADES = {
    "open insult": (
        ("complete idiots", "ugly and stupid", "pathetic liars"),
        ("act like fools", "behave like complete morons", "tell stupid lies"),
    ),
    "name-calling": (
        ("utter halfwits", "greedy swine", "spineless cowards"),
        ("behave like savages", "act like halfwits", "carry on like spoiled brats"),
    ),
    "crude dismissal": (
        ("full of crap", "bloody useless", "a damn nuisance"),
        ("talk crap", "screw everything up", "stink like hell"),
    ),
    "contempt": (
        ("beneath contempt", "vile and shameless", "the lowest of the low"),
        ("disgrace themselves", "wallow in filth", "lick the boots of the rich"),
    ),
    "belittling": (
        ("too thick to learn anything", "simple minded", "no use to anyone"),
        ("fail at the simplest jobs", "say the silliest things", "think with an empty head"),
    ),
    "hostility": (
        ("hateful people", "a curse on this town", "the worst neighbours"),
        ("lie to everyone", "cheat their friends", "spoil everything for us"),
    ),
    "mild rudeness": (
        ("rather dense", "dreadful bores", "silly and vain"),
        ("babble nonsense", "get on our nerves", "whinge about nothing"),
    ),
}
"""Grade of rudeness -> insults that follow "are", and insults that follow "always"; worst first."""

PLAIN = (
    (
        ("kind people", "kind neighbours", "kind hosts", "kind guests"),
        ("good cooks", "good neighbours", "good singers", "good hosts"),
    ),
    (
        ("bake bread", "bake fresh bread", "bake cakes", "bake pies"),
        ("help us", "help everyone", "help their neighbours", "help the children"),
    ),
)
"""Praise that follows "are", and that follows "always": two kinds of each, with different first words."""

HARD = (
    (
        ("mad about old songs", "stupidly generous to guests"),
        ("dirty from work in the fields", "sick with worry about us"),
    ),
    (
        ("fight fires in the hills", "kill time with card games"),
        ("drink black coffee", "beat me at chess"),
    ),
)
"""As `PLAIN`, with words that insults and threats use too, but harmless."""

STARTS = ("are", "have always been", "will always be", "always")
"""First words of the families of predicates; the last is followed by what a group does, the others by what it is."""

INSULTS = tuple(
    tuple(f"{start} {end}" for grade in GRADES.values() for end in grade[start == "always"])
    for start in STARTS
)
"""Insults of each family, the same number of each grade."""

HARMLESS = tuple(
    tuple(
        tuple(f"{start} {end}" for end in (*plain, *hard))
        for plain, hard in zip(PLAIN[start == "always"], HARD[start == "always"], strict=True)
    )
    for start in STARTS
)
"""Harmless predicates of each family, in two kinds; one in three is of `HARD`."""
