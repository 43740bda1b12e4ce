/* What a VMM does: KVM_RUN, and what comes between two of them. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "recorder.h"

/* ---- KVM_RUN ---- */

/* A guest that loops forever is interrupted; KVM_RUN then returns EINTR. */
static volatile sig_atomic_t too_long;

static void on_alarm(int signal)
{
    (void)signal;
    too_long = 1;
}

void catch_alarms(void)
{
    struct sigaction action = { .sa_handler = on_alarm };
    sigaction(SIGALRM, &action, NULL);
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
void run(void)
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
int set_guest_debug(void)
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

int inject_abort(void)
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
int set_irq_line(void)
{
    intptr_t level = number();
    pthread_t thread;
    if (!number())
        return irq_line(level);
    int error = pthread_create(&thread, NULL, irq_line_later, (void *)level);
    return error ? error : pthread_detach(thread);
}

int enable_cap(void)
{
    struct kvm_enable_cap cap;
    memset(&cap, 0, sizeof cap);
    cap.cap = number();
    return result(ioctl(vm.vm, KVM_ENABLE_CAP, &cap));
}

int add_ioeventfd(void)
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

int set_data(void)
{
    uint64_t value = number();
    memcpy(vm.run->mmio.data, &value, 8);
    return 0;
}

int set_exit_reason(void)
{
    vm.run->exit_reason = number();
    return 0;
}
