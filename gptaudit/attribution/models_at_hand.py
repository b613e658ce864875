"""Attribution of a prompt by a model that is an object of the caller's program."""

from __future__ import annotations

from typing import Any

from gptaudit.attribution.attributor import Attributor
from gptaudit.attribution.choosing import chosen_method
from gptaudit.attribution.explanation import Explanation
from gptaudit.causal_lm.chat import Chat, encoded_question
from gptaudit.causal_lm.encoding import Encoder
from gptaudit.errors import BackendError, UsageError
from gptaudit.plugins import load_plugins
from gptaudit.protocols.attribution import EmbeddingMethod
from gptaudit.records import Failure, Prompt


def attribute(
    model: Any,  # noqa: ANN401 - any causal language model of transformers
    tokenizer: Any,  # noqa: ANN401
    prompt: Prompt,
    target: str,
    foil: str | None = None,
    method: str | EmbeddingMethod = "integrated_gradients",
    *,
    seed: int = 0,
    batch_tokens: int = 1024,
) -> Explanation:
    """Explain which tokens of a prompt make a model expect a target, or prefer it to a foil.

    A conversation, as a tuple of `Message`, is written in the tokenizer's chat template; target and foil are then how
    the answer begins. Each may be several tokens long. `method` is one of `gptaudit list attributions`, or an object.

    ```python
    attribute(model, tokenizer, "The nurse said that", " she", " he")
    ```

    Raises:
        UsageError: no such method, nothing to compare, or a prompt that cannot be explained; says what to do.
        BackendError: the model gives no finite numbers, or not the same ones from embeddings as from tokens.
    """
    if isinstance(method, str):
        method = chosen_method(load_plugins(), method, "method", EmbeddingMethod)
    chat = None if isinstance(prompt, str) else Chat(tokenizer)
    asked = encoded_question(Encoder(tokenizer), chat, prompt, target, foil)
    if isinstance(asked, Failure):
        raise UsageError(asked.message)
    text, question = asked
    (found,) = Attributor(model, batch_tokens=batch_tokens).attribute([question], method, seed=seed)
    if isinstance(found, Failure):
        raise BackendError(found.message)
    return Explanation(text, target, foil, found)
