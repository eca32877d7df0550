/* The transaction over output files; see outputs.h. A claim makes the temporary file, so that whatever would
 * keep an output from being written shows before the work. An old file keeps a second name while outputs are
 * renamed, and gets its own back if a later one fails. */
#define _XOPEN_SOURCE 700 /* realpath() */
#include "files/outputs.h"

#include "files/nifti.h"
#include "files/npy.h"
#include "files/npz.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUTPUTS_MOST = 8, NAME_TRIES = 100 };

typedef struct output {
    const char *name, *path;
    char *target;    /* the path, links followed */
    char *temporary; /* "" when there is none */
    char *backup;    /* a second name of the old target while outputs are renamed; "" when there is none */
    FILE *file;      /* open until outputs_close() */
    bool written, renamed;
} output;

struct outputs {
    int count;
    output files[OUTPUTS_MOST];
};

/* What a signal handler needs: the set whose temporaries it removes. While `committing`, a signal waits. */
static outputs *volatile watched;
static volatile sig_atomic_t committing, interrupted_by;

static const int watched_signals[] = {SIGINT, SIGTERM, SIGHUP};
enum { SIGNAL_COUNT = sizeof watched_signals / sizeof watched_signals[0] };

static void on_signal(int number)
{
    interrupted_by = number;
    if (committing) return;
    for (int i = 0; watched != NULL && i < watched->count; i++)
        if (watched->files[i].temporary[0] != '\0') unlink(watched->files[i].temporary);
    signal(number, SIG_DFL);
    raise(number);
}

/* A signal that the caller chose to ignore stays ignored. */
static void watch_signals(void (*from)(int), void (*to)(int))
{
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        struct sigaction old, action = {.sa_handler = to};
        sigemptyset(&action.sa_mask);
        sigaction(watched_signals[i], NULL, &old);
        if (old.sa_handler == from) sigaction(watched_signals[i], &action, NULL);
    }
}

outputs *outputs_create(void)
{
    outputs *set = calloc(1, sizeof *set);
    if (set == NULL || watched != NULL) return set;
    watched = set;
    watch_signals(SIG_DFL, on_signal);
    return set;
}

static int cannot_write(const output *o)
{
    return tool_fail(EXIT_FAILED, "%s: cannot write '%s': %s", o->name, o->path, strerror(errno));
}

static output *find_output(outputs *set, const char *path)
{
    for (int i = 0; i < set->count; i++)
        if (strcmp(set->files[i].path, path) == 0) return &set->files[i];
    return NULL;
}

/* Where the last part of a path begins. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* "FOLDER/.clconv-PID-NUMBER.KIND" beside `target`; NULL if memory is out. */
static char *name_beside(const char *target, const char *kind, int number)
{
    size_t folder = folder_length(target), room = folder + 64;
    char *name = malloc(room);
    if (name == NULL) return NULL;
    snprintf(name, room, "%.*s.clconv-%ld-%d.%s", (int)folder, target, (long)getpid(), number, kind);
    return name;
}

static int check_old_file(const output *o)
{
    struct stat facts;
    if (stat(o->path, &facts) != 0) return errno == ENOENT ? EXIT_DONE : cannot_write(o);
    if (S_ISDIR(facts.st_mode)) return tool_fail(EXIT_FAILED, "%s: '%s' is a directory", o->name, o->path);
    if (!S_ISREG(facts.st_mode))
        return tool_fail(EXIT_FAILED, "%s: '%s' is not a regular file", o->name, o->path);
    return access(o->path, W_OK) == 0 ? EXIT_DONE : cannot_write(o);
}

/* Creates the temporary file under a name that nobody has. */
static int make_temporary(output *o)
{
    for (int number = 0; number < NAME_TRIES; number++) {
        char *name = name_beside(o->target, "tmp", number);
        if (name == NULL) break;
        int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file < 0) {
            int status = errno == EEXIST ? EXIT_DONE : cannot_write(o);
            free(name);
            if (status == EXIT_DONE) continue;
            return status;
        }
        o->temporary = name;
        o->file = fdopen(file, "wb");
        if (o->file != NULL) return EXIT_DONE;
        close(file);
        break;
    }
    return tool_fail(EXIT_FAILED, "%s: cannot make a temporary file beside '%s'", o->name, o->path);
}

/* Two paths name one file if their last parts are equal and their folders are one. */
static bool same_file(const char *a, const char *b)
{
    struct stat of[2];
    const char *paths[2] = {a, b};
    if (strcmp(a + folder_length(a), b + folder_length(b)) != 0) return false;
    for (int i = 0; i < 2; i++) {
        size_t length = folder_length(paths[i]);
        char *folder = length == 0 ? strdup(".") : strndup(paths[i], length);
        int result = folder == NULL ? -1 : stat(folder, &of[i]);
        free(folder);
        if (result != 0) return false;
    }
    return of[0].st_dev == of[1].st_dev && of[0].st_ino == of[1].st_ino;
}

static char empty[] = ""; /* of names that are not there; a handler may look at any time */

static void free_name(char **name)
{
    char *old = *name;
    *name = empty;
    if (old != empty) free(old);
}

static void drop_output(output *o)
{
    if (o->file != NULL) fclose(o->file);
    if (o->temporary[0] != '\0') unlink(o->temporary);
    free_name(&o->target);
    free_name(&o->temporary);
    free_name(&o->backup);
}

