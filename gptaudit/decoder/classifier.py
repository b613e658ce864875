"""The bundled decoder as a text classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutputWithPast

from gptaudit.decoder.configuration import DecoderConfig
from gptaudit.decoder.model import DecoderModel, DecoderPreTrainedModel


class DecoderForSequenceClassification(DecoderPreTrainedModel):
    """The decoder with a head that predicts one of N labels from the last token of a text.

    Letters in the shape comments: B batch, T tokens, C width.
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__(config)
        assert config.num_labels is not None  # noqa: S101 - transformers defaults to two
        self.model = DecoderModel(config)
        self.score = nn.Linear(config.hidden_size, config.num_labels, bias=False)
        self.post_init()

    # No **kwargs: the Trainer would assume that the loss is already normalised over accumulated batches.
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,  # noqa: ARG002 - the pipelines of transformers pass it
    ) -> SequenceClassifierOutputWithPast:
        """Return `logits` (B, N), and `loss` if `labels` (B,) are given.

        The last token is the last one of the mask (B, T) or, without a mask, the last that is not `pad_token_id`.
        """
        out = self.model(
            input_ids,
            attention_mask,
            position_ids,
            None,
            inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        stream = out.last_hidden_state  # (B, T, C)
        real = torch.ones(stream.shape[:2], dtype=torch.bool, device=stream.device)
        if attention_mask is not None:
            real = attention_mask.bool()
        elif input_ids is not None and self.config.pad_token_id is not None:
            real = input_ids != self.config.pad_token_id
        last = (real * torch.arange(real.size(1), device=real.device)).argmax(dim=1)  # (B,)
        logits = self.score(stream[torch.arange(len(last), device=last.device), last])  # (B, N)
        loss = None
        if labels is not None:
            loss = self.loss_function(labels=labels, pooled_logits=logits, config=self.config)
        return SequenceClassifierOutputWithPast(
            loss=loss, logits=logits, hidden_states=out.hidden_states, attentions=out.attentions
        )
