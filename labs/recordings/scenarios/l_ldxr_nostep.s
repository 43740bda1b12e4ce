// about: LDXR/STXR loop free

    mov x0, #0x5
at_4:
    ldxr w2, [x21]
    add w2, w2, #0x1
    stxr w3, w2, [x21]
    cbnz w3, at_4
    ldr w4, [x21]
    str w20, [x20]
