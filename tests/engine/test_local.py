"""The local engine answers every request once, in calls of bounded size."""

from __future__ import annotations

from gptaudit.engine.local import CALL_SECONDS, CHUNK, CHUNK_CHARACTERS, FIRST, Pace, chunks, local
from gptaudit.errors import BackendError
from gptaudit.protocols.engine import Work
from gptaudit.records import Failure, GenerateRequest, ScoreRequest, request_text
from gptaudit.testing import ScriptedBackend


class TestLocalEngine:
    def test_chunks_are_bounded_and_of_one_kind(self):
        """A call has one kind, at most `CHUNK` requests and `CHUNK_CHARACTERS` characters, or a single request."""
        texts = ["x" * n for n in (1, 200_000, 50_000, 50_000, 50_000, 50_000, *[1] * 1600)]
        requests = [*map(GenerateRequest, texts), *(ScoreRequest("", t) for t in texts)]

        pace = Pace()
        pace.sizes.update(CHUNK)
        found = list(chunks(requests, pace))

        assert [r for chunk in found for r in chunk] == requests
        assert all(
            len({r.kind for r in chunk}) == 1 and len(chunk) <= CHUNK[chunk[0].kind] for chunk in found
        )
        lengths = [sum(len(request_text(r)) for r in chunk) for chunk in found]
        assert all(n <= CHUNK_CHARACTERS or len(chunk) == 1 for n, chunk in zip(lengths, found, strict=True))

    def test_calls_are_as_long_as_the_model_is_slow(self):
        """Calls grow while they are short, and shrink when they take longer than an interruption may lose."""
        pace = Pace()
        for _ in range(9):
            pace.observe("score", CALL_SECONDS / 10)
        assert pace.sizes == {**FIRST, "score": CHUNK["score"]}

        sizes = []
        for chunk in chunks([ScoreRequest("", "x")] * 1000, pace):
            sizes.append(len(chunk))
            pace.observe("score", CALL_SECONDS + 1)
        assert sizes[:3] == [512, 256, 128]

        for _ in range(9):
            pace.observe("score", 11.0)
        assert pace.sizes["score"] == 1

    def test_completions_arrive_as_they_end(self):
        """A backend that decodes continuously is given a whole stream, and its answers come out one by one."""
        backend = Continuous()
        answers = local(
            Work([ScoreRequest("", "1"), *map(GenerateRequest, "abc"), ScoreRequest("", "2")], 0, backend)
        )

        seen = [(request, answer) for request, answer in answers]

        assert [request.kind for request, _ in seen] == ["score", "generate", "generate", "generate", "score"]
        assert backend.log == ["take a", "answer a", "take b", "answer b", "take c", "answer c"]

    def test_stream_that_fails_is_gone_on_with(self):
        """The requests under way when a stream fails are asked alone, and then the stream is taken up again."""
        backend = Continuous(fails="c")
        answers = dict(local(Work([*map(GenerateRequest, "abcde")], 0, backend)))

        assert {request.prompt: isinstance(answer, Failure) for request, answer in answers.items()} == {
            "a": False,
            "b": False,
            "c": True,
            "d": False,
            "e": False,
        }


class Continuous(ScriptedBackend):
    """Answers one request at a time."""

    def __init__(self, fails=""):
        def complete(prompt, sample):
            if prompt == fails:
                raise BackendError("refuses")
            return prompt

        super().__init__(complete=complete, score=lambda context, continuation: -1.0)
        self.log = []

    def generate_continuously(self, requests, *, seed):
        for request in requests:
            self.log.append(f"take {request.prompt}")
            (answer,) = self.generate([request], seed=seed)
            self.log.append(f"answer {request.prompt}")
            yield request, answer
