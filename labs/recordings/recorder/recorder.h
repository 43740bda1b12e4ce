/*
 * What the files of the recorder share: the words of a request, its answer, and the VM that it is about.
 *
 *     recorder.c  serves requests        words.c  reads and writes them
 *     guest.c     the VM, its memory and registers        vmm.c  what a VMM does with it
 */
#include <errno.h>
#include <stdint.h>
#include <linux/kvm.h>

enum { SLOTS = 4 };

extern struct vm {
    int kvm, vm, vcpu, vcpu_size;
    struct kvm_run *run;
    struct { uint64_t gpa, size; uint8_t *host; } slot[SLOTS];
} vm;

/* words.c: the next word of the request, as it stands or as a hexadecimal number; its answer, piece by piece */
void begin_request(char *line);
int more_words(void);
const char *word(void);
uint64_t number(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void send_answer(void);

/* The result of a call: 0, or the errno of a -1. */
static inline int result(int returned)
{
    return returned < 0 ? errno : 0;
}

/* guest.c: those with a result are answered by {"errno":...}, the others say their answer themselves */
void create(void);
int init_vcpu(void);
int add_slot(void);
int put(void);
void tell_memory(void);
int set(void);
int watch(void);
void tell_register(void);
void tell_changed(void);

/* vmm.c */
void catch_alarms(void);
void run(void);
int set_guest_debug(void);
int inject_abort(void);
int set_irq_line(void);
int enable_cap(void);
int add_ioeventfd(void);
int set_data(void);
int set_exit_reason(void);
