"""The image classifiers of Part II, cut after every hidden layer."""

from collections.abc import Sequence
from typing import Any, Literal

import keras

from gradbook.optimizers import Adam
from gradbook.synthetic.chain import Chain, Interface, cross_entropy, cut
from gradbook.synthetic.predictors import SyntheticGradient


@keras.saving.register_keras_serializable("gradbook")
class InferenceBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation that is never told that it trains: by its moving averages, which stay as they are.

    At first these are mean 0 and variance 1, so that scale and shift are all that such a layer learns.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize as in inference."""
        return super().call(inputs, training=False, mask=mask)


def classifier(
    shape: Sequence[int],
    classes: int,
    *,
    depth: int,
    width: int,
    batch_norm: Literal["training", "inference"] = "training",
    initializer: str = "zeros",
    predictor_layers: int = 0,
    predict_inputs: bool = False,
    epsilon: float = 1e-7,
) -> Chain:
    """Return a classifier cut after each of its hidden layers: 784-256-256-256-10 has 336,650 trainable parameters.

    Args:
        shape: of an image: [pixels] for dense layers, [height, width, channels] for convolutions of 5×5, stride 2.
        classes: outputs, and width of the context.
        depth: hidden layers, each with batch normalisation and ReLU.
        width: units or channels of each.
        batch_norm: normalise by the batch's statistics in training, or always by the initial moving averages.
        initializer: of the predictors' last kernel.
        predictor_layers: hidden layers of each predictor of gradients, as wide as what it predicts.
        predict_inputs: predict each block's input too.
        epsilon: ε of Adam.

    >>> chain = classifier([784], 10, depth=3, width=256)
    >>> sum(weight.value.shape.num_elements() for block in chain.blocks for weight in block.trainable_variables)
    336650
    """
    normalization = {"training": keras.layers.BatchNormalization, "inference": InferenceBatchNormalization}[batch_norm]
    layers = [keras.Input(shape)]
    for k in range(1, depth + 1):
        if len(shape) == 1:
            layers.append(keras.layers.Dense(width))
        else:
            layers.append(keras.layers.Conv2D(width, 5, strides=2, padding="same"))
        layers += [normalization(), keras.layers.ReLU(name=f"hidden_{k}")]
    model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(classes)])
    interfaces = [
        Interface(f"hidden_{k}", SyntheticGradient([width] * predictor_layers, initializer=initializer))
        for k in range(1, depth + 1)
    ]
    return cut(
        model,
        interfaces,
        loss=cross_entropy,
        context=classes,
        predict_inputs=predict_inputs,
        optimizer=Adam(epsilon=epsilon),
    )
