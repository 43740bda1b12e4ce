/* The VM: one vCPU, its memory and its registers. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "recorder.h"

enum { WATCHED = 96 };

struct vm vm = { .kvm = -1, .vm = -1, .vcpu = -1 };

/* The registers that are read after each KVM_RUN. An answer holds those that changed since the last one. */
static struct { uint64_t id, last; char name[24]; } watched[WATCHED];
static int n_watched;

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
void create(void)
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
int init_vcpu(void)
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
int add_slot(void)
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
int put(void)
{
    uint64_t gpa = number();
    while (more_words()) {
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
void tell_memory(void)
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

int set(void)
{
    uint64_t id = number(), value = number();
    struct kvm_one_reg one = { .id = id, .addr = (uint64_t)&value };
    return result(ioctl(vm.vcpu, KVM_SET_ONE_REG, &one));
}

int watch(void)
{
    if (n_watched == WATCHED)
        return ENOSPC;
    watched[n_watched].id = number();
    watched[n_watched].last = 0;
    snprintf(watched[n_watched++].name, sizeof watched->name, "%s", word());
    return 0;
}

void tell_changed(void)
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

void tell_register(void)
{
    uint64_t value;
    int error = get(number(), &value);
    say("\"errno\":%d,\"value\":\"0x%llx\"", error, (unsigned long long)value);
}
