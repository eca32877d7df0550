/* Reads members of .npz; see npz.h. The checksum of a member is compared at its end, before the tensor is
 * handed out. */
#include "files/npz.h"

#include "files/npy.h"
#include "files/source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

enum { DEFLATE_RATIO = 1032, NAMES_TEXT = 256 };

static const char ending[] = ".npz";
enum { ENDING = sizeof ending - 1 };

/* An archive while a member is read. */
typedef struct archive {
    source file; /* its path is the archive's */
    char *path;  /* owned */
    const char *member;
    zip_t *zip;
    zip_file_t *stream;
} archive;

/* Where the ".npz" of an archive's name ends; NULL if the path names none. */
static const char *end_of_archive(const char *path)
{
    for (const char *at = path; (at = strstr(at, ending)) != NULL; at++)
        if (at[ENDING] == ':' || at[ENDING] == '\0') return at + ENDING;
    return NULL;
}

bool npz_is_path(const char *path)
{
    return end_of_archive(path) != NULL;
}

/* What libzip says: memory is our failure, all else is wrong with the contents. */
static int refuse_zip(const source *s, zip_error_t *error)
{
    if (zip_error_code_zip(error) == ZIP_ER_MEMORY)
        return tool_fail(EXIT_FAILED, "%s: out of memory for '%s'", s->name, s->path);
    return source_refuse(s, "is no .npz archive, or damaged: libzip says '%s'", zip_error_strerror(error));
}

static int open_zip(archive *a)
{
    zip_error_t error;
    int code = ZIP_ER_OPEN, copy = dup(a->file.file); /* libzip closes its own */
    if (copy >= 0) a->zip = zip_fdopen(copy, 0, &code);
    if (a->zip != NULL) return EXIT_DONE;
    if (copy < 0) return source_fail(&a->file);
    close(copy);
    zip_error_init_with_code(&error, code);
    int status = refuse_zip(&a->file, &error);
    zip_error_fini(&error);
    return status;
}

/* The length of a member's name without ".npy", which NumPy hides. */
static int shown_length(const char *name)
{
    size_t length = strlen(name);
    return (int)(tensor_ends_with(name, ".npy") ? length - 4 : length);
}

static int refuse_missing(const archive *a)
{
    char names[NAMES_TEXT] = "";
    zip_int64_t count = zip_get_num_entries(a->zip, 0);
    size_t used = 0;
    for (zip_int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(a->zip, (zip_uint64_t)i, 0);
        if (name == NULL) name = "?";
        if (used + strlen(name) + 8 > sizeof names) {
            snprintf(names + used, sizeof names - used, ", ...");
            break;
        }
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%.*s", i > 0 ? ", " : "",
                                 shown_length(name), name);
    }
    return source_refuse(&a->file,
                         "%s '%s'; FILE.npz:NAME reads a member, and this archive has %" PRId64 ": %s",
                         *a->member != '\0' ? "has no member" : "is an archive, and no member is named",
                         a->member, (int64_t)count, names);
}

/* The index of the member, the name as it is before the one with ".npy", as NumPy looks it up; -1 if it is
 * not there. Of members of one name the last counts, as in Python. */
static zip_int64_t find_member(const archive *a)
{
    zip_int64_t found = -1, with_ending = -1;
    size_t length = strlen(a->member);
    for (zip_int64_t i = 0; i < zip_get_num_entries(a->zip, 0); i++) {
        const char *name = zip_get_name(a->zip, (zip_uint64_t)i, 0);
        if (name == NULL || strncmp(name, a->member, length) != 0) continue;
        if (name[length] == '\0') found = i;
        if (strcmp(name + length, ".npy") == 0) with_ending = i;
    }
    return found >= 0 ? found : with_ending;
}

/* The sizes that the archive claims against what it can hold. */
static int check_member(const source *member, const source *file, const zip_stat_t *facts)
{
    zip_uint64_t most =
        facts->comp_method == ZIP_CM_STORE ? facts->comp_size : (facts->comp_size + 1) * DEFLATE_RATIO;
    if (facts->encryption_method != ZIP_EM_NONE) return source_refuse(member, "is encrypted");
    if (facts->comp_method != ZIP_CM_STORE && facts->comp_method != ZIP_CM_DEFLATE)
        return source_refuse(member, "is compressed by method %d; clconv reads stored and deflated members",
                             facts->comp_method);
    if (facts->comp_size > (zip_uint64_t)file->size)
        return source_refuse(member, "claims to take %" PRIu64 " bytes in an archive of %" PRId64,
                             (uint64_t)facts->comp_size, file->size);
    if (facts->size > most || facts->size > INT64_MAX)
        return source_refuse(member, "claims %" PRIu64 " bytes; what is stored can hold at most %" PRIu64,
                             (uint64_t)facts->size, (uint64_t)most);
    return EXIT_DONE;
}

static int read_member(const source *s, void *to, int64_t bytes)
{
    archive *a = s->archive;
    for (char *at = to; bytes > 0;) {
        zip_int64_t got = zip_fread(a->stream, at, (zip_uint64_t)bytes);
        if (got < 0) return refuse_zip(s, zip_file_get_error(a->stream));
        if (got == 0) return source_refuse(s, "is truncated: it ends before its size");
        at += got;
        bytes -= got;
    }
    return EXIT_DONE;
}

/* Asking for more makes libzip compare the checksum. */
static int read_end(const source *s)
{
    archive *a = s->archive;
    char byte;
    zip_int64_t got = zip_fread(a->stream, &byte, 1);
    if (got < 0) return refuse_zip(s, zip_file_get_error(a->stream));
    return got == 0 ? EXIT_DONE : source_refuse(s, "is longer than its size");
}

static int open_member(archive *a, source *s)
{
    zip_stat_t facts;
    zip_int64_t index = find_member(a);
    if (index < 0) return refuse_missing(a);
    if (zip_stat_index(a->zip, (zip_uint64_t)index, 0, &facts) != 0)
        return refuse_zip(s, zip_get_error(a->zip));
    s->size = (int64_t)facts.size;
    int status = check_member(s, &a->file, &facts);
    if (status != EXIT_DONE) return status;
    a->stream = zip_fopen_index(a->zip, (zip_uint64_t)index, 0);
    return a->stream != NULL ? EXIT_DONE : refuse_zip(s, zip_get_error(a->zip));
}

static int open_archive(archive *a, const char *name, const char *path)
{
    const char *end = end_of_archive(path);
    a->file.file = -1;
    a->member = *end == ':' ? end + 1 : end;
    a->path = strndup(path, (size_t)(end - path));
    if (a->path == NULL) return tool_fail(EXIT_FAILED, "%s: out of memory", name);
    int status = source_open(name, a->path, &a->file);
    return status == EXIT_DONE ? open_zip(a) : status;
}

int npz_read(const char *name, const char *path, tensor_dtype dtype, tensor *t)
{
    archive a = {.zip = NULL};
    tensor made = {.rank = 0};
    source s = {.name = name, .path = path, .file = -1, .read = read_member, .archive = &a};
    int status = open_archive(&a, name, path);
    if (status == EXIT_DONE) status = open_member(&a, &s);
    if (status == EXIT_DONE) status = npy_read(&s, dtype, &made);
    if (status == EXIT_DONE) status = read_end(&s);
    if (status == EXIT_DONE)
        *t = made;
    else
        tensor_release(&made);
    if (a.stream != NULL) zip_fclose(a.stream);
    if (a.zip != NULL) zip_discard(a.zip);
    source_close(&a.file);
    free(a.path);
    return status;
}
