"""The network that ships: layers, augmentation on tensors, and its two ONNX files."""
