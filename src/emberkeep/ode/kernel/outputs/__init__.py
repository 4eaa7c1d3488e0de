"""What is done for each output of a trajectory: a file each."""
