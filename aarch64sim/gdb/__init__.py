"""A stock gdb or lldb attaches here: the remote serial protocol on top of the debugger."""