static int claim(outputs *set, output made)
{
    if (set->count == OUTPUTS_MOST) return tool_fail(EXIT_FAILED, "%s: too many outputs", made.name);
    output *o = &set->files[set->count];
    *o = made;
    o->temporary = o->backup = empty;
    int status = check_old_file(o);
    if (status != EXIT_DONE) return status;
    o->target = realpath(o->path, NULL);
    if (o->target == NULL) o->target = strdup(o->path);
    if (o->target == NULL) return tool_fail(EXIT_FAILED, "%s: out of memory", o->name);
    for (int i = 0; i < set->count && status == EXIT_DONE; i++)
        if (same_file(set->files[i].target, o->target))
            status = tool_fail(EXIT_WRONG_USE,
                               "%s: '%s' is already the output of %s; each output needs its own file",
                               o->name, o->path, set->files[i].name);
    if (status == EXIT_DONE) status = make_temporary(o);
    if (status == EXIT_DONE)
        set->count++;
    else
        drop_output(o);
    return status;
}

int outputs_claim(outputs *set, const char *name, const char *path)
{
    if (npz_is_path(path))
        return tool_fail(EXIT_WRONG_USE,
                         "%s: '%s' is an archive or a member of one; clconv writes .npy, .nii or .nii.gz",
                         name, path);
    if (!tensor_ends_with(path, ".npy") && !tensor_ends_with(path, ".nii") &&
        !tensor_ends_with(path, ".nii.gz"))
        return tool_fail(EXIT_WRONG_USE,
                         "%s: '%s' has an unknown ending; a tensor's file ends in .npy, .nii or .nii.gz",
                         name, path);
    return claim(set, (output){.name = name, .path = path});
}

int outputs_claim_picture(outputs *set, const char *name, const char *path)
{
    if (!tensor_ends_with(path, ".png"))
        return tool_fail(EXIT_WRONG_USE, "%s: '%s' has an unknown ending; a picture's file ends in .png",
                         name, path);
    return claim(set, (output){.name = name, .path = path});
}

int outputs_check_shape(const outputs *set, const char *path, int rank, const int64_t *shape)
{
    if (tensor_ends_with(path, ".npy")) return EXIT_DONE;
    for (int i = 0; i < set->count; i++)
        if (strcmp(set->files[i].path, path) == 0)
            return volume_check_shape(set->files[i].name, path, rank, shape);
    return volume_check_shape("output", path, rank, shape);
}

int outputs_write_tensor(outputs *set, const char *path, const tensor *t)
{
    output *o = find_output(set, path);
    if (o == NULL || o->file == NULL) return tool_fail(EXIT_FAILED, "'%s' is no open output", path);
    int status = outputs_check_shape(set, path, t->rank, t->shape);
    if (status != EXIT_DONE) return status;
    bool good = tensor_ends_with(path, ".npy") ? npy_write(o->file, t)
                                               : volume_write(o->file, tensor_ends_with(path, ".gz"), t);
    return good ? outputs_close(set, path) : cannot_write(o);
}

FILE *outputs_open(outputs *set, const char *path)
{
    output *o = find_output(set, path);
    return o == NULL ? NULL : o->file;
}

int outputs_close(outputs *set, const char *path)
{
    output *o = find_output(set, path);
    if (o == NULL || o->file == NULL) return tool_fail(EXIT_FAILED, "'%s' is no open output", path);
    bool good = ferror(o->file) == 0;
    good = fclose(o->file) == 0 && good;
    o->file = NULL;
    o->written = good;
    return good ? EXIT_DONE : cannot_write(o);
}

/* Gives the old file a second name, by a link or, where there are none, by moving it. */
static bool keep_old_file(output *o)
{
    struct stat facts;
    if (lstat(o->target, &facts) != 0) return errno == ENOENT;
    for (int number = 0; number < NAME_TRIES; number++) {
        char *name = name_beside(o->target, "old", number);
        if (name == NULL) return false;
        if (lstat(name, &facts) != 0 && (link(o->target, name) == 0 || rename(o->target, name) == 0)) {
            o->backup = name;
            return true;
        }
        free(name);
    }
    return false;
}

static void undo(outputs *set)
{
    for (int i = 0; i < set->count; i++) {
        output *o = &set->files[i];
        if (o->backup[0] != '\0')
            rename(o->backup, o->target);
        else if (o->renamed)
            unlink(o->target);
        o->renamed = false;
        free_name(&o->backup);
    }
}

static int rename_all(outputs *set)
{
    for (int i = 0; i < set->count; i++) {
        output *o = &set->files[i];
        if (!o->written) continue;
        /* The last rename either happens or does not: it needs no way back. */
        if ((i + 1 < set->count && !keep_old_file(o)) || rename(o->temporary, o->target) != 0) {
            int status = cannot_write(o);
            undo(set);
            return status;
        }
        o->renamed = true;
        free_name(&o->temporary);
    }
    for (int i = 0; i < set->count; i++) {
        if (set->files[i].backup[0] != '\0') unlink(set->files[i].backup);
        free_name(&set->files[i].backup);
    }
    return EXIT_DONE;
}

int outputs_commit(outputs *set)
{
    committing = 1;
    int status = rename_all(set);
    committing = 0;
    if (interrupted_by != 0) on_signal((int)interrupted_by);
    return status;
}

void outputs_release(outputs *set)
{
    if (set == NULL) return;
    for (int i = 0; i < set->count; i++)
        drop_output(&set->files[i]);
    if (watched == set) {
        watched = NULL;
        watch_signals(on_signal, SIG_DFL);
    }
    free(set);
}
