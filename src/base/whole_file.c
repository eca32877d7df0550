/* See whole_file.h. */
#define _POSIX_C_SOURCE 200809L
#include "base/whole_file.h"

#include "base/folder.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(char why[WHOLE_FILE_WHY], const char *what)
{
    snprintf(why, WHOLE_FILE_WHY, "%s", what);
}

char *whole_file_read(const char *path, int64_t most, size_t *size, char why[WHOLE_FILE_WHY])
{
    struct stat st;
    char *bytes = NULL;
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe must not stop it */
    if (file < 0 || fstat(file, &st) != 0) {
        say(why, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        say(why, "it is not a regular file");
    } else if (st.st_size > most) {
        say(why, "it is too large");
    } else {
        bytes = folder_read(file, (size_t)st.st_size);
        *size = (size_t)st.st_size;
        if (bytes == NULL) say(why, "it cannot be read, or memory is out");
    }
    if (file >= 0) close(file);
    return bytes;
}

/* A file that a killed process left under this name, which had the same number, goes. */
static int open_temporary(const char *name)
{
    const int how = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int file = open(name, how, 0666);
    if (file >= 0 || errno != EEXIST || unlink(name) != 0) return file;
    return open(name, how, 0666);
}

bool whole_file_write(const char *path, byte_span bytes, char why[WHOLE_FILE_WHY])
{
    text name = {0};
    bool is_written = false;
    int file = -1;
    text_append(&name, "%s.%lld.tmp", path, (long long)getpid());
    if (name.failed) {
        say(why, "no memory");
        goto done;
    }
    file = open_temporary(name.data);
    is_written = file >= 0 && folder_write(file, bytes) && fsync(file) == 0 && rename(name.data, path) == 0;
    if (is_written) goto done;
    say(why, strerror(errno));
    if (file >= 0) (void)unlink(name.data);
done:
    if (file >= 0) close(file);
    text_release(&name);
    return is_written;
}

bool whole_file_make_folder(const char *path, char why[WHOLE_FILE_WHY])
{
    struct stat st;
    if (mkdir(path, 0777) == 0) return true;
    int code = errno;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return true;
    say(why, strerror(code));
    return false;
}
