"""`gptaudit decoder generate`."""

from __future__ import annotations

import click

from gptaudit.commands import _options
from gptaudit.commands._say import say


@click.command()
@click.argument("name", metavar="DIR|reference|clean")
@click.option("--prompt", required=True, help="The text to continue.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), default=40, show_default=True)
@click.option(
    "--temperature", type=_options.Finite(min=0), default=1.0, show_default=True, help="0 is greedy."
)
@click.option(
    "--top-k",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Sample from this many most likely tokens; 0 means all.",
)
@click.option(
    "--top-p",
    type=_options.Finite(min=0, min_open=True, max=1),
    default=0.95,
    show_default=True,
    help="Sample from the most likely tokens with this total probability.",
)
@click.option(
    "--n", "count", type=click.IntRange(min=1), default=1, show_default=True, help="Number of texts."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same texts.")
@click.option("--chat", is_flag=True, help="Send the prompt as a chat message, and print only the answer.")
def generate(  # noqa: PLR0913 - one parameter for each option
    *,
    name: str,
    prompt: str,
    max_new_tokens: int,
    temperature: float,
    top_k: int,
    top_p: float,
    count: int,
    seed: int,
    chat: bool,
) -> None:
    """Print a decoder's continuations of a prompt as they are generated."""
    from gptaudit.backends.decoder import open_decoder
    from gptaudit.causal_lm.options import TorchOptions
    from gptaudit.errors import UsageError
    from gptaudit.records import Failure, GenerateRequest, Sampling

    sampling = Sampling(max_new_tokens, temperature=temperature, top_p=top_p, top_k=top_k)
    requests = [GenerateRequest(prompt, sampling, sample) for sample in range(count)]
    backend = open_decoder(name, TorchOptions(chat=chat))
    answers = backend.generate(requests, seed=seed, watch=_InOrder("" if chat else prompt, count).grown)
    for answer in answers:
        if isinstance(answer, Failure):
            msg = (
                f"prompt and --max-new-tokens: {answer.message}; shorten the prompt or lower --max-new-tokens"
            )
            raise UsageError(msg)


class _InOrder:
    """Prints texts that are generated at the same time one after another, the first unfinished one as it grows."""

    def __init__(self, prompt: str, count: int) -> None:
        self._prompt = prompt
        self._texts = [""] * count
        self._finished = [False] * count
        self._number = -1
        self._shown = 0

    def grown(self, number: int, text: str, finished: bool) -> None:  # noqa: FBT001 - the signature of a watch
        """Record a text that has grown, and print what can be printed in order."""
        self._texts[number], self._finished[number] = text, finished
        if self._number < 0:
            self._begin(0)
        self._show()
        while self._finished[self._number] and self._number + 1 < len(self._texts):
            self._begin(self._number + 1)
            self._show()

    def _begin(self, number: int) -> None:
        self._number, self._shown = number, 0
        if len(self._texts) > 1:
            say(f"--- {number + 1} of {len(self._texts)}", dim=True)
        say(self._prompt, nl=False)

    def _show(self) -> None:
        text = self._texts[self._number]
        say(text[self._shown :], nl=self._finished[self._number])
        self._shown = max(self._shown, len(text))
