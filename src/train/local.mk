# Room: src/train - the loop that trains: sources, checkpoints, epochs.
