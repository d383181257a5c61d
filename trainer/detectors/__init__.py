"""The box's own detectors, faces at any angle and text in any script: drawn pictures, network, export."""
