// about: userspace sets PSTATE.SS (bit 21) after the first DEBUG exit
// start: debug ENABLE|SINGLESTEP
// on debug 1: set pstate 0x2003c5

    mov x0, #0x1
    add x1, x0, #0x2
    sub x2, x1, #0x1
    eor x3, x1, x2
    mov x4, #0x5
    str w20, [x20]
