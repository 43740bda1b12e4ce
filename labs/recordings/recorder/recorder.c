/*
 * recorder: does to /dev/kvm what it is asked, and says what came back.
 *
 * A request is one line on standard input: a word, then numbers in hexadecimal. Its answer is one line on standard
 * output: "@" and a JSON object; "errno" in it is 0 when the call succeeded. Nothing else is decided here: which
 * guest runs and what its VMM does when is the business of aarch64sim/evidence/, which asks the simulator the same way.
 *
 * It is an ordinary program where there is a /dev/kvm, and /init where a kernel is booted only to be asked
 * (aarch64sim/evidence/recorder.py does either). It needs libc and <linux/kvm.h>:
 *
 *     aarch64-linux-gnu-gcc -O1 -Wall -static -pthread -o recorder recorder.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <linux/kvm.h>

enum { SLOTS = 4, WATCHED = 96, LINE = 4096 };

static struct {
    int kvm, vm, vcpu, vcpu_size;
    struct kvm_run *run;
    struct { uint64_t gpa, size; uint8_t *host; } slot[SLOTS];
} vm = { .kvm = -1, .vm = -1, .vcpu = -1 };

/* The registers that are read after each KVM_RUN. An answer holds those that changed since the last one. */
static struct { uint64_t id, last; char name[24]; } watched[WATCHED];
static int n_watched;

/* ---- answers: one line each, in one write, so that the console cannot mix anything into it ---- */

static char answer[1 << 16];
static size_t length;

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    length += vsnprintf(answer + length, sizeof answer - length, format, arguments);
    va_end(arguments);
}

static void send_answer(void)
{
    say("}\n");
    for (size_t sent = 0; sent < length;) {
        ssize_t n = write(1, answer + sent, length - sent);
        if (n > 0)
            sent += n;
        else if (errno != EINTR)
            exit(1); /* nobody listens any more */
    }
    length = 0;
}

/* The result of a call: 0, or the errno of a -1. */
static int result(int returned)
{
    return returned < 0 ? errno : 0;
}

/* ---- requests: their words ---- */

static char *rest;

static const char *word(void)
{
    char *found = strsep(&rest, " ");
    return found ? found : "";
}

static uint64_t number(void)
{
    return strtoull(word(), NULL, 16);
}

/* ---- the VM ---- */

static void discard(void)
{
    if (vm.run)
        munmap(vm.run, vm.vcpu_size);
    if (vm.vcpu >= 0)
        close(vm.vcpu);
    if (vm.vm >= 0)
        close(vm.vm);
    for (int i = 0; i < SLOTS; i++)
        if (vm.slot[i].host)
            munmap(vm.slot[i].host, vm.slot[i].size);
    memset(vm.slot, 0, sizeof vm.slot);
    vm.run = NULL;
    vm.vm = vm.vcpu = -1;
    for (int i = 0; i < n_watched; i++)
        watched[i].last = 0;
}

