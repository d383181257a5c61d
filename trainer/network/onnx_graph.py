"""The network as an ONNX graph, built node by node, so that every type in it is known.

One builder makes both files: FP32, the reference, and FP16, strongly typed: float32 at the edges, a
Cast inside, and float16 in every weight and every computation between. Opset 17 and IR 8 are read by
ONNX Runtime 1.23 and by the parsers of TensorRT 10.3 to 11.4. GroupNorm is written as
InstanceNormalization over groups, the form that all of them know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference

from trainer.network import edge_net
from trainer.network.edge_net import EdgeNet

OPSET = 17
IR_VERSION = 8
INPUT = "input"
OUTPUTS = ("logits", "features", "cam")
Precision = Literal["fp32", "fp16"]


class _Graph:
    """Collects nodes and weights; each method adds one operation and returns its output's name."""

    def __init__(self, precision: Precision) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.dtype = np.float32 if precision == "fp32" else np.float16

    def weight(self, value: Any) -> str:
        """Add a constant in the graph's precision."""
        array = np.ascontiguousarray(np.asarray(value, np.float64).astype(self.dtype))
        if not np.isfinite(array).all():
            raise ValueError("a weight overflows half precision; train with smaller weights")
        return self._constant(array)

    def shape(self, *dims: int) -> str:
        """Add a shape constant."""
        return self._constant(np.array(dims, np.int64))

    def _constant(self, array: NDArray[Any]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def op(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Add a node."""
        output = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"n_{output}", **attributes))
        return output

    def conv(
        self, x: str, weight: Any, *, stride: int = 1, pad: int = 0, groups: int = 1, bias: Any = None
    ) -> str:
        """Convolution."""
        side = int(weight.shape[-1])
        return self.op(
            "Conv",
            x,
            self.weight(weight),
            *([] if bias is None else [self.weight(bias)]),
            kernel_shape=[side, side],
            strides=[stride] * 2,
            pads=[pad] * 4,
            group=groups,
        )

    def pool(self, x: str, side: int, stride: int | None = None) -> str:
        """Average pooling without padding."""
        if side == 1:
            return x
        return self.op("AveragePool", x, kernel_shape=[side, side], strides=[stride or side] * 2)

    def group_norm(self, x: str, state: dict[str, NDArray[Any]], name: str, side: int) -> str:
        """GroupNorm of a map of known side."""
        scale, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        flat = self.op("Reshape", x, self.shape(0, edge_net.GROUPS, -1))
        unit = self.op(
            "InstanceNormalization",
            flat,
            self.weight(np.ones(edge_net.GROUPS)),
            self.weight(np.zeros(edge_net.GROUPS)),
            epsilon=1e-5,
        )
        back = self.op("Reshape", unit, self.shape(0, len(scale), side, side))
        scaled = self.op("Mul", back, self.weight(scale.reshape(-1, 1, 1)))
        return self.op("Add", scaled, self.weight(bias.reshape(-1, 1, 1)))


def _block(graph: _Graph, x: str, state: dict[str, NDArray[Any]], name: str, side: int) -> str:
    y = graph.conv(x, state[f"{name}.conv1.weight"], stride=2, pad=1)
    y = graph.op("Relu", graph.group_norm(y, state, f"{name}.norm1", side))
    y = graph.conv(y, state[f"{name}.conv2.weight"], pad=1)
    y = graph.group_norm(y, state, f"{name}.norm2", side)
    short = graph.conv(graph.pool(x, 2), state[f"{name}.short.weight"])
    return graph.op("Relu", graph.op("Add", y, short))


def _trunk(graph: _Graph, x: str, state: dict[str, NDArray[Any]], name: str) -> str:
    y = graph.conv(x, state[f"{name}.stem.weight"], stride=2, pad=2, bias=state[f"{name}.stem.bias"])
    y = _block(graph, graph.op("Relu", y), state, f"{name}.stage1", 56)
    second = _block(graph, y, state, f"{name}.stage2", 28)
    third = _block(graph, second, state, f"{name}.stage3", 14)
    return graph.op("Concat", graph.pool(second, 4), graph.pool(third, 2), axis=1)


def _whitened(graph: _Graph, maps: str, centre: NDArray[Any], project: NDArray[Any]) -> tuple[str, str]:
    """A trunk's features, and what they were divided by, (1, 1)."""
    pooled = graph.op("Flatten", graph.pool(maps, edge_net.MAP_SIDE), axis=1)
    centred = graph.op("Sub", pooled, graph.weight(centre))
    raw = graph.op("Gemm", centred, graph.weight(project), transB=1)
    squares = graph.op("ReduceSum", graph.op("Mul", raw, raw), graph.shape(1), keepdims=1)
    floored = graph.op("Add", squares, graph.weight(edge_net.LENGTH_FLOOR))
    length = graph.op("Sqrt", graph.op("Mul", floored, graph.weight(edge_net.TRUNKS)))
    return graph.op("Div", raw, length), length


def _cam(graph: _Graph, maps: str, length: str, weights: NDArray[Any]) -> str:
    """What each place of a trunk's maps adds to each logit."""
    through = graph.conv(maps, weights[..., None, None])
    return graph.op("Div", through, graph.op("Reshape", length, graph.shape(-1, 1, 1, 1)))


def build(net: EdgeNet, precision: Precision, *, every_output: bool = False) -> onnx.ModelProto:
    """The network as a checked ONNX model with outputs logits, features and cam.

    Args:
        net: a trained network.
        precision: of weights and computation; input and outputs are float32 in both.
        every_output: make each node's result an output too, to look at its range.
    """
    state = {name: value.detach().double().numpy() for name, value in net.state_dict().items()}
    graph = _Graph(precision)
    half = precision == "fp16"
    x = graph.op("Cast", INPUT, to=TensorProto.FLOAT16) if half else INPUT
    x = graph.op("ReduceMean", x, axes=[1], keepdims=1)
    weights = net.cam_weights().detach().double().numpy()
    parts, cams = [], []
    for trunk in range(edge_net.TRUNKS):
        maps = _trunk(graph, x, state, f"trunks.{trunk}")
        part, length = _whitened(graph, maps, state["centre"][trunk], state["project"][trunk])
        parts.append(part)
        cams.append(_cam(graph, maps, length, weights[trunk]))
    features = graph.op("Concat", *parts, axis=1, name=None if half else "features")
    logits = graph.op(
        "Gemm",
        features,
        graph.weight(state["head.weight"]),
        graph.weight(state["head.bias"]),
        transB=1,
        name=None if half else "logits",
    )
    cam = graph.op("Add", *cams, name=None if half else "cam")
    if half:
        for name, value in zip(OUTPUTS, (logits, features, cam), strict=True):
            graph.op("Cast", value, name=name, to=TensorProto.FLOAT)
    classes = net.head.out_features
    shapes = {
        "logits": [1, classes],
        "features": [1, edge_net.FEATURES],
        "cam": [1, classes, edge_net.MAP_SIDE, edge_net.MAP_SIDE],
    }
    made = helper.make_graph(
        graph.nodes,
        "edge_net",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in OUTPUTS],
        graph.weights,
    )
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="edge trainer"
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    check_types(model, TensorProto.FLOAT16 if half else TensorProto.FLOAT)
    if every_output:
        known = {each.name: each for each in shape_inference.infer_shapes(model).graph.value_info}
        model.graph.output.extend(known[node.output[0]] for node in graph.nodes if node.output[0] in known)
    return model


def check_types(model: onnx.ModelProto, wanted: int) -> None:
    """Check by shape inference that every value between the edges has the wanted float type.

    Raises:
        ValueError: a value is of another type, or its type is unknown.
    """
    inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    types = {each.name: each.type.tensor_type.elem_type for each in inferred.graph.value_info}
    for node in model.graph.node:
        for name in node.output:
            if name not in OUTPUTS and types.get(name) != wanted:
                raise ValueError(f"{name} has type {types.get(name)}, expected {wanted}")
    weights = {each.name: each.data_type for each in model.graph.initializer}
    strange = [name for name, kind in weights.items() if kind not in {wanted, TensorProto.INT64}]
    if strange:
        raise ValueError(f"weights of another type: {', '.join(strange)}")


def run(
    model: bytes, inputs: NDArray[np.float32], outputs: Sequence[str] = OUTPUTS
) -> list[NDArray[np.float32]]:
    """Run a model image by image on one CPU thread; outputs are stacked over the images."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    rows = [session.run(list(outputs), {INPUT: inputs[i : i + 1]}) for i in range(len(inputs))]
    return [np.concatenate([row[k] for row in rows]) for k in range(len(outputs))]


def largest_activation(net: EdgeNet, inputs: NDArray[np.float32]) -> float:
    """Largest absolute value that any node of the FP32 network yields on the inputs.

    ONNX Runtime computes half-precision files in single precision on a CPU and so cannot show an
    overflow; this bound can.
    """
    model = build(net, "fp32", every_output=True)
    names = [each.name for each in model.graph.output]
    values = run(model.SerializeToString(), inputs, names)
    return max(float(np.abs(value).max()) for value in values)
