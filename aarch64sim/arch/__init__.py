"""The Arm architecture: CPU, exceptions, the software-step machine, stage 2, and the A64 instruction set."""
