// The little program of all labs: move, store to the UART, add - and a store to the exit device.
// x19 is the UART and x20 the exit device when the guest starts.
start:  mov     x0, #0x41           // 'A'
        str     w0, [x19]           // no memory there: the hypervisor must emulate it
        add     x1, x1, #1
        add     x2, x2, #1
        add     x3, x3, #1
        add     x4, x4, #1
        str     w20, [x20]          // the end
