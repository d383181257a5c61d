"""The workstation: private training, export of the signed bundle, evaluation."""
