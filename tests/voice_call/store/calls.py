"""Calls for the journal's tests: one plain one, and every possible one."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st
from msgspec import inspect as info

from openclaw_voice_call.call.facts import Fact
from openclaw_voice_call.call.record import CallRecord, CallSettings
from openclaw_voice_call.call.types import CallId, CarrierCallId, Direction, Mode, Phase


def a_call(
    call_id: str = "call-1",
    *,
    carrier_call_id: str | None = None,
    opened_at: float = 1_000.0,
) -> CallRecord:
    return CallRecord(
        call_id=CallId(call_id),
        carrier="twilio",
        direction=Direction.OUTBOUND,
        from_number="+15550001234",
        to_number="+15550005678",
        settings=CallSettings(Mode.CONVERSATION, session_key="voice:15550005678"),
        opened_at=opened_at,
        carrier_call_id=None if carrier_call_id is None else CarrierCallId(carrier_call_id),
    )


def after(record: CallRecord, **changes: object) -> CallRecord:
    """The record with its next version."""
    return msgspec.structs.replace(record, **{"version": record.version + 1, **changes})


def ended(record: CallRecord, at: float = 2_000.0) -> CallRecord:
    return after(record, phase=Phase.ENDED, ended_at=at)


TEXT = st.text(max_size=40)


def any_of(form: info.Type) -> st.SearchStrategy[object]:
    """Every value of a type as msgspec sees it, so that no field can be forgotten."""
    match form:
        case info.StructType():
            fields = {field.name: any_of(field.type) for field in form.fields}
            return st.builds(form.cls, **fields)
        case info.UnionType():
            return st.one_of([any_of(each) for each in form.types])
        case info.EnumType():
            return st.sampled_from(list(form.cls))
        case info.VarTupleType():
            return st.lists(any_of(form.item_type), max_size=4).map(tuple)
        case info.DictType():
            return st.dictionaries(any_of(form.key_type), any_of(form.value_type), max_size=4)
        case info.StrType():
            return TEXT
        case info.BoolType():
            return st.booleans()
        case info.IntType():
            return st.integers(min_value=-(2**53), max_value=2**53)
        case info.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case info.NoneType():
            return st.none()
        case _:
            raise NotImplementedError(form)


def _first_version(record: object) -> CallRecord:
    assert isinstance(record, CallRecord)
    return msgspec.structs.replace(record, version=1)


def _fact(value: object) -> Fact:
    assert isinstance(value, Fact)
    return value


RECORDS = any_of(info.type_info(CallRecord)).map(_first_version)
FACTS = any_of(info.type_info(Fact)).map(_fact)
