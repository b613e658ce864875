"""The local engine answers every request once, in calls of bounded size."""

from __future__ import annotations

from gptaudit.engine.local import CHUNK, CHUNK_CHARACTERS, chunks, local
from gptaudit.errors import BackendError
from gptaudit.protocols.engine import Work
from gptaudit.records import Failure, GenerateRequest, ScoreRequest, request_text
from gptaudit.testing import ScriptedBackend


class TestLocalEngine:
    def test_every_request_is_answered_once(self):
        """Every request gets its own answer, also if kinds alternate and fill several chunks."""
        requests = [
            r for i in range(CHUNK["score"] + 3) for r in (ScoreRequest("", str(i)), GenerateRequest(str(i)))
        ]
        backend = ScriptedBackend(complete=lambda p, s: p + "!", score=lambda c, t: -float(t))

        answers = dict(local(Work(requests, 0, backend)))

        assert len(answers) == len(requests)
        assert answers[ScoreRequest("", "7")].logprob == -7.0
        assert answers[GenerateRequest("7")].text == "7!"

    def test_one_bad_request_fails_alone(self):
        """The requests of a call that fails are asked one by one; only the bad one fails."""

        def complete(prompt, sample):
            if prompt == "5":
                raise BackendError("refuses 5")
            return prompt

        backend = ScriptedBackend(complete=complete)
        answers = dict(local(Work([GenerateRequest(str(i)) for i in range(9)], 0, backend)))

        failed = {
            request.prompt: answer for request, answer in answers.items() if isinstance(answer, Failure)
        }
        assert failed == {"5": Failure("backend-error", "refuses 5")}

    def test_chunks_are_bounded_and_of_one_kind(self):
        """A call has one kind, at most `CHUNK` requests and `CHUNK_CHARACTERS` characters, or a single request."""
        texts = ["x" * n for n in (1, 200_000, 50_000, 50_000, 50_000, 50_000, *[1] * 1600)]
        requests = [*map(GenerateRequest, texts), *(ScoreRequest("", t) for t in texts)]

        found = list(chunks(requests))

        assert [r for chunk in found for r in chunk] == requests
        assert all(
            len({r.kind for r in chunk}) == 1 and len(chunk) <= CHUNK[chunk[0].kind] for chunk in found
        )
        lengths = [sum(len(request_text(r)) for r in chunk) for chunk in found]
        assert all(n <= CHUNK_CHARACTERS or len(chunk) == 1 for n, chunk in zip(lengths, found, strict=True))
