/* Mapped tensors: see mapping.h. */
/* NOLINTNEXTLINE(bugprone-reserved-identifier): for MAP_NORESERVE */
#define _GNU_SOURCE
#include "files/mapping.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nothing else in the tool maps files; the outputs have no name yet, or one that a later run replaces. */
static void on_missing_page(int number)
{
    static const char text[] =
        "clconv: error: a file became shorter, or could not be read, while it was used\n";
    (void)number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(EXIT_FAILED);
    _exit(EXIT_FAILED);
}

static void watch_pages(void)
{
    struct sigaction action = {.sa_handler = on_missing_page};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

void mapping_release(tensor *t)
{
    munmap(t->mapped, t->mapped_bytes);
}

bool mapping_create(int file, int64_t start, bool is_private, clconv_dtype dtype, int rank,
                    const int64_t *shape, tensor *t)
{
    struct stat facts;
    int64_t width = dtype == CLCONV_FLOAT64 ? 8 : 4, bytes = width;
    tensor made = {.dtype = dtype, .rank = rank, .elements = 1};
    for (int i = 0; i < rank; i++) {
        if (shape[i] <= 0 || bytes > INT64_MAX / shape[i]) return false;
        made.shape[i] = shape[i];
        made.elements *= shape[i];
        bytes *= shape[i];
    }
    if (bytes < MAPPING_LEAST || start % width != 0 || start > INT64_MAX - bytes) return false;
    if (fstat(file, &facts) != 0 || facts.st_size < start + bytes) return false;
    made.mapped_bytes = (size_t)(start + bytes);
    made.mapped = mmap(NULL, made.mapped_bytes, PROT_READ | PROT_WRITE,
                       is_private ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED, file, 0);
    if (made.mapped == MAP_FAILED) return false;
    made.data = (char *)made.mapped + start;
    watch_pages();
    *t = made;
    return true;
}

static int open_unnamed(void)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || *folder == '\0') folder = "/var/tmp";
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0) return file;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/clconv-XXXXXX", folder) >= (int)sizeof path) return -1;
    file = mkstemp(path);
    if (file >= 0) unlink(path);
    return file;
}

bool mapping_create_unnamed(clconv_dtype dtype, int rank, const int64_t *shape, tensor *t)
{
    tensor described;
    if (tensor_describe(dtype, rank, shape, &described) != EXIT_DONE || described.elements == 0) return false;
    int file = open_unnamed();
    if (file < 0) return false;
    int64_t bytes = described.elements * (dtype == CLCONV_FLOAT64 ? 8 : 4);
    bool made = posix_fallocate(file, 0, bytes) == 0 && mapping_create(file, 0, false, dtype, rank, shape, t);
    close(file);
    return made;
}
