"""A constructor with the arguments of Keras's own, and very little behind them."""

from __future__ import annotations

from typing import Any


def TinyNet(
    weights: Any = None,
    classes: int = 10,
    classifier_activation: Any = None,
    input_shape: Any = (32, 32, 3),
) -> Any:
    from tf_keras import Sequential, layers

    return Sequential(
        [
            layers.Input(input_shape),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, strides=4, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3),
            layers.Conv2D(32, 1),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation=classifier_activation),
        ]
    )
