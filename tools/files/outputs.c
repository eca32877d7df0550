/* The transaction over output files; see outputs.h. A claim makes the temporary file, so that whatever would
 * keep an output from being written shows before the work. Where the file system can, it has no name until the end, so
 * that nothing is left of it however the process ends: handlers do not help against SIGKILL, nor where the driver's
 * library replaces them. An old file keeps a second name while outputs are renamed, and gets its own back if a later
 * one fails. */
/* NOLINTNEXTLINE(bugprone-reserved-identifier): for O_TMPFILE */
#define _GNU_SOURCE
#include "files/outputs.h"

#include "files/mapping.h"
#include "files/nifti.h"
#include "files/npy.h"
#include "files/npz.h"
#include "files/paths.h"

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
    char *temporary; /* "" when it has no name */
    int unnamed;     /* the descriptor of one without a name, until it gets the target's; else -1 */
    char *backup;    /* a second name of the old target while outputs are renamed; "" when there is none */
    FILE *file;      /* open until outputs_close() */
    bool written, renamed;
} output;

struct outputs {
    int count;
    bool names_all;
    output files[OUTPUTS_MOST];
};

/* What a signal handler needs: the set whose temporaries it removes. While `committing`, a signal waits. */
static outputs *volatile watched;
static volatile sig_atomic_t committing, interrupted_by;

static const int watched_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
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

static int check_old_file(const output *o)
{
    struct stat facts;
    if (stat(o->path, &facts) != 0) return errno == ENOENT ? EXIT_DONE : cannot_write(o);
    if (S_ISDIR(facts.st_mode)) return tool_fail(EXIT_FAILED, "%s: '%s' is a directory", o->name, o->path);
    if (!S_ISREG(facts.st_mode))
        return tool_fail(EXIT_FAILED, "%s: '%s' is not a regular file", o->name, o->path);
    return access(o->path, W_OK) == 0 ? EXIT_DONE : cannot_write(o);
}

/* The mode, and as far as that is allowed the owner, of the file that will be replaced: before anything is in it. */
static bool take_mode(const output *o, int file)
{
    struct stat old;
    if (stat(o->target, &old) != 0) return errno == ENOENT;
    if (fchown(file, (uid_t)-1, old.st_gid) != 0 || fchown(file, old.st_uid, (gid_t)-1) != 0) errno = 0;
    return fchmod(file, old.st_mode & 07777) == 0;
}

static bool open_stream(output *o, int file)
{
    o->file = take_mode(o, file) ? fdopen(file, "wb") : NULL;
    if (o->file == NULL) close(file);
    return o->file != NULL;
}

/* "/proc/self/fd/N", by which a file without a name gets one. */
enum { LINK_NAME = 64 };
static void name_of_descriptor(int descriptor, char name[LINK_NAME])
{
    snprintf(name, LINK_NAME, "/proc/self/fd/%d", descriptor);
}

/* A temporary file without a name; false where there are none. */
static bool make_unnamed(output *o)
{
#ifdef O_TMPFILE
    char name[LINK_NAME];
    size_t length = paths_folder_length(o->target);
    char *folder = length == 0 ? strdup(".") : strndup(o->target, length);
    int file = folder != NULL ? open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666) : -1;
    free(folder);
    if (file < 0) return false;
    name_of_descriptor(file, name);
    int kept = access(name, F_OK) == 0 ? fcntl(file, F_DUPFD_CLOEXEC, 0) : -1;
    if (kept < 0) {
        close(file);
        return false;
    }
    o->unnamed = kept;
    if (open_stream(o, file)) return true;
    close(kept);
    o->unnamed = -1;
#else
    (void)o;
#endif
    return false;
}

/* Creates the temporary file, if it needs a name under one that nobody has. */
static int make_temporary(output *o, bool is_named)
{
    if (!is_named && make_unnamed(o)) return EXIT_DONE;
    for (int number = 0; number < NAME_TRIES; number++) {
        char *name = paths_beside(o->target, "tmp", number);
        if (name == NULL) break;
        int file = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file < 0) {
            int status = errno == EEXIST ? EXIT_DONE : cannot_write(o);
            free(name);
            if (status == EXIT_DONE) continue;
            return status;
        }
        o->temporary = name;
        if (open_stream(o, file)) return EXIT_DONE;
        break;
    }
    return tool_fail(EXIT_FAILED, "%s: cannot make a temporary file beside '%s'", o->name, o->path);
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
    if (o->unnamed >= 0) close(o->unnamed);
    o->unnamed = -1;
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
    o->unnamed = -1;
    int status = check_old_file(o);
    if (status != EXIT_DONE) return status;
    o->target = paths_follow(o->path);
    if (o->target == NULL) return tool_fail(EXIT_FAILED, "%s: out of memory", o->name);
    for (int i = 0; i < set->count && status == EXIT_DONE; i++)
        if (paths_are_one_file(set->files[i].target, o->target))
            status = tool_fail(EXIT_WRONG_USE,
                               "%s: '%s' is already the output of %s; each output needs its own file",
                               o->name, o->path, set->files[i].name);
    if (status == EXIT_DONE) status = make_temporary(o, set->names_all);
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

