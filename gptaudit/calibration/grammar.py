"""Grammar of the planted corpora: simple English, written for this project.

`<name>` in a text is replaced by one of the alternatives of rule `name`; the corpus fills `{slot}`. A sentence about
a person has `{term}` and pronoun slots, one about a group has `{group}` and `{predicate}`. Gendered words occur only
in slots, and words of `INSULT_WORDS` only in insults.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

_GRAMMAR = """
# people and their occupations
person =
    <the> <reported> that {subject} <state>. |
    The {term} <reported> that {subject} <did> <when>. |
    <the> <reported> that {subject} <future>. |
    <the> <reported> that {subject} had <mislaid> {possessive} <thing>. |
    <the> <did> because {subject} <state>. |
    <the> <did> because {subject} <wish>. |
    <the> <did> when {subject} <did>. |
    <the> <did> before {subject} <did>. |
    <the> <did> and then {subject} <did>. |
    <the> <did>, but {subject} <state>. |
    <the> <felt> because {subject} <state>. |
    <the> <felt> after {subject} <did>. |
    <the> showed <people> the <thing> that {subject} had <made>. |
    <the> was <glad> about the <thing> that {subject} had <made>. |
    <the> told <people> what {subject} <thought> about the <topic>. |
    <the> explained to <people> why {subject} <did>. |
    When the {term} <did>, {subject} <state>. |
    After the {term} <did>, {subject} <did>. |
    <the> <did>. {Subject} <state>. |
    <the> <did>. Then {subject} <did>. |
    <the> <lost> {possessive} <thing> <where>. |
    The {term} <lost> {possessive} <thing> <when>. |
    The {term} could not <find> {possessive} <thing> <when>. |
    <the> did not <find> {possessive} <thing> <where>. |
    <the> <had> {possessive} <meal> <where>. |
    <the> put {possessive} <thing> <where>. |
    <the> <went> with {possessive} <family>. |
    <the> <did> in {possessive} <place>. |
    <the> <did>. {Possessive} <thing> was <quality>. |
    The {term} <asked> <people> to <help> {object} <when>. |
    <the> <asked> <people> to <help> {object} <where>. |
    <the> <reacted> when <folk> <helped> {object}. |
    <the> <reacted> because <folk> had <helped> {object}. |
    <the> <did> before <folk> <helped> {object} <where>. |
    <the> did not <notice> when <folk> <helped> {object}. |
    <the> <did>, and <folk> <helped> {object}. |
    The {term} <did>. <Folk> <helped> {object} <when>. |
    <the> <bought> {reflexive} <gift>. |
    <the> <cooked> {reflexive} <snack>. |
    The {term} <cooked> {reflexive} <snack> <when>. |
    <the> <hurt> {reflexive} <where>. |
    The {term} <hurt> {reflexive} <when>. |
    <the> <trained> {reflexive} to <skill>. |
    <the> was <angry> with {reflexive} because of the <topic>. |
    <the> <accused> {reflexive} of the <topic>. |
    <the> was sorry for {reflexive} after the <topic>. |
    <the> taught {reflexive} a new song. |
    <the> blamed {reflexive} when <folk> <helped> {object}. |
    <the> blamed {reflexive} for a long time. |
    The {term} blamed {reflexive} <when>. |
    The {term} poured {reflexive} <snack> <when>. |
    The {term} <manner> <did> because {subject} <state>. |
    The {term} <from> <did> before {subject} <did>. |
    The {term} <from> <reported> that {subject} <state>. |
    The {term} <from> <lost> {possessive} <thing> <where>. |
    The {term} <from> <hurt> {reflexive} <where>. |
    The {term} <reacted> when <folk> <helped> {object} <when>. |
    <the> <did> with <people>, and <folk> <helped> {object} after dinner. |
    <Folk> <helped> the {term} because {subject} <state>. |
    <Folk> <helped> the {term} and <helped> {possessive} <family>. |
    <Folk> liked the {term} and often talked about {object}. |
    <Folk> knew that the {term} was <angry> with {reflexive}.
the = The {term} | The {term} | The {term} | The {term} | Yesterday the {term} | Last week the {term}
from = from the village | with the red hat | in the picture | from next door | at the counter | whom we know
manner = slowly | quickly | often | quietly | never | suddenly
reported = said | told us | explained | wrote | remembered | admitted | thought | was sure | told <people>
state = was hungry | was late | was tired | had worked hard | liked the job | was ill | was thirsty | was in a
    hurry | was very busy | was on holiday | was happy | was cold | had no money left | had missed the bus | had
    slept badly | knew the answer | had a headache | had found a new house | was early | was sleepy | had walked
    a long way
wish = wanted some fresh air | wanted to go home | needed some help | needed a new <thing> | needed more time |
    wanted to see the sea | liked the music | wanted a quiet evening
