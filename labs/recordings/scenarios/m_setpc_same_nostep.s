// about: SET_ONE_REG(PC)=PC+4 at MMIO exit (naive userspace skip)
// answer: 0x44
// on load 1: set pc pc+4

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