/* Room on the disk for a tensor behind its header, so that none is missing later, and the tensor there. */
static int map_output(output *o, tensor *t)
{
    volume_header *volume = t->volume;
    bool is_npy = tensor_ends_with(o->path, ".npy");
    if (!(is_npy ? npy_write_header(o->file, t) : volume_write_header(o->file, t)) || fflush(o->file) != 0)
        return cannot_write(o);
    off_t start = ftello(o->file);
    int64_t bytes = t->elements * (t->dtype == CLCONV_FLOAT64 ? 8 : 4);
    errno = start < 0 ? errno : posix_fallocate(fileno(o->file), 0, start + bytes);
    if (errno != 0) return cannot_write(o);
    if (!mapping_create(fileno(o->file), start, false, t->dtype, t->rank, t->shape, t))
        return cannot_write(o);
    t->volume = volume;
    return EXIT_DONE;
}

int outputs_create_tensor(outputs *set, const char *path, tensor *t)
{
    tensor made = {.rank = 0};
    output *o = find_output(set, path);
    if (o == NULL || o->file == NULL) return tool_fail(EXIT_FAILED, "'%s' is no open output", path);
    int status = outputs_check_shape(set, path, t->rank, t->shape);
    if (status == EXIT_DONE) status = tensor_describe(t->dtype, t->rank, t->shape, &made);
    if (status != EXIT_DONE) return status;
    made.volume = t->volume;
    *t = made;
    if (t->elements >= MAPPING_LEAST && !tensor_ends_with(path, ".gz")) return map_output(o, t);
    status = tensor_create_spilled(t->dtype, t->rank, t->shape, &made);
    if (status != EXIT_DONE) return status;
    made.volume = t->volume;
    *t = made;
    return EXIT_DONE;
}

int outputs_write_tensor(outputs *set, const char *path, const tensor *t)
{
    output *o = find_output(set, path);
    if (o == NULL || o->file == NULL) return tool_fail(EXIT_FAILED, "'%s' is no open output", path);
    int status = outputs_check_shape(set, path, t->rank, t->shape);
    if (status != EXIT_DONE) return status;
    if (t->mapped != NULL && !tensor_ends_with(path, ".gz")) return outputs_close(set, path);
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
        char *name = paths_beside(o->target, "old", number);
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

/* Gives a file without a name a temporary one, since only a name can replace another. */
static bool name_unnamed(output *o, const char *descriptor)
{
    for (int number = 0; number < NAME_TRIES; number++) {
        char *name = paths_beside(o->target, "tmp", number);
        if (name == NULL) return false;
        if (linkat(AT_FDCWD, descriptor, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
            o->temporary = name;
            return true;
        }
        free(name);
        if (errno != EEXIST) return false;
    }
    return false;
}

/* The target becomes what was written. */
static bool put_in_place(output *o)
{
    if (o->unnamed >= 0) {
        char descriptor[LINK_NAME];
        name_of_descriptor(o->unnamed, descriptor);
        if (linkat(AT_FDCWD, descriptor, AT_FDCWD, o->target, AT_SYMLINK_FOLLOW) == 0) return true;
        if (errno != EEXIST || !name_unnamed(o, descriptor)) return false;
    }
    return rename(o->temporary, o->target) == 0;
}

static int rename_all(outputs *set)
{
    for (int i = 0; i < set->count; i++) {
        output *o = &set->files[i];
        if (!o->written) continue;
        /* The last rename either happens or does not: it needs no way back. */
        if ((i + 1 < set->count && !keep_old_file(o)) || !put_in_place(o)) {
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

void outputs_name_all(outputs *set)
{
    set->names_all = true;
}

/* Handlers that a library has put in place of ours would end the process in the middle. */
static void watch_again(void)
{
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        struct sigaction old, action = {.sa_handler = on_signal};
        sigemptyset(&action.sa_mask);
        sigaction(watched_signals[i], NULL, &old);
        if ((old.sa_flags & SA_SIGINFO) != 0 || old.sa_handler != SIG_IGN)
            sigaction(watched_signals[i], &action, NULL);
    }
}

int outputs_commit(outputs *set)
{
    committing = 1;
    if (watched == set) watch_again();
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
