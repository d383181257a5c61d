"""Clean frames in, findings out: TensorRT on the box, ONNX Runtime on the CPU."""
