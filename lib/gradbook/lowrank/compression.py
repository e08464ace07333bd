"""A network of one's own with fewer weights: its convolutions and dense layers, replaced by those of a family."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import keras
from keras import layers, ops

from gradbook.errors import InputError, unknown
from gradbook.lowrank import count, decompose
from gradbook.lowrank.arguments import ChannelsError
from gradbook.lowrank.budget import Sizes, fit
from gradbook.lowrank.convs.base import Plain
from gradbook.lowrank.convs.dense import FamilyDense
from gradbook.lowrank.convs.table import Family, lookup
from gradbook.lowrank.networks import Make

if TYPE_CHECKING:
    import pandas as pd

REPLACEABLE = (layers.Conv2D, layers.Dense, Plain)  # and no subclass, which may do anything
GUARDS = ("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint")


class Place(NamedTuple):
    """What decides how many weights a layer has."""

    channels: int
    filters: int
    kernel_size: int
    use_bias: bool


def compress(
    network: keras.Model,
    family: str | Family = "tucker2",
    parameters: int | None = None,
    *,
    value: float | None = None,
    start: Literal["trained", "random"] = "trained",
    keep: Sequence[str] = (),
    verbose: bool = True,
    **options: Any,
) -> keras.Model:
    """Make a network with fewer weights from one that has been trained, which stays as it is.

    Convolutions and dense layers are replaced by those of a family, under their own names, and everything else is
    copied with its weights; only a layer with a vocabulary is shared. A layer that would not get smaller stays dense.
    Biases are kept; moving averages of batch normalisation are copied and fit less well than before, until the new
    network is trained.

    Args:
        network: functional or sequential, with weights; models within it are looked into.
        family: a name of :data:`~gradbook.lowrank.convs.table.FAMILIES`, or a row of one's own. "tucker2" and, where
            kernels are 1×1, "low_rank" reach the network itself at their upper end; most others are separable, which a
            trained network does not survive without more training.
        parameters: the budget, for the trainable parameters of the whole network, met as by
            :func:`~gradbook.lowrank.budget.fit`.
        value: of the family's hyperparameter, in place of a budget. Neither for families that have none.
        start: "trained" brings each new layer as near to the dense one as it can come, see
            :func:`~gradbook.lowrank.decompose.start_from`; "random" starts it anew.
        keep: names of layers, or of models within the network, that stay as they are.
        verbose: whether the table of what was done is printed.
        options: arguments that the family's layers take besides.

    Returns:
        The new network, not compiled. Its attribute ``compression`` is the table, one row for each layer with a matrix:
        what it became, or why it was left, its parameters and multiplications before and after, and the relative error
        of its kernel.

    Raises:
        InputError: another kind of model, an unknown family, layer or `start`, both or neither of `parameters` and
            `value`, an argument of the family out of its range, a budget out of reach, or a family whose nearest
            weights to a dense kernel are not known, with ``start="trained"``.
    """
    row, found = lookup(family), dict(_layers(network))
    if start not in ("trained", "random"):
        raise unknown("start", start, ["trained", "random"])
    if row.hyperparameter and (parameters is None) == (value is None):
        raise InputError(f"convolution {row.name!r} takes parameters or value, one of them.")
    _require_names(keep, found)
    reasons = {path: _reason(path, layer, keep) for path, layer in found.items()}
    places = {path: _place(found[path]) for path, reason in reasons.items() if not reason}
    if parameters is None:
        make = row(value, **options)
    else:
        once = {id(found[path]): place for path, place in places.items()}.values()  # a layer may have several paths
        make = fit(_Places(network, once), parameters, family=row, **options).convolution
    for path, place in places.items():
        reasons[path] = _no_gain(make, place)
    swapped = {id(found[path]): make for path in places if not reasons[path]}
    copies: dict[int, Any] = {}
    small = _rebuilt(network, swapped, copies)
    errors = {}
    for path, layer in found.items():
        copy = copies[id(layer)]
        if id(layer) in swapped:
            errors[path] = _start(copy, layer) if start == "trained" else None
        else:
            copy.set_weights(layer.get_weights())
            for part in copy._flatten_layers():
                if isinstance(part, layers.Normalization):
                    part.finalize_state()  # it computes with a second copy of its weights
    small.compression = _table(network, small, found, copies, reasons, errors)
    if verbose:
        print(report(small.compression))
    return small


def report(table: "pd.DataFrame") -> str:
    """Return a table of `compress` as text, with its sums below."""
    shown = table.copy()
    for name in ("parameters", "parameters_after", "mult_adds", "mult_adds_after"):
        shown[name] = ["?" if value != value else f"{int(value):,}" for value in table[name].astype(float)]
    shown["error"] = ["" if value != value else f"{value:.3f}" for value in table["error"].astype(float)]
    before, after = table.attrs["parameters"]
    lines = [shown.to_string(index=False), "", f"parameters: {before:,} before, {after:,} after"]
    if table.attrs["mult_adds"]:
        before, after = table.attrs["mult_adds"]
        lines.append(f"multiplications of an example: {before:,} before, {after:,} after")
    return "\n".join(lines)


def _layers(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, layers.Layer]]:
    """Yield every layer once, with models within the model as part of its path."""
    if not isinstance(model, keras.Sequential) and not _is_functional(model):
        raise InputError(f"network must be functional or sequential; received {type(model).__name__} {model.name!r}.")
    if not model.built:
        raise InputError(f"network must have weights; received {model.name!r}, which was never called.")
    for layer in model.layers:
        if isinstance(layer, keras.Sequential) or _is_functional(layer):
            yield from _layers(layer, f"{prefix}{layer.name}/")
        elif not isinstance(layer, layers.InputLayer):
            yield prefix + layer.name, layer


def _is_functional(layer: Any) -> bool:
    return isinstance(layer, keras.Model) and isinstance(layer, keras.Function)


def _require_names(keep: Sequence[str], found: Iterable[str]) -> None:
    if isinstance(keep, str):
        raise InputError(f"keep must be a list of names; received {keep!r}.")
    known = {part for path in found for part in (path, *path.split("/"))}
    for name in keep:
        if name not in known:
            raise unknown("layer in keep", name, sorted(known))


def _reason(path: str, layer: layers.Layer, keep: Sequence[str]) -> str | None:
    """Return why a layer has to stay; None where nothing speaks against replacing it."""
    if type(layer) not in REPLACEABLE:
        return f"is a {type(layer).__name__}"
    if {path, *path.split("/")} & set(keep):
        return "to be kept"
    if not layer.trainable_weights:
        return "is frozen"
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        return "has its channels first"
    if getattr(layer, "groups", 1) > 1:
        return f"has {layer.groups} groups"
    for name in ("kernel_size", "strides", "dilation_rate"):
        sizes = getattr(layer, name, 1)
        if not isinstance(sizes, int) and len(set(sizes)) > 1:
            return f"its {name} is {tuple(sizes)}"
    if guards := [name for name in GUARDS if getattr(layer, name, None) is not None]:
        return f"has a {guards[0]}"
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        return "has an adapter or is quantised"
    return None


def _place(layer: layers.Layer) -> Place:
    if isinstance(layer, layers.Dense):
        return Place(layer.kernel.shape[0], layer.units, 1, layer.use_bias)
    if isinstance(layer, Plain):
        return Place(layer.channels, layer.filters, layer.kernel_size, layer.use_bias)
    return Place(layer.kernel.shape[2], layer.filters, layer.kernel_size[0], layer.use_bias)


def _dense_size(place: Place) -> int:
    return place.kernel_size**2 * place.channels * place.filters + place.use_bias * place.filters


def _size(make: Make, place: Place) -> int:
    return make(place.filters, place.kernel_size, use_bias=place.use_bias).n_parameters(place.channels)


def _no_gain(make: Make, place: Place) -> str | None:
    """Return why a family does not make a layer smaller; None where it does."""
    try:
        return None if _size(make, place) < _dense_size(place) else "would not get smaller"
    except ChannelsError as error:
        return str(error).rstrip(".")


class _Places(Sizes):
    """How many parameters a network has whose layers at some places are replaced where that makes them smaller."""

    def __init__(self, network: keras.Model, places: Iterable[Place]):
        self.places = Counter(places)
        dense = sum(number * _dense_size(place) for place, number in self.places.items())
        self.fixed = count.parameters(network) - dense

    def __call__(self, make: Make) -> int:
        return self.fixed + sum(
            number * (_dense_size(place) if _no_gain(make, place) else _size(make, place))
            for place, number in self.places.items()
        )


def _rebuilt(model: keras.Model, swapped: dict[int, Make], copies: dict[int, Any]) -> keras.Model:
    """Return a model with copies of all layers and, in place of some, those of a family."""

    def change(operation: Any) -> Any:
        if not isinstance(operation, layers.Layer):
            return operation
        if id(operation) not in copies:
            if isinstance(operation, keras.Sequential) or _is_functional(operation):
                copies[id(operation)] = _rebuilt(operation, swapped, copies)
            elif id(operation) in swapped:
                copies[id(operation)] = _replacement(operation, swapped[id(operation)])
            elif hasattr(operation, "get_vocabulary"):
                copies[id(operation)] = operation  # its configuration does not hold the words
            else:
                copies[id(operation)] = type(operation).from_config(operation.get_config())
        return copies[id(operation)]

    if isinstance(model, keras.Sequential):
        first = model.inputs[0]
        inputs = keras.Input(batch_shape=first.shape, dtype=first.dtype, name=first.name)
        return keras.Sequential([inputs, *map(change, model.layers)], name=model.name)
    inputs = keras.tree.map_structure(
        lambda one: keras.Input(batch_shape=one.shape, dtype=one.dtype, name=one.name), model.input
    )
    return keras.Model(inputs, model._run_through_graph(inputs, operation_fn=change), name=model.name)


def _replacement(layer: layers.Layer, make: Make) -> layers.Layer:
    same = {"name": layer.name, "dtype": layer.dtype_policy}
    place = _place(layer)
    own = {"activation": layer.activation, "use_bias": layer.use_bias}
    if isinstance(layer, layers.Dense):
        return FamilyDense(make(place.filters, 1, dtype=layer.dtype_policy, **own), **same)
    form = {name: getattr(layer, name) for name in ("strides", "padding", "dilation_rate")}
    return make(place.filters, place.kernel_size, **form, **own, **same)


def _start(new: layers.Layer, old: layers.Layer) -> float:
    """Bring a layer near to a dense one, and return the relative error of its kernel."""
    convolution = new.convolution if isinstance(new, FamilyDense) else new
    kernel = ops.convert_to_numpy(old.factor["kernel"] if isinstance(old, Plain) else old.kernel)
    if old.use_bias:
        convolution.bias.assign(ops.convert_to_numpy(old.bias))  # JAX would share it, and training delete it
    return decompose.start_from(convolution, kernel if kernel.ndim == 4 else kernel[None, None])


def _table(
    network: keras.Model,
    small: keras.Model,
    found: dict[str, layers.Layer],
    copies: dict[int, Any],
    reasons: dict[str, str | None],
    errors: dict[str, float | None],
) -> "pd.DataFrame":
    import pandas as pd

    work = [_work(model) for model in (network, small)]
    rows = []
    for path, layer in found.items():
        if all(len(weight.shape) < 2 for weight in layer.weights):
            continue
        new = copies[id(layer)]
        kind = new.convolution if isinstance(new, FamilyDense) else new
        costs = [None if one is None or pd.isna(one.get(path)) else one[path] for one in work]
        rows.append(
            {
                "layer": path,
                "kind": type(layer).__name__,
                "became": "" if path not in errors else type(kind).__name__,
                "parameters": count.parameters(layer),
                "parameters_after": count.parameters(new),
                "mult_adds": costs[0],
                "mult_adds_after": costs[1],
                "error": errors.get(path),
                "left": reasons[path] or "",
            }
        )
    table = pd.DataFrame(rows)
    table.attrs["parameters"] = [count.parameters(model) for model in (network, small)]
    table.attrs["mult_adds"] = (
        [int(sum(one.dropna())) for one in work] if all(one is not None for one in work) else None
    )
    return table


def _work(model: keras.Model) -> "pd.Series | None":
    """Return the multiplications of each layer by its path; None where the size of an example is open."""
    try:
        return count.table(model).groupby("layer")["mult_adds"].sum(min_count=1)
    except InputError:
        return None
