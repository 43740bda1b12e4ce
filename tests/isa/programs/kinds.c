// Small programs, each for a kind of thing that gcc writes into its .s; cut at the lines that start with "//:".
//: strings
static const char *names[] = {"one", "two", "three", "seventeen"};
const char *pick(unsigned i) { return names[i & 3]; }
int len(const char *s) { int n = 0; while (s[n]) n++; return n; }
int main(void) { return len(pick(2)) + len("three") + len("world") + len("hello, world") + len(""); }
//: switch
int f(int x) {
  switch (x) { case 0: return 5; case 1: return 7; case 2: return 9; case 3: return 100; case 4: return -3;
               case 5: return 77; case 9: return 1; default: return 0; }
}
const char *g(int x) {
  switch (x) { case 0: return "a"; case 1: return "bb"; case 2: return "ccc"; case 3: return "dddd";
               case 4: return "e"; case 5: return "ff"; }
  return "none";
}
int main(void) { volatile int v = 3; return f(v) + g(v)[0]; }
//: structs
struct s { char a; short b; int c; long d; unsigned e : 5, f : 11; } t[4] = {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10}};
struct s u;
static struct s w;
long sum(struct s *p, int n) { long r = 0; for (int i = 0; i < n; i++) r += p[i].a + p[i].b + p[i].d + p[i].e + p[i].f; return r; }
int main(void) { u = t[1]; w.d = u.d; return sum(t, 4) + w.d; }
//: function pointers
typedef long (*fn)(long, long);
static long add(long a, long b) { return a + b; }
static long sub(long a, long b) { return a - b; }
static long mul(long a, long b) { return a * b; }
static const fn table[] = {add, sub, mul};
fn hook = add;
int main(void) { long r = 1; for (int i = 0; i < 9; i++) r = table[i % 3](r, i); return hook(r, 2); }
//: atomics
static unsigned long n;
unsigned m;
int lock;
int main(void) {
  __atomic_fetch_add(&n, 1, __ATOMIC_SEQ_CST);
  __atomic_compare_exchange_n(&m, &(unsigned){0}, 5, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE));
  __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
  return __atomic_load_n(&n, __ATOMIC_ACQUIRE);
}
//: devices
#define UART ((volatile unsigned *)0x9000000)
#define EXIT ((volatile unsigned long *)0x9010000)
void put(const char *s) { while (*s) *UART = *s++; }
void _start(void) { put("hello, world\n"); *EXIT = 0; for (;;); }
//: inline assembly
static inline unsigned long el(void) { unsigned long r; asm volatile("mrs %0, CurrentEL" : "=r"(r)); return r; }
static inline void sync(void) { asm volatile("dsb sy\n\tisb" ::: "memory"); }
int main(void) {
  sync();
  asm volatile("msr daifset, #2; 1: cbz %0, 2f; b 1b; 2:" ::"r"(0L));
  asm volatile(".pushsection .rodata; 3: .asciz \"note\"; .popsection; adr %0, 3b\n brk #0x123" ::"r"(0L));
  return el();
}
//: wide numbers
unsigned long a = 0x123456789abcdef0;
unsigned __int128 m(unsigned long x, unsigned long y) { return (unsigned __int128)x * y; }
long d(long x) { return x / 7 + x % 10; }
unsigned u(unsigned x) { return x / 3; }
int main(void) { return m(a, a) >> 64 | d(a) | u(a) | 0x5555555555555555 | (a & 0xff00ff00ff00ff00); }
//: data and bss
int zero[100];
static char buf[33];
long init = 5;
static short s = 3;
const int ro[] = {1, 2, 3};
static const char one = 'x';
extern int later;
int main(void) { zero[3] = ro[1]; buf[7] = one; s++; init += later; return zero[3] + s; }
int later = 9;
//: attributes
void __attribute__((weak)) hook(void) {}
__attribute__((noinline)) int cold(int x) { return x * 3; }
int __attribute__((cold)) never(int x) { return cold(x) + 1; }
int __attribute__((hot)) often(int x) { return x + 2; }
__attribute__((section(".text.boot"))) void boot(void) { hook(); }
__attribute__((section(".mydata"))) int md = 7;
__attribute__((constructor)) void ctor(void) { md = 8; }
int main(int c, char **v) { boot(); if (__builtin_expect(c > 100, 0)) return never(c); return often(c) + md; }
__attribute__((aligned(64))) char line[64] = {1};
//: recursion
int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int ack(int m, int n) { return !m ? n + 1 : !n ? ack(m - 1, 1) : ack(m - 1, ack(m, n - 1)); }
int hanoi(int n, int a, int b, int c) { return n ? hanoi(n - 1, a, c, b) + 1 + hanoi(n - 1, c, b, a) : 0; }
int main(void) { return fib(9) + ack(2, 3) + hanoi(4, 1, 2, 3); }
//: copies
typedef unsigned long size_t;
void *memcpy(void *d, const void *s, size_t n) { char *a = d; const char *b = s; while (n--) *a++ = *b++; return d; }
void *memset(void *d, int c, size_t n) { char *a = d; while (n--) *a++ = c; return d; }
struct big { long x[40]; };
struct big g;
struct big make(int n) { struct big b = {{0}}; b.x[3] = n; return b; }
int main(void) { g = make(5); struct big h = g; h.x[7]++; return h.x[3] + h.x[7]; }
//: bits
unsigned rev(unsigned x) { return __builtin_bswap32(x); }
int clz(unsigned long x) { return __builtin_clzl(x); }
int ctz(unsigned x) { return __builtin_ctz(x); }
unsigned rot(unsigned x, int n) { return x << n | x >> (32 - n); }
unsigned long ext(unsigned long x) { return (x >> 13) & 0x3ff; }
long sx(int x) { return (signed char)(x >> 3); }
int main(void) { volatile unsigned v = 77; return rev(v) + clz(v) + ctz(v) + rot(v, 5) + ext(v) + sx(v); }
