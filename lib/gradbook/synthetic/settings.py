"""The choices that training with synthetic gradients leaves open, and the named sets of them."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gradbook.errors import InputError
from gradbook.untrusted import refusal

if TYPE_CHECKING:
    import tensorflow as tf

Target = Literal["bootstrapped", "true"]
Reduction = Literal["mean", "sum"]
Mode = Literal["backpropagation", "no backpropagation", "DNI", "cDNI", "cDNI unlocked"]

MODES: tuple[Mode, ...] = get_args(Mode)


class TensorSettings(NamedTuple):
    """Settings as a compiled step takes them: numbers as scalar tensors, so that one compilation serves all of their
    values, and words as they are, which are compiled in.
    """

    mixing: "tf.Tensor"
    conditional: "tf.Tensor"
    warm_up: "tf.Tensor"
    learning_rate: "tf.Tensor"
    predictor_learning_rate: "tf.Tensor"
    target: Target
    reduction: Reduction
    divide_by_loss: bool
    in_turn: bool


class Settings(BaseModel):
    """Everything on which implementations of synthetic gradients differ, each choice by its name.

    Attributes:
        mixing: λ of BP(λ), the weight of the propagated gradient beside the synthetic one: 0 is pure synthetic,
            1 is backpropagation, bit by bit.
        target: what a predictor learns: "bootstrapped", the gradient that the next block receives, itself perhaps
            synthetic, propagated through that block; or "true", the gradient of full backpropagation.
        conditional: whether the predictor sees the label (cDNI) or nothing but the features (DNI).
        update_probability: with which a block updates at a step, drawn for every block and step on its own.
        in_turn: whether blocks update one after the other at each step, from the first to the last, each on a forward
            pass of its own through weights that those before it have changed, as in the published notebooks; else all
            update from the one pass at the step's start, which needs no order.
        reduction: of the predictor's squared error over the batch.
        divide_by_loss: divide that error by the network's own loss, as the published notebooks do; at a loss of 0
            predictors then stay as they are.
        warm_up: first steps, in which predictors learn but blocks receive the true gradient alone.
        learning_rate: of the blocks, η; 0 lets only predictors learn.
        predictor_learning_rate: of the predictors, 0 for never; η where it is None.
        drops: fractions of the run after which both learning rates fall to a tenth, as in the published runs.

    >>> Settings(mixing=1.0).target
    'bootstrapped'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mixing: float = Field(0.0, ge=0, le=1)
    target: Target = "bootstrapped"
    conditional: bool = True
    update_probability: float = Field(1.0, gt=0, le=1)
    in_turn: bool = False
    reduction: Reduction = "mean"
    divide_by_loss: bool = True
    warm_up: int = Field(0, ge=0)
    learning_rate: float = Field(1e-3, ge=0)
    predictor_learning_rate: float | None = Field(None, ge=0)
    drops: tuple[float, ...] = (0.6, 0.8)

    def tensors(self, time: int = 0, steps: int = 1) -> TensorSettings:
        """Return what a compiled step takes, with the learning rates of a time in training.

        Args:
            time: steps taken so far.
            steps: in the whole run.

        >>> Settings(learning_rate=0.5).tensors(time=60, steps=100).learning_rate.numpy().round(3)
        np.float32(0.05)
        """
        import tensorflow as tf

        given = self.model_dump(include=set(TensorSettings._fields))
        if self.predictor_learning_rate is None:
            given["predictor_learning_rate"] = self.learning_rate
        words = {"target", "reduction", "divide_by_loss", "in_turn"}
        given = {name: value if name in words else tf.constant(float(value)) for name, value in given.items()}
        factor = 0.1 ** sum(time >= fraction * steps for fraction in self.drops)
        for name in ("learning_rate", "predictor_learning_rate"):
            given[name] *= factor
        return TensorSettings(**given)


def checked(**choices: Any) -> Settings:
    """Return settings, or refuse them in one sentence.

    Raises:
        InputError: an unknown choice, or a value that is not allowed.
    """
    try:
        return Settings(**choices)
    except ValidationError as error:
        raise InputError(refusal(error)) from None


def modes(**choices: Any) -> dict[Mode, Settings]:
    """Return the five ways of training that the chapter compares, by name; ``choices`` hold for all of them.

    Without backpropagation blocks receive what predictors say that never learn: their weights stay zero, and so do
    the gradients of all blocks but the last.

    Raises:
        InputError: as in `checked`.

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
    return {mode: checked(**choices | own[mode]) for mode in MODES}
