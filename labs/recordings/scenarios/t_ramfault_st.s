// about: stepping a store that is the first touch of a RAM page (stage-2 fault, host page absent)
// start: debug ENABLE|SINGLESTEP

    mov x0, #0x41
    mov x9, #0x40100000
    add x1, x1, #0x1
    str w0, [x9]
    add x2, x2, #0x1
    str w0, [x9, #4]
    add x3, x3, #0x1
    str w20, [x20]
