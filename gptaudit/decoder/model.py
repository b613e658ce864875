"""The bundled decoder: a pre-norm GPT, all of it in this file, read from small to large.

Letters in the shape comments: B batch, T new tokens, K cached and new tokens, C width, H heads, D = C / H,
V vocabulary.

The shape is that of GPT-2 (Radford et al. 2019, section 2.3) after Vaswani et al. 2017: causal multi-head
self-attention, a GELU feed-forward of four times the width, learned positions, tied embeddings.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Cache, DynamicCache, GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast


class DecoderConfig(PreTrainedConfig):
    """Shape of a decoder; the field names are those of `transformers`.

    ```python
    DecoderConfig(vocab_size=1000, hidden_size=128, num_hidden_layers=4, num_attention_heads=4)
    ```
    """

    model_type = "gptaudit-decoder"

    vocab_size: int = 1024
    hidden_size: int = 128
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int = 512
    max_position_embeddings: int = 128  # the context, in tokens
    dropout: float = 0.0
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02
    tie_word_embeddings: bool = True
    use_cache: bool = True
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    pad_token_id: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the signature of transformers
        if self.hidden_size % self.num_attention_heads:
            msg = f"hidden_size={self.hidden_size} does not divide into {self.num_attention_heads} heads"
            raise ValueError(msg)
        super().__post_init__(**kwargs)


def default_positions(attention_mask: Tensor | None, past: int, tokens: int, device: torch.device) -> Tensor:
    """Position of each new token, (1 or B, T): left padding does not count.

    The mask `[[0, 0, 1, 1]]` with no past gives `[[0, 0, 0, 1]]`.
    """
    if attention_mask is not None and attention_mask.dim() == 2:
        return (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)[:, -tokens:]
    return torch.arange(past, past + tokens, device=device)[None]


def attention_bias(mask: Tensor | None, past: int, tokens: int, device: torch.device) -> Tensor | None:
    """What scaled dot-product attention takes as `attn_mask`, (1 or B, 1, T, K), True where a token may look.

    A 2D mask (B, K) marks padding with 0. A 4D mask, boolean or additive, is the caller's whole decision and
    is used as it is: token trees packed into one row need this. None means plain causal attention, no past.
    """
    if mask is not None and mask.dim() == 4:
        return mask
    if mask is None and past == 0:
        return None
    query = torch.arange(past, past + tokens, device=device)[:, None]  # (T, 1)
    key = torch.arange(past + tokens, device=device)[None]  # (1, K)
    causal = (key <= query)[None, None]  # (1, 1, T, K)
    if mask is None:
        return causal
    # A padded query still sees itself, or its softmax over nothing would be NaN.
    return (causal & mask[:, None, None].bool()) | (key == query)


class Attention(nn.Module):
    """Causal multi-head self-attention."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads = config.num_attention_heads
        self.dropout = config.dropout
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self, x: Tensor, bias: Tensor | None, cache: Cache | None, *, explicit: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the mixed values (B, T, C) and, where `explicit`, the weights (B, H, T, K)."""
        B, T, C = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, C // self.heads)  # (B, T, 3, H, D)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        if cache is not None:
            k, v = cache.update(k, v, self.layer)  # (B, H, K, D)
        dropout = self.dropout if self.training else 0.0
        if explicit:
            weights = attention_weights(q, k, bias)  # (B, H, T, K)
            y = F.dropout(weights, dropout) @ v  # (B, H, T, D)
        else:
            weights = None
            y = F.scaled_dot_product_attention(q, k, v, bias, dropout, is_causal=bias is None)  # (B, H, T, D)
        return self.output(y.transpose(1, 2).reshape(B, T, C)), weights


def attention_weights(q: Tensor, k: Tensor, bias: Tensor | None) -> Tensor:
    """Compute softmax(q k^T / sqrt(D) + mask), (B, H, T, K), which the fused kernel does not give away."""
    scores: Tensor = q @ k.transpose(-1, -2) / q.size(-1) ** 0.5  # (B, H, T, K)
    if bias is None:
        bias = torch.ones(q.size(-2), k.size(-2), dtype=torch.bool, device=q.device).tril()
    masked = scores.masked_fill(~bias, float("-inf")) if bias.dtype == torch.bool else scores + bias
    return masked.softmax(dim=-1)


class FeedForward(nn.Module):
    """Two linear layers with GPT-2's GELU (the tanh form) between them."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.input = nn.Linear(config.hidden_size, config.intermediate_size)
        self.output = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, C) to (B, T, C), each token alone."""
        y: Tensor = self.output(F.gelu(self.input(x), approximate="tanh"))
        return y


class Block(GradientCheckpointingLayer):
    """Attention, then feed-forward; each reads a normalised copy of the stream and adds to it."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = Attention(config, layer)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, bias: Tensor | None, past_key_values: Cache | None = None, *, explicit: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Return the stream (B, T, C) and, where `explicit`, the attention weights (B, H, T, K)."""
        mixed, weights = self.attention(self.attention_norm(x), bias, past_key_values, explicit=explicit)
        x = x + self.dropout(mixed)
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x))), weights


