from __future__ import annotations

import pytest
from tiny_training import TINY, equal, tiny_documents, weights

from gptaudit.decoder.training import train
from gptaudit.errors import UsageError


@pytest.fixture(scope="module")
def documents():
    return tiny_documents()


class Killed(BaseException):
    """Simulates a kill of the training process."""


def killed_after(steps):
    def progress(step):
        if step.task.startswith("training") and step.done >= steps * step.total // 100:
            raise Killed

    return progress


@pytest.mark.parametrize("settings", [{"dropout": 0.3}, {"accumulation": 2, "patience": 3}])
def test_killed_and_resumed_gives_the_same_bits(documents, tmp_path, settings):
    """A training killed between two checkpoints resumes to the weights and losses of an uninterrupted one."""
    how = {"preset": "nano", "steps": 30, "overrides": TINY | settings | {"evaluate_every": 8}}
    whole = train(documents, tmp_path / "whole", **how)

    for share in (45, 80):
        with pytest.raises(Killed):
            train(documents, tmp_path / "out", **how, resume=share > 45, progress=killed_after(share))
    resumed = train(documents, tmp_path / "out", **how, resume=True)

    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "out"))
    assert resumed["losses"] == whole["losses"]
    assert resumed["validation"] == whole["validation"]


def test_a_half_written_checkpoint_is_passed_over(documents, tmp_path):
    """A kill while a checkpoint is written loses only the steps since the previous one."""
    how = {"preset": "nano", "steps": 30, "overrides": TINY | {"evaluate_every": 8}}
    train(documents, tmp_path / "whole", **how)
    with pytest.raises(Killed):
        train(documents, tmp_path / "out", **how, progress=killed_after(60))
    last = tmp_path / "out" / "checkpoints" / "checkpoint-16"
    (last / "trainer_state.json").write_text('{"best')
    (last / "model.safetensors").write_bytes(b"half")

    train(documents, tmp_path / "out", **how, resume=True)

    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "out"))


def test_resuming_what_is_finished(documents, tmp_path):
    """Resuming a finished training returns its record."""
    how = {"preset": "nano", "steps": 3, "overrides": TINY}
    record = train(documents, tmp_path / "out", **how)

    assert train(documents, tmp_path / "out", **how, resume=True) == record
    with pytest.raises(UsageError, match=r"settings.steps=3, this one has 4"):
        train(documents, tmp_path / "out", **how | {"steps": 4}, resume=True)


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"overrides": TINY | {"learning_rate": 1}}, r"settings.learning_rate=0.003, this one has 1.0"),
        ({"seed": 5}, "settings.seed=0, this one has 5"),
        ({"preset": "mini"}, "preset='nano', this one has 'mini'"),
        ({"documents": ["other"] * 99}, "corpus.documents=600, this one has 99"),
    ],
)
def test_another_plan_is_not_resumed(documents, tmp_path, changed, key):
    """Resuming with other settings or data is refused, and the key that differs is named."""
    how = {"documents": documents, "preset": "nano", "steps": 8, "overrides": TINY}
    with pytest.raises(Killed):
        train(out=tmp_path / "out", **how, progress=killed_after(60))

    with pytest.raises(UsageError, match=key):
        train(out=tmp_path / "out", **how | changed, resume=True)
    with pytest.raises(UsageError, match=r"not empty.*--resume"):
        train(out=tmp_path / "out", **how)


@pytest.mark.parametrize("resume", [False, True])
def test_killed_before_all_was_ready(documents, tmp_path, resume):
    """After a kill while the corpus is tokenized, training starts again in the folder, with `resume` or without."""

    def stop(step):
        raise Killed

    with pytest.raises(Killed):
        train(documents, tmp_path / "out", overrides=TINY, steps=2, progress=stop)
    assert train(documents, tmp_path / "out", overrides=TINY, steps=2, resume=resume)["steps"] == 2


def test_there_must_be_something_to_resume(documents, tmp_path):
    """Resuming in a new or foreign folder is an error, and leaves the folder unchanged."""
    (tmp_path / "mine").mkdir()

    for name in ("new", "mine"):
        with pytest.raises(UsageError, match="contains no training to resume"):
            train(documents, tmp_path / name, resume=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]
