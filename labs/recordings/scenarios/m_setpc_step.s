// about: SET_ONE_REG(PC)=0x40000100 at MMIO exit
// start: debug ENABLE|SINGLESTEP
// answer: 0x44
// on load 1: set pc 0x40000100

    mov x0, #0x1
    ldr w2, [x19]
    add x3, x3, #0x1
    add x4, x4, #0x1
    str w20, [x20]

.org 0x40000100
    add x5, x5, #0x1
    add x6, x6, #0x1
    add x7, x7, #0x1
    str w20, [x20]