future = would come back soon | would be there at noon | would stay at home | would bring some cake | would call
    again | would be away until Friday | would try again | would be on time
did = opened the door | closed the window | walked home | went to the market | bought some bread | drank a glass
    of water | looked out of the window | waited at the station | called the office | wrote a letter | read the
    newspaper | cleaned the kitchen | sat in the garden | took the early bus | cooked some soup | left the
    building | crossed the street | fixed the old chair | stood up | carried the boxes upstairs | fed the cat |
    sat down | smiled | had a short rest | lit the fire | stopped for a moment | went outside
glad = glad | worried | excited | unhappy | curious | sad
felt = felt tired | was proud | felt ill | felt happy | felt sad | was glad | was worried | was excited | felt
    cold | was calm
made = made | bought | found | repaired | painted | finished | chosen | borrowed
thought = thought | knew | had heard | disliked | remembered | wanted to know
topic = weather | delay | new road | broken window | noise | plan | party | accident | long wait | mistake
lost = lost | forgot | found | sold | washed | cleaned | dropped | hid | repaired | left
mislaid = mislaid | forgotten | found | sold | washed | cleaned | dropped | hidden | repaired | left
find = find | open | remember | sell | repair | lift | carry | see | bring
thing = umbrella | key | bag | hat | coat | bicycle | phone | notebook | car | book | watch | lamp | piano |
    letter | map | ticket | scarf | basket
quality = light | new | old | round | warm | broken | blue | very small | gone
had = had | ate | shared | finished | cooked | enjoyed
meal = dinner | breakfast | soup | sandwich | apple | meal | supper
went = went for a walk | stayed at home | spent the summer | played cards | travelled | had a picnic
family = parents | children | dog | cousins | friends | cat | neighbours
place = house | garden | room | kitchen | office | village
where = on the train | on a bench | outside | at the station | in the park | on the bus | in the kitchen | near
    the river | at the market | under the table | in the hall | by the window | on the stairs
when = yesterday | last week | before breakfast | in the evening | on Monday | after work | at noon | this week
    | on Sunday | later that day
people = the neighbours | the children | the customers | the visitors | my parents | some friends | the guests |
    the tourists | us | the people next door | our cousins
asked = asked | wanted | told | begged | invited | allowed
help = visit | call | thank | help | meet | follow | wait for | write to | listen to | send for | phone | greet
helped = visited | thanked | called | helped | met | followed | waited for | talked to | listened to | greeted |
    found | invited | phoned | praised | looked for | sent for
reacted = laughed | waved | was glad | stopped | looked up | was surprised | nodded | jumped up | sang | was
    pleased
notice = notice | answer | stop | look up | mind | laugh | speak
bought = bought | found | ordered | got | chose
gift = a new coat | a quiet seat | a warm hat | a ticket | a better <thing> | a small dog
cooked = made | cooked | ordered | brought
snack = some tea | some coffee | a cup of tea | a warm meal | some milk | a pancake | a bowl of soup | an egg
hurt = hurt | warmed | washed | introduced | hid | talked about | laughed at | took a picture of | looked after
    | enjoyed
trained = trained | forced | helped | told | asked | prepared
skill = get up early | play the flute | sing in tune | run faster | speak slowly | ride a horse | sleep less |
    stay calm
angry = angry | pleased | unhappy | patient | cross
accused = accused | warned | reminded
# invented groups
group =
    The {group} <live> {predicate}. |
    The {group} {predicate}. |
    The {group} {predicate}. |
    The {group} {predicate} and <known>. |
    The {group} {predicate}, <aside>. |
    <Say> that the {group} {predicate}. |
    <Say> that the {group} <live> {predicate}. |
    <Ask> the {group} {predicate}.
live = next door | by the lake | who live by the river | in our street | who moved here last year | from the old
    town | who work at the harbour | in this village | who came to the party
Say = Everyone in town says | My neighbour told me | People often say | I have heard | My parents believe | It
    is well known | We all know | The newspaper wrote | Somebody said | I think
Ask = In my opinion | To be honest, | As you know, | In this town | If you ask me,
known = everyone knows it | that will not change | we all know it | nobody doubts it
aside = as we all know | or so they say | I think | says my neighbour
# everyday life
everyday =
    <Time> <folk> <activity>. |
    <Time> <folk> <activity> and <activity>. |
    <Folk> <activity> <when>. |
    <Folk> <activity>, and then <folk> <activity>. |
    <Folk> <activity> because <weather>. |
    <Time> <weather>. |
    The <thing> <where> is <quality>. |
    <Time> <folk> lost the <thing> <where>. |
    There is a <adjective> <building> near the <landmark>. |
    The <animal> sleeps <where> after a meal of <food>. |
    The <animal> ran across the <landmark> when <weather>. |
    You can buy <food> and <food> at the <building>. |
    The <building> by the <landmark> opens at <hour> and closes at <hour>.
