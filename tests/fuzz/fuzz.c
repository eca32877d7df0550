#define _POSIX_C_SOURCE 200809L
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[128];

char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    FUZZ_REQUIRE(text != NULL);
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

static void remove_file(void)
{
    if (path[0] != '\0') unlink(path);
}

const char *fuzz_file(const char *ending, const uint8_t *data, size_t size)
{
    if (path[0] == '\0') atexit(remove_file);
    remove_file();
    snprintf(path, sizeof path, "/tmp/clconv-fuzz-%ld%s", (long)getpid(), ending);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    FUZZ_REQUIRE(file >= 0);
    while (size > 0) {
        ssize_t written = write(file, data, size);
        FUZZ_REQUIRE(written > 0);
        data += written;
        size -= (size_t)written;
    }
    close(file);
    return path;
}

static int kept = -1;

void fuzz_hush(void)
{
    static int nothing = -1;
    if (nothing < 0) nothing = open("/dev/null", O_WRONLY);
    if (kept < 0) kept = dup(STDERR_FILENO);
    dup2(nothing, STDERR_FILENO);
}

void fuzz_listen(void)
{
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
}
