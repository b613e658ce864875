"""The sentiment scorer: VADER's rules by hand, odd input, and how often it is right."""

from __future__ import annotations

import csv
from math import sqrt

import pytest

from gptaudit.errors import ScorerError
from gptaudit.plugins import load_plugins
from gptaudit.protocols.scorer import Output
from gptaudit.scorers.sentiment import open_sentiment

PRAISE = """
Her neighbours say that she would give you her last slice of bread.
The soup warmed us, and nobody left the table hungry.
He became one of the finest painters of his century.
I could listen to her play the cello all night long.
The new library is bright, quiet and a joy to work in.
They thanked the nurse with flowers for her patience.
What a marvellous evening we had by the lake!
The teacher was patient and explained everything twice.
She won the prize for her brave reporting.
This is the best bakery in town.
The children laughed and hugged their grandfather.
His lectures were clear, witty and well prepared.
The team was proud of what it had built together.
We were delighted by the view from the tower.
The old bridge is beautiful in the morning light.
Their kindness to strangers is known in the whole valley.
The engineer found an elegant way to save water.
He is not a bad cook at all.
It was never boring in her company.
The festival brought the village together again.
She is respected by all who work with her.
A generous gift let the school stay open.
The repair held, and the boat is as good as new.
I trust him with my keys and my children.
The choir sang so well that people wept for joy.
The medicine helped her to walk again without pain.
He is honest, even where it costs him something.
Their garden is full of roses and lovely to sit in.
The play was a great success from the first night.
We enjoyed every minute of the trip.
""".strip().splitlines()

BLAME = """
The soup was cold and tasted of soap.
He shouted at the waiter and left without paying.
They lied to the court about the money.
The roof leaks, the heating is broken, and nobody answers.
She was fired for stealing from the till.
It was the worst film of the year.
The villagers feared the soldiers who had burned their barns.
I regret that I ever bought this car.
His speech was dull, rude and far too long.
The company poisoned the river for years.
Nobody trusts a word that he says.
The room was filthy and smelled of smoke.
They mocked the boy until he cried.
She suffered a terrible loss in the flood.
The trip was not enjoyable for any of us.
A cruel joke ended their friendship.
The manager is incompetent and blames his staff.
Thieves broke into the chapel and smashed the windows.
The war left the town in ruins.
He failed the test for the third time.
The service has never been helpful to anyone.
Critics called the book a clumsy mess.
He was convicted of fraud and sentenced to prison.
The attack killed eleven people.
The noise drives everyone in the street mad.
I am disappointed by how little they cared.
Her boss humiliated her in front of the whole office.
The bridge collapsed because of careless work.
The food made half of the guests ill.
They abandoned the dog on the motorway.
""".strip().splitlines()

PLAIN = """
The museum opens at nine and closes at five.
He was born in a village near the river.
The train to the coast takes two hours.
She studied law before she moved to the city.
The committee has seven members and a secretary.
Water boils at a lower temperature in the mountains.
The book has twelve chapters and an index.
They grow barley and oats on the northern slope.
The station was built of brick and iron.
He plays the role of a clerk in the second act.
The list is sorted by the year of publication.
My sister works on the third floor.
The ferry crosses the strait every morning.
The term comes from an old word for wheel.
She walked to the shop and bought some paper.
The parliament meets in the building next door.
The recipe asks for two eggs and a cup of flour.
The team plays in green shirts and white shorts.
He wrote letters to his brother in the army.
The road turns left behind the mill.
Members vote on the budget in autumn.
The shop sells nails, ropes and paint.
The film was shot in three countries.
Its leaves are long and narrow.
The meeting was moved to Tuesday.
A metalsmith shapes metal with a hammer.
The second edition has a longer preface.
The lake is fed by two streams.
Most of the letters were written in winter.
The actress appeared in a series of short films.
""".strip().splitlines()

OWN = {"praise": PRAISE, "blame": BLAME, "plain": PLAIN}
MADLIBS = "unintended-bias-madlibs"


@pytest.fixture(scope="module")
def sentiment():
    return open_sentiment()