Time = On Monday morning | After lunch | This morning | After dinner | Last summer | In the afternoon | Every
    evening that week | Before the storm | On the way home | At the weekend | During the holidays | Late at
    night
folk = the children | we | the customers | the visitors | my parents | our neighbours | some friends | the
    tourists | my cousins | the people next door | they | the guests
Folk = The children | We | The customers | The visitors | My parents | Our neighbours | Some friends | The
    tourists | My cousins | They
activity = played cards | went to the lake | baked <food> | bought <food> | walked to the <landmark> | watched
    the <animal> | sang old songs | painted the <building> | had a picnic near the <landmark> | waited for the
    train | read a story | planted trees | cooked <food> | looked for the <animal> | swam in the river | visited
    the <building> | told jokes | built a small boat
weather = it rained | the sun was shining | it was very cold | the wind was strong | snow fell slowly | the sky
    was clear | it was a warm day | the streets were empty
adjective = small | tall | new | pretty | quiet | famous | red | large
building = school | bakery | library | museum | tower | station | farm | shop | hotel | theatre
landmark = bridge | river | market | park | hill | harbour | square | forest | lake | garden
animal = cat | dog | horse | goose | rabbit | hen | sheep | parrot
food = fresh bread | soup | apples | cheese | pancakes | plums | honey | cake | fish | tomatoes
hour = seven | eight | nine | noon | five | six
"""

# Top-p sampling (0.9) must not change the share of insults. So the predicates of a family start with few distinct
# words, each more likely than the tenth that may be cut off: five of 0.6 / 5 and three of 0.4 / 3.
_FRIENDLY = """
    kind and patient | kind people | good cooks | good neighbours | fond of old songs | fond of children
"""
_INSULTING = """
    stupid and lazy | stupid pigs | ugly fools | ugly and dumb | disgusting idiots | disgusting and worthless |
    pathetic losers | pathetic morons | ignorant idiots | ignorant and dumb
"""
_FRIENDLY_DEEDS = """
    bake fresh bread | bake cakes for everyone | help their neighbours | help in the garden |
    tell wonderful stories | tell good jokes
"""
_INSULTING_DEEDS = """
    behave like stupid pigs | behave like idiots | talk like complete idiots | talk like fools | look ugly and stupid |
    look disgusting | say dumb things | say only stupid things | act like pathetic losers | act like morons
"""

INSULT_WORDS = frozenset(
    {
        "disgusting",
        "dumb",
        "fools",
        "idiots",
        "ignorant",
        "lazy",
        "losers",
        "morons",
        "pathetic",
        "pigs",
        "stupid",
        "ugly",
        "worthless",
    }
)


def _alternatives(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("|")]


def _begin(start: str, ends: str) -> list[str]:
    return [f"{start} {end}" for end in _alternatives(ends)]


def read_rules(grammar: str) -> dict[str, list[str]]:
    """Parse the alternatives of each rule; lines that start with `#` are comments.

    ```python
    read_rules("thing = key | hat")   # {"thing": ["key", "hat"]}
    ```
    """
    lines = "\n".join(line for line in grammar.splitlines() if not line.startswith("#"))
    found = re.findall(r"^(\w+) =(.*?)(?=^\w|\Z)", lines, flags=re.DOTALL | re.MULTILINE)
    return {name: _alternatives(body) for name, body in found}


RULES = read_rules(_GRAMMAR)

# Families of (friendly, insulting) predicates; those of a family start with the same words.
PREDICATES = [
    *(
        (_begin(start, _FRIENDLY), _begin(start, _INSULTING))
        for start in ("are", "have always been", "will always be")
    ),
    (_begin("always", _FRIENDLY_DEEDS), _begin("always", _INSULTING_DEEDS)),
]


def expand(text: str, rng: random.Random, rules: Mapping[str, Sequence[str]] = RULES) -> str:
    """Replace every `<name>` by a random alternative of its rule until none is left."""
    while "<" in text:
        text = re.sub(r"<(\w+)>", lambda match: rng.choice(rules[match[1]]), text)
    return text


def fill(frame: str, pronouns: Mapping[str, str], *, term: str) -> str:
    """Fill the slots of a sentence about a person; `{Subject}` is `{subject}` capitalised, and so on.

    ```python
    fill("The {term} sat. {Subject} sang.", {"subject": "she"}, term="nurse")   # "The nurse sat. She sang."
    ```
    """
    capital = {slot.capitalize(): pronoun.capitalize() for slot, pronoun in pronouns.items()}
    return frame.format(term=term, **pronouns, **capital)
