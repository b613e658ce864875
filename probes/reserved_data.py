"""Numbers and addresses that are published as examples, or made up to fill a form: nobody's data."""

from __future__ import annotations

from itertools import pairwise


def _each(words: str) -> frozenset[str]:
    return frozenset(words.split())


TEST_CARDS = _each(
    """
    4111111111111111 4242424242424242 4012888888881881 4000056655665556 4222222222222 4000000000000002 4000000000000077
    4000000000003220 4000002500003155 4917610000000000 4988438843884305 4166676667666746 4646464646464644
    4977949494949497 4035501000000008 4360000001000005 5555555555554444 5105105105105100 5200828282828210
    5454545454545454 5136333333333335 5555341244441115 5100290029002909 5577000055770004 2223003122003222
    2223000048400011 2222400010000008 378282246310005 371449635398431 378734493671000 370000000000002
    6011111111111117 6011000990139424 6011601160116611 6011981111111113 3530111333300000 3566002020360505
    3569990010095841 30569309025904 38520000023237 3056930009020004 36227206271667 36006666333344 6200000000000005
    6205500000000000004
    """
)
"""Card numbers that payment services publish for tests."""

EXAMPLE_IBANS = _each(
    """
    AD1200012030200359100100 AE070331234567890123456 AL47212110090000000235698741 AT611904300234573201
    AT483200000012345864 BE68539007547034 BE71096123456769 BG80BNBG96611020345678 CH9300762011623852957
    CH5604835012345678009 CZ6508000000192000145399 DE89370400440532013000 DE75512108001245126199 DE44500105175407324931
    DK5000400440116243 EE382200221020145685 ES9121000418450200051332 ES7921000813610123456789 FI2112345600000785
    FR1420041010050500013M02606 FR7630006000011234567890189 GB29NWBK60161331926819 GB82WEST12345698765432
    GB33BUKB20201555555555 GR1601101250000000012300695 HR1210010051863000160 HU42117730161111101800000000
    IE29AIBK93115212345678 IE64IRCE92050112345678 IL620108000000099999999 IS140159260076545510730339
    IT60X0542811101000000123456 LI21088100002324013AA LT121000011101001000 LU280019400644750000 LV80BANK0000435195001
    MC5811222000010123456789030 MT84MALT011000012345MTLCAST001S NL91ABNA0417164300 NL02ABNA0123456789
    NO9386011117947 PL61109010140000071219812874 PT50000201231234567890154 RO49AAAA1B31007593840000
    SA0380000000608010167519 SE4550000000058398257466 SI56263300012039086 SK3112000000198742637541
    SM86U0322509800000000270100 TR330006100519786457841326
    """
)
"""Examples of the SWIFT registry of IBANs, and others that stand in many manuals."""

PUBLISHED_SSNS = frozenset(["078051120", "219099999", "457555462"])
"""Numbers that an advertisement made known, and that the Social Security Administration has withdrawn."""

EXAMPLE_RESIDENT_IDS = frozenset(["11010519491231002X", "440524188001010014", "34052419800101001X"])
"""Examples of GB 11643-1999 and of texts about it."""

EXAMPLE_TOP_LEVEL = frozenset(["example", "test", "invalid", "localhost", "local"])
"""RFC 2606 and 6762."""
EXAMPLE_DOMAINS = _each(
    """
    example sample test domain yourdomain mydomain domainname company yourcompany mycompany companyname website
    yourwebsite mywebsite site yoursite email youremail mail provider university organization foo bar foobar xyz abc
    acme contoso
    """
)
"""Names of domains that stand for the reader's own, beside the example.com of RFC 2606."""
EXAMPLE_NAMES = _each(
    """
    name yourname your.name firstname first.last firstname.lastname john.doe johndoe jane.doe janedoe jdoe user
    username youremail your.email your_email email someone somebody anyone me you foo bar test example sample abc xyz
    """
)
"""Names that stand for anybody's."""
ROLES = _each(
    """
    info contact support help sales admin administrator webmaster postmaster hostmaster abuse noc security marketing
    office hello noreply no-reply donotreply press media jobs careers hr billing accounts accounting service services
    customerservice customer.service customercare team enquiries inquiries enquiry feedback privacy news newsletter
    orders order shop booking bookings reservations reception editor mailbox legal donations events membership members
    """
)
"""Names of an office and of no person: those of RFC 2142, and usual ones."""

FEWEST_DIGITS = 4
LONGEST_RUN = 5


def is_filler(digits: str) -> bool:
    """Whether a number was typed to fill a form: few different digits, a long run, or one block again and again.

    Of random numbers of nine digits one in 300 is taken for one, of longer ones fewer.

    >>> is_filler("123456789"), is_filler("5678567856785678"), is_filler("4539578763621486")
    (True, True, False)
    """
    steps = [(int(after) - int(before)) % 10 for before, after in pairwise(digits)]
    runs = ("1" * LONGEST_RUN, "9" * LONGEST_RUN)
    blocks = any(digits == (digits[:size] * len(digits))[: len(digits)] for size in range(1, 5))
    return len(set(digits)) < FEWEST_DIGITS or blocks or any(run in "".join(map(str, steps)) for run in runs)


def is_nobodys_address(local: str, domain: str) -> bool:
    """Whether an e-mail address is an example, a placeholder, or that of an office.

    >>> is_nobodys_address("anna.berg", "example.com"), is_nobodys_address("anna.berg", "posteo.net")
    (True, False)
    """
    name, labels = local.lower(), domain.lower().split(".")
    return (
        labels[-1] in EXAMPLE_TOP_LEVEL
        or not EXAMPLE_DOMAINS.isdisjoint(labels[:-1])
        or any(label.startswith(("your", "example")) for label in labels[:-1])
        or name in EXAMPLE_NAMES
        or name in ROLES
    )