class DecoderPreTrainedModel(PreTrainedModel):
    """What both decoder models share: loading, saving, initial weights."""

    config_class = DecoderConfig
    config: DecoderConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _no_split_modules = ["Block"]  # noqa: RUF012 - declared by transformers
    _input_embed_layer = "token_embedding"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Attention | FeedForward):
            # Two branches a layer add to the stream; this keeps its variance equal for every depth.
            std = self.config.initializer_range / (2 * self.config.num_hidden_layers) ** 0.5
            init.normal_(module.output.weight, mean=0.0, std=std)


class DecoderModel(DecoderPreTrainedModel):
    """Tokens to hidden states, without the vocabulary head."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__(config)
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        *,
        use_cache: bool = False,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        **_: Any,  # noqa: ANN401 - transformers passes more to some models
    ) -> BaseModelOutputWithPast:
        """Return `last_hidden_state` (B, T, C) and what else was asked for.

        Arguments mean what they mean in `transformers`: exactly one of `input_ids` (B, T) and `inputs_embeds`
        (B, T, C); `attention_mask` (B, K) or (B, 1, T, K); `position_ids` (1 or B, T).

        Raises:
            ValueError: both or neither input given, or a position lies beyond the context.
        """
        if (input_ids is None) == (inputs_embeds is None):
            msg = "give exactly one of input_ids and inputs_embeds"
            raise ValueError(msg)
        x = self.token_embedding(input_ids) if inputs_embeds is None else inputs_embeds  # (B, T, C)
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        if position_ids is None:
            position_ids = default_positions(attention_mask, past, x.size(1), x.device)
        if int(position_ids.max()) >= self.config.max_position_embeddings:
            msg = (
                f"the decoder's context is {self.config.max_position_embeddings} tokens; "
                f"got position {int(position_ids.max())}. Shorten the text."
            )
            raise ValueError(msg)
        bias = attention_bias(attention_mask, past, x.size(1), x.device)
        attentions = self.config.output_attentions if output_attentions is None else output_attentions
        explicit = attentions or self.config._attn_implementation == "eager"  # noqa: SLF001 - its only name

        x = self.dropout(x + self.position_embedding(position_ids))
        streams, weights = [x], []
        for block in self.blocks:
            x, attention = block(x, bias, past_key_values=past_key_values, explicit=explicit)
            streams.append(x)
            weights.append(attention)
        x = self.norm(x)
        streams[-1] = x  # as in GPT-2, the last hidden state is the normalised one
        hidden = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        return BaseModelOutputWithPast(
            last_hidden_state=x,
            past_key_values=past_key_values,
            hidden_states=tuple(streams) if hidden else None,
            attentions=tuple(weights) if attentions else None,
        )


class DecoderForCausalLM(DecoderPreTrainedModel, GenerationMixin):
    """The decoder with its vocabulary head: logits, loss, `generate()`."""

    _tied_weights_keys = {"lm_head.weight": "model.token_embedding.weight"}  # noqa: RUF012 - as above

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__(config)
        self.model = DecoderModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(  # noqa: PLR0913 - the signature of transformers
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        use_cache: bool = False,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **loss_kwargs: Any,  # noqa: ANN401 - what the Trainer hands to the loss
    ) -> CausalLMOutputWithPast:
        """Return `logits` (B, T, V), and `loss` where `labels` (B, T; -100 is not counted) are given.

        `logits_to_keep` limits the head to the last n positions, or to the positions in a 1D tensor.
        The other arguments are those of `DecoderModel.forward`.
        """
        out = self.model(
            input_ids,
            attention_mask,
            position_ids,
            past_key_values,
            inputs_embeds,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(out.last_hidden_state[:, kept])  # (B, T, V); slice(-0, None) keeps all
        loss = None
        if labels is not None:
            loss = self.loss_function(logits, labels, vocab_size=self.config.vocab_size, **loss_kwargs)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=out.past_key_values,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )
