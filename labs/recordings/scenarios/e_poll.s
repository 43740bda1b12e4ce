// about: polling loop on a status register
// start: debug ENABLE|SINGLESTEP
// answer: 0x0 0x0 0x20 0x5a

poll:
    ldr w2, [x19, #24]
    tst w2, #0x20
    b.eq poll
    ldr w3, [x19]
    add x4, x3, #0x1
    str w20, [x20]
