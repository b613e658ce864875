"""Errors for a server that cannot be audited, with what the user can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gptaudit.errors import TargetError, TargetFailedError
from gptaudit.remote.faults import NotHttpError, RequestFault, UnreachableError
from gptaudit.validation import nearest

if TYPE_CHECKING:
    from gptaudit.remote.address import Address

MOST_NAMES = 300
"""Longest list of models in a message, in characters."""


def opening_error(
    fault: RequestFault, address: Address, model: str, listed: Sequence[str], seconds: float
) -> TargetError:
    """Return the error for a fault of the first request; `listed` are the models that the server lists, if any."""
    unlisted = bool(listed) and model not in listed
    error = TargetError
    match fault:
        case UnreachableError():
            said = f"{fault}. Start the server, or fix -b base_url"
        case NotHttpError():
            said = f"expected OpenAI's protocol: {fault}. base_url usually ends in /v1"
        case RequestFault(status=401 | 403):
            what = "the key" if address.authorization or address.headers else "to answer without a key"
            said = f"the server refuses {what}: {fault}. Set OPENAI_API_KEY, or give a file: -b api_key_file=FILE"
        case RequestFault(status=int(status)) if 300 <= status < 400:
            said = f"{fault}. Give the final address as -b base_url"
        case RequestFault() if unlisted and not fault.transient:
            known = nearest(model, listed)
            shown = known if len(known) <= MOST_NAMES else f"{known[:MOST_NAMES]}..."
            said = f"the server has no model {model!r} ({fault}).{shown}"
        case RequestFault(status=404):
            said = f"{fault}. Check the model name {model!r}; base_url usually ends in /v1"
        case RequestFault() if fault.transient:
            error = TargetFailedError
            said = (
                f"expected an answer to a first request, got none in {seconds:.0f} s: {fault}. "
                "Fix the server, then run again"
            )
        case _:
            said = f"expected an answer to a first request, got {fault.reason}: {fault}"
    return error(f"{address.url}: {said}")


def system_error(fault: RequestFault, address: Address) -> TargetError:
    """Return the error for a server that refuses the system message of `-b system`."""
    return TargetError(
        f"{address.url}: the server takes no system message: {fault}. Leave system out, or give "
        "-b fold_system=true to put its text before that of the user's message"
    )
