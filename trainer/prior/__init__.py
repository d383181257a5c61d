"""What the network knows before it sees a patient: phantoms, random processes, pretraining on them."""
