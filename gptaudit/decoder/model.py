"""The bundled decoder, a GPT; the file goes from the parts to the whole.

Letters in the shape comments: B batch, T new tokens, K cached and new tokens, C width, H heads, D = C / H,
V vocabulary.

The default shape is that of GPT-2 (Radford et al. 2019, section 2.3) after Vaswani et al. 2017: causal multi-head
self-attention, a GELU feed-forward of four times the width, learned positions, tied embeddings. `positions`,
`activation` and `norm` select alternatives.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Cache, DynamicCache, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from gptaudit.decoder.configuration import DecoderConfig

__all__ = ["DecoderConfig", "DecoderForCausalLM", "DecoderModel", "DecoderPreTrainedModel"]

BASE = 10_000
"""Base of the wavelengths of sinusoidal and rotary positions, as in both papers."""


def default_positions(attention_mask: Tensor | None, past: int, tokens: int, device: torch.device) -> Tensor:
    """Return the position of each new token, (1 or B, T); left padding does not count.

    The mask `[[0, 0, 1, 1]]` with no past gives `[[0, 0, 0, 1]]`.
    """
    if attention_mask is not None and attention_mask.dim() == 2:
        return (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)[:, -tokens:]
    return torch.arange(past, past + tokens, device=device)[None]


def attention_bias(mask: Tensor | None, past: int, tokens: int, device: torch.device) -> Tensor | None:
    """Return `attn_mask` for scaled dot-product attention, (1 or B, 1, T, K), True where a token may attend.

    A 2D mask (B, K) marks padding with 0. A 4D mask, boolean or additive, is used unchanged: token trees packed into
    one row need this. The result is None for plain causal attention without a past.
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
    # A padded query still attends to itself: a softmax over nothing would be NaN.
    return (causal & mask[:, None, None].bool()) | (key == query)


def angles(positions: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """Return position / BASE^(2i / width) for each position and each pair of `width` numbers, (1 or B, T, width / 2).

    Computed in single precision at least: half precision cannot tell large positions apart.
    """
    wide = torch.promote_types(dtype, torch.float32)
    exponents = torch.arange(0, width, 2, dtype=wide, device=positions.device) / width
    return positions[..., None].to(wide) * BASE**-exponents


def sinusoids(positions: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """Return fixed vectors (1 or B, T, width): sine at even indices, cosine at odd ones (Vaswani et al. 2017, 3.5)."""
    turned = angles(positions, width, dtype)
    return torch.stack([turned.sin(), turned.cos()], dim=-1).flatten(-2).to(dtype)


Rotation: TypeAlias = tuple[Tensor, Tensor]
"""Cosine and sine of each position's angles, each (1 or B, 1, T, D / 2)."""


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Rotate each pair (i, i + D / 2) of the last dimension of x (..., T, D) by its position's angle (Su et al. 2021).

    The dot product of a rotated query and a rotated key depends only on their distance.
    """
    cos, sin = rotation
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


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
        self,
        x: Tensor,
        bias: Tensor | None,
        rotation: Rotation | None,
        cache: Cache | None,
        *,
        explicit: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the attention output (B, T, C) and, if `explicit`, the weights (B, H, T, K)."""
        B, T, C = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)  # (3, B, H, T, D)
        q, k, v = qkv
        if rotation is not None:
            q, k = rotate(qkv[:2], rotation).type_as(v)  # the angles stay float32 under autocast
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
    """Compute softmax(q k^T / sqrt(D) + mask), (B, H, T, K), which the fused kernel does not return."""
    scores: Tensor = q @ k.transpose(-1, -2) / q.size(-1) ** 0.5  # (B, H, T, K)
    if bias is None:
        bias = torch.ones(q.size(-2), k.size(-2), dtype=torch.bool, device=q.device).tril()
    masked = scores.masked_fill(~bias, float("-inf")) if bias.dtype == torch.bool else scores + bias
    return masked.softmax(dim=-1)


class FeedForward(nn.Module):
    """Two linear layers with an activation in between; for `swiglu` the first also computes the gate."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.activation = config.activation
        inner = config.intermediate_size * (2 if config.activation == "swiglu" else 1)
        self.input = nn.Linear(config.hidden_size, inner)
        self.output = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, C) to (B, T, C), each token independently."""
        x = self.input(x)
        if self.activation == "swiglu":
            gate, x = x.chunk(2, dim=-1)
            x = F.silu(gate) * x
        else:
            x = F.gelu(x, approximate="tanh") if self.activation == "gelu" else F.relu(x)
        y: Tensor = self.output(x)
        return y


class Block(GradientCheckpointingLayer):
    """Attention, then feed-forward; each adds to the residual stream, which is normalised before or after."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        self.post = config.norm == "post"
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = Attention(config, layer)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        bias: Tensor | None,
        rotation: Rotation | None,
        past_key_values: Cache | None = None,
        *,
        explicit: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the residual stream (B, T, C) and, if `explicit`, the attention weights (B, H, T, K)."""
        read = x if self.post else self.attention_norm(x)
        mixed, weights = self.attention(read, bias, rotation, past_key_values, explicit=explicit)
        x = x + self.dropout(mixed)
        if self.post:
            x = self.attention_norm(x)
            return self.feed_forward_norm(x + self.dropout(self.feed_forward(x))), weights
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x))), weights


