"""`decoder:reference`, `decoder:clean`, `decoder:FOLDER`: the bundled decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptaudit.causal_lm.options import TorchOptions
from gptaudit.errors import TargetError
from gptaudit.markers import hookimpl
from gptaudit.protocols.backend import BackendType

if TYPE_CHECKING:
    from collections.abc import Callable

    from gptaudit.causal_lm.backend import CausalLMBackend


def open_decoder(rest: str, options: TorchOptions) -> CausalLMBackend:
    """Open shipped weights by name, or a folder written by `gptaudit decoder train`."""
    from gptaudit.attribution.attributor import Attributor
    from gptaudit.causal_lm.loading import load_backend
    from gptaudit.decoder import decoder_folder

    folder = decoder_folder(rest)
    if not folder.is_dir():
        msg = f"decoder:{rest}: expected reference, clean or a folder written by `gptaudit decoder train`"
        raise TargetError(msg)
    return load_backend(folder, options, Attributor)


@hookimpl
def gptaudit_register_backends(register: Callable[[BackendType], None]) -> None:
    """Register `decoder:`."""
    register(
        BackendType("decoder", "the bundled decoder", "reference|clean|FOLDER", TorchOptions, open_decoder)
    )