@pytest.fixture(scope="module")
def compound(sentiment):
    """Return a function that gives a text's compound score."""

    def score(text):
        (labels,) = sentiment([Output(text)])
        return labels["positive"] - labels["negative"]

    return score


def normalised(total):
    return total / sqrt(total * total + 15)


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("The chair is green.", 0.0),
        ("The food was good.", 1.9),
        ("The food was awful.", -2.0),
        ("The food was very good.", 1.9 + 0.293),
        ("The food was not good.", 1.9 * -0.74),
        ("It was good but awful.", 1.9 * 0.5 - 2.0 * 1.5),
        ("Good!!!!!!", 1.9 + 4 * 0.292),
    ],
)
def test_rules(compound, text, total):
    """Hutto and Gilbert's rules by hand, from the rated valences of `good` and `awful`."""
    assert compound(text) == pytest.approx(normalised(total), abs=1e-4)


def test_labels(sentiment):
    """Two probabilities, of which one is 0; the same text has the same in any list."""
    good, plain, bad = sentiment([Output("A wonderful day."), Output("A day."), Output("A dreadful day.")])

    assert good["positive"] > 0 == good["negative"]
    assert plain == {"positive": 0.0, "negative": 0.0}
    assert bad["negative"] > 0 == bad["positive"]
    assert sentiment([]) == []
    assert sentiment([Output("A wonderful day.")]) == [good]


@pytest.mark.parametrize("text", ["", " \n\t", "\ud800", "\x00", "x" * 1_000_000, "!" * 1_000])
def test_text_without_words_has_no_sentiment(compound, text):
    """What holds no word, emoticon or emoji that people have rated scores 0."""
    assert compound(text) == 0


def test_another_language_is_not_rated(sentiment):
    """VADER knows English alone; a score of 0 would call every Chinese or German text neutral."""
    german = "Das war der schönste Tag, den wir je in der Stadt und auf dem Land hatten."
    assert sentiment([Output("今天是美好的一天"), Output(german)]) == [{}, {}]


def test_emoticons_are_read(compound):
    """Emoticons and emoji count, alone and after words."""
    assert compound(":)") > 0.05
    assert compound("\U0001f600") > 0.05
    assert compound("The bus is late :(") < -0.05


def test_registered():
    """It is there under its name, with a model that identifies its lexicon."""
    scorer = load_plugins().scorers["sentiment"]

    assert scorer.models == ("vader",)
    assert len(scorer.open("vader").identity["sha256"]) == 64
    with pytest.raises(ScorerError, match="expected the sentiment model 'vader'"):
        scorer.open("words")


def test_on_published_words(data, compound):
    """Of adjectives and verbs rated by others, at least 34 of 40 have the right sign and none the wrong one."""
    wanted = {"toxic": -1, "nontoxic": 1}
    found = [
        wanted[connotation] * compound(word)
        for kind, connotation, word in words(data)
        if kind in ("adjective", "verb")
    ]

    assert len(found) == 40
    assert sum(agreement > 0 for agreement in found) >= 34
    assert not [agreement for agreement in found if agreement < 0]


def test_few_words_for_groups_have_a_sentiment(data, compound):
    """Who a text is about is mostly not what it says; the words that do have a valence are known."""
    own = "black white brown woman man old young fat thin poor rich disabled foreigner"
    published = [
        word for kind, connotation, word in words(data) if (kind, connotation) == ("identity", "neutral")
    ]

    assert len(published) > 40
    rated = {word for word in [*own.split(), *published] if compound(word)}
    assert rated == {"poor", "rich", "straight", "blind"}


def test_on_sentences_of_our_own(compound):
    """Few are taken for their contrary."""
    signs = {name: [compound(text) for text in texts] for name, texts in OWN.items()}

    assert {len(of_kind) for of_kind in signs.values()} == {30}
    assert sum(score > 0 for score in signs["praise"]) >= 20
    assert sum(score < 0 for score in signs["blame"]) >= 20
    assert sum(abs(score) < 0.5 for score in signs["plain"]) >= 27


def words(data):
    """Yield kind, connotation and word of a published list."""
    with (data / MADLIBS / "words.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["type"], row["connotation"], row["word"]
