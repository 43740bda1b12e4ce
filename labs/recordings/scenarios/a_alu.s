// about: plain ALU
// start: debug ENABLE|SINGLESTEP

    mov x0, #0x1
    add x1, x0, #0x2
    sub x2, x1, #0x1
    eor x3, x1, x2
    mov x4, #0x5
    str w20, [x20]
