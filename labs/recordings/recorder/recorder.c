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
 *     aarch64-linux-gnu-gcc -O1 -Wall -static -pthread -o recorder *.c
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>
#include "recorder.h"

enum { LINE = 4096 };

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
    begin_request(line);
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
    int is_init = getpid() == 1;
    if (is_init)
        become_init();
    catch_alarms();
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
