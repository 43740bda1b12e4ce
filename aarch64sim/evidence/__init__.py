"""What real kernels did, and how the simulator is held to it: recordings, replays, the table of eras."""