/* A new VM with one vCPU; the one before is gone. "at" names the call that failed. */
static void create(void)
{
    const char *at = "/dev/kvm";
    discard();
    if (vm.kvm < 0)
        vm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (vm.kvm >= 0) {
        at = "KVM_CREATE_VM";
        vm.vm = ioctl(vm.kvm, KVM_CREATE_VM, 0);
    }
    if (vm.vm >= 0) {
        at = "KVM_CREATE_VCPU";
        vm.vcpu = ioctl(vm.vm, KVM_CREATE_VCPU, 0);
    }
    if (vm.vcpu >= 0) {
        at = "mmap of kvm_run";
        vm.vcpu_size = ioctl(vm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
        vm.run = mmap(NULL, vm.vcpu_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm.vcpu, 0);
        if (vm.run == MAP_FAILED)
            vm.run = NULL;
    }
    if (vm.run)
        say("\"errno\":0");
    else
        say("\"errno\":%d,\"at\":\"%s\"", errno, at);
}

/* KVM_ARM_VCPU_INIT with PSCI 0.2: also how a vCPU is reset. */
static int init_vcpu(void)
{
    struct kvm_vcpu_init init;
    memset(&init, 0, sizeof init);
    if (ioctl(vm.vm, KVM_ARM_PREFERRED_TARGET, &init) < 0)
        return errno;
    init.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2;
    return result(ioctl(vm.vcpu, KVM_ARM_VCPU_INIT, &init));
}

/*
 * Zeros over zeros, by ordinary stores. The kernel clears a page with DC ZVA, 64 bytes at a time, and QEMU 7.2 then
 * drops the translated code of the first byte only: a guest would execute what a guest before it had in this page.
 */
static void clear(volatile uint64_t *memory, uint64_t size)
{
    for (uint64_t i = 0; i < size / 8; i++)
        memory[i] = 0;
}

/* slot NUMBER ADDRESS SIZE READONLY: fresh memory, all zero. */
static int add_slot(void)
{
    uint64_t i = number(), gpa = number(), size = number(), readonly = number();
    if (i >= SLOTS || vm.slot[i].host)
        return EINVAL;
    void *host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (host == MAP_FAILED)
        return errno;
    clear(host, size);
    vm.slot[i].gpa = gpa;
    vm.slot[i].size = size;
    vm.slot[i].host = host;
    struct kvm_userspace_memory_region region = {
        .slot = i,
        .flags = readonly ? KVM_MEM_READONLY : 0,
        .guest_phys_addr = gpa,
        .memory_size = size,
        .userspace_addr = (uint64_t)host,
    };
    return result(ioctl(vm.vm, KVM_SET_USER_MEMORY_REGION, &region));
}

/* Where userspace sees `size` bytes of guest memory; NULL if they are in no slot. */
static uint8_t *at(uint64_t gpa, uint64_t size)
{
    for (int i = 0; i < SLOTS; i++)
        if (vm.slot[i].host && gpa >= vm.slot[i].gpa && gpa - vm.slot[i].gpa + size <= vm.slot[i].size)
            return vm.slot[i].host + (gpa - vm.slot[i].gpa);
    return NULL;
}

/* put ADDRESS WORD...: 32-bit words into guest memory, from where the guest may fetch them. */
static int put(void)
{
    uint64_t gpa = number();
    while (rest) {
        uint32_t value = number();
        uint8_t *host = at(gpa, 4);
        if (!host)
            return EFAULT;
        memcpy(host, &value, 4);
        __builtin___clear_cache((char *)host, (char *)host + 4);
        gpa += 4;
    }
    return 0;
}

/* memory ADDRESS COUNT: 8-byte words of guest memory. */
static void tell_memory(void)
{
    uint64_t gpa = number(), count = number(), value;
    uint8_t *host = at(gpa, 8 * count);
    say("\"errno\":%d,\"words\":[", host ? 0 : EFAULT);
    for (uint64_t i = 0; host && i < count; i++) {
        memcpy(&value, host + 8 * i, 8);
        say("%s\"0x%llx\"", i ? "," : "", (unsigned long long)value);
    }
    say("]");
}

/* ---- registers ---- */

static int get(uint64_t id, uint64_t *value)
{
    struct kvm_one_reg one = { .id = id, .addr = (uint64_t)value };
    *value = 0; /* some have 32 bits */
    return result(ioctl(vm.vcpu, KVM_GET_ONE_REG, &one));
}

static int set(void)
{
    uint64_t id = number(), value = number();
    struct kvm_one_reg one = { .id = id, .addr = (uint64_t)&value };
    return result(ioctl(vm.vcpu, KVM_SET_ONE_REG, &one));
}

static int watch(void)
{
    if (n_watched == WATCHED)
        return ENOSPC;
    watched[n_watched].id = number();
    watched[n_watched].last = 0;
    snprintf(watched[n_watched++].name, sizeof watched->name, "%s", word());
    return 0;
}

static void tell_changed(void)
{
    const char *comma = "";
    say(",\"registers\":{");
    for (int i = 0; i < n_watched; i++) {
        uint64_t value;
        if (get(watched[i].id, &value) || value == watched[i].last)
            continue;
        say("%s\"%s\":\"0x%llx\"", comma, watched[i].name, (unsigned long long)value);
        watched[i].last = value;
        comma = ",";
    }
    say("}");
}

/* ---- KVM_RUN ---- */

/* A guest that loops forever is interrupted; KVM_RUN then returns EINTR. */
static volatile sig_atomic_t too_long;

static void on_alarm(int signal)
{
    (void)signal;
    too_long = 1;
}

static void alarm_in(long milliseconds)
{
    /* Again and again: the first may come just before the KVM_RUN. */
    struct itimerval timer = { { 0, milliseconds ? 20000 : 0 }, { milliseconds / 1000, milliseconds % 1000 * 1000 } };
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* A signal that is pending when KVM_RUN is called: blocked for us, let in by KVM_SET_SIGNAL_MASK. */
static int run_with_signal(void)
{
    struct timespec now = { 0, 0 };
    struct { uint32_t len; uint64_t set; } __attribute__((packed)) none = { 8, 0 };
    sigset_t usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    kill(getpid(), SIGUSR1);
    ioctl(vm.vcpu, KVM_SET_SIGNAL_MASK, &none);
    int error = result(ioctl(vm.vcpu, KVM_RUN, 0));
    sigtimedwait(&usr1, NULL, &now);
    ioctl(vm.vcpu, KVM_SET_SIGNAL_MASK, NULL);
    return error;
}

static void tell_exit(const struct kvm_run *run)
{
    uint64_t data = 0;
    uint32_t len = run->mmio.len;
    say(",\"exit_reason\":%u", run->exit_reason);
    switch (run->exit_reason) {
    case KVM_EXIT_MMIO:
        memcpy(&data, run->mmio.data, 8);
        say(",\"mmio\":{\"phys_addr\":\"0x%llx\",\"len\":%u,\"is_write\":%s", run->mmio.phys_addr, len,
            run->mmio.is_write ? "true" : "false");
        if (run->mmio.is_write)
            say(",\"data\":\"0x%llx\"", (unsigned long long)(len >= 8 ? data : data & ((1ULL << 8 * len) - 1)));
        say("}");
        break;
    case KVM_EXIT_DEBUG:
        say(",\"debug\":{\"hsr\":\"0x%x\"", run->debug.arch.hsr);
        if (run->debug.arch.hsr >> 26 == 0x34) /* a watchpoint from EL0 or EL1: far means something */
            say(",\"far\":\"0x%llx\"", run->debug.arch.far);
        say("}");
        break;
    case KVM_EXIT_ARM_NISV:
        say(",\"arm_nisv\":{\"esr_iss\":\"0x%llx\",\"fault_ipa\":\"0x%llx\"}", run->arm_nisv.esr_iss,
            run->arm_nisv.fault_ipa);
        break;
    case KVM_EXIT_SYSTEM_EVENT:
        say(",\"system_event\":{\"type\":%u}", run->system_event.type);
        break;
    }
}

/* run HOW MILLISECONDS: HOW 1 is with immediate_exit, 2 with a pending signal. */
static void run(void)
{
    uint64_t how = number(), milliseconds = number();
    too_long = 0;
    vm.run->immediate_exit = how == 1;
    alarm_in(milliseconds);
    int error = how == 2 ? run_with_signal() : result(ioctl(vm.vcpu, KVM_RUN, 0));
    alarm_in(0);
    vm.run->immediate_exit = 0;
    say("\"errno\":%d", error);
    if (too_long)
        say(",\"too_long\":true");
    tell_exit(vm.run);
    tell_changed();
}

/* ---- what else a VMM does ---- */

/* debug CONTROL BVR BCR WVR WCR */
static int set_guest_debug(void)
{
    struct kvm_guest_debug debug;
    memset(&debug, 0, sizeof debug);
    debug.control = number();
    debug.arch.dbg_bvr[0] = number();
    debug.arch.dbg_bcr[0] = number();
    debug.arch.dbg_wvr[0] = number();
    debug.arch.dbg_wcr[0] = number();
    return result(ioctl(vm.vcpu, KVM_SET_GUEST_DEBUG, &debug));
}

static int inject_abort(void)
{
    struct kvm_vcpu_events events;
    memset(&events, 0, sizeof events);
    events.exception.ext_dabt_pending = 1;
    return result(ioctl(vm.vcpu, KVM_SET_VCPU_EVENTS, &events));
}

static int irq_line(int level)
{
    struct kvm_irq_level line = { .irq = KVM_ARM_IRQ_TYPE_CPU << KVM_ARM_IRQ_TYPE_SHIFT, .level = level };
    return result(ioctl(vm.vm, KVM_IRQ_LINE, &line));
}

static void *irq_line_later(void *level)
{
    usleep(80000); /* by then the vCPU waits in WFI */
    irq_line((intptr_t)level);
    return NULL;
}

/* irq LEVEL LATER: LATER 1 is from another thread, during the next KVM_RUN. */
static int set_irq_line(void)
{
    intptr_t level = number();
    pthread_t thread;
    if (!number())
        return irq_line(level);
    int error = pthread_create(&thread, NULL, irq_line_later, (void *)level);
    return error ? error : pthread_detach(thread);
}

static int enable_cap(void)
{
    struct kvm_enable_cap cap;
    memset(&cap, 0, sizeof cap);
    cap.cap = number();
    return result(ioctl(vm.vm, KVM_ENABLE_CAP, &cap));
}

static int add_ioeventfd(void)
{
    struct kvm_ioeventfd io;
    memset(&io, 0, sizeof io);
    io.addr = number();
    io.len = number();
    io.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int error = result(ioctl(vm.vm, KVM_IOEVENTFD, &io));
    close(io.fd); /* KVM holds its own reference */
    return error;
}

static int set_data(void)
{
    uint64_t value = number();
    memcpy(vm.run->mmio.data, &value, 8);
    return 0;
}

static int set_exit_reason(void)
{
    vm.run->exit_reason = number();
    return 0;
}

/* Which kernel this is; "vhe" if its log says how KVM runs (only root may read it). */
static void tell_about(void)
{
    static char log[1 << 20];
    struct utsname name;
    uname(&name);
    say("\"errno\":0,\"release\":\"%s\",\"version\":\"%s\"", name.release, name.version);
    if (klogctl(3 /* SYSLOG_ACTION_READ_ALL */, log, sizeof log - 1) > 0 && strstr(log, "mode initialized"))
        say(",\"vhe\":%s", strstr(log, "VHE mode initialized") ? "true" : "false");
}

static void tell_register(void)
{
    uint64_t value;
    int error = get(number(), &value);
    say("\"errno\":%d,\"value\":\"0x%llx\"", error, (unsigned long long)value);
}

static const struct { const char *name; int (*does)(void); void (*tells)(void); int needs_vm; } requests[] = {
    { "about", NULL, tell_about, 0 },
    { "new", NULL, create, 0 },
    { "watch", watch, NULL, 0 },
    { "init", init_vcpu, NULL, 1 },
    { "slot", add_slot, NULL, 1 },
    { "put", put, NULL, 1 },
    { "memory", NULL, tell_memory, 1 },
    { "set", set, NULL, 1 },
    { "get", NULL, tell_register, 1 },
    { "run", NULL, run, 1 },
    { "debug", set_guest_debug, NULL, 1 },
    { "abort", inject_abort, NULL, 1 },
    { "irq", set_irq_line, NULL, 1 },
    { "cap", enable_cap, NULL, 1 },
    { "ioeventfd", add_ioeventfd, NULL, 1 },
    { "data", set_data, NULL, 1 },
    { "reason", set_exit_reason, NULL, 1 },
};

static void serve(char *line)
{
    rest = line;
    const char *name = word();
    say("@{");
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        if (strcmp(requests[i].name, name))
            continue;
        if (requests[i].needs_vm && !vm.run)
            say("\"errno\":%d", ENODEV);
        else if (requests[i].tells)
            requests[i].tells();
        else
            say("\"errno\":%d", requests[i].does());
        send_answer();
        return;
    }
    say("\"errno\":%d", ENOTTY);
    send_answer();
}

/* As /init: mount what is needed, and talk over the console byte for byte. */
static void become_init(void)
{
    struct termios console;
    mkdir("/dev", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    int fd = open("/dev/console", O_RDWR);
    for (int i = 0; fd >= 0 && i < 3; i++)
        dup2(fd, i);
    if (!tcgetattr(0, &console)) {
        cfmakeraw(&console);
        tcsetattr(0, TCSANOW, &console);
    }
}

int main(void)
{
    static char line[LINE];
    size_t used = 0;
    struct sigaction action = { .sa_handler = on_alarm };
    int is_init = getpid() == 1;
    if (is_init)
        become_init();
    sigaction(SIGALRM, &action, NULL);
    say("@{\"errno\":0,\"ready\":true");
    send_answer();
    for (;;) {
        ssize_t n = read(0, line + used, sizeof line - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || used + n == sizeof line)
            break;
        used += n;
        for (char *end; (end = memchr(line, '\n', used));) {
            *end = 0;
            if (!strcmp(line, "quit"))
                goto out;
            serve(line);
            used -= end + 1 - line;
            memmove(line, end + 1, used);
        }
    }
out:
    if (is_init)
        reboot(RB_POWER_OFF);
    return 0;
}