class DecoderPreTrainedModel(PreTrainedModel):
    """Base class of the decoder models: loading, saving, initial weights."""

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
            # Two branches per layer add to the residual stream; this keeps its variance independent of depth.
            std = self.config.initializer_range / (2 * self.config.num_hidden_layers) ** 0.5
            init.normal_(module.output.weight, mean=0.0, std=std)


class DecoderModel(DecoderPreTrainedModel):
    """Tokens to hidden states, without the vocabulary head."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__(config)
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.num_hidden_layers))
        # With `post`, the last block ends with its own norm.
        pre = config.norm == "pre"
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps) if pre else nn.Identity()
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
        """Return `last_hidden_state` (B, T, C) and the optional outputs that were requested.

        Arguments are as in `transformers`: exactly one of `input_ids` (B, T) and `inputs_embeds`
        (B, T, C); `attention_mask` (B, K) or (B, 1, T, K); `position_ids` (1 or B, T).

        Raises:
            ValueError: both or neither input is given, or a position exceeds the context.
        """
        if (input_ids is None) == (inputs_embeds is None):
            msg = "give exactly one of input_ids and inputs_embeds"
            raise ValueError(msg)
        x = self.token_embedding(input_ids) if inputs_embeds is None else inputs_embeds  # (B, T, C)
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        positions = self._positions(position_ids, attention_mask, past, x)
        bias = attention_bias(attention_mask, past, x.size(1), x.device)
        attentions = self.config.output_attentions if output_attentions is None else output_attentions
        explicit = attentions or self.config._attn_implementation == "eager"  # noqa: SLF001 - its only name
        hidden = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states

        x, rotation = self._placed(x, positions)
        x = self.dropout(x)
        streams, weights = [x], []
        for block in self.blocks:
            x, attention = block(x, bias, rotation, past_key_values=past_key_values, explicit=explicit)
            if hidden:
                streams.append(x)
            weights.append(attention)
        x = self.norm(x)
        streams[-1] = x  # as in GPT-2, the last hidden state is the normalised one
        return BaseModelOutputWithPast(
            last_hidden_state=x,
            past_key_values=past_key_values,
            hidden_states=tuple(streams) if hidden else None,
            attentions=tuple(weights) if attentions else None,
        )

    def _positions(self, given: Tensor | None, mask: Tensor | None, past: int, x: Tensor) -> Tensor:
        """Return the position of each new token, (1 or B, T); raise `ValueError` for one beyond the context.

        Positions computed here are checked only if there are more tokens than the context holds, since the check
        waits for the GPU.
        """
        context, end = self.config.max_position_embeddings, past + x.size(1)
        positions = default_positions(mask, past, x.size(1), x.device) if given is None else given
        if (given is not None or end > context) and (last := int(positions.max())) >= context:
            msg = f"the decoder's context is {context} tokens; got position {last}. Shorten the text."
            raise ValueError(msg)
        return positions

    def _placed(self, x: Tensor, positions: Tensor) -> tuple[Tensor, Rotation | None]:
        """Add positions to the embeddings (B, T, C), or return the rotation that attention applies."""
        config = self.config
        if config.positions == "learned":
            return x + self.position_embedding(positions), None
        if config.positions == "sinusoidal":
            return x * config.hidden_size**0.5 + sinusoids(positions, config.hidden_size, x.dtype), None
        turned = angles(positions, config.hidden_size // config.num_attention_heads, x.dtype)[:, None]
        return x, (turned.cos().to(x.dtype), turned.sin().to(x.dtype))


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
        **loss_kwargs: Any,  # noqa: ANN401 - the Trainer passes these to the loss
    ) -> CausalLMOutputWithPast:
        """Return `logits` (B, T, V), and `loss` if `labels` (B, T; -100 is ignored) are given.

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
