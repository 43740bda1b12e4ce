// A guest that uses a device of yours at 0x9030000: DATA at offset 0, COUNT at offset 8.
start:  mov     x1, #0x9030000
        mov     w0, #0x68               // 'h'
        str     w0, [x1]                // put it in
        mov     w0, #0x69               // 'i'
        str     w0, [x1]
        ldr     w5, [x1, #8]            // how many are in?
        ldr     w2, [x1]                // take one out
        str     w2, [x19]               // and print it
        ldr     w2, [x1]
        str     w2, [x19]
        ldr     w6, [x1, #8]            // how many are left?
        str     w20, [x20]              // the end
