/* The words of a request, and its answer. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "recorder.h"

/* ---- answers: one line each, in one write, so that the console cannot mix anything into it ---- */

static char answer[1 << 16];
static size_t length;

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    length += vsnprintf(answer + length, sizeof answer - length, format, arguments);
    va_end(arguments);
}

void send_answer(void)
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

/* ---- requests: their words ---- */

static char *rest;

const char *word(void)
{
    char *found = strsep(&rest, " ");
    return found ? found : "";
}

uint64_t number(void)
{
    return strtoull(word(), NULL, 16);
}

void begin_request(char *line)
{
    rest = line;
}

int more_words(void)
{
    return rest != NULL;
}
