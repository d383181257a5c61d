"""What the network knows before it sees a patient: pretraining on phantoms and random processes."""
