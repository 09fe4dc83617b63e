"""ONNX: `BatchNormalization` nodes of a graph, their initializers and attributes."""

import numpy as np
import onnx
from onnx import numpy_helper

from .core import MovingError
from .values import Values

INPUTS = ("scale", "B", "input_mean", "input_var")
OPSET = 15  # training_mode, and types of statistics apart from those of x


def read_onnx(path):
    """Arrays by node and input name; attributes as arguments."""
    model = onnx.load(path, load_external_data=True)
    onnx.checker.check_model(model)
    return from_model(model)


def from_model(model) -> Values:
    initial = {tensor.name: tensor for tensor in model.graph.initializer}
    arrays, arguments, home = {}, {}, {}
    for index, node in enumerate(model.graph.node):
        if node.op_type != "BatchNormalization":
            continue
        layer = node.name or f"BatchNormalization_{index}"
        for name, given in zip(INPUTS, node.input[1:]):
            if given not in initial:
                raise MovingError(f"{layer}: {name} is computed by the graph ({given}), expected an initializer")
            arrays[f"{layer}/{name}"], home[f"{layer}/{name}"] = numpy_helper.to_array(initial[given]).copy(), given
        found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        # attributes are float32: the shortest decimal that gives the same number is what was typed
        arguments[layer] = {
            name: float(str(np.float32(found.get(name, default))))
            for name, default in (("epsilon", 1e-5), ("momentum", 0.9))
        }
    taken = set(home.values())
    arrays |= {name: numpy_helper.to_array(tensor) for name, tensor in initial.items() if name not in taken}
    return Values("onnx", arrays, arguments, home, model)


def write_onnx(values, template):
    return to_model(values, template and template.raw).SerializeToString()


def to_model(values: Values, template=None, rank: int = 4, training: bool = False):
    """The template's graph with new initializers and attributes; without one, a graph of each layer by itself."""
    if template is not None:
        return _filled(values, template)
    layers = list(values.arguments)
    nodes, inputs, outputs, initial = [], [], [], []
    for layer in layers:
        names = [f"{layer}/{name}" for name in INPUTS]
        initial += [numpy_helper.from_array(values.arrays[name], name) for name in names]
        kind = initial[-1].data_type
        shape = ["N", len(values.arrays[names[0]]), *(f"D{i}" for i in range(rank - 2))]
        inputs.append(onnx.helper.make_tensor_value_info(f"{layer}/X", kind, shape))
        given = [f"{layer}/Y", *([f"{layer}/new_mean", f"{layer}/new_var"] if training else [])]
        outputs.append(onnx.helper.make_tensor_value_info(given[0], kind, shape))
        outputs += [onnx.helper.make_tensor_value_info(name, kind, shape[1:2]) for name in given[1:]]
        options = dict(values.arguments[layer]) | ({"training_mode": 1} if training else {})
        nodes.append(onnx.helper.make_node("BatchNormalization", [f"{layer}/X", *names], given, name=layer, **options))
    graph = onnx.helper.make_graph(nodes, "bnconform", inputs, outputs, initial)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def _filled(values, template):
    model = onnx.ModelProto()
    model.CopyFrom(template)
    home = from_model(model).home
    for tensor in model.graph.initializer:
        for path, place in home.items():
            if place == tensor.name and path in values.arrays:
                tensor.CopyFrom(numpy_helper.from_array(values.arrays[path], tensor.name))
    for index, node in enumerate(model.graph.node):
        new = values.arguments.get(node.name or f"BatchNormalization_{index}")
        if node.op_type == "BatchNormalization" and new:
            kept = [a for a in node.attribute if a.name not in new]
            del node.attribute[:]
            node.attribute.extend([*kept, *(onnx.helper.make_attribute(name, value) for name, value in new.items())])
    return model
