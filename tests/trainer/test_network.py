"""The network, and the two files made of it."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from edge.imaging import preprocess
from trainer.network import onnx_graph
from trainer.network.augment import augment, network_input
from trainer.network.edge_net import EdgeNet


@pytest.fixture(scope="module")
def net() -> EdgeNet:
    torch.manual_seed(0)
    made = EdgeNet(5)
    made.set_whitening(torch.randn_like(made.project) * 0.05, torch.randn_like(made.centre))
    nn.init.normal_(made.head.weight)
    nn.init.normal_(made.head.bias)
    return made.eval()


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate(
        [preprocess.to_network_input(rng.integers(0, 256, (224, 224), np.uint8)) for _ in range(3)]
    )


def test_no_layer_mixes_images(net: EdgeNet, inputs: np.ndarray) -> None:
    """A per-image guarantee is void if an image's gradient depends on its batch."""
    assert not any(isinstance(each, nn.modules.batchnorm._BatchNorm) for each in net.modules())
    with torch.no_grad():
        alone = net(torch.from_numpy(inputs[:1]))
        together = net(torch.from_numpy(inputs))[:1]
    assert torch.allclose(alone, together, atol=1e-5)


def macs(model: onnx.ModelProto) -> int:
    """Multiply-accumulates of one image, over convolutions and matrix products."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        each.name: [side.dim_value for side in each.type.tensor_type.shape.dim]
        for each in [*inferred.value_info, *inferred.output]
    }
    weights = {each.name: list(each.dims) for each in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += math.prod(shapes[node.output[0]]) * math.prod(weights[node.input[1]][1:])
        elif node.op_type == "Gemm":
            total += math.prod(weights[node.input[1]])
    return total


def test_it_is_small_enough_for_the_box(net: EdgeNet) -> None:
    models = [onnx_graph.build(net, which) for which in ("fp32", "fp16")]
    assert 100_000_000 < macs(models[0]) <= 350_000_000
    assert sum(len(each.SerializeToString()) for each in models) <= 8_000_000


def test_activation_map_adds_up_to_the_logit(net: EdgeNet, inputs: np.ndarray) -> None:
    with torch.no_grad():
        out = net.outputs(torch.from_numpy(inputs))
        x = torch.from_numpy(inputs)
        length = net.whitened(net.pooled(net.maps(x)))[1]
        away = torch.einsum("tkc,tc->tk", net.project, net.centre) / length
        constant = net.head.bias - away.flatten(1) @ net.head.weight.T
        assert torch.allclose(out["cam"].sum((2, 3)) + constant, out["logits"], atol=1e-3)
        assert torch.allclose(net(x), out["logits"])


def test_files_compute_what_the_network_computes(net: EdgeNet, inputs: np.ndarray) -> None:
    with torch.no_grad():
        wanted = net.outputs(torch.from_numpy(inputs))
    for which, tolerance in (("fp32", 1e-4), ("fp16", 2e-2)):
        values = onnx_graph.run(onnx_graph.build(net, which).SerializeToString(), inputs)
        for name, value in zip(onnx_graph.OUTPUTS, values, strict=True):
            assert np.abs(value - wanted[name].numpy()).max() < tolerance, (which, name)


def test_half_precision_file_is_strongly_typed(net: EdgeNet) -> None:
    model = onnx_graph.build(net, "fp16")
    edges = [*model.graph.input, *model.graph.output]
    assert {each.type.tensor_type.elem_type for each in edges} == {TensorProto.FLOAT}
    assert [each.name for each in edges] == ["input", "logits", "features", "cam"]
    assert [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim] == [1, 3, 224, 224]
    assert model.opset_import[0].version <= 21
    assert model.ir_version <= 10
    onnx_graph.check_types(model, TensorProto.FLOAT16)
    # The control: one value of another type inside is found.
    model.graph.node.append(helper.make_node("Cast", ["cam"], ["odd"], to=TensorProto.DOUBLE))
    with pytest.raises(ValueError, match="odd"):
        onnx_graph.check_types(model, TensorProto.FLOAT16)


def test_activation_range_sees_inside(net: EdgeNet, inputs: np.ndarray) -> None:
    largest = onnx_graph.largest_activation(net, inputs)
    assert 1 < largest < 30_000
    loud = EdgeNet(5)
    loud.load_state_dict(net.state_dict())
    with torch.no_grad():
        loud.trunks[1].stage3.short.weight.mul_(1e5)
    assert onnx_graph.largest_activation(loud, inputs) > 30_000


def test_every_node_is_known_to_old_parsers(net: EdgeNet) -> None:
    kinds = {node.op_type for node in onnx_graph.build(net, "fp16").graph.node}
    assert kinds <= {
        "Add", "AveragePool", "Cast", "Concat", "Conv", "Div", "Flatten", "Gemm", "InstanceNormalization",
        "MatMul", "Mul", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Sqrt", "Sub",
    }  # fmt: skip
    onnx.checker.check_model(onnx_graph.build(net, "fp32"), full_check=True)


def test_the_trainer_sees_what_the_box_sees(net: EdgeNet) -> None:
    gray = np.random.default_rng(1).integers(0, 256, (2, 224, 224), np.uint8)
    box = torch.from_numpy(np.concatenate([preprocess.to_network_input(each) for each in gray]))
    here = network_input(torch.from_numpy(gray[:, None]).float())
    with torch.no_grad():
        assert torch.allclose(net(box), net(here), atol=1e-4)


def test_views_differ_and_stay_display_values() -> None:
    gray = torch.rand(4, 1, 224, 224) * 255
    first, second = augment(gray), augment(gray)
    assert first.shape == gray.shape
    assert not torch.allclose(first, second)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 255
