/* A counter that is added to under load-exclusive and store-exclusive; x20 is the exit device, x9 the outcome. */
static int counter;

void _start(void) {
    register volatile unsigned char *exit_device asm("x20");
    for (int i = 0; i < 10; i++)
        __atomic_fetch_add(&counter, 3, __ATOMIC_SEQ_CST);
    asm volatile("mov x9, %0" : : "r"((long)counter) : "x9");
    *exit_device = 0;
    for (;;)
        ;
}
