"""Opening of the model that `SCHEME:REST` and `-b KEY=VALUE` name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from gptaudit.errors import TargetError, UsageError
from gptaudit.evidence.provenance import without_secrets
from gptaudit.plugins import Plugins
from gptaudit.protocols.backend import Backend, RecognisableBackend
from gptaudit.protocols.options import is_option, nested, option_names
from gptaudit.records import TargetInfo
from gptaudit.validation import nearest, validated


def open_target(spec: str, options: Mapping[str, str], plugins: Plugins) -> tuple[Backend, TargetInfo]:
    """Open the model that `spec` names; raise `TargetError` or `UsageError` with the remedy."""
    scheme, colon, rest = spec.partition(":")
    if not colon or not rest:
        msg = f"target {spec!r}: expected SCHEME:REST, for example decoder:reference or hf:FOLDER"
        raise TargetError(msg)
    plugins.require_one("backends", scheme, f"target {spec!r}")
    if scheme not in plugins.backends:
        msg = f"target {spec!r}: unknown scheme {scheme!r}.{nearest(scheme, plugins.backends)}"
        raise TargetError(msg)
    backend_type = plugins.backends[scheme]
    kind = backend_type.options
    for key in options:
        if not is_option(key, kind):
            known = nearest(key, option_names(kind))
            msg = f"-b {key}=...: the backend {scheme} has no option {key!r}.{known}"
            raise UsageError(msg)
    chosen = validated(kind, nested(options, kind), where=f"-b, options of {scheme}", error=UsageError)
    backend = backend_type.open(rest, chosen)
    answers = backend.first_answers if isinstance(backend, RecognisableBackend) else {}
    info = TargetInfo(
        spec=spec,
        backend=scheme,
        fingerprint=backend.fingerprint,
        verified=backend.verified,
        capabilities=tuple(sorted(backend.capabilities)),
        parameters=backend.parameters,
        options=without_secrets(asdict(chosen)),
        details=backend.details,
        planted=backend.planted,
        first_answers={request: tuple(of_request) for request, of_request in answers.items()},
    )
    return backend, info
