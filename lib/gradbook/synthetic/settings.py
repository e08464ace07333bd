"""The choices that training with synthetic gradients leaves open, and the named sets of them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gradbook.synthetic import MODES, Reduction, Target


class Policy(BaseModel):
    """Everything on which implementations of synthetic gradients differ, each choice by its name.

    Attributes:
        mixing: λ of BP(λ), the share of the gradient carried back beside the synthetic one: 0 is pure synthetic,
            1 is backpropagation, bit by bit.
        target: what a predictor learns: "bootstrapped", the gradient that the next block listens to, itself perhaps
            synthetic, carried back through that block; or "true", the gradient of full backpropagation.
        conditional: whether the predictor sees the label (cDNI) or nothing but the features (DNI).
        update_probability: with which a block updates at a step, drawn for every block and step on its own.
        reduction: of the predictor's squared error over the batch.
        divide_by_loss: divide that error by the network's own loss, as the published notebooks do.
        warm_up: first steps, in which predictors learn but blocks listen to the true gradient alone.
        learning_rate: of the blocks, η; 0 lets only predictors learn.
        predictor_learning_rate: of the predictors, 0 for never; η where it is None.
        drops: shares of the run after which both rates fall to a tenth, as in the published runs.

    >>> Policy(mixing=1.0).target
    'bootstrapped'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mixing: float = Field(0.0, ge=0, le=1)
    target: Target = "bootstrapped"
    conditional: bool = True
    update_probability: float = Field(1.0, gt=0, le=1)
    reduction: Reduction = "mean"
    divide_by_loss: bool = True
    warm_up: int = Field(0, ge=0)
    learning_rate: float = Field(1e-3, ge=0)
    predictor_learning_rate: float | None = Field(None, ge=0)
    drops: tuple[float, ...] = (0.6, 0.8)


def modes(**choices: Any) -> dict[str, Policy]:
    """The five ways of training that the chapter compares, by name; ``choices`` hold for all of them.

    Without backpropagation blocks listen to predictors that never learn: their kernels stay zero, and so do the
    gradients of all blocks but the last.

    >>> modes()["backpropagation"].mixing, modes(learning_rate=0.01)["cDNI unlocked"].update_probability
    (1.0, 0.2)
    """
    own = {
        "backpropagation": {"mixing": 1.0},
        "no backpropagation": {"predictor_learning_rate": 0.0},
        "DNI": {"conditional": False},
        "cDNI": {},
        "cDNI unlocked": {"update_probability": 0.2},
    }
    return {mode: Policy(**{**choices, **own[mode]}) for mode in MODES}
