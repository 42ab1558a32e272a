"""Numbers are compared whole, in one form, or not at all."""

from __future__ import annotations

import re

import phonenumbers
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from openclaw_voice_call.call.opening import InboundPolicy, Refusal, admit_inbound
from openclaw_voice_call.call.phone import is_withheld, normalise

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
EXAMPLES = [
    phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    if (example := phonenumbers.example_number(region)) is not None
]
numbers = st.sampled_from(EXAMPLES)
separators = st.sampled_from([" ", "-", ".", "/", "  ", "\u00a0", "\u2011", "", ""])


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str]:
    """A number as people write it, and in E.164."""
    number = draw(numbers)
    text = "+" + "".join(digit + draw(separators) for digit in number[1:])
    at = draw(st.integers(2, len(number) - 1))
    return draw(st.sampled_from([text, f"{number[:at]} ({number[at:]})"])), number


@given(written())
def test_every_countrys_numbers_are_found_however_they_are_written(pair: tuple[str, str]) -> None:
    text, number = pair
    assert normalise(text) == number


@given(st.one_of(st.text(max_size=20), st.from_regex(r"\+?[0-9 ()x.;-]{0,20}", fullmatch=True)))
def test_a_result_is_e164_and_stands_for_itself(text: str) -> None:
    number = normalise(text)
    if number is not None:
        assert E164.fullmatch(number)
        assert normalise(number) == number


@given(numbers, st.text("0123456789", min_size=1, max_size=5))
def test_more_digits_are_another_number_or_none(number: str, extra: str) -> None:
    for other in (f"+{extra}{number[1:]}", number + extra, f"{number[:2]}{extra}{number[2:]}"):
        assume(other != number)
        assert normalise(other) in (other, None)
        assert admit_inbound(InboundPolicy.ALLOWLIST, [number], other) is not None


@given(numbers, st.integers(1, 6))
def test_a_part_of_a_number_is_not_that_number(number: str, cut: int) -> None:
    for part in (number[cut:], "+" + number[1 + cut :], number[:-cut]):
        assert normalise(part) in (part, None)
        assert admit_inbound(InboundPolicy.ALLOWLIST, [number], part) is not None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+1 (555) 000-1234", "+15550001234"),
        ("+49 (0)30 901820", "+4930901820"),
        ("+39 06 698 12345", "+390669812345"),
        ("+39 (0)6 698 12345", "+390669812345"),
        ("+800 1234 5678", "+80012345678"),
    ],
)
def test_what_people_write(text: str, number: str) -> None:
    assert normalise(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "5550001234",
        "15550001234",
        "0015550001234",
        "01115550001234",
        "+",
        "+1",
        "+911",
        "+112",
        "+1555000",
        "+5550001234567890",
        "+15550001234567",
        "+9995550001234",
        "+4903090182012",
        "+115550001234",
        "++15550001234",
        "+1555FLOWERS",
        "+15550001234x12",
        "+15550001234;ext=12",
        "tel:+15550001234",
        "sip:+15550001234@example.com",
        "+1555000123\u0664",
        "\uff0b15550001234",
        "+15550001234\n",
        "+15550001234 +15550001234",
    ],
)
def test_what_is_no_number_or_would_have_to_be_guessed(text: str) -> None:
    assert normalise(text) is None


@pytest.mark.scenario("A1")
@pytest.mark.parametrize(
    "caller",
    [
        "",
        " ",
        "anonymous",
        "Restricted",
        "UNKNOWN",
        "+99915550001234",
        "5550001234",
        "+5550001234",
        "0001234",
        "+0015550001234",
        "+1(0)5550001234",
        "+115550001234",
        "+155500012345",
        "x+15550001234",
    ],
)
def test_only_the_whole_number_is_on_the_list(caller: str) -> None:
    refusal = admit_inbound(InboundPolicy.ALLOWLIST, ["+15550001234"], caller)
    assert refusal in {Refusal.WITHHELD, Refusal.UNKNOWN_CALLER}


@pytest.mark.scenario("A1")
@pytest.mark.parametrize("caller", ["+15550001234", "+1 555 000-1234", "+1 (555) 000.1234"])
def test_the_whole_number_is_admitted_however_it_is_written(caller: str) -> None:
    assert admit_inbound(InboundPolicy.ALLOWLIST, ["+1-555-000-1234"], caller) is None


@pytest.mark.parametrize("caller", ["", "  ", "Anonymous", "RESTRICTED", "unavailable "])
def test_words_in_place_of_a_number(caller: str) -> None:
    assert is_withheld(caller)
    assert normalise(caller) is None


@given(numbers)
def test_a_number_is_not_withheld(number: str) -> None:
    assert not is_withheld(number)
