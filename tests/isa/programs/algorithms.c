/* CRC-32, quicksort, Fibonacci and memmove, once for the simulated CPU and once for the machine the tests run on.
 *
 * Freestanding: `main_results` fills the table of results; the guest's `_start` calls it and ends with SVC, the host's
 * `main` (compiled with -DHOST) prints the table. Both must agree.
 */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define RESULTS 24
volatile u64 results[RESULTS];
static unsigned used;

static void result(u64 value) { results[used++] = value; }

static u64 seed = 88172645463325252ull;

static u64 next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static u32 crc32(const u8 *data, unsigned long length)
{
    u32 crc = ~0u;
    while (length--) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void quicksort(s64 *a, long low, long high)
{
    while (low < high) {
        s64 pivot = a[low + (high - low) / 2];
        long i = low, j = high;
        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                s64 swap = a[i];
                a[i++] = a[j];
                a[j--] = swap;
            }
        }
        quicksort(a, low, j);
        low = i;
    }
}

__attribute__((noinline)) static u64 fibonacci(unsigned n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

__attribute__((noinline)) static void *move(void *to, const void *from, unsigned long n)
{
    u8 *d = to;
    const u8 *s = from;
    if (d < s)
        while (n--)
            *d++ = *s++;
    else
        while (n--)
            d[n] = s[n];
    return to;
}

/* The compiler may call these by name for what it recognizes. */
#ifndef HOST
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memmove(void *d, const void *s, unsigned long n) { return move(d, s, n); }
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memcpy(void *d, const void *s, unsigned long n) { return move(d, s, n); }
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memset(void *d, int c, unsigned long n)
{
    u8 *p = d;
    while (n--)
        *p++ = (u8)c;
    return d;
}
#endif

static u8 bytes[600];
static s64 numbers[200];

void main_results(void)
{
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (u8)(i * 7 + (i >> 3));
    result(crc32(bytes, sizeof bytes));
    result(crc32((const u8 *)"123456789", 9));

    for (int i = 0; i < 200; i++)
        numbers[i] = (s64)next_random();
    quicksort(numbers, 0, 199);
    u64 sum = 0, sorted = 1;
    for (int i = 0; i < 200; i++) {
        sum = sum * 31 + (u64)numbers[i];
        sorted &= i == 0 || numbers[i - 1] <= numbers[i];
    }
    result(sum);
    result(sorted);

    result(fibonacci(17));

    static const int cases[][3] = {{0, 1, 300}, {1, 0, 300}, {100, 90, 64}, {90, 100, 64}, {7, 7, 33}, {299, 0, 300}, {0, 300, 255}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        move(bytes + cases[i][0], bytes + cases[i][1], (unsigned long)cases[i][2]);
        result(crc32(bytes, sizeof bytes));
    }

    /* Arithmetic that compilers spread over many instructions. */
    u64 x = next_random(), y = next_random() | 1;
    result(x / y + x % y);
    result((u64)((s64)x / (s64)(y >> 5)) ^ (u64)((s64)x % 1000003));
    result((u64)((unsigned __int128)x * y >> 64));
    result((u64)__builtin_clzll(y) << 32 | (u32)__builtin_ctzll(y << 9));
    result(x << (y & 63) | x >> (64 - (y & 63) & 63));
    result((u64)(s64)(signed char)x + (u64)(short)(x >> 8) + (u32)((u32)x * (u32)y));
    result(__builtin_bswap64(x) ^ __builtin_bswap32((u32)y));
    u64 bits = 0;
    for (int i = 0; i < 64; i += 3)
        bits |= (x >> i & 1) << (i / 3);
    result(bits);
}

#ifdef HOST
#include <stdio.h>
int main(void)
{
    main_results();
    for (int i = 0; i < RESULTS; i++)
        printf("%llx\n", results[i]);
    return 0;
}
#else
__asm__(".global _start\n_start: ldr x0, =0x40030000\n mov sp, x0\n bl main_results\n svc #0\n .ltorg");
#endif
